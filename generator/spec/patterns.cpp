#include "generator/spec/patterns.h"

#include <unordered_set>

namespace attune {

std::vector<const Pattern *> patterns_of(const Expression &expression) {
    std::vector<const Pattern *> out;
    std::unordered_set<const Node *> seen;
    std::vector<const Node *> open;
    if (expression) open.push_back(expression.root.get());
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!seen.insert(node).second) continue;
        if (node->op == Op::helper) {
            open.push_back(node->body.get());
            continue;
        }
        if (node->op == Op::pattern) out.push_back(node->pattern.get());
        for (auto operand = node->operands.rbegin(); operand != node->operands.rend(); ++operand) open.push_back(operand->get());
    }
    return out;
}

}  // namespace attune
