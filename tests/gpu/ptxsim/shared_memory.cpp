#include "shared_memory.h"

#include <algorithm>

namespace ptxsim {

void SharedMemory::start_block() {
    epoch_++;
    std::fill(bytes_.begin(), bytes_.end(), 0xff);
    for (uint32_t word : split_words_) cells_[word].split = 0;
    for (uint32_t word : copied_words_) cells_[word].copy_pc = 0;
    split_words_.clear();
    copied_words_.clear();
    bytes_of_words_.clear();
}

std::string SharedMemory::thread_name(uint32_t thread) const {
    const uint32_t x = thread % threads_[0], y = thread / threads_[0] % threads_[1], z = thread / threads_[0] / threads_[1];
    return "thread (" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string SharedMemory::line_name(uint32_t pc) const {
    const uint32_t line = kernel_.code[pc].line;
    std::string text = "line " + std::to_string(line);
    if (kernel_.lines && line >= 1 && line <= kernel_.lines->size()) {
        const std::string &source = (*kernel_.lines)[line - 1];
        const size_t begin = source.find_first_not_of(" \t");
        if (begin != std::string::npos) text += " '" + source.substr(begin) + "'";
    }
    return text;
}

void SharedMemory::out_of_range(uint64_t address, uint32_t bytes, const char *verb) const {
    throw Fault(std::string(verb) + " " + std::to_string(bytes) + " bytes of shared memory at " + std::to_string(static_cast<int64_t>(address)) +
                ", but the block has " + std::to_string(bytes_.size()));
}

void SharedMemory::race(uint32_t byte, const char *here, const Access &a, const char *there, uint32_t other_thread, uint32_t other_pc) const {
    const std::string other = other_thread == atomic_writer ? "an atomic" : thread_name(other_thread);
    throw Fault("race: " + std::string(here) + " byte " + std::to_string(byte) + " of shared memory, which " + other + " " + there + " on " +
                    line_name(other_pc) + ", with no barrier between",
                static_cast<int>(a.thread % 32));
}

void SharedMemory::copy_under_way(uint32_t byte, const char *here, uint32_t copy_pc) const {
    throw Fault(std::string(here) + " byte " + std::to_string(byte) + " of shared memory before the cp.async of " + line_name(copy_pc) +
                " was waited for (cp.async.wait_group or wait_all, by the thread that copies)");
}

template <class F> inline void SharedMemory::for_cells(uint32_t address, uint32_t bytes, F &&f) {
    for (uint32_t at = address; at < address + bytes;) {
        const uint32_t word = at / 4, end = std::min(address + bytes, word * 4 + 4);
        Cell &cell = cells_[word];
        if (!cell.split && end - at == 4) [[likely]] {
            f(cell, at, 4);
        } else {
            if (!cell.split) {
                bytes_of_words_.push_back({cell, cell, cell, cell});
                cell.split = static_cast<uint32_t>(bytes_of_words_.size());
                split_words_.push_back(word);
            }
            for (uint32_t i = at; i < end; i++) f(bytes_of_words_[cells_[word].split - 1][i % 4], i, 1);
        }
        at = end;
    }
}

inline void SharedMemory::read_cell(Cell &c, uint32_t byte, const Access &a) {
    const uint32_t warp = a.thread / 32, lane_bit = 1u << a.thread % 32;
    if (c.copy_pc) copy_under_way(byte, "reads", c.copy_pc - 1);
    if (c.write_epoch == epoch_ && c.writer != a.thread && !(a.atomic && c.writer == atomic_writer) &&
        (c.writer / 32 != warp || c.write_warp_epoch == a.warp_epoch))
        race(byte, "reads", a, "writes", c.writer, c.write_pc);
    if (c.read_epoch != epoch_) {
        c.read_epoch = epoch_;
        c.read_warp = warp;
        c.read_lanes = 0;
    } else if (c.read_warp != warp) {
        c.other_epoch = c.read_epoch;
        c.other_warp = c.read_warp;
        c.other_lanes = c.read_lanes;
        c.other_pc = c.read_pc;
        c.read_warp = warp;
        c.read_lanes = 0;
    } else if (c.read_warp_epoch != a.warp_epoch) {
        c.read_lanes = 0;
    }
    c.read_lanes |= lane_bit;
    c.read_warp_epoch = a.warp_epoch;
    c.read_pc = a.pc;
}

inline void SharedMemory::write_cell(Cell &c, uint32_t byte, uint32_t bytes, const void *data, const Access &a) {
    const uint32_t warp = a.thread / 32, lane_bit = 1u << a.thread % 32;
    const char *here = a.atomic ? "updates" : "writes";
    if (c.copy_pc) copy_under_way(byte, here, c.copy_pc - 1);
    const bool changes = !data || std::memcmp(&bytes_[byte], data, bytes) != 0;
    const bool other_writes = c.write_epoch == epoch_ && c.writer != a.thread && !(a.atomic && c.writer == atomic_writer) &&
                              (c.writer / 32 != warp || c.write_warp_epoch == a.warp_epoch);
    if (changes) {
        if (other_writes) race(byte, here, a, "writes", c.writer, c.write_pc);
        if (c.read_epoch == epoch_ && !(a.atomic && c.writer == atomic_writer && c.write_epoch == epoch_)) {
            const auto first = [](uint32_t lanes) { return static_cast<uint32_t>(__builtin_ctz(lanes)); };
            if (c.read_warp != warp) race(byte, here, a, "reads", c.read_warp * 32 + first(c.read_lanes), c.read_pc);
            const uint32_t others = c.read_lanes & ~lane_bit;
            if (others && c.read_warp_epoch == a.warp_epoch) race(byte, here, a, "reads", c.read_warp * 32 + first(others), c.read_pc);
            if (c.other_epoch == epoch_ && c.other_warp != warp) race(byte, here, a, "reads", c.other_warp * 32 + first(c.other_lanes), c.other_pc);
        }
    } else if (other_writes) {
        return;  // the one who wrote it first stays the one to wait for
    }
    c.write_epoch = epoch_;
    c.write_warp_epoch = a.warp_epoch;
    c.writer = a.atomic ? atomic_writer : a.thread;
    c.write_pc = a.pc;
}

void SharedMemory::note_read(uint32_t address, uint32_t bytes, const Access &a) {
    for_cells(address, bytes, [&](Cell &c, uint32_t byte, uint32_t) { read_cell(c, byte, a); });
}

void SharedMemory::note_write(uint32_t address, uint32_t bytes, const void *data, const Access &a) {
    for_cells(address, bytes, [&](Cell &c, uint32_t byte, uint32_t n) {
        write_cell(c, byte, n, data ? static_cast<const uint8_t *>(data) + (byte - address) : nullptr, a);
    });
}

uint8_t *SharedMemory::update(uint64_t address, uint32_t bytes, Access a) {
    check(address, bytes, "updates");
    a.atomic = true;
    if (finds_races_) note_write(static_cast<uint32_t>(address), bytes, nullptr, a);
    return &bytes_[address];
}

void SharedMemory::begin_copy(uint64_t address, uint32_t bytes, const Access &a) {
    check(address, bytes, "copies to");
    if (finds_races_) {
        note_write(static_cast<uint32_t>(address), bytes, nullptr, a);
        for_cells(static_cast<uint32_t>(address), bytes, [&](Cell &c, uint32_t byte, uint32_t) {
            c.copy_pc = a.pc + 1;
            copied_words_.push_back(byte / 4);
        });
    }
    std::memset(&bytes_[address], 0xff, bytes);
}

void SharedMemory::land_copy(uint64_t address, uint32_t bytes, const void *data, const Access &a) {
    if (finds_races_) {
        for_cells(static_cast<uint32_t>(address), bytes, [&](Cell &c, uint32_t, uint32_t) {
            c.copy_pc = 0;
            // Landing is a write of this epoch: others must not read before the next barrier.
            c.write_epoch = epoch_;
            c.write_warp_epoch = a.warp_epoch;
            c.writer = a.thread;
            c.write_pc = a.pc;
        });
    }
    std::memcpy(&bytes_[address], data, bytes);
}

}  // namespace ptxsim
