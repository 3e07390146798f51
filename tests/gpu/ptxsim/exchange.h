// Handlers of what lanes of a warp tell each other: shfl.sync, vote.sync, match, redux.sync, activemask.
#pragma once
#include "warp.h"

namespace ptxsim {

enum class Shuffle : uint8_t { up, down, butterfly, index };
// operand: destination, predicate (or none), source, lane, clamp; members: mask. mode: Shuffle
void shuffle(Warp &w, const Instruction &in);

enum class Vote : uint8_t { any, all, uniform, ballot };
// operand: destination, predicate. mode: Vote. target: 1 where the predicate is negated
void vote(Warp &w, const Instruction &in);

enum class Reduction : uint8_t { add, min, max, min_signed, max_signed, bit_and, bit_or, bit_xor };
// operand: destination, source. mode: Reduction
void reduce(Warp &w, const Instruction &in);

void active_mask(Warp &w, const Instruction &in);   // operand: destination
void no_operation(Warp &w, const Instruction &in);  // fences; bar.warp.sync, whose meeting the run loop arranges
void trap(Warp &w, const Instruction &in);

}  // namespace ptxsim
