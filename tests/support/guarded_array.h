#pragma once
#include <cstdint>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace attune::test {

/// `count` elements of 1, 2 or 4 bytes that start as `fill`, in memory of their own: a guard of `fill` before them, and after them either
/// the end of the page, so that reading one byte too many is a fault, or another guard and a start on a cache line.
class GuardedArray {
public:
    enum class Ends { at_page_end, with_guard };

    GuardedArray(int64_t count, int element_bytes, uint32_t fill, Ends ends = Ends::at_page_end)
        : count_(count), bytes_(element_bytes), fill_(fill), after_(ends == Ends::with_guard ? guard : 0) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t needed = static_cast<size_t>((count + guard + after_) * element_bytes) + 64;
        size_ = (needed + page - 1) / page * page + page;
        storage_ = static_cast<uint8_t *>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (storage_ == MAP_FAILED) throw std::bad_alloc();
        mprotect(storage_ + size_ - page, page, PROT_NONE);
        first_ = storage_ + size_ - page - (count + after_) * element_bytes;
        if (after_) first_ -= reinterpret_cast<uintptr_t>(first_) % 64;
        for (int64_t i = -guard; i < count + after_; i++) set(i, fill);
    }
    ~GuardedArray() { munmap(storage_, size_); }
    GuardedArray(const GuardedArray &) = delete;
    GuardedArray &operator=(const GuardedArray &) = delete;

    void *at(int64_t i) { return first_ + i * bytes_; }
    void set(int64_t i, uint32_t bits) { std::memcpy(first_ + i * bytes_, &bits, static_cast<size_t>(bytes_)); }  // little-endian
    uint32_t get(int64_t i) const {
        uint32_t bits = 0;
        std::memcpy(&bits, first_ + i * bytes_, static_cast<size_t>(bytes_));
        return bits;
    }
    /// The element; `instead` takes its place.
    uint32_t take(int64_t i, uint32_t instead) {
        const uint32_t bits = get(i);
        set(i, instead);
        return bits;
    }

    bool holds_only(uint32_t bits) const { return holds(-guard, count_ + after_, bits); }
    bool guards_hold() const { return holds(-guard, 0, fill_) && holds(count_, count_ + after_, fill_); }
    /// Nothing may be written any more: doing so is a fault. The guard before the elements stays as it is.
    void protect() { mprotect(storage_, size_ - static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ); }

private:
    bool holds(int64_t begin, int64_t end, uint32_t bits) const {
        const uint32_t wanted = bytes_ == 4 ? bits : bits & ((1u << (8 * bytes_)) - 1);
        for (int64_t i = begin; i < end; i++) {
            if (get(i) != wanted) return false;
        }
        return true;
    }

    static constexpr int64_t guard = 192;  // three vectors of AVX-512 even for bytes
    int64_t count_;
    int bytes_;
    uint32_t fill_;
    int64_t after_;
    size_t size_ = 0;
    uint8_t *storage_ = nullptr, *first_ = nullptr;
};

}  // namespace attune::test
