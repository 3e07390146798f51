#pragma once
#include <llvm/IR/Module.h>

namespace attune {

/// Puts calls in the place of the target's own instructions (intrinsics "llvm.x86.…" beyond AVX2), so that its code runs on any CPU with AVX2:
/// what is left is LLVM's own language, which it lowers for every CPU. An intrinsic "llvm.x86.avx512.mask.scalef.ps.512" becomes
/// `void attune_emulate_avx512_mask_scalef_ps_512(result, arguments…)`, vectors passed by their addresses, scalars by value, `result` left
/// out where there is none. Tests define these functions.
void emulate_instructions(llvm::Module &module);

}  // namespace attune
