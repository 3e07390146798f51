#include "generator/spec/expression.h"

#include <array>
#include <unordered_set>
#include <utility>

namespace attune {
namespace {

constexpr std::array<const char *, num_variables> variable_names = {
    "b", "h",        "hkv",     "q",      "kv",      "q_abs",  "seq_len_q", "seq_len_kv",
    "s", "head_dim", "h_first", "h_last", "q_first", "q_last", "kv_first",  "kv_last",
};

std::shared_ptr<Node> leaf(Op op, ExprType type) {
    auto node = std::make_shared<Node>();
    node->op = op;
    node->type = type;
    return node;
}

bool reads(Variable read, Variable variable) {
    if (read == variable) return true;
    // q_abs = q + seq_len_kv - seq_len_q
    return read == Variable::q_abs && (variable == Variable::q || variable == Variable::seq_len_q || variable == Variable::seq_len_kv);
}

}  // namespace

const char *variable_name(Variable variable) { return variable_names[static_cast<size_t>(variable)]; }

const ExprPtr &without_helper(const ExprPtr &root) {
    const ExprPtr *expression = &root;
    while ((*expression)->op == Op::helper) expression = &(*expression)->body;
    return *expression;
}

ExprPtr without_soft_caps(const ExprPtr &root) {
    if (root->op == Op::helper && root->helper == "softcap") return without_soft_caps(root->operands[0]);
    if (root->op == Op::helper) return without_soft_caps(root->body);
    auto node = std::make_shared<Node>(*root);
    for (ExprPtr &operand : node->operands) operand = without_soft_caps(operand);
    return node;
}

bool mentions(const ExprPtr &root, Variable variable) {
    std::unordered_set<const Node *> seen;  // shared parts once: as a tree, nested helpers may be far larger
    std::vector<const Node *> open = {root.get()};
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!seen.insert(node).second) continue;
        if (node->op == Op::variable && reads(node->variable, variable)) return true;
        if (node->op == Op::helper)
            open.push_back(node->body.get());
        else
            for (const ExprPtr &operand : node->operands) open.push_back(operand.get());
    }
    return false;
}

ExprPtr make_integer(int64_t value) {
    auto node = leaf(Op::integer, ExprType::integer);
    node->integer = value;
    return node;
}

ExprPtr make_real(double value) {
    auto node = leaf(Op::real, ExprType::real);
    node->real = value;
    return node;
}

ExprPtr make_boolean(bool value) {
    auto node = leaf(Op::boolean, ExprType::boolean);
    node->integer = value;
    return node;
}

ExprPtr make_variable(Variable variable) {
    // head_dim is a real, so that a scale of 1 / head_dim is not 0.
    auto node = leaf(Op::variable, variable == Variable::s || variable == Variable::head_dim ? ExprType::real : ExprType::integer);
    node->variable = variable;
    return node;
}

ExprPtr make_node(Op op, ExprType type, std::vector<ExprPtr> operands) {
    auto node = leaf(op, type);
    node->operands = std::move(operands);
    return node;
}

}  // namespace attune
