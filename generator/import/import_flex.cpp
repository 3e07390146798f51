#include "generator/import/import_flex.h"
#include "generator/import/node_rule.h"
#include "generator/import/score_graph.h"

#include <cmath>

namespace attune {
namespace {

const std::vector<OnnxDim> &shape4(const OnnxTensor &tensor, const char *input) {
    const auto &shape = shape_of(tensor, input);
    if (shape.size() != 4)
        refuse("{} has rank {}, expected 4", input, shape.size());
    return shape;
}

ScoreRule rule_of(const OnnxGraph &graph) {
    try {
        return translate_score_graph(graph);
    } catch (const Refusal &refusal) {
        refuse("score_mod: {}", refusal.reason);
    }
}

void fill(const OnnxFlex &node, ImportedFlex &out) {
    const auto &query = shape4(node.query, "Q"), &key = shape4(node.key, "K"), &value = shape4(node.value, "V");
    check_types({{&node.query, "Q"}, {&node.key, "K"}, {&node.value, "V"}});
    const OnnxDim dim = agreed(query[3], key[3], "head_size");
    if (!dim.is_number() || !value[3].is_number())
        refuse("head_size of {} is not a number in the model: a kernel needs it", dim.is_number() ? "V" : "Q and K");
    if (node.scale && !(*node.scale > 0 && std::isfinite(*node.scale)))
        refuse("scale is {}, expected a positive number", *node.scale);
    check_softmax_precision(node.softmax_precision);
    if (node.prob_mod)
        refuse("prob_mod changes weights after the softmax, which no specification says");

    const ScoreRule rule = node.score_mod ? rule_of(*node.score_mod) : ScoreRule{};
    out.kernel.keys = key_lines({.dtype = float_type(node.query.type),
                                 .head_dim = dim.size,
                                 .head_dim_v = value[3].size,
                                 .group = group_of(query[1], agreed(key[1], value[1], "the number of key/value heads")),
                                 .scale = node.scale,
                                 .score = rule.score,
                                 .mask = rule.mask},
                                {});
    note_softmax_precision(node.softmax_precision, out.notes);
}

}  // namespace

ImportedFlex import_flex(const OnnxFlex &node) {
    return import_by<ImportedFlex>(fill, node);
}

}  // namespace attune
