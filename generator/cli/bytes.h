#pragma once
#include <cstddef>
#include <vector>

namespace attune::cli {

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
    std::vector<Line> lines_;
    size_t size_;
};

}  // namespace attune::cli
