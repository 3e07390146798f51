#pragma once
#include "generator/backend/kernel.h"

namespace attune {

int32_t kernel_state(const AttentionSpec &spec);  ///< ATTUNE_STATE_…

/// The attune_kernel of a specification, made in this process, with the strings and tables that it points to. It has no variants yet.
class KernelTable {
public:
    KernelTable(const AttentionSpec &spec, std::string metadata);
    KernelTable(const KernelTable &) = delete;
    KernelTable &operator=(const KernelTable &) = delete;

    attune_kernel kernel{};

private:
    const AttentionSpec spec_;
    std::vector<attune_param> params_;
    std::vector<std::string> declarations_;
    std::vector<double> frequencies_;
    const std::string id_, mask_, score_, metadata_;
};

}  // namespace attune
