#pragma once
#include "generator/backend/kernel.h"

#include <memory>

namespace attune {

/// Objects linked into this process by LLVM's JIT linker, with the runtime's functions that generated code calls. They stay as long as
/// this lives.
class CodeLoader {
public:
    explicit CodeLoader(const std::vector<ObjectFile> &objects);
    ~CodeLoader();
    /// The address of a function. Throws internal_error where there is none.
    template <typename Function>
    Function *find(const std::string &symbol) const {
        return reinterpret_cast<Function *>(address(symbol));
    }

private:
    void *address(const std::string &symbol) const;
    struct Linker;
    std::unique_ptr<Linker> linker_;
};

}  // namespace attune
