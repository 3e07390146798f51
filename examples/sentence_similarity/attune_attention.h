#pragma once
#include "attention.h"

#include <cstddef>
#include <memory>
#include <string>

/// The kernel that Attune generated for this model: attune_add_kernel(minilm_attention …) in CMakeLists.txt.
class AttuneAttention {
public:
    static constexpr int head_dim = 32;  ///< what the kernel was generated for

    /// Throws std::runtime_error with Attune's own sentence where the kernel refuses. Not from two threads at once: the workspace is one.
    void operator()(const AttentionCall &call);

    /// The instruction set it runs with here: "avx512".
    static std::string target();

private:
    struct Free {
        void operator()(void *memory) const;
    };
    std::unique_ptr<void, Free> workspace_;  // kept from call to call
    std::size_t workspace_size_ = 0;
};
