// A warp: 32 lanes, their registers and where each of them is. Lanes at the smallest instruction run together until they meet others.
#pragma once
#include <cstddef>
#include <memory>
#include <tuple>
#include <utility>
#include <stdexcept>
#include <vector>

#include "instruction.h"

namespace ptxsim {

struct Block;

// What a lane did wrong. The launch adds kernel, block, thread and line.
struct Fault : std::runtime_error {
    Fault(const std::string &what, int lane = -1) : std::runtime_error(what), lane(lane) {}
    int lane;
};

enum class Space : uint8_t { parameter, global, shared, local, generic };

struct AsyncCopy {  // cp.async: its bytes land in shared memory when its thread waits
    int lane;
    uint32_t group, target, bytes, pc;
    uint8_t data[16];
};

struct Warp {
    struct Group {
        uint32_t pc, lanes;
        bool waits = false;  // at an instruction that needs lanes elsewhere
    };
    enum class State : uint8_t { ready, at_barrier, done };

    uint32_t active = 0;  // lanes that execute the current instruction
    uint32_t pc = 0;      // of the current instruction
    std::byte *registers = nullptr;
    Block *block = nullptr;
    uint32_t index = 0;  // in the block
    uint32_t lanes = 0;  // that exist
    uint32_t live = 0;   // that have not left
    uint32_t epoch = 0;  // grows where lanes of this warp are ordered
    State state = State::ready;
    std::vector<Group> groups;
    uint64_t executed = 0;  // instructions of lanes
    std::vector<AsyncCopy> copies;
    uint32_t async_groups[32] = {};  // committed so far
    std::byte *local = nullptr;      // local_bytes of each lane

    template <class T> Slot<T> *slots(uint32_t operand) { return reinterpret_cast<Slot<T> *>(__builtin_assume_aligned(registers + operand, 64)); }
    template <class T> T get(uint32_t operand, int lane) { return from_slot<T>(slots<T>(operand)[lane]); }
    template <class T> void set(uint32_t operand, int lane, T value) { slots<T>(operand)[lane] = to_slot<T>(value); }

    // Fills the special registers, puts all lanes at the first instruction.
    void start(const Kernel &kernel);
    // Runs until a barrier, the end or about so many instructions. Throws Fault.
    void run(const Kernel &kernel, uint32_t instructions);
    // Lanes where the predicate of an instruction holds.
    uint32_t guarded(const Instruction &in);

private:
    void add(uint32_t at, uint32_t mask, bool waits = false);
    void meet(const Instruction &in, uint32_t arrived);  // lanes that need others: executes where all are here
};

// A loop over the active lanes, that the compiler vectorises where all 32 are. f takes a lane.
template <class F> inline void for_lanes(uint32_t active, F &&f) {
    if (active == 0xffffffff) {
#pragma GCC ivdep
        for (int lane = 0; lane < 32; lane++) f(lane);
    } else {
        for (uint32_t rest = active; rest; rest &= rest - 1) f(__builtin_ctz(rest));
    }
}

// The handler of a function of lanes: Op{}(sources…) into operand 0.
template <class Op, class D, class... S, size_t... I> inline void run_lanes(Warp &w, const Instruction &in, std::index_sequence<I...>) {
    Slot<D> *result = w.slots<D>(in.operand[0]);
    const auto sources = std::make_tuple(w.slots<S>(in.operand[I + 1])...);
    for_lanes(w.active, [=](int lane) { result[lane] = to_slot<D>(Op{}(from_slot<S>(std::get<I>(sources)[lane])...)); });
}
template <class Op, class D, class... S> void handle_lanes(Warp &w, const Instruction &in) {
    run_lanes<Op, D, S...>(w, in, std::index_sequence_for<S...>{});
}
template <class D, class... S, class Op> Form form(Op) {
    Form f;
    f.run = handle_lanes<Op, D, S...>;
    f.types = {TypeOf<D>::value, TypeOf<S>::value...};
    return f;
}

}  // namespace ptxsim
