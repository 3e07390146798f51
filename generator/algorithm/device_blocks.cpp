#include "generator/algorithm/device_blocks.h"
#include "generator/plan/block_plan.h"
#include "generator/plan/simplify.h"

#include <cmath>

namespace attune {

using namespace Halide;

Type device_array_type(const AttentionSpec &spec, const DeviceOperations &operations) {
    const bool as_bits = spec.dtype == DType::bf16 || (spec.dtype == DType::f16 && operations.halves_as_bits);
    return as_bits ? UInt(16) : halide_type(spec.dtype);
}

DeviceArguments::DeviceArguments(const AttentionSpec &spec, int fold, const DeviceOperations &operations)
    : seq_len_q("seq_len_q"), seq_len_kv("seq_len_kv"), head_blocks_per_kv("head_blocks_per_kv"), has_lengths_q("has_lengths_q"),
      has_lengths_kv("has_lengths_kv"), writes_lse("writes_lse"), lengths_q(Int(32), 1, "lengths_q"), lengths_kv(Int(32), 1, "lengths_kv"),
      query(device_array_type(spec, operations), 5, "query"), key(device_array_type(spec, operations), 4, "key"),
      value(device_array_type(spec, operations), 4, "value"), lse(Float(32), 4, "lse") {
    query.dim(0).set_bounds(0, spec.head_dim).dim(1).set_bounds(0, fold);
    key.dim(0).set_bounds(0, spec.head_dim);
    value.dim(0).set_bounds(0, spec.head_dim_v);
    lse.dim(0).set_bounds(0, fold).set_stride(Expr());
    for (ImageParam *tensor : {&lengths_q, &lengths_kv, &query, &key, &value, &lse})
        for (int d = 0; d < tensor->dimensions(); d++)
            tensor->dim(d).set_min(0);
    add_params(spec, true, params, param_arguments_);
}

std::vector<Argument> DeviceArguments::all() const {
    std::vector<Argument> all = {seq_len_q, seq_len_kv, head_blocks_per_kv, has_lengths_q, has_lengths_kv, writes_lse};
    all.insert(all.end(), param_arguments_.begin(), param_arguments_.end());
    for (const ImageParam &tensor : {lengths_q, lengths_kv, query, key, value, lse})
        all.push_back(tensor);
    return all;
}

DeviceBlocks::DeviceBlocks(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations)
    : spec(spec), block(block), operations(operations), args(spec, block.fold, operations) {}

Expr DeviceBlocks::used(const Param<int> &has, const ImageParam &lengths, const Param<int> &all, const Expr &b) const {
    // Where there is no array another stands in its place, of which the first element is not looked at.
    return select(has != 0, clamp(lengths(select(has != 0, b, 0)), 0, all), all);
}

DeviceBlocks::Place DeviceBlocks::place(const Expr &qb, const Expr &hb, const Expr &b) const {
    return {qb, hb, b, used(args.has_lengths_q, args.lengths_q, args.seq_len_q, b),
            used(args.has_lengths_kv, args.lengths_kv, args.seq_len_kv, b)};
}

ExpressionInputs DeviceBlocks::inputs(const Place &at) const {
    return {{{Variable::b, at.b}, {Variable::hkv, kv_head(at)}, {Variable::seq_len_q, at.length_q}, {Variable::seq_len_kv, at.length_kv}},
            &spec.params,
            &args.params,
            &tables_};
}

ExpressionInputs DeviceBlocks::inputs(const Place &at, const Expr &row, const Expr &kv) const {
    ExpressionInputs in = inputs(at);
    in.variables.insert({{Variable::q, position_of(row)}, {Variable::h, head_of(at, row)}, {Variable::kv, kv}});
    return in;
}

ExpressionInputs DeviceBlocks::block_inputs(const Place &at) const {
    // Inside the sequence where there is none, too: arrays are read at these before it is known.
    ExpressionInputs in = inputs(at);
    in.variables[Variable::q_first] = position_of(row_of(at, 0));
    in.variables[Variable::q_last] = position_of(max(min(row_of(at, block.block_q), rows_in_use(at)), 1) - 1);
    in.variables[Variable::h_first] = at.hb * block.fold;
    in.variables[Variable::h_last] = at.hb * block.fold + (block.fold - 1);
    return in;
}

Expr DeviceBlocks::sees(const Place &at, const Expr &row, const Expr &kv) const {
    return spec.mask ? to_halide(spec.mask.root, inputs(at, row, kv)) : Internal::const_true();
}

Expr DeviceBlocks::logit_of(const Place &at, const Expr &row, const Expr &kv, const Expr &scaled_product) const {
    if (!spec.score)
        return scaled_product;
    ExpressionInputs in = inputs(at, row, kv);
    in.variables[Variable::s] = scaled_product;
    return to_halide(spec.score.root, in) * static_cast<float>(M_LOG2E);
}

double DeviceBlocks::scale() const {
    return spec.score ? spec.softmax_scale : spec.softmax_scale * M_LOG2E;
}

Expr DeviceBlocks::sink_of(const Place &at, const Expr &head) const {
    if (spec.normalizer == Normalizer::softmax_plus_one)
        return 0.0f;
    if (spec.sink.empty())
        return Expr();
    const auto node = std::make_shared<Node>(*make_node(Op::element, ExprType::real, {make_variable(Variable::h)}));
    node->parameter = static_cast<int>(spec.find_param(spec.sink) - spec.params.data());
    ExpressionInputs in = inputs(at);
    in.variables[Variable::h] = head;
    return to_halide(node, in) * static_cast<float>(M_LOG2E);
}

DeviceBlocks::Chunks DeviceBlocks::chunks_of(const Place &at) const {
    Expr first = 0, last = at.length_kv - 1;
    if (spec.mask) {
        const BlockPlan plan = plan_blocks(spec.mask.root, spec.params);
        const ExpressionInputs in = block_inputs(at);
        Expr low, high;
        for (const KeyRange &range : plan.ranges) {
            auto key = [&](const ExprPtr &e) {
                return cast<int>(clamp(cast<int64_t>(to_halide(e, in)), Expr(int64_t(-1)), Expr(largest_length)));
            };
            // An empty range has no say.
            const Expr from = key(range.first), to = key(range.last);
            const Expr begins = select(from <= to, from, int(largest_length)), ends = select(from <= to, to, -1);
            low = low.defined() ? min(low, begins) : begins;
            high = high.defined() ? max(high, ends) : ends;
        }
        first = max(low, 0);
        last = min(high, last);
    }
    const Expr end = last / block.block_kv + 1;
    return {first / block.block_kv, select(row_of(at, 0) < rows_in_use(at), end, 0)};
}

Expr DeviceBlocks::kind_of_chunk(const Place &at, const Expr &c, const Expr &left) const {
    const Expr first = c * block.block_kv, end = first + block.block_kv;
    Expr some = Internal::const_true(), all = left >= block.block_kv;
    if (spec.mask) {
        const BlockPlan plan = plan_blocks(spec.mask.root, spec.params);
        ExpressionInputs in = block_inputs(at);
        in.variables[Variable::kv_first] = existing_key(at, first);
        in.variables[Variable::kv_last] = existing_key(at, end - 1);
        if (skips_chunks())
            some = to_halide(plan.some, in);
        all = all && to_halide(plan.all, in);
    }
    return select(!some, int(chunk_empty), all, int(chunk_full), int(chunk_masked));
}

bool DeviceBlocks::skips_chunks() const {
    if (!spec.mask)
        return false;
    const BlockPlan plan = plan_blocks(spec.mask.root, spec.params);
    if (plan.ranges.size() != 1)
        return true;
    Simplifier s(spec.params);
    const ExprPtr begins = s.compare(Op::less_equal, s.variable(Variable::kv_first), s.simplify(plan.ranges[0].last));
    const ExprPtr ends = s.compare(Op::greater_equal, s.variable(Variable::kv_last), s.simplify(plan.ranges[0].first));
    return s.logical_and(begins, ends) != s.simplify(plan.some) && s.logical_and(ends, begins) != s.simplify(plan.some);
}

}  // namespace attune
