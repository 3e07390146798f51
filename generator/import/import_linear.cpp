#include "generator/import/import_linear.h"
#include "generator/import/node_rule.h"

#include <cmath>

namespace attune {
namespace {

const std::vector<OnnxDim> &packed_shape(const OnnxTensor &tensor, const char *input) {
    const auto &shape = shape_of(tensor, input);
    if (shape.size() != 3)
        refuse("{} has rank {}, expected 3", input, shape.size());
    return shape;
}

int64_t number_of(const OnnxDim &dim, const char *what) {
    if (!dim.is_number())
        refuse("{} is not a number in the model: a kernel needs it", what);
    return dim.size;
}

void check_rule(const OnnxLinear &node) {
    const bool decays = node.update_rule.starts_with("gated"), corrects = node.update_rule.ends_with("delta");
    if (!decays && !corrects && node.update_rule != "linear")
        refuse("update_rule is \"{}\", expected linear, gated, delta or gated_delta", node.update_rule);
    for (const auto &[tensor, input, wanted] : {std::tuple{&node.decay, "decay", decays}, {&node.beta, "beta", corrects}})
        if (static_cast<bool>(*tensor) != wanted)
            refuse("update_rule {} {} {}", node.update_rule, wanted ? "needs" : "has no", input);
    if (node.scale != 0 && !(node.scale > 0 && std::isfinite(node.scale)))
        refuse("scale is {}, expected a positive number, or 0 for 1/sqrt(head_size)", node.scale);
}

void check_state(const OnnxLinear &node) {
    const OnnxTensor &past = node.past_state;
    if (past.type != 0 && float_type(past.type).empty())
        refuse("past_state is {}, expected float, float16 or bfloat16", onnx_type_name(past.type));
    if (past.shape && past.shape->size() != 4)
        refuse("past_state has rank {}, expected 4", past.shape->size());
}

/// "f32[b, kv, hkv]", or with a number for each element of a head.
std::string decay_type(const OnnxLinear &node, int64_t kv_heads, int64_t head_dim) {
    const int64_t last = number_of(packed_shape(node.decay, "decay")[2], "the last dimension of decay");
    if (last == kv_heads)
        return "f32[b, kv, hkv]";
    if (last != kv_heads * head_dim)
        refuse("decay has {} numbers a position, expected {} (one for each head) or {}", last, kv_heads, kv_heads * head_dim);
    return fmt::format("f32[b, kv, hkv, {}]", head_dim);
}

void check_beta(const OnnxLinear &node, int64_t kv_heads) {
    if (const OnnxDim &last = packed_shape(node.beta, "beta")[2]; last.is_number() && last.size != 1 && last.size != kv_heads)
        refuse("beta has {} numbers a position, expected 1 or {}", last.size, kv_heads);
}

void fill(const OnnxLinear &node, ImportedLinear &out) {
    const auto &query = packed_shape(node.query, "query"), &key = packed_shape(node.key, "key"), &value = packed_shape(node.value, "value");
    if (!node.q_num_heads || !node.kv_num_heads)
        refuse("q_num_heads and kv_num_heads are missing");
    const int64_t heads = out.num_heads = *node.q_num_heads, kv_heads = out.num_kv_heads = *node.kv_num_heads;
    if (heads < 1 || kv_heads < 1)
        refuse("q_num_heads and kv_num_heads are {} and {}, expected at least 1", heads, kv_heads);
    check_types({{&node.query, "query"}, {&node.key, "key"}, {&node.value, "value"}, {&node.decay, "decay"}, {&node.beta, "beta"}});
    check_rule(node);
    check_state(node);
    agreed(agreed(query[1], key[1], "the length"), value[1], "the length");

    OnnxDim dim = agreed(split(query[2], heads, "query"), split(key[2], kv_heads, "key"), "head_size");
    OnnxDim dim_v = split(value[2], kv_heads, "value");
    if (node.past_state.shape) {
        dim = agreed(dim, node.past_state.shape->at(2), "head_size");
        dim_v = agreed(dim_v, node.past_state.shape->at(3), "the head_size of value");
    }
    KernelKeys keys{.dtype = float_type(node.query.type),
                    .head_dim = number_of(dim, "head_size"),
                    .head_dim_v = number_of(dim_v, "the head_size of value"),
                    .group = group_of({heads, ""}, {kv_heads, ""}),
                    .mask = "causal",
                    .words = {{"normalizer", "linear"}, {"feature_map", "identity"}}};
    if (node.scale != 0)
        keys.scale = node.scale;
    if (node.decay) {
        keys.words.emplace_back("decay", "decay");
        out.kernel.params.push_back({.name = "decay", .type = decay_type(node, kv_heads, keys.head_dim), .tensor = node.decay.name});
    }
    if (node.beta) {
        check_beta(node, kv_heads);
        keys.words.emplace_back("beta", "beta");
        out.kernel.params.push_back({.name = "beta", .type = "f32[b, kv, hkv]", .tensor = node.beta.name});
    }
    out.kernel.keys = key_lines(keys, out.kernel.params);

    out.notes.push_back(fmt::format("split the hidden size into {} query heads and {} key/value heads", heads, kv_heads));
    if (node.past_state || !node.present_state.empty())
        out.notes.push_back("the state is float, whatever the model's type");
    if ((node.decay || node.beta) && node.query.type != onnx_type::float32)
        out.notes.push_back("decay and beta are float: cast them");
}

}  // namespace

ImportedLinear import_linear(const OnnxLinear &node) {
    return import_by<ImportedLinear>(fill, node);
}

}  // namespace attune
