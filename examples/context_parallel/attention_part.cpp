#include "attention_part.h"

#include "chunk_attention.h"

#include <stdexcept>
#include <string>

namespace {

attune::LseView lse_view(Part &part) {
    return {part.lse.data(), 0, 1, num_heads};
}
attune::InputLseView lse_view(const Part &part) {
    return {part.lse.data(), 0, 1, num_heads};
}

Part make_part(Tokens rows) {
    return {std::vector<float>(size_t(rows.count * num_heads * head_dim)), std::vector<float>(size_t(rows.count * num_heads))};
}

void check(const attune::Status &status) {
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

}  // namespace

Part attend(const float *query, Tokens rows, const float *key, const float *value, Tokens keys) {
    static attune::Workspace workspace;  // grows once, for the largest chunk
    Part part = make_part(rows);
    const chunk_attention_params params{.ahead = int32_t(rows.first - keys.first)};
    check(attune::find("chunk_attention")({.query = attune::bshd(query, query_shape(rows)),
                                           .key = attune::bshd(key, key_shape(keys)),
                                           .value = attune::bshd(value, key_shape(keys)),
                                           .output = attune::bshd(part.output.data(), query_shape(rows)),
                                           .lse = lse_view(part),
                                           .params = &params},
                                          workspace));
    return part;
}

Part merge(const std::vector<Part> &parts, Tokens rows) {
    std::vector<attune::MergePart> views;
    for (const Part &part : parts)
        if (!part.output.empty())
            views.push_back({attune::bshd(part.output.data(), query_shape(rows)), lse_view(part)});
    Part whole = make_part(rows);
    check(attune::merge({.parts = views, .output = attune::bshd(whole.output.data(), query_shape(rows)), .lse = lse_view(whole)}));
    return whole;
}
