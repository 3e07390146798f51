#include "generator/algorithm/attention.h"
#include "attune/kernel.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace attune {

using namespace Halide;

Type halide_type(DType dtype) {
    switch (dtype) {
    case DType::f16:
        return Float(16);
    case DType::bf16:
        return BFloat(16);
    case DType::f32:
        break;
    }
    return Float(32);
}

namespace {

Type element_type(ParamDeclaration::Element element) {
    switch (element) {
    case ParamDeclaration::Element::i32:
        return Int(32);
    case ParamDeclaration::Element::f16:
        return Float(16);
    case ParamDeclaration::Element::bf16:
        return BFloat(16);
    case ParamDeclaration::Element::boolean:
        return UInt(8);
    case ParamDeclaration::Element::f32:
        break;
    }
    return Float(32);
}

/// A bias of -infinity stands in an array that the key indexes, and only there: slopes of heads hide nothing.
bool reads_reals_by_key(const ExprPtr &root, std::set<const Node *> &seen) {
    const ExprPtr &node = without_helper(root);
    if (!seen.insert(node.get()).second)
        return false;
    if (node->op == Op::element && node->type == ExprType::real && mentions(node, Variable::kv))
        return true;
    return std::any_of(node->operands.begin(), node->operands.end(),
                       [&](const ExprPtr &operand) { return reads_reals_by_key(operand, seen); });
}

void find_row_key_elements(const ExprPtr &root, bool heads_differ, std::set<const Node *> &seen, std::vector<const Node *> &found) {
    const ExprPtr &node = without_helper(root);
    if (!seen.insert(node.get()).second)
        return;
    for (const ExprPtr &operand : node->operands)
        find_row_key_elements(operand, heads_differ, seen, found);
    if (node->op != Op::element || node->type != ExprType::real || mentions(node, Variable::s))
        return;
    const ExprPtr &last = without_helper(node->operands.back());
    const bool by_key = last->op == Op::variable && last->variable == Variable::kv;
    if (by_key && (mentions(node, Variable::q) || (heads_differ && mentions(node, Variable::h))))
        found.push_back(node.get());
}

}  // namespace

std::vector<const Node *> row_key_elements(const AttentionSpec &spec, bool heads_differ) {
    std::set<const Node *> seen;
    std::vector<const Node *> found;
    if (spec.score)
        find_row_key_elements(spec.score.root, heads_differ, seen, found);
    return found;
}

bool score_may_hide(const AttentionSpec &spec) {
    std::set<const Node *> seen;
    return spec.score && reads_reals_by_key(spec.score.root, seen);
}

void add_params(const AttentionSpec &spec, bool halves_as_bits, std::vector<Parameter> &params, std::vector<Argument> &arguments) {
    for (const ParamDeclaration &param : spec.params) {
        const bool is_half = param.element == ParamDeclaration::Element::f16 || param.element == ParamDeclaration::Element::bf16;
        const Type type = is_half && halves_as_bits ? UInt(16) : element_type(param.element);
        const std::string name = "param_" + param.name;  // apart from the names of other arguments
        if (param.is_scalar()) {
            params.emplace_back(type, false, 0, name);
            arguments.emplace_back(name, Argument::InputScalar, type, 0, ArgumentEstimates{});
            continue;
        }
        ImageParam tensor(type, static_cast<int>(param.dims.size()), name);
        for (int d = 0; d < tensor.dimensions(); d++)
            tensor.dim(d).set_min(0);
        tensor.dim(0).set_stride(Expr());
        params.push_back(tensor.parameter());
        arguments.push_back(tensor);
    }
}

