#include "block.h"

#include <algorithm>
#include <cstdio>

namespace ptxsim {

Block::Block(const Launch &l)
    : launch(l), shared(*l.kernel, l.kernel->shared_bytes(l.dynamic_shared_bytes), l.threads, l.finds_races), random_(l.seed) {
    const Kernel &kernel = *l.kernel;
    const uint32_t threads = l.threads[0] * l.threads[1] * l.threads[2];
    const size_t registers = (kernel.register_bytes + 63) / 64 * 64, local = static_cast<size_t>(kernel.local_bytes) * 32;
    warps_.resize((threads + 31) / 32);
    // Registers that nobody has set are NaN, and no small index either.
    registers_ = std::make_unique_for_overwrite<std::byte[]>(registers * warps_.size() + 64);
    local_ = std::make_unique_for_overwrite<std::byte[]>(local * warps_.size() + 64);
    std::fill_n(registers_.get(), registers * warps_.size() + 64, std::byte{0xff});
    std::byte *const aligned = reinterpret_cast<std::byte *>((reinterpret_cast<uintptr_t>(registers_.get()) + 63) / 64 * 64);
    for (uint32_t i = 0; i < warps_.size(); i++) {
        Warp &w = warps_[i];
        w.block = this;
        w.index = i;
        w.registers = aligned + registers * i;
        w.local = local_.get() + local * i;
        const uint32_t lanes = std::min(32u, threads - 32 * i);
        w.lanes = lanes == 32 ? 0xffffffff : (1u << lanes) - 1;
    }
}

uint8_t *Block::find_global(uint64_t address, uint32_t bytes, const char *verb) {
    const auto &all = launch.memory;
    auto after = std::upper_bound(all.begin(), all.end(), address, [](uint64_t a, const MemoryRange &r) { return a < r.address; });
    if (after != all.begin()) {
        last_ = *--after;
        const uint64_t at = address - last_.address;
        if (at <= last_.bytes && bytes <= last_.bytes - at) return last_.data + at;
    }
    char text[200];
    std::snprintf(text, sizeof text, "%s %u bytes of global memory at 0x%llx", verb, bytes, static_cast<unsigned long long>(address));
    std::string what = text;
    if (DeviceMemory::is_device_address(address) && last_.data && address >= last_.address)
        what += ", " + std::to_string(address - last_.address) + " bytes into an allocation of " + std::to_string(last_.bytes);
    else what += ", which is " + std::string(DeviceMemory::is_device_address(address) ? "in no allocation" : "no address of the device");
    last_ = {};
    throw Fault(what);
}

void Block::fail(const Warp &warp, int lane, uint32_t pc, const std::string &what) const {
    const uint32_t thread = warp.index * 32 + static_cast<uint32_t>(std::max(lane, 0)), line = launch.kernel->code[pc].line;
    const auto triple = [](uint32_t x, uint32_t y, uint32_t z) {
        return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
    };
    std::string text =
        "ptxsim: kernel " + launch.kernel->name + ", block " + triple(position[0], position[1], position[2]) + ", thread " +
        triple(thread % launch.threads[0], thread / launch.threads[0] % launch.threads[1], thread / launch.threads[0] / launch.threads[1]) +
        ", line " + std::to_string(line);
    if (launch.kernel->lines && line >= 1 && line <= launch.kernel->lines->size()) {
        const std::string &source = (*launch.kernel->lines)[line - 1];
        const size_t begin = source.find_first_not_of(" \t");
        if (begin != std::string::npos) text += " '" + source.substr(begin) + "'";
    }
    throw std::runtime_error(text + ": " + what);
}

// All warps that are not done wait: at one barrier, with all their threads, or something is wrong.
void Block::pass_barrier() {
    const Warp *first = nullptr;
    for (const Warp &w : warps_) {
        if (w.state == Warp::State::at_barrier && !first) first = &w;
    }
    const auto line = [&](const Warp &w) { return std::to_string(launch.kernel->code[w.groups[0].pc].line); };
    for (const Warp &w : warps_) {
        if (w.live != w.lanes) {
            const uint32_t gone = w.index * 32 + static_cast<uint32_t>(__builtin_ctz(w.lanes & ~w.live));
            fail(*first, __builtin_ctz(first->groups[0].lanes), first->groups[0].pc,
                 "waits at a barrier, but thread " + std::to_string(gone) + " of the block has left the kernel");
        }
        if (w.groups[0].pc != first->groups[0].pc)
            fail(*first, __builtin_ctz(first->groups[0].lanes), first->groups[0].pc,
                 "waits at a barrier, but thread " + std::to_string(w.index * 32 + static_cast<uint32_t>(__builtin_ctz(w.groups[0].lanes))) +
                     " of the block waits at another, on line " + line(w));
    }
    for (Warp &w : warps_) {
        w.state = Warp::State::ready;
        w.groups[0].pc++;
        w.groups[0].waits = false;
    }
    shared.barrier();
}

void Block::run(const uint32_t (&at)[3]) {
    std::copy(at, at + 3, position);
    shared.start_block();
    for (Warp &w : warps_) w.start(*launch.kernel);
    std::vector<uint32_t> order(warps_.size());
    for (uint32_t i = 0; i < order.size(); i++) order[i] = i;
    random_.seed(launch.seed + at[0] + 1000003ull * at[1] + 1000000007ull * at[2]);  // whichever thread of the host runs it
    for (;;) {
        std::shuffle(order.begin(), order.end(), random_);
        bool any_ready = false, any_waits = false;
        for (uint32_t i : order) {
            Warp &w = warps_[i];
            if (w.state == Warp::State::ready) {
                try {
                    w.run(*launch.kernel, 256 + static_cast<uint32_t>(random_() % 4096));
                    if (w.executed / 32 > launch.most_instructions)
                        throw Fault("runs more than " + std::to_string(launch.most_instructions) + " instructions: an endless loop?");
                } catch (const Fault &fault) {
                    fail(w, fault.lane >= 0 ? fault.lane : w.active ? __builtin_ctz(w.active) : 0, w.pc, fault.what());
                }
            }
            any_ready |= w.state == Warp::State::ready;
            any_waits |= w.state == Warp::State::at_barrier;
        }
        if (any_ready) continue;
        if (!any_waits) break;
        pass_barrier();
    }
    for (const Warp &w : warps_) executed += w.executed;
}

}  // namespace ptxsim
