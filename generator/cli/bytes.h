#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <vector>

namespace attune::cli {

/// Large arrays in huge pages, where the system gives them: a cache whose pages lie in no order costs a walk of the page table for every 4 KB of a
/// head.
template <class T>
struct HugePages {
    using value_type = T;
    static constexpr size_t huge_page = size_t{2} << 20;

    HugePages() = default;
    template <class U>
    HugePages(const HugePages<U> &) {}
    T *allocate(size_t n) {
        const size_t bytes = n * sizeof(T), alignment = bytes < huge_page ? alignof(T) : huge_page;
        void *memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
        if (!memory)
            throw std::bad_alloc();
        if (alignment == huge_page)
            madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
        return static_cast<T *>(memory);
    }
    void deallocate(T *memory, size_t) { std::free(memory); }
    bool operator==(const HugePages &) const { return true; }
};

/// Zeroed memory that starts on a cache line and is never null: kernels are a few percent slower on vectors that straddle lines, and a
/// measurement should not depend on what the allocator returned.
class Bytes {
public:
    Bytes() : Bytes(0) {}
    explicit Bytes(size_t size) : lines_(size / sizeof(Line) + 1), size_(size) {}
    size_t size() const { return size_; }
    char *data() { return lines_[0].bytes; }
    const char *data() const { return lines_[0].bytes; }
    template <class T>
    T *as() {
        return reinterpret_cast<T *>(data());
    }
    template <class T>
    const T *as() const {
        return reinterpret_cast<const T *>(data());
    }

private:
    struct alignas(64) Line {
        char bytes[64] = {};
    };
    std::vector<Line, HugePages<Line>> lines_;
    size_t size_;
};

}  // namespace attune::cli
