#pragma once
#include "generator/import/onnx_graph.h"
#include "generator/spec/expression.h"

namespace attune {

/// What a dimension of a tensor runs along: nothing (its extent is 1), or one of the four of the scores.
enum class Axis { one, b, h, q, kv };

/// A tensor inside a graph on scores, as the expression of one element in the element's own indices: (b, h, q, kv) of the scores is `s`,
/// and what Range makes of the number of keys is `kv`, whatever shape it is given.
struct GraphValue {
    std::vector<Axis> dims = {};  ///< outermost first
    ExprPtr element = {};         ///< null: an extent that expressions have no name for, or a list
    Axis extent_of = Axis::one;   ///< of a number: it is the extent of this axis
    int64_t parts = 1;            ///< of the element as text: a graph may use a value again and again
    bool is_list = false;         ///< several numbers, of which only shapes are made
    std::vector<GraphValue> items = {};
};

GraphValue score_value();
/// Refuses what is not finite, but for -inf, which becomes a score that hides.
GraphValue constant_value(const OnnxConstant &constant, const std::string &name);
GraphValue number_value(ExprPtr number);

/// The element of a tensor; refuses what has none.
const ExprPtr &element_of(const GraphValue &value);
/// Dimensions aligned at the last, as ONNX's operators have it; refuses two that run along different axes.
std::vector<Axis> broadcast(const std::vector<Axis> &a, const std::vector<Axis> &b);

/// Shape, Gather, Range, Reshape, Unsqueeze, Squeeze, Expand: what index tensors are made with. Empty: the operator is another one.
std::optional<GraphValue> shape_operator(const OnnxOperation &operation, const std::vector<GraphValue> &inputs);

}  // namespace attune
