#include "exchange.h"

#include <algorithm>

namespace ptxsim {

void shuffle(Warp &w, const Instruction &in) {
    uint32_t source[32], result[32];
    std::copy_n(w.slots<uint32_t>(in.operand[2]), 32, source);
    uint32_t inside = 0;
    for_lanes(w.active, [&](int lane) {
        const uint32_t b = w.get<uint32_t>(in.operand[3], lane), c = w.get<uint32_t>(in.operand[4], lane);
        const int segment = c >> 8 & 31, clamp = c & 31, value = b & 31;
        const int most = (lane & segment) | (clamp & ~segment), least = lane & segment;
        int from = lane;
        bool ok = false;
        switch (static_cast<Shuffle>(in.mode)) {
        case Shuffle::up: from = lane - value, ok = from >= most; break;
        case Shuffle::down: from = lane + value, ok = from <= most; break;
        case Shuffle::butterfly: from = lane ^ value, ok = from <= most; break;
        case Shuffle::index: from = least | (value & ~segment), ok = from <= most; break;
        }
        if (!ok) from = lane;
        // A lane that takes no part has no value to give.
        result[lane] = w.active >> from & 1 ? source[from] : 0xffffffff;
        inside |= static_cast<uint32_t>(ok) << lane;
    });
    for_lanes(w.active, [&](int lane) { w.set<uint32_t>(in.operand[0], lane, result[lane]); });
    if (in.operand[1] == Instruction::none) return;
    for_lanes(w.active, [&](int lane) { w.set<bool>(in.operand[1], lane, inside >> lane & 1); });
}

void vote(Warp &w, const Instruction &in) {
    uint32_t yes = 0;
    for_lanes(w.active, [&](int lane) { yes |= static_cast<uint32_t>(w.get<bool>(in.operand[1], lane) != static_cast<bool>(in.target)) << lane; });
    uint32_t result = yes;
    switch (static_cast<Vote>(in.mode)) {
    case Vote::any: result = yes != 0; break;
    case Vote::all: result = yes == w.active; break;
    case Vote::uniform: result = yes == 0 || yes == w.active; break;
    case Vote::ballot: break;
    }
    for_lanes(w.active, [&](int lane) { w.set<uint32_t>(in.operand[0], lane, result); });
}

void reduce(Warp &w, const Instruction &in) {
    bool first = true;
    uint32_t sum = 0;
    for (uint32_t rest = w.active; rest; rest &= rest - 1) {
        const uint32_t v = w.get<uint32_t>(in.operand[1], __builtin_ctz(rest));
        const auto s = [](uint32_t x) { return static_cast<int32_t>(x); };
        if (first) {
            sum = v;
            first = false;
            continue;
        }
        switch (static_cast<Reduction>(in.mode)) {
        case Reduction::add: sum += v; break;
        case Reduction::min: sum = std::min(sum, v); break;
        case Reduction::max: sum = std::max(sum, v); break;
        case Reduction::min_signed: sum = s(v) < s(sum) ? v : sum; break;
        case Reduction::max_signed: sum = s(v) > s(sum) ? v : sum; break;
        case Reduction::bit_and: sum &= v; break;
        case Reduction::bit_or: sum |= v; break;
        case Reduction::bit_xor: sum ^= v; break;
        }
    }
    for_lanes(w.active, [&](int lane) { w.set<uint32_t>(in.operand[0], lane, sum); });
}

void active_mask(Warp &w, const Instruction &in) {
    for_lanes(w.active, [&](int lane) { w.set<uint32_t>(in.operand[0], lane, w.active); });
}

void no_operation(Warp &, const Instruction &) {}

void trap(Warp &w, const Instruction &) { throw Fault("trap", __builtin_ctz(w.active)); }

}  // namespace ptxsim
