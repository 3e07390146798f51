// A block's shared memory, which knows who touched each word since the last barrier.
//   A race: two threads touch a byte in one epoch (the time between two barriers of the block), one of them writes, and it changes the byte.
//   Lanes of one warp are also ordered by what makes them meet: bar.warp.sync, shfl, vote, mma.
//   Writing the value that is there already is no race: kernels whose tiles overlap at a tail compute the same numbers twice.
// Words that are accessed in parts (16-bit elements) are watched byte by byte from then on.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "warp.h"

namespace ptxsim {

struct Access {
    uint32_t thread;  // in the block, counted along x first
    uint32_t warp_epoch;
    uint32_t pc;
    bool atomic = false;  // atomics do not race with each other
};

class SharedMemory {
public:
    SharedMemory(const Kernel &kernel, uint32_t bytes, const uint32_t (&threads)[3], bool finds_races)
        : kernel_(kernel), threads_{threads[0], threads[1], threads[2]}, finds_races_(finds_races), bytes_(bytes, 0xff), cells_((bytes + 3) / 4) {}

    void start_block();  // all bytes 0xff, nobody was here
    void barrier() { epoch_++; }
    uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }

    void read(uint64_t address, uint32_t bytes, void *data, const Access &a) {
        check(address, bytes, "reads");
        std::memcpy(data, &bytes_[address], bytes);
        if (finds_races_) note_read(static_cast<uint32_t>(address), bytes, a);
    }
    void write(uint64_t address, uint32_t bytes, const void *data, const Access &a) {
        check(address, bytes, "writes");
        if (finds_races_) note_write(static_cast<uint32_t>(address), bytes, data, a);
        std::memcpy(&bytes_[address], data, bytes);
    }
    // For atomics: the bytes themselves, after the check.
    uint8_t *update(uint64_t address, uint32_t bytes, Access a);

    // cp.async: the bytes are 0xff, and nobody may touch them, until they land.
    void begin_copy(uint64_t address, uint32_t bytes, const Access &a);
    void land_copy(uint64_t address, uint32_t bytes, const void *data, const Access &a);

private:
    struct Cell {  // of a word, or of a byte of a split word. Epoch 0: never
        uint32_t write_epoch = 0, write_warp_epoch = 0, writer = 0, write_pc = 0;
        uint32_t read_epoch = 0, read_warp_epoch = 0, read_warp = 0, read_lanes = 0, read_pc = 0;
        uint32_t other_epoch = 0, other_warp = 0, other_lanes = 0, other_pc = 0;  // the last reader of another warp than read_warp
        uint32_t copy_pc = 0;                                                     // cp.async under way: its instruction + 1
        uint32_t split = 0;                                                       // index in bytes_of_words_ + 1
    };
    static constexpr uint32_t atomic_writer = 0xffffffff;

    void check(uint64_t address, uint32_t bytes, const char *verb) const {
        if (address > bytes_.size() || bytes > bytes_.size() - address) out_of_range(address, bytes, verb);
    }
    [[noreturn]] void out_of_range(uint64_t address, uint32_t bytes, const char *verb) const;
    [[noreturn]] void race(uint32_t byte, const char *here, const Access &a, const char *there, uint32_t other_thread, uint32_t other_pc) const;
    [[noreturn]] void copy_under_way(uint32_t byte, const char *here, uint32_t copy_pc) const;
    std::string thread_name(uint32_t thread) const;
    std::string line_name(uint32_t pc) const;

    void note_read(uint32_t address, uint32_t bytes, const Access &a);
    void note_write(uint32_t address, uint32_t bytes, const void *data, const Access &a);
    void read_cell(Cell &c, uint32_t byte, const Access &a);
    void write_cell(Cell &c, uint32_t byte, uint32_t bytes, const void *data, const Access &a);
    // f(cell, first byte, bytes) for the cells of a range.
    template <class F> void for_cells(uint32_t address, uint32_t bytes, F &&f);

    const Kernel &kernel_;
    uint32_t threads_[3];
    bool finds_races_;
    uint32_t epoch_ = 1;
    std::vector<uint8_t> bytes_;
    std::vector<Cell> cells_;
    std::vector<std::array<Cell, 4>> bytes_of_words_;
    std::vector<uint32_t> split_words_, copied_words_;  // to be forgotten at the next block
};

}  // namespace ptxsim
