#include "warp.h"

#include <algorithm>

#include "block.h"

namespace ptxsim {

void Warp::start(const Kernel &kernel) {
    const Launch &launch = block->launch;
    const uint32_t(&threads)[3] = launch.threads;
    for (const Special &s : kernel.specials) {
        for (uint32_t lane = 0; lane < 32; lane++) {
            const uint32_t thread = index * 32 + lane;
            uint64_t v = 0;
            switch (s.kind) {
            case Special::Kind::constant: v = s.value; break;
            case Special::Kind::tid_x: v = thread % threads[0]; break;
            case Special::Kind::tid_y: v = thread / threads[0] % threads[1]; break;
            case Special::Kind::tid_z: v = thread / threads[0] / threads[1]; break;
            case Special::Kind::ntid_x: v = threads[0]; break;
            case Special::Kind::ntid_y: v = threads[1]; break;
            case Special::Kind::ntid_z: v = threads[2]; break;
            case Special::Kind::ctaid_x: v = block->position[0]; break;
            case Special::Kind::ctaid_y: v = block->position[1]; break;
            case Special::Kind::ctaid_z: v = block->position[2]; break;
            case Special::Kind::nctaid_x: v = launch.grid[0]; break;
            case Special::Kind::nctaid_y: v = launch.grid[1]; break;
            case Special::Kind::nctaid_z: v = launch.grid[2]; break;
            case Special::Kind::laneid: v = lane; break;
            case Special::Kind::warpid: v = index; break;
            case Special::Kind::nwarpid: v = 64; break;
            case Special::Kind::lanemask_eq: v = 1u << lane; break;
            case Special::Kind::lanemask_lt: v = (1u << lane) - 1; break;
            case Special::Kind::lanemask_le: v = (2u << lane) - 1; break;
            case Special::Kind::lanemask_gt: v = ~((2u << lane) - 1); break;
            case Special::Kind::lanemask_ge: v = ~((1u << lane) - 1); break;
            case Special::Kind::dynamic_smem_size: v = launch.dynamic_shared_bytes; break;
            case Special::Kind::total_smem_size: v = block->shared.size(); break;
            case Special::Kind::zero: break;
            }
            if (s.wide) slots<uint64_t>(s.at)[lane] = v;
            else slots<uint32_t>(s.at)[lane] = static_cast<uint32_t>(v);
        }
    }
    live = lanes;
    state = State::ready;
    groups = {{0, lanes}};
    copies.clear();
    std::fill(async_groups, async_groups + 32, 0);
    epoch++;
    executed = 0;
}

uint32_t Warp::guarded(const Instruction &in) {
    const uint32_t *p = slots<bool>(in.guard);
    uint32_t holds = 0;
    for (int lane = 0; lane < 32; lane++) holds |= static_cast<uint32_t>(p[lane] != 0) << lane;
    return in.guard_negated ? ~holds : holds;
}

void Warp::add(uint32_t at, uint32_t mask, bool waits) {
    if (!mask) return;
    for (Group &g : groups) {
        if (g.pc != at) continue;
        g.lanes |= mask;
        g.waits = waits;  // if it was waiting, then perhaps for these
        return;
    }
    groups.push_back({at, mask, waits});
}

void Warp::meet(const Instruction &in, uint32_t arrived) {
    uint32_t passed = 0, waiting = 0;
    for (uint32_t rest = arrived; rest;) {  // lanes with one mask of members after the other
        const int lane = __builtin_ctz(rest);
        const uint32_t members = in.members == Instruction::none ? lanes : slots<uint32_t>(in.members)[lane] & lanes;
        if (!(members >> lane & 1)) throw Fault("a lane executes it that its mask of members does not name", lane);
        if (members & ~live) throw Fault("waits for lanes that have left the kernel", lane);
        rest &= ~members;
        if (members & ~arrived) {
            waiting |= members & arrived;
            continue;
        }
        epoch++;
        active = members;
        in.run(*this, in);
        epoch++;
        passed |= members;
    }
    add(pc + 1, passed);
    add(pc, waiting, true);
}

void Warp::run(const Kernel &kernel, uint32_t instructions) {
    const Instruction *const code = kernel.code.data();
    uint64_t done = 0;
    while (!groups.empty() && done < instructions) {
        auto first = groups.end();
        for (auto g = groups.begin(); g != groups.end(); ++g) {
            if (!g->waits && (first == groups.end() || g->pc < first->pc)) first = g;
        }
        if (first == groups.end()) {  // all wait: at the barrier of the block, all of them, or for lanes that will not come
            pc = groups[0].pc;
            active = groups[0].lanes;
            const bool meets = code[pc].flow == Flow::barrier;
            if (groups.size() > 1 || !meets) {
                std::string places;
                for (const Group &g : groups) places += (places.empty() ? "" : ", others on line ") + std::to_string(code[g.pc].line);
                throw Fault("lanes of one warp wait for each other at different places: on line " + places +
                                (live != lanes ? "; others have left" : ""),
                            __builtin_ctz(active));
            }
            state = State::at_barrier;
            return;
        }
        uint32_t mask = first->lanes;
        pc = first->pc;
        groups.erase(first);
        uint32_t limit = 0xffffffff;  // where the next others are
        for (const Group &g : groups) {
            if (g.pc > pc) limit = std::min(limit, g.pc);
        }
        const int lanes_of_group = std::popcount(mask);
        active = mask;
        bool together = true;
        while (together) {
            const Instruction &in = code[pc];
            done++;
            executed += static_cast<uint64_t>(lanes_of_group);
            if (in.flow == Flow::next) [[likely]] {
                if (in.guard == Instruction::none) [[likely]] {
                    in.run(*this, in);
                } else {
                    active = mask & guarded(in);
                    if (active) in.run(*this, in);
                    active = mask;
                }
                if (++pc == limit) {
                    add(pc, mask);
                    together = false;
                }
                continue;
            }
            const uint32_t takes = in.guard == Instruction::none ? mask : mask & guarded(in);
            if (in.flow == Flow::branch) {
                if (groups.empty() && (takes == mask || takes == 0)) {  // the whole warp, as nearly always
                    pc = takes ? in.target : pc + 1;
                    together = done < instructions;
                    if (!together) add(pc, mask);
                } else {
                    add(in.target, takes);
                    add(pc + 1, mask & ~takes);
                    together = false;
                }
            } else if (in.flow == Flow::leave) {
                live &= ~takes;
                add(pc + 1, mask & ~takes);
                together = false;
                for (Group &g : groups) g.waits = false;  // whom they waited for may have left: they look again
            } else {
                add(pc + 1, mask & ~takes);
                if (!takes) {
                    together = false;
                } else if (in.flow == Flow::barrier) {
                    add(pc, takes, true);
                    together = false;
                } else {
                    meet(in, takes);
                    together = false;
                }
            }
        }
    }
    if (groups.empty()) state = State::done;
}

}  // namespace ptxsim
