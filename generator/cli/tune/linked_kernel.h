#pragma once
#include "generator/backend/kernel.h"
#include "generator/spec/error.h"

#include <string>
#include <vector>

namespace attune::cli {

/// A kernel that is part of this program, as what measures and compares loaded ones takes it.
class LinkedKernel : public LoadedKernel {
public:
    /// name: attune_kernel_find's. plan: what it was generated with; spec, target, parameters and rounds_weights count.
    LinkedKernel(const std::string &name, KernelPlan plan) : kernel_(attune_kernel_find(name.c_str())), plan_(std::move(plan)) {
        if (!kernel_)
            throw internal_error("finding a linked kernel", "there is none named " + name);
    }
    const attune_kernel *kernel() const override { return kernel_; }
    const KernelPlan &plan() const override { return plan_; }
    double compile_seconds() const override { return 0; }
    const std::vector<ObjectFile> &objects() const override { return objects_; }

private:
    const attune_kernel *kernel_;
    KernelPlan plan_;
    std::vector<ObjectFile> objects_;
};

}  // namespace attune::cli