AttentionArguments::AttentionArguments(const AttentionSpec &spec, const BlockShape &shape)
    : batch("batch"), head("head"), kv_head("kv_head"), q_begin("q_begin"), seq_len_q("seq_len_q"), seq_len_kv("seq_len_kv"),
      num_positions("num_positions"), full(Int(32), 2, "full"), partial(Int(32), 2, "partial"), query(halide_type(spec.dtype), 3, "query"),
      key(halide_type(spec.dtype), 2, "key"), value(halide_type(spec.dtype), 2, "value"), key_norms(Float(32), 1, "key_norms"),
      reference(Float(32), 1, "reference"), row_class(Int(32), 1, "row_class"), lse(Float(32), 1, "lse"), strip_rows("strip_rows"),
      block_keys("block_keys"), first_keys(Int(32), 1, "first_keys"), first_key("first_key"), num_keys("num_keys"), masked("masked"),
      parts(Float(32), 3, "parts"), new_key(halide_type(spec.dtype), 2, "new_key"), new_value(halide_type(spec.dtype), 2, "new_value") {
    query.dim(0).set_bounds(0, spec.head_dim).dim(1).set_bounds(0, shape.fold).dim(2).set_min(0);
    key.dim(0).set_bounds(0, spec.head_dim);
    value.dim(0).set_bounds(0, spec.head_dim_v);
    new_key.dim(0).set_bounds(0, spec.head_dim);
    new_value.dim(0).set_bounds(0, spec.head_dim_v);
    for (ImageParam *tensor : {&key, &value, &new_key, &new_value})
        tensor->dim(1).set_min(0);
    if (spec.decode)
        define_cache(spec);
    const int strips = shape.block_q / shape.strip;
    for (ImageParam *list : {&full, &partial})
        list->dim(0).set_bounds(0, 1 + strips).dim(1).set_min(0).set_stride(1 + strips);
    for (ImageParam *row : {&key_norms, &reference, &row_class, &lse, &first_keys})
        row->dim(0).set_min(0);
    for (int d = 0; d < 3; d++)
        parts.dim(d).set_min(0);
    add_params(spec, false, params, param_arguments_);
}

void AttentionArguments::define_cache(const AttentionSpec &spec) {
    const KvCacheSpec &cache = spec.cache;
    const Type type = cache.dtype == KvDType::same ? halide_type(spec.dtype) : cache.dtype == KvDType::i8 ? Int(8) : UInt(8);
    const int elements_of_one = cache.dtype == KvDType::i4 ? 2 : 1;
    const struct {
        const char *name;
        int head_dim;
        ImageParam &rows, &starts, &scale, &zero;
    } tensors[] = {{"key", spec.head_dim, key, key_rows, key_scale, key_zero},
                   {"value", spec.head_dim_v, value, value_rows, value_scale, value_zero}};
    for (const auto &t : tensors) {
        t.rows = ImageParam(type, 2, t.name);
        t.rows.dim(0).set_bounds(0, t.head_dim / elements_of_one).dim(1).set_min(0);
        if (cache.layout != KvLayout::contiguous) {
            t.rows.dim(1).set_stride(1);
            t.starts = ImageParam(Int(32), 1, std::string(t.name) + "_rows");
            t.starts.dim(0).set_min(0);
        }
        if (cache.dtype == KvDType::same)
            continue;
        for (ImageParam *scale : {&t.scale, cache.zero_points ? &t.zero : &t.scale}) {
            *scale =
                ImageParam(Float(32), cache.dtype == KvDType::i8 ? 1 : 2, std::string(t.name) + (scale == &t.zero ? "_zero" : "_scale"));
            for (int d = 0; d < scale->dimensions(); d++)
                scale->dim(d).set_min(0);
        }
    }
    if (spec.rope.style != RopeSpec::Style::none) {
        rotation = ImageParam(Float(32), 3, "rotation");
        rotation.dim(0)
            .set_bounds(0, spec.head_dim)
            .dim(1)
            .set_bounds(0, 2)
            .set_stride(spec.head_dim)
            .dim(2)
            .set_min(0)
            .set_stride(2 * spec.head_dim);
    }
    const bool values_in_key = cache.values_in_key;
    const auto add = [](std::vector<Argument> &all, const ImageParam &tensor) {
        if (tensor.defined())
            all.push_back(tensor);
    };
    split_ = {first_key, num_keys, masked, query};
    add(split_, rotation);
    append_ = {new_key};
    if (!values_in_key)
        append_.push_back(new_value);
    add(append_, rotation);
    for (const auto &[of_key, of_value] :
         {std::pair(&key, &value), {&key_rows, &value_rows}, {&key_scale, &value_scale}, {&key_zero, &value_zero}}) {
        add(split_, *of_key);
        if (!values_in_key)
            add(split_, *of_value);
    }
}

std::vector<Argument> AttentionArguments::with_block(const std::vector<Argument> &others) const {
    std::vector<Argument> all = {batch, head, kv_head, q_begin, seq_len_q, seq_len_kv, num_positions};
    all.insert(all.end(), param_arguments_.begin(), param_arguments_.end());
    all.insert(all.end(), others.begin(), others.end());
    return all;
}

