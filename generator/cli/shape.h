#pragma once
#include <cstdint>
#include <string>

namespace attune::cli {

/// The run-time extents of a call, as --shape gives them.
struct Shape {
    int64_t batch = 1, num_heads = 1, num_kv_heads = 1, seq_len_q = 512, seq_len_kv = 512;
    bool operator==(const Shape &) const = default;
};

/// Reads "b=1,h=8,hkv=2,sq=2048,skv=2048": any of the keys in any order. Defaults: b=1, h=1, hkv=h/group, sq=512, skv=512.
/// group: query heads per key/value head, 0 for any. Throws Error(usage) that names the key.
Shape parse_shape(const std::string &text, int group);

/// The same text again, all keys in that order.
std::string shape_text(const Shape &shape);

}  // namespace attune::cli
