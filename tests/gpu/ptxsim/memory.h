// Handlers of loads, stores, atomics and asynchronous copies. Memory operands are a base register and in.offset;
// in.mode is the space, plus wide_base where the base register has 64 bits.
#pragma once
#include "warp.h"

namespace ptxsim {

constexpr uint8_t wide_base = 8, wide_source_base = 16;

// operand: destinations, base. type: what memory holds; wide: destinations have 64 bits.
Handler load_handler(Type type, bool wide);
// operand: base, sources.
Handler store_handler(Type type, bool wide);

enum class AtomicOperation : uint32_t { add, min, max, bit_and, bit_or, bit_xor, exchange, compare, increment, decrement };
// operand: destination, base, a, b; target: the operation. Null where there is no such form.
Handler atomic_handler(Type type, AtomicOperation operation);

// operand: shared base, global base, bytes that are read (or none); offset and target: the two offsets; count: bytes.
void copy_async(Warp &w, const Instruction &in);
void commit_copies(Warp &w, const Instruction &in);
void wait_for_copies(Warp &w, const Instruction &in);  // offset: groups that may stay under way; -1: none, committed or not

uint64_t address_of(Warp &w, uint32_t base, bool wide, int64_t offset, int lane);
void read_shared(Warp &w, uint64_t address, uint32_t bytes, void *data, int lane);

}  // namespace ptxsim
