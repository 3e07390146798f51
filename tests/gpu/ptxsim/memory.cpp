#include "memory.h"

#include <algorithm>
#include <cstdio>

#include "block.h"

namespace ptxsim {
namespace {

std::string hex(uint64_t v) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
    return text;
}

Access access_of(const Warp &w, int lane) { return {w.index * 32 + static_cast<uint32_t>(lane), w.epoch, w.pc}; }

void check_alignment(uint64_t address, uint32_t bytes, int lane) {
    if (address % bytes)
        throw Fault("address " + hex(address) + " is not a multiple of the " + std::to_string(bytes) + " bytes that are accessed", lane);
}

// A generic address is one of the others.
Space resolved(Space space, uint64_t &address) {
    if (space != Space::generic) return space;
    if (address - shared_window < window_bytes) {
        address -= shared_window;
        return Space::shared;
    }
    if (address - local_window < window_bytes) {
        address -= local_window;
        return Space::local;
    }
    return Space::global;
}

std::byte *local_bytes(Warp &w, uint64_t address, uint32_t bytes, int lane) {
    const uint32_t size = w.block->launch.kernel->local_bytes;
    if (address > size || bytes > size - address)
        throw Fault("accesses local memory at " + std::to_string(address) + ", but a thread has " + std::to_string(size) + " bytes", lane);
    return w.local + static_cast<size_t>(lane) * size + address;
}

void read_memory(Warp &w, Space space, uint64_t address, uint32_t bytes, void *data, int lane) {
    switch (resolved(space, address)) {
    case Space::shared: w.block->shared.read(address, bytes, data, access_of(w, lane)); break;
    case Space::local: std::memcpy(data, local_bytes(w, address, bytes, lane), bytes); break;
    case Space::parameter: {
        const auto &parameters = w.block->launch.parameters;
        if (address > parameters.size() || bytes > parameters.size() - address) throw Fault("reads beyond the parameters", lane);
        std::memcpy(data, parameters.data() + address, bytes);
        break;
    }
    default: std::memcpy(data, w.block->global(address, bytes, "reads"), bytes);
    }
}

void write_memory(Warp &w, Space space, uint64_t address, uint32_t bytes, const void *data, int lane) {
    switch (resolved(space, address)) {
    case Space::shared: w.block->shared.write(address, bytes, data, access_of(w, lane)); break;
    case Space::local: std::memcpy(local_bytes(w, address, bytes, lane), data, bytes); break;
    default: std::memcpy(w.block->global(address, bytes, "writes"), data, bytes);
    }
}

Space space_of(const Instruction &in) { return static_cast<Space>(in.mode & 7); }

template <class F> void for_lanes_that_may_fault(const Warp &w, F &&f) {
    for (uint32_t rest = w.active; rest; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        try {
            f(lane);
        } catch (const Fault &fault) {
            throw Fault(fault.what(), lane);
        }
    }
}

template <class T, class D> void load(Warp &w, const Instruction &in) {
    const uint32_t bytes = sizeof(T) * in.count, base = in.operand[in.count];
    const bool wide = in.mode & wide_base;
    const Space space = space_of(in);
    for_lanes_that_may_fault(w, [&](int lane) {
        const uint64_t address = address_of(w, base, wide, in.offset, lane);
        check_alignment(address, bytes, lane);
        T data[16 / sizeof(T)];
        read_memory(w, space, address, bytes, data, lane);
        for (int i = 0; i < in.count; i++) w.slots<D>(in.operand[i])[lane] = static_cast<D>(static_cast<std::make_signed_t<D>>(data[i]));
    });
}

template <class T, class S> void store(Warp &w, const Instruction &in) {
    const uint32_t bytes = sizeof(T) * in.count;
    const bool wide = in.mode & wide_base;
    const Space space = space_of(in);
    for_lanes_that_may_fault(w, [&](int lane) {
        const uint64_t address = address_of(w, in.operand[0], wide, in.offset, lane);
        check_alignment(address, bytes, lane);
        T data[16 / sizeof(T)];
        for (int i = 0; i < in.count; i++) data[i] = static_cast<T>(w.slots<S>(in.operand[1 + i])[lane]);
        write_memory(w, space, address, bytes, data, lane);
    });
}

template <class T> T combined(AtomicOperation operation, T old, T a, T b) {
    if constexpr (std::is_same_v<T, Half2> || std::is_same_v<T, Bfloat2>) {
        using H = std::conditional_t<std::is_same_v<T, Half2>, Half, Bfloat>;
        const auto part = [](T x, int shift) { return to_float(H{static_cast<uint16_t>(x.bits >> shift)}); };
        const uint32_t low = from_float<H>(part(old, 0) + part(a, 0)).bits, high = from_float<H>(part(old, 16) + part(a, 16)).bits;
        return T{low | high << 16};
    } else {
        switch (operation) {
        case AtomicOperation::add:
            if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(old) + static_cast<uint64_t>(a));
            else return old + a;
        case AtomicOperation::min: return std::min(old, a);
        case AtomicOperation::max: return std::max(old, a);
        case AtomicOperation::exchange: return a;
        case AtomicOperation::compare: return old == a ? b : old;
        default: break;
        }
        if constexpr (std::is_integral_v<T>) {
            switch (operation) {
            case AtomicOperation::bit_and: return old & a;
            case AtomicOperation::bit_or: return old | a;
            case AtomicOperation::bit_xor: return old ^ a;
            case AtomicOperation::increment: return old >= a ? T(0) : static_cast<T>(old + 1);
            case AtomicOperation::decrement: return old == 0 || old > a ? a : static_cast<T>(old - 1);
            default: break;
            }
        }
        return old;
    }
}

