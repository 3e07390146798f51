#include "generator/import/import_attention.h"
#include "generator/import/node_rule.h"

#include <fmt/ranges.h>

#include <cmath>

namespace attune {
namespace {

constexpr int64_t longest_sequence = (int64_t{1} << 31) - 1;  // of kernels; a window of that size hides nothing

/// Q, K, V in the kernel's terms; shapes as (batch, heads, seq_len, dim).
struct Geometry {
    OnnxDim batch, heads, kv_heads, length_q, length_kv;
    int64_t head_dim = 0, head_dim_v = 0;
};

/// As (batch, heads, seq_len, dim); heads: of inputs of rank 3.
std::vector<OnnxDim> rank4(const OnnxTensor &tensor, const char *input, int64_t heads) {
    const auto &shape = shape_of(tensor, input);
    if (heads == 0)
        return shape;
    return {shape[0], {heads, ""}, shape[1], split(shape[2], heads, input)};
}

Geometry geometry(const OnnxAttention &node, ImportedAttention &out) {
    const size_t rank = shape_of(node.query, "Q").size();
    if (rank != 3 && rank != 4)
        refuse("Q has rank {}, expected 3 or 4", rank);
    for (const auto &[tensor, input] : {std::pair{&node.key, "K"}, {&node.value, "V"}})
        if (const size_t other = shape_of(*tensor, input).size(); other != rank)
            refuse("{} has rank {}, and Q has {}", input, other, rank);
    if (rank == 3) {
        if (!node.q_num_heads || !node.kv_num_heads)
            refuse("inputs of rank 3 need q_num_heads and kv_num_heads");
        if (*node.q_num_heads < 1 || *node.kv_num_heads < 1)
            refuse("q_num_heads and kv_num_heads are {} and {}, expected at least 1", *node.q_num_heads, *node.kv_num_heads);
        out.num_heads = *node.q_num_heads;
        out.num_kv_heads = *node.kv_num_heads;
    } else if (node.opset >= 25 && (node.q_num_heads || node.kv_num_heads)) {
        refuse("q_num_heads and kv_num_heads are for inputs of rank 3 from opset 25 on, and these have rank 4");
    }
    const auto query = rank4(node.query, "Q", out.num_heads), key = rank4(node.key, "K", out.num_kv_heads),
               value = rank4(node.value, "V", out.num_kv_heads);
    Geometry g;
    g.batch = agreed(query[0], key[0], "the batch");
    g.heads = query[1];
    g.kv_heads = agreed(key[1], value[1], "the number of key/value heads");
    g.length_q = query[2];
    g.length_kv = agreed(key[2], value[2], "the length of key and value");
    OnnxDim dim = agreed(query[3], key[3], "head_size"), dim_v = value[3];
    for (const auto &[past, of_head] : {std::pair{&node.past_key, &dim}, {&node.past_value, &dim_v}})
        if (*past && past->shape && past->shape->size() == 4)
            *of_head = agreed(*of_head, past->shape->at(3), "head_size");
    if (!dim.is_number() || !dim_v.is_number())
        refuse("head_size of {} is not a number in the model: a kernel needs it", dim.is_number() ? "V" : "Q and K");
    g.head_dim = dim.size;
    g.head_dim_v = dim_v.size;
    return g;
}

void check_attributes(const OnnxAttention &node) {
    if (node.scale && !(*node.scale > 0 && std::isfinite(*node.scale)))
        refuse("scale is {}, expected a positive number", *node.scale);
    if (!std::isfinite(node.softcap))
        refuse("softcap is {}, expected a number", node.softcap);
    if (node.left_window_size < -1 || node.right_window_size < -1)
        refuse("left_window_size and right_window_size are {} and {}, expected -1 or more", node.left_window_size, node.right_window_size);
    if (node.qk_matmul_output_mode < 0 || node.qk_matmul_output_mode > 3)
        refuse("qk_matmul_output_mode is {}, expected 0 to 3", node.qk_matmul_output_mode);
    check_softmax_precision(node.softmax_precision);
    if (static_cast<bool>(node.past_key) != static_cast<bool>(node.past_value))
        refuse("past_key and past_value must be given together");
    if (node.past_key && node.nonpad_kv_seqlen)
        refuse("nonpad_kv_seqlen cannot be combined with past_key");
    if (node.nonpad_kv_seqlen && (!node.present_key.empty() || !node.present_value.empty()))
        refuse("nonpad_kv_seqlen cannot be combined with present_key");
    if (node.nonpad_kv_seqlen && node.nonpad_kv_seqlen.type != 0 && node.nonpad_kv_seqlen.type != onnx_type::int64)
        refuse("nonpad_kv_seqlen is {}, expected int64", onnx_type_name(node.nonpad_kv_seqlen.type));
}

/// Where query q stands among the keys: base + offset.
struct Position {
    std::string base;
    int64_t offset = 0;

