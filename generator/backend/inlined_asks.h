#pragma once

namespace llvm {
class Module;
}

namespace attune {

/// Asks within a run of rows (attune/kernel.h: attune_ask) beside the loop that calls attune_ask_ahead, which is called at a run's end alone: a call would
/// have a loop put all its vector registers by, 16 sums of 64 products. Matrix tiles outlive a call: beside them nothing is gained.
void inline_asks(llvm::Module &module);

}  // namespace attune
