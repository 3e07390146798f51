#pragma once
#include "attune/attention.h"
#include "generator/cli/bytes.h"
#include "generator/reference/reference.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace attune::cli {

/// The keys and values of a call, and how they are to lie.
struct CacheExtents {
    int64_t batch = 1, num_kv_heads = 1;
    int64_t seq_len_kv = 0;                ///< of the dense arrays: the most keys that a sequence has had, also where a ring keeps fewer
    std::vector<int32_t> lengths_kv = {};  ///< keys of each sequence, or empty: all; a ring's kernel is told them in any case
    int64_t ring_slots = 0;                ///< of kv_layout ring; 0: seq_len_kv, at least 1
    bool padded = false;                   ///< gaps before the first element, and after rows, heads and sequences (or pages)
};

/// The cache of a decode kernel: what its append would have left behind, but for roundings. Keys and values are rounded to the cache's type and
/// lie in its layout; pages are in random order in a pool with some to spare. Whatever holds no key (slots after the length, spare pages, gaps) is
/// poison: NaN in floats and scales, bytes 0x80 and 0x7f in integers; page numbers after the last key are far outside the pool. Of ring kernels
/// the last ring_slots keys are there. Also for specifications without a cache format: then attune_attention_args::cache stays null.
class CacheImage {
public:
    /// key and value: (batch, kv heads, seq_len_kv, dim), dense, C order; with values_in_key, value is not looked at. Keys are as they lie in the
    /// cache: with rope, already turned. seed: of the order of pages.
    CacheImage(const AttentionSpec &spec, CacheExtents extents, std::vector<double> key, std::vector<double> value, uint64_t seed);
    CacheImage(const CacheImage &) = delete;
    CacheImage &operator=(const CacheImage &) = delete;

    /// Sets key, value, their strides, seq_len_kv, cache, and where there are any (a ring: always) lengths_kv. All point into the image.
    void bind(attune_attention_args &args) const;
    /// The same with every array where `place` puts it: a copy of these bytes, elements of `element_bytes`. args points to `cache`.
    using Place = std::function<void *(const Bytes &bytes, int element_bytes)>;
    void bind(attune_attention_args &args, attune_kv_cache &cache, const Place &place) const;

    /// What the numbers have become, exact and dense as they came: for the reference.
    const std::vector<double> &key() const { return key_; }
    const std::vector<double> &value() const { return value_; }
    /// Replaces the keys and values of `problem` by those, and hides what a ring has lost beside what the mask hides.
    void apply_to(ReferenceProblem &problem) const;

private:
    /// Rows (slots) of heads of sequences or pages.
    struct Tensor {
        Bytes bytes;
        int unit = 0;  ///< bytes of an element
        int64_t base = 0, stride[3] = {};
        char *row(int64_t block, int64_t head, int64_t slot) {
            return bytes.data() + (base + block * stride[0] + head * stride[1] + slot * stride[2]) * unit;
        }
    };
    struct Slot {
        int64_t block, slot;
    };
    Tensor poisoned(int64_t row, int unit, bool integers) const;
    void number_pages(uint64_t seed);
    int64_t length(int64_t batch) const;
    Slot slot_of(int64_t batch, int64_t kv) const;
    /// Rounds the rows of `dense` and stores those that the cache keeps.
    void store(std::vector<double> &dense, int dim, Tensor &rows, Tensor &scales, Tensor &zeros) const;

    const int head_dim_, head_dim_v_;
    const DType dtype_;
    const KvCacheSpec format_;
    const CacheExtents extents_;
    int64_t slots_ = 0;   ///< of a sequence, or of a page
    int64_t blocks_ = 0;  ///< sequences, or pages
    int64_t pages_per_sequence_ = 0;
    std::vector<double> key_, value_;
    std::vector<int32_t> ring_lengths_;
    Bytes page_table_;
    Tensor keys_, values_, key_scales_, value_scales_, key_zeros_, value_zeros_;
    attune_kv_cache cache_{};
};

}  // namespace attune::cli
