#include "generator/import/score_graph.h"
#include "generator/import/graph_elements.h"
#include "generator/import/node_rule.h"
#include "generator/spec/typing.h"

namespace attune {
namespace {

constexpr double hidden_below = -1e29;  // a score below it hides its key (generator/reference/README.md)

using Values = std::map<std::string, GraphValue>;

const GraphValue &value_of(const std::string &name, Values &values, const OnnxGraph &graph) {
    if (const auto found = values.find(name); found != values.end())
        return found->second;
    if (const auto constant = graph.constants.find(name); constant != graph.constants.end())
        return values[name] = constant_value(constant->second, name);
    refuse("it reads {}, which is neither the scores nor a constant of a few elements", name);
}

GraphValue run(const OnnxOperation &operation, Values &values, const OnnxGraph &graph) {
    if (!operation.unread.empty())
        refuse("{} has the attribute {}", operation.op, operation.unread);
    std::vector<GraphValue> inputs;
    for (const std::string &name : operation.inputs)
        inputs.push_back(value_of(name, values, graph));
    if (auto out = shape_operator(operation, inputs))
        return *out;
    if (auto out = element_operator(operation, inputs))
        return *out;
    refuse("the operator {} is none of those that can be translated", operation.op);
}

bool is_zero(const ExprPtr &e) {
    const auto x = constant_real(e);
    return x && *x == 0;
}
bool hides(const ExprPtr &e) {
    const auto x = constant_real(e);
    return x && *x < hidden_below;
}

ExprPtr negation(const ExprPtr &condition) {
    static const std::map<Op, Op> opposites = {{Op::less, Op::greater_equal}, {Op::greater_equal, Op::less}, {Op::greater, Op::less_equal},
                                               {Op::less_equal, Op::greater}, {Op::equal, Op::not_equal},    {Op::not_equal, Op::equal}};
    if (condition->op == Op::logical_not)
        return condition->operands[0];
    const auto opposite = opposites.find(condition->op);
    if (opposite != opposites.end() && condition->operands[0]->type == ExprType::integer)  // a NaN has no opposite
        return make_node(opposite->second, ExprType::boolean, condition->operands);
    return make_node(Op::logical_not, ExprType::boolean, {condition});
}

/// select(c, x, hidden) shows where c, select(c, hidden, x) where not; null where `e` is neither, or asks the score itself.
ExprPtr shown_where(const ExprPtr &e) {
    if (e->op != Op::select || mentions(e->operands[0], Variable::s))
        return nullptr;
    if (hides(e->operands[2]))
        return e->operands[0];
    return hides(e->operands[1]) ? negation(e->operands[0]) : nullptr;
}
const ExprPtr &shown_score(const ExprPtr &e) {
    return hides(e->operands[2]) ? e->operands[1] : e->operands[2];
}

/// Takes one condition off the score, in either form; null where there is none.
ExprPtr take_condition(ExprPtr &score) {
    if (ExprPtr condition = shown_where(score)) {
        score = ExprPtr(shown_score(score));
        return condition;
    }
    if (score->op == Op::add)
        for (const size_t i : {size_t{0}, size_t{1}}) {
            const ExprPtr &term = score->operands[i];
            if (ExprPtr condition = shown_where(term); condition && is_zero(shown_score(term))) {
                score = ExprPtr(score->operands[1 - i]);
                return condition;
            }
        }
    return nullptr;
}

}  // namespace

ScoreRule translate_score_graph(const OnnxGraph &graph) {
    if (graph.inputs.size() != 1 || graph.outputs.size() != 1)
        refuse("it has {} inputs and {} outputs, expected one of each", graph.inputs.size(), graph.outputs.size());
    Values values = {{graph.inputs[0], score_value()}};
    for (const OnnxOperation &operation : graph.operations) {
        if (operation.outputs.size() != 1)
            refuse("the operator {} has {} outputs, expected one", operation.op, operation.outputs.size());
        values[operation.outputs[0]] = run(operation, values, graph);
    }
    const GraphValue &result = value_of(graph.outputs[0], values, graph);
    ExprPtr score = element_of(result), mask;
    if (result.dims != score_value().dims || score->type != ExprType::real)
        refuse("its result is no tensor of scores");

    while (ExprPtr condition = take_condition(score))
        mask = mask ? make_node(Op::logical_and, ExprType::boolean, {mask, condition}) : condition;
    const bool is_plain = score->op == Op::variable && score->variable == Variable::s;
    return {mask ? print_expression(mask, {}) : "", is_plain ? "" : print_expression(score, {})};
}

}  // namespace attune
