#include "generator/reference/expressions.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <stdexcept>

namespace attune {
namespace {

/// An expression with its parameters, evaluated pair by pair. Copies have their own steps, so that threads may use one each.
class PairFunction {
public:
    PairFunction(const ExprPtr &root, std::shared_ptr<const std::vector<ParamValue>> params, int64_t group)
        : program_({root}), params_(std::move(params)), group_(group) {}

    Program::Value operator()(int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv, double s) {
        bindings_[Variable::b] = b;
        bindings_[Variable::h] = h;
        bindings_[Variable::hkv] = h / group_;
        bindings_[Variable::q] = q;
        bindings_[Variable::kv] = kv;
        bindings_[Variable::seq_len_q] = seq_len_q;
        bindings_[Variable::seq_len_kv] = seq_len_kv;
        bindings_.s = s;
        return program_.run(bindings_, *params_)[0];
    }

private:
    Program program_;
    std::shared_ptr<const std::vector<ParamValue>> params_;
    int64_t group_;
    Bindings bindings_;
};

/// The elements of a parameter [b, kv, hkv] or [b, kv, hkv, d], whose extents are the call's or 1.
double element_at(const ParamValue &param, std::initializer_list<int64_t> index) {
    size_t at = 0, d = 0;
    for (const int64_t i : index) {
        if (d == param.extents.size()) break;
        at = at * static_cast<size_t>(param.extents[d]) + static_cast<size_t>(std::clamp<int64_t>(i, 0, param.extents[d] - 1));
        d++;
    }
    return param.elements[at];
}

void set_linear_rule(ReferenceProblem &problem, const AttentionSpec &spec, const std::vector<ParamValue> &params) {
    LinearRule &rule = problem.linear;
    rule.feature_map = spec.feature_map;
    rule.divides_by_sum = divides_by_sum(spec);
    rule.is_causal = static_cast<bool>(spec.mask);
    rule.decay = {};
    rule.beta = {};
    const auto param = [&](const std::string &name) { return params[static_cast<size_t>(spec.find_param(name) - spec.params.data())]; };
    if (!spec.decay.empty())
        rule.decay = [p = param(spec.decay)](int64_t b, int64_t kv, int64_t kv_head, int d) { return element_at(p, {b, kv, kv_head, d}); };
    if (!spec.beta.empty())
        rule.beta = [p = param(spec.beta)](int64_t b, int64_t kv, int64_t kv_head) { return element_at(p, {b, kv, kv_head}); };
}

}  // namespace

void set_expressions(ReferenceProblem &problem, const AttentionSpec &spec, const std::vector<ParamValue> &params) {
    if (params.size() != spec.params.size())
        throw std::invalid_argument("set_expressions: another number of parameters than the specification");
    const auto values = std::make_shared<const std::vector<ParamValue>>(params);
    const int64_t group = problem.num_heads / problem.num_kv_heads;
    problem.softmax_scale = spec.softmax_scale;
    problem.normalizer = spec.normalizer;
    problem.compute = spec.compute_dtype;
    problem.integer_values = spec.cache.dtype != KvDType::same;
    problem.integer_weights = fills_integer_tiles(spec);
    problem.integer_queries = has_integer_products(spec);
    problem.pairs = spec.pairs_output;
    problem.visible = {};
    if (is_linear(spec)) set_linear_rule(problem, spec, params);
    if (spec.mask)
        problem.visible = [f = PairFunction(spec.mask.root, values, group)](int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q,
                                                                            int64_t seq_len_kv) mutable {
            return f(b, h, q, kv, seq_len_q, seq_len_kv, 0).integer != 0;
        };
    const auto score = [&](const ExprPtr &root) -> ReferenceProblem::Score {
        return [f = PairFunction(root, values, group)](int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv,
                                                       double s) mutable { return f(b, h, q, kv, seq_len_q, seq_len_kv, s).real; };
    };
    problem.score = problem.biased_score = {};
    if (spec.score) problem.score = score(spec.score.root);
    if (spec.score && spec.pairs_output == PairsOutput::logits_biased) problem.biased_score = score(without_soft_caps(spec.score.root));
    problem.sink.clear();
    if (const ParamDeclaration *sink = spec.find_param(spec.sink))
        problem.sink = params[static_cast<size_t>(sink - spec.params.data())].elements;
}

}  // namespace attune
