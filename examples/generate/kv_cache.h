#pragma once
#include <attune/attention.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

/// How an element of a key or value is kept: as it is, or in 8 or 4 bits with a scale for each row (i8) or for 32 elements of it (i4).
enum class CacheFormat { f32, i8, i4 };
const char *name_of(CacheFormat format);  ///< "i8"

/// Keys and values of the tokens so far, in every layer: (head_dim, capacity, num_kv_heads), innermost first, of which the first length()
/// positions are in use. What comes after them is left as it was: attention reads none of it.
class KvCache {
public:
    KvCache(CacheFormat format, int64_t num_layers, int64_t num_kv_heads, int64_t head_dim, int64_t capacity);

    CacheFormat format() const { return format_; }
    int64_t capacity() const { return rows_.seq_len; }
    int64_t length() const { return length_; }
    std::size_t bytes() const { return bytes_.size() + sizeof(float) * (floats_.size() + scales_.size()); }

    /// A layer as Attune's kernels take it.
    struct Layer {
        attune::OutputView key, value;
        attune::CacheView beside;  ///< its scales, where it is i8 or i4
    };
    Layer layer(int64_t layer);
    /// A layer's keys and values as floats, where they are.
    float *key(int64_t layer) { return floats_.data() + 2 * layer * elements(rows_); }
    float *value(int64_t layer) { return key(layer) + elements(rows_); }

    /// The new tokens are in every layer now.
    void advance(int64_t tokens) { length_ += tokens; }
    void clear() { length_ = 0; }

private:
    static int64_t elements(const attune::Shape &s) { return s.heads * s.seq_len * s.head_dim; }

    CacheFormat format_;
    attune::Shape rows_, scales_of_rows_;  ///< of a layer's keys, and of its values; rows of floats or bytes
    int64_t length_ = 0;
    std::vector<float> floats_, scales_;
    std::vector<std::byte> bytes_;
};