template <class T> void atomic(Warp &w, const Instruction &in) {
    const AtomicOperation operation = static_cast<AtomicOperation>(in.target);
    for_lanes_that_may_fault(w, [&](int lane) {
        uint64_t address = address_of(w, in.operand[1], in.mode & wide_base, in.offset, lane);
        check_alignment(address, sizeof(T), lane);
        const Space space = resolved(space_of(in), address);
        if (space == Space::local) throw Fault("an atomic on local memory", lane);
        std::unique_lock<std::mutex> lock;
        uint8_t *bytes;
        if (space == Space::shared) {
            bytes = w.block->shared.update(address, sizeof(T), access_of(w, lane));
        } else {
            lock = std::unique_lock(*w.block->launch.atomics);
            bytes = w.block->global(address, sizeof(T), "updates");
        }
        T old;
        std::memcpy(&old, bytes, sizeof(T));
        const T value = combined<T>(operation, old, w.get<T>(in.operand[2], lane), w.get<T>(in.operand[3], lane));
        std::memcpy(bytes, &value, sizeof(T));
        w.set<T>(in.operand[0], lane, old);
    });
}

}  // namespace

uint64_t address_of(Warp &w, uint32_t base, bool wide, int64_t offset, int lane) {
    if (wide) return w.slots<uint64_t>(base)[lane] + static_cast<uint64_t>(offset);
    return static_cast<uint32_t>(w.slots<uint32_t>(base)[lane] + static_cast<uint32_t>(offset));
}

void read_shared(Warp &w, uint64_t address, uint32_t bytes, void *data, int lane) {
    check_alignment(address, bytes, lane);
    w.block->shared.read(address, bytes, data, access_of(w, lane));
}

Handler load_handler(Type type, bool wide) {
    switch (type) {
    case Type::u8: return wide ? load<uint8_t, uint64_t> : load<uint8_t, uint32_t>;
    case Type::s8: return wide ? load<int8_t, uint64_t> : load<int8_t, uint32_t>;
    case Type::u16: return wide ? load<uint16_t, uint64_t> : load<uint16_t, uint32_t>;
    case Type::s16: return wide ? load<int16_t, uint64_t> : load<int16_t, uint32_t>;
    case Type::u32: return wide ? load<uint32_t, uint64_t> : load<uint32_t, uint32_t>;
    case Type::s32: return wide ? load<int32_t, uint64_t> : load<int32_t, uint32_t>;
    default: return wide ? load<uint64_t, uint64_t> : nullptr;
    }
}

Handler store_handler(Type type, bool wide) {
    switch (bits_of(type)) {
    case 8: return wide ? store<uint8_t, uint64_t> : store<uint8_t, uint32_t>;
    case 16: return wide ? store<uint16_t, uint64_t> : store<uint16_t, uint32_t>;
    case 32: return wide ? store<uint32_t, uint64_t> : store<uint32_t, uint32_t>;
    default: return wide ? store<uint64_t, uint64_t> : nullptr;
    }
}

Handler atomic_handler(Type type, AtomicOperation operation) {
    const bool adds = operation == AtomicOperation::add;
    switch (type) {
    case Type::u16: return operation == AtomicOperation::compare ? atomic<uint16_t> : nullptr;
    case Type::u32: return atomic<uint32_t>;
    case Type::s32: return atomic<int32_t>;
    case Type::u64: return atomic<uint64_t>;
    case Type::s64: return atomic<int64_t>;
    case Type::f32: return adds ? atomic<float> : nullptr;
    case Type::f64: return adds ? atomic<double> : nullptr;
    case Type::f16x2: return adds ? atomic<Half2> : nullptr;
    case Type::bf16x2: return adds ? atomic<Bfloat2> : nullptr;
    default: return nullptr;
    }
}

void copy_async(Warp &w, const Instruction &in) {
    for_lanes_that_may_fault(w, [&](int lane) {
        const uint64_t to = address_of(w, in.operand[0], in.mode & wide_base, in.offset, lane);
        const uint64_t from = address_of(w, in.operand[1], in.mode & wide_source_base, static_cast<int32_t>(in.target), lane);
        check_alignment(to, in.count, lane);
        check_alignment(from, in.count, lane);
        AsyncCopy copy{lane, w.async_groups[lane], static_cast<uint32_t>(to), in.count, w.pc, {}};
        const uint32_t bytes = in.operand[2] == Instruction::none ? in.count : w.slots<uint32_t>(in.operand[2])[lane];
        if (bytes > in.count) throw Fault("cp.async reads " + std::to_string(bytes) + " bytes of " + std::to_string(in.count), lane);
        if (bytes) std::memcpy(copy.data, w.block->global(from, bytes, "copies"), bytes);
        w.block->shared.begin_copy(to, in.count, access_of(w, lane));
        w.copies.push_back(copy);
    });
}

void commit_copies(Warp &w, const Instruction &) {
    for_lanes(w.active, [&](int lane) { w.async_groups[lane]++; });
}

void wait_for_copies(Warp &w, const Instruction &in) {
    const auto lands = [&](const AsyncCopy &c) {
        if (!(w.active >> c.lane & 1)) return false;
        return in.offset < 0 || static_cast<int64_t>(c.group) < static_cast<int64_t>(w.async_groups[c.lane]) - in.offset;
    };
    for (const AsyncCopy &c : w.copies) {
        if (!lands(c)) continue;
        w.block->shared.land_copy(c.target, c.bytes, c.data, {w.index * 32 + static_cast<uint32_t>(c.lane), w.epoch, c.pc});
    }
    std::erase_if(w.copies, lands);
}

}  // namespace ptxsim
