#pragma once
#include <cstdint>
#include <string>

namespace attune {

/// The calls that one of several schedules of a kernel is for: by seq_len_q and seq_len_kv of attune_attention_args, and nothing else.
struct CallRange {
    int most_seq_len_q = 0, most_seq_len_kv = 0;  ///< at most these; 0: any

    bool is_any() const { return most_seq_len_q == 0 && most_seq_len_kv == 0; }
    bool holds(int64_t seq_len_q, int64_t seq_len_kv) const {
        return (most_seq_len_q == 0 || seq_len_q <= most_seq_len_q) && (most_seq_len_kv == 0 || seq_len_kv <= most_seq_len_kv);
    }
    /// Every call of the other is one of this.
    bool covers(const CallRange &other) const;
    std::string text() const;  ///< "where seq_len_q <= 64 and seq_len_kv <= 512", "otherwise"
    std::string name() const;  ///< "_q64_kv512" in symbols; "" of any
    bool operator==(const CallRange &) const = default;
};

}  // namespace attune
