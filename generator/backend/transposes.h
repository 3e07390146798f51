#pragma once

namespace llvm {
class Module;
}

namespace attune {

/// Turns 32-bit matrices by a network of the machine's two-source shuffles. Halide writes the transpose of n rows of m elements as a tree that interleaves them to
/// one vector of n * m elements, which LLVM 22 takes apart element by element: some 240 shuffles, each with a table of 64 bytes, for 16 x 16; the network has 64
/// and no table.
/// register_lanes: of f32, 8 or 16.
void build_transposes(llvm::Module &module, int register_lanes);

}  // namespace attune