    std::string moved(int64_t by) const {
        const int64_t sum = offset + by;
        return sum == 0 ? base : fmt::format("{} {} {}", base, sum < 0 ? '-' : '+', sum < 0 ? -sum : sum);
    }
};

/// q_abs = q + seq_len_kv - seq_len_q is the right one where lengths say how many keys there are, and where as many keys as queries come
/// after the past.
Position query_position(const OnnxAttention &node, const Geometry &g, std::vector<ImportedKernel::Param> &params) {
    if (node.nonpad_kv_seqlen || g.length_q.same(g.length_kv))
        return {"q_abs"};
    if (!node.past_key)
        return {"q"};
    const auto &past = node.past_key.shape;
    if (past && past->size() == 4 && past->at(2).is_number()) {
        if (past->at(2).size >= longest_sequence)
            refuse("past_key has {} positions, expected less than {}", past->at(2).size, longest_sequence);
        return {"q", past->at(2).size};
    }
    params.push_back({.name = "past_length", .type = "i32", .length_of = node.past_key.name});
    return {"q + past_length"};
}

/// Causal and window as conditions on kv, with helpers where these say the same.
std::vector<std::string> range_conditions(const OnnxAttention &node, const Position &position) {
    const auto bound = [](int64_t size) { return size < longest_sequence ? size : -1; };
    const int64_t left = bound(node.left_window_size), right = bound(node.right_window_size);
    const bool at_end = position.base == "q_abs", at_start = position.base == "q" && position.offset == 0;
    const bool bounded_right = right >= 0 && !node.is_causal;  // causal is the stricter bound
    std::vector<std::string> conditions;
    if (node.is_causal)
        conditions.push_back(at_end ? "causal" : at_start ? "causal_top_left" : "kv <= " + position.moved(0));
    if (at_end && left >= 0) {
        conditions.push_back(bounded_right ? fmt::format("window({}, {})", left, right) : fmt::format("window({})", left));
        return conditions;
    }
    if (left >= 0)
        conditions.push_back(position.moved(-left) + " <= kv");
    if (bounded_right)
        conditions.push_back("kv <= " + position.moved(right));
    return conditions;
}

/// Names of attn_mask's dimensions in a declaration, "q, kv": aligned at the last, 1 where the extent is repeated. The last is never
/// repeated: ONNX fills what is missing there.
std::string mask_dims(const OnnxAttention &node, const Geometry &g) {
    const auto &shape = shape_of(node.attn_mask, "attn_mask");
    const char *const names[] = {"b", "h", "q", "kv"};
    const OnnxDim *const extents[] = {&g.batch, &g.heads, &g.length_q};
    if (shape.empty() || shape.size() > 4)
        refuse("attn_mask has rank {}, expected 1 to 4", shape.size());
    std::vector<std::string> dims;
    for (size_t i = 0; i < shape.size(); i++) {
        const size_t role = i + 4 - shape.size();
        if (role < 3 && shape[i].size == 1 && extents[role]->size != 1) {
            dims.emplace_back("1");
            continue;
        }
        if (role < 3 && shape[i].is_number() && extents[role]->is_number() && shape[i].size != extents[role]->size)
            refuse("attn_mask's dimension {} is {}, expected 1 or {}", i, shape[i].size, extents[role]->size);
        dims.emplace_back(names[role]);
    }
    const OnnxDim &keys = shape.back();
    if (!node.past_key && keys.is_number() && g.length_kv.is_number() && keys.size > g.length_kv.size)
        refuse("attn_mask covers {} keys, and there are {}", keys.size, g.length_kv.size);
    return fmt::format("{}", fmt::join(dims, ", "));
}

/// What outputs calls ONNX's qk_matmul_output_mode: 0 scaled product, 1 with soft cap, 2 with soft cap and mask, 3 softmax.
std::string pairs_name(const OnnxAttention &node) {
    if (node.qk_matmul_output_mode == 3)
        return "weights";
    if (node.qk_matmul_output_mode == 2 || (node.qk_matmul_output_mode == 1 && node.softcap > 0))
        return "logits";
    return "logits_raw";
}

void fill(const OnnxAttention &node, ImportedAttention &out) {
    const Geometry g = geometry(node, out);
    check_types({{&node.query, "Q"}, {&node.key, "K"}, {&node.value, "V"}, {&node.past_key, "past_key"}, {&node.past_value, "past_value"}});
    check_attributes(node);

    const KernelKeys plain{.dtype = float_type(node.query.type),
                           .head_dim = g.head_dim,
                           .head_dim_v = g.head_dim_v,
                           .group = group_of(g.heads, g.kv_heads),
                           .scale = node.scale};
    KernelKeys keys = plain;
    ImportedKernel &kernel = out.kernel;
    const std::string capped = node.softcap > 0 ? fmt::format("softcap(s, {})", node.softcap) : "";
    keys.score = capped;
    std::vector<std::string> conditions;
    if (node.is_causal || node.left_window_size >= 0 || node.right_window_size >= 0)
        conditions = range_conditions(node, query_position(node, g, kernel.params));
    if (node.attn_mask) {
        const std::string dims = mask_dims(node, g), type = float_type(node.attn_mask.type);
        if (node.attn_mask.type == onnx_type::boolean) {
            conditions.emplace_back("mask_bits");
            kernel.params.push_back({.name = "mask_bits", .type = "bool[" + dims + "]", .tensor = node.attn_mask.name, .pad = "false"});
        } else if (!type.empty()) {
            keys.score = (capped.empty() ? "s" : capped) + " + bias";
            kernel.params.push_back({.name = "bias", .type = type + "[" + dims + "]", .tensor = node.attn_mask.name, .pad = "-inf"});
        } else {
            refuse("attn_mask is {}, expected bool, float, float16 or bfloat16", onnx_type_name(node.attn_mask.type));
        }
    }
    keys.mask = fmt::format("{}", fmt::join(conditions, " && "));
    kernel.lengths_kv = node.nonpad_kv_seqlen.name;

    if (!node.qk_matmul_output.empty()) {
        // Modes 0 and 1 show what stands before mask and lengths, so that a kernel with them cannot write it.
        const std::string pairs = pairs_name(node);
        const bool unmasked = node.qk_matmul_output_mode < 2;
        const bool apart =
            unmasked && (node.nonpad_kv_seqlen || (pairs == "logits" && node.attn_mask) || (pairs == "logits" && !keys.mask.empty()));
        if (apart) {
            out.pairs_kernel.pairs = pairs;
            KernelKeys alone = plain;
            alone.score = pairs == "logits" ? capped : "";
            alone.pairs = pairs;
            out.pairs_kernel.keys = key_lines(alone, {});
        } else {
            kernel.pairs = keys.pairs = pairs;
        }
    }
    kernel.keys = key_lines(keys, kernel.params);

    if (node.past_key)
        out.notes.push_back("join past_key and key along the sequence, and past_value and value; the result is present_key, present_value");
    if (out.num_heads > 0)
        out.notes.push_back(
            fmt::format("split the hidden size into {} query heads and {} key/value heads", out.num_heads, out.num_kv_heads));
    if (!out.pairs_kernel.keys.empty())
        out.notes.push_back("qk_matmul_output has no mask, so it comes from a specification of its own");
    note_softmax_precision(node.softmax_precision, out.notes);
}

}  // namespace

ImportedAttention import_attention(const OnnxAttention &node) {
    return import_by<ImportedAttention>(fill, node);
}

}  // namespace attune
