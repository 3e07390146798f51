#include "generator/backend/call_range.h"

#include <fmt/format.h>

namespace attune {

bool CallRange::covers(const CallRange &other) const {
    const auto holds = [](int most, int others) { return most == 0 || (others != 0 && others <= most); };
    return holds(most_seq_len_q, other.most_seq_len_q) && holds(most_seq_len_kv, other.most_seq_len_kv);
}

std::string CallRange::text() const {
    if (is_any())
        return "otherwise";
    std::string text = "where ";
    if (most_seq_len_q)
        text += fmt::format("seq_len_q <= {}", most_seq_len_q);
    if (most_seq_len_q && most_seq_len_kv)
        text += " and ";
    if (most_seq_len_kv)
        text += fmt::format("seq_len_kv <= {}", most_seq_len_kv);
    return text;
}

std::string CallRange::name() const {
    return (most_seq_len_q ? fmt::format("_q{}", most_seq_len_q) : "") + (most_seq_len_kv ? fmt::format("_kv{}", most_seq_len_kv) : "");
}

}  // namespace attune