AttentionTask::AttentionTask(const AttentionSpec &spec, const BlockShape &shape, const MachineOperations &machine)
    : spec(spec), shape(shape), machine(machine), args(spec, shape), score_hides_(score_may_hide(spec)) {}

ExpressionInputs AttentionTask::inputs(const Expr &q, const Expr &h, const Expr &kv) const {
    return {{{Variable::b, args.batch},
             {Variable::hkv, args.kv_head},
             {Variable::seq_len_q, args.seq_len_q},
             {Variable::seq_len_kv, args.seq_len_kv},
             {Variable::q, q},
             {Variable::h, h},
             {Variable::kv, kv}},
            &spec.params,
            &args.params,
            tables_.get()};
}

Expr AttentionTask::visible(const Expr &q, const Expr &h, const Expr &kv) const {
    if (!spec.mask)
        return Internal::const_true();
    return to_halide(spec.mask.root, inputs(q, h, kv));
}

Expr AttentionTask::logit(const Expr &product, const Expr &q, const Expr &h, const Expr &kv,
                          const std::function<Expr(const Node &)> &staged) const {
    if (!spec.score)
        return product;
    ExpressionInputs in = inputs(q, h, kv);
    in.variables[Variable::s] = product;
    in.staged = staged;
    return to_halide(spec.score.root, in) * static_cast<float>(M_LOG2E);
}

Expr AttentionTask::sink(const Expr &h) const {
    if (spec.normalizer == Normalizer::softmax_plus_one)
        return 0.0f;
    if (spec.sink.empty())
        return Expr();
    const auto node = std::make_shared<Node>(*make_node(Op::element, ExprType::real, {make_variable(Variable::h)}));
    node->parameter = static_cast<int>(spec.find_param(spec.sink) - spec.params.data());
    return to_halide(node, inputs(0, h, 0)) * static_cast<float>(M_LOG2E);
}

Expr AttentionTask::key(const Expr &d, const Expr &kv) const {
    return cast<float>(args.key(d, kv));
}

Expr AttentionTask::value(const Expr &d, const Expr &kv) const {
    const bool padded = spec.head_dim_v % shape.tile_d != 0;
    return cast<float>(args.value(padded ? min(d, spec.head_dim_v - 1) : d, kv));
}

Expr AttentionTask::existing_of_chunk(const Expr &k) const {
    return unsafe_promise_clamped(select(args.masked != 0, min(k, args.num_keys - 1), k), 0, shape.block_kv - 1);
}

Expr AttentionTask::existing_key(const Expr &kv, bool clamped) const {
    const Expr last = args.seq_len_kv - 1;
    return unsafe_promise_clamped(clamped ? min(kv, last) : kv, 0, last);
}

int AttentionTask::product_steps() const {
    const int elements = shape.scores == Products::bf16_pairs ? 2 : shape.scores == Products::i8_quads ? 4 : 1;
    const int steps = (spec.head_dim + elements - 1) / elements;
    return shape.matrix_tiles ? (steps + matrix_tile_edge - 1) / matrix_tile_edge * matrix_tile_edge : steps;
}

Expr AttentionTask::head_dim_pair(const Expr &d, const std::function<Expr(Expr)> &element) const {
    const int elements = 2 * product_steps(), last = spec.head_dim - 1;
    if (elements == spec.head_dim)
        return pair_of_bf16(element(2 * d), element(2 * d + 1));
    auto existing = [&](const Expr &at) { return select(at <= last, element(min(at, last)), cast(type(), 0.0f)); };
    return pair_of_bf16(existing(2 * d), existing(2 * d + 1));
}

float AttentionTask::scale() const {
    return static_cast<float>(spec.score ? spec.softmax_scale : spec.softmax_scale * M_LOG2E);
}

Type AttentionTask::type() const {
    return halide_type(spec.dtype);
}

Expr VisitList::holds_tile(const Expr &tile, const Expr &c, const Expr &s, int parts) const {
    const Expr visit = state(c, s);
    return tile >= ((visit >> ATTUNE_VISIT_FIRST_SHIFT) & 255) * parts && tile < (visit >> ATTUNE_VISIT_END_SHIFT) * parts;
}

}  // namespace attune
