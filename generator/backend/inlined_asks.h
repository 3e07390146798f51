#pragma once

namespace llvm {
class Module;
}

namespace attune {

/// Asks within a run of rows (attune/kernel.h: attune_ask) beside the loop that calls attune_ask_ahead, which is called at a run's end alone: a call would
/// have a loop put all its vector registers by, 16 sums of 64 products. Where no sum is in registers a call is better by 2 % (latents on avx2).
void inline_asks(llvm::Module &module);

}  // namespace attune
