#pragma once
#include "Halide.h"

#include <cstdint>

namespace attune {

/// Adds up what a lowered function takes from the scratch: every allocation that Halide puts neither on the stack nor in registers.
/// Sums are upper bounds: allocations that follow each other are counted both.
class ScratchBytes : public Halide::Internal::IRVisitor {
public:
    static constexpr int64_t block_overhead = 64 + 64;  ///< attune_malloc's footer, and Halide's padding of a vector
    int64_t constant = 0;
    int dynamic = 0;  ///< allocations whose size depends on the call

private:
    using IRVisitor::visit;
    void visit(const Halide::Internal::Allocate *op) override {
        IRVisitor::visit(op);
        using Halide::MemoryType;
        if (op->memory_type == MemoryType::Register)
            return;
        const int64_t bytes = int64_t(op->constant_allocation_size()) * op->type.bytes();
        constexpr int64_t largest_on_stack = 16 << 10;  // Halide's rule, for MemoryType::Stack too
        if (bytes == 0) {
            dynamic++;
        } else if (op->memory_type == MemoryType::Heap || bytes > largest_on_stack) {
            constant += (bytes + block_overhead + 63) / 64 * 64;
        }
    }
};

}  // namespace attune
