#pragma once
#include <cstdint>
#include <vector>

/// Keys and values of the tokens so far, in every layer: (head_dim, capacity, num_kv_heads), innermost first, of which the first length()
/// positions are in use. What comes after them is left as it was: attention reads none of it.
class KvCache {
public:
    KvCache(int64_t num_layers, int64_t num_kv_heads, int64_t head_dim, int64_t capacity);

    int64_t capacity() const { return capacity_; }
    int64_t length() const { return length_; }
    const float *key(int64_t layer) const { return keys_.data() + layer * layer_size(); }
    const float *value(int64_t layer) const { return values_.data() + layer * layer_size(); }

    /// Writes a layer's keys and values of `tokens` new tokens, (head_dim, num_kv_heads, tokens) as a dense layer leaves them, after length().
    void append(int64_t layer, const float *key, const float *value, int64_t tokens);
    /// The new tokens are in every layer now.
    void advance(int64_t tokens) { length_ += tokens; }
    void clear() { length_ = 0; }

private:
    int64_t layer_size() const { return num_kv_heads_ * capacity_ * head_dim_; }

    int64_t num_kv_heads_, head_dim_, capacity_, length_ = 0;
    std::vector<float> keys_, values_;
};
