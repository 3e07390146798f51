#include "generator/algorithm/device_blocks.h"
#include "generator/algorithm/half_bits.h"
#include "generator/plan/block_plan.h"
#include "generator/plan/simplify.h"

#include <cmath>

namespace attune {

using namespace Halide;

Type device_array_type(const AttentionSpec &spec, const DeviceOperations &operations) {
    const bool as_bits = spec.dtype == DType::bf16 || (spec.dtype == DType::f16 && operations.halves_as_bits);
    return as_bits ? UInt(16) : halide_type(spec.dtype);
}

DeviceArguments::DeviceArguments(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations)
    : seq_len_q("seq_len_q"), seq_len_kv("seq_len_kv"), head_blocks_per_kv("head_blocks_per_kv"), has_lengths_q("has_lengths_q"),
      has_lengths_kv("has_lengths_kv"), writes_lse("writes_lse"), has_full("has_full"), row_offsets(Int(32), 3, "row_offsets"),
      columns(Int(32), 1, "columns"), full(UInt(8), 1, "full"), patterns(Int(32), 1, "patterns"), lengths_q(Int(32), 1, "lengths_q"),
      lengths_kv(Int(32), 1, "lengths_kv"), query(device_array_type(spec, operations), 5, "query"),
      key(device_array_type(spec, operations), 4, "key"), value(device_array_type(spec, operations), 4, "value"), lse(Float(32), 4, "lse"),
      has_lists_(spec.block_mask), has_patterns_(!DevicePatterns(spec).words.empty()) {
    query.dim(0).set_bounds(0, spec.head_dim).dim(1).set_bounds(0, block.fold);
    key.dim(0).set_bounds(0, spec.head_dim);
    value.dim(0).set_bounds(0, spec.head_dim_v);
    if (block.split_keys)
        lse.dim(0).set_bounds(0, part_columns(spec));
    else
        lse.dim(0).set_bounds(0, block.fold).set_stride(Expr());
    for (ImageParam *tensor : {&row_offsets, &columns, &full, &patterns, &lengths_q, &lengths_kv, &query, &key, &value, &lse})
        for (int d = 0; d < tensor->dimensions(); d++)
            tensor->dim(d).set_min(0);
    add_params(spec, true, params, param_arguments_);
}

std::vector<Argument> DeviceArguments::all(const std::vector<Argument> &before_lse) const {
    std::vector<Argument> all = {seq_len_q, seq_len_kv, head_blocks_per_kv, has_lengths_q, has_lengths_kv, writes_lse};
    all.insert(all.end(), param_arguments_.begin(), param_arguments_.end());
    if (has_lists_)
        all.insert(all.end(), {has_full, row_offsets, columns, full});
    if (has_patterns_)
        all.push_back(patterns);
    for (const ImageParam &tensor : {lengths_q, lengths_kv, query, key, value})
        all.push_back(tensor);
    all.insert(all.end(), before_lse.begin(), before_lse.end());
    all.push_back(lse);
    return all;
}

DeviceBlocks::DeviceBlocks(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations)
    : spec(spec), block(block), operations(operations), args(spec, block, operations), patterns_(spec) {}

DeviceBlocks::Span DeviceBlocks::used(const Param<int> &has, const ImageParam &lengths, const Param<int> &all, const Expr &b) const {
    // Where there is no array another stands in its place, of which the first element is not looked at. What lies on a device has not been
    // checked: whatever it is, nothing outside the tensors is read or written.
    const Expr is_packed = has == int(ATTUNE_LENGTHS_CUMULATIVE), at = select(has != int(ATTUNE_LENGTHS_NONE), b, 0);
    const Expr first = select(is_packed, clamp(lengths(at), 0, all), 0);
    const Expr last = clamp(lengths(at + select(is_packed, 1, 0)), first, all);
    return {first, select(has != int(ATTUNE_LENGTHS_NONE), last, all) - first};
}

DeviceBlocks::Place DeviceBlocks::place(const Expr &qb, const Expr &hb, const Expr &b) const {
    const Span rows = used(args.has_lengths_q, args.lengths_q, args.seq_len_q, b),
               keys = used(args.has_lengths_kv, args.lengths_kv, args.seq_len_kv, b);
    Expr block_of_rows = qb, part;
    if (block.split_keys) {
        const Expr parts = num_parts(args.seq_len_kv, block.split_keys);
        block_of_rows = qb / parts;
        part = qb % parts;
    }
    return {block_of_rows, hb, b, rows.length, keys.length, part, rows.first, keys.first};
}

ExpressionInputs DeviceBlocks::inputs(const Place &at) const {
    return {{{Variable::b, at.b}, {Variable::hkv, kv_head(at)}, {Variable::seq_len_q, at.length_q}, {Variable::seq_len_kv, at.length_kv}},
            &spec.params,
            &args.params,
            nullptr,
            {},
            [this](const Pattern &pattern, const Expr &head, const Expr &row, const Expr &column) {
                return patterns_.visible(args.patterns, pattern, head, row, column);
            }};
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

Expr DeviceBlocks::exp2(const Expr &x) const {
    return operations.exp2 ? Internal::Call::make(Float(32), operations.exp2, {x}, Internal::Call::PureExtern) : exp2_of_difference(x);
}

Expr DeviceBlocks::stored(const Expr &x) const {
    const Type type = device_array_type(spec, operations);
    if (type != UInt(16))
        return as_output(x, type);
    return spec.dtype == DType::bf16 ? bf16_bits_of_f32(x) : half_bits_of_f32(x);
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

Expr DeviceBlocks::all_chunks() const {
    if (spec.block_mask)
        return key_blocks() * chunks_of_key_block();
    return (args.seq_len_kv + (block.block_kv - 1)) / block.block_kv;
}

DeviceBlocks::Chunks DeviceBlocks::listed(const Place &at) const {
    // A sequence without rows has one offset, and without keys there are no lists.
    const Expr rows = (at.length_q + (spec.block_size_q - 1)) / spec.block_size_q;
    const Expr row = min(row_of(at, 0) / spec.block_size_q, max(rows, 1) - 1);
    auto offset = [&](const Expr &row) { return args.row_offsets(select(args.seq_len_kv > 0, row, 0), at.hb, at.b); };
    const Expr first = max(offset(row), 0);
    return {first, clamp(offset(min(row + 1, rows)), first, first + key_blocks())};
}

Expr DeviceBlocks::list_entry(const Place &at, const Expr &c) const {
    // What Halide wants to know of an index, and nobody but the lists does.
    return unsafe_promise_clamped(listed(at).first + c / chunks_of_key_block(), 0, int(largest_length));
}

Expr DeviceBlocks::first_key(const Place &at, const Expr &c) const {
    if (!spec.block_mask)
        return c * block.block_kv;
    const Expr column = clamp(args.columns(list_entry(at, c)), 0, key_blocks() - 1);
    return (column * chunks_of_key_block() + c % chunks_of_key_block()) * block.block_kv;
}

Expr DeviceBlocks::is_listed_full(const Place &at, const Expr &c) const {
    if (!spec.block_mask)
        return Expr();
    return args.has_full != 0 && args.full(select(args.has_full != 0, list_entry(at, c), 0)) != cast<uint8_t>(0);
}

DeviceBlocks::Chunks DeviceBlocks::chunks_of(const Place &at) const {
    const Chunks all = all_chunks_of(at);
    if (!block.split_keys)
        return all;
    const int of_part = block.split_keys / block.block_kv;
    return {max(all.first, at.part * of_part), min(all.end, (at.part + 1) * of_part)};
}

DeviceBlocks::Chunks DeviceBlocks::all_chunks_of(const Place &at) const {
    if (spec.block_mask) {
        const Chunks entries = listed(at);
        return {0, select(row_of(at, 0) < rows_in_use(at), (entries.end - entries.first) * chunks_of_key_block(), 0)};
    }
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
    const Expr first = first_key(at, c), end = first + block.block_kv;
    Expr some = Internal::const_true(), all = Internal::const_true();
    if (spec.mask) {
        const BlockPlan plan = plan_blocks(spec.mask.root, spec.params);
        ExpressionInputs in = block_inputs(at);
        in.variables[Variable::kv_first] = existing_key(at, first);
        in.variables[Variable::kv_last] = existing_key(at, end - 1);
        if (skips_chunks())
            some = to_halide(plan.some, in);
        all = to_halide(plan.all, in);
    }
    if (spec.block_mask) {
        some = left > 0 && (is_listed_full(at, c) || some);
        all = is_listed_full(at, c) || all;
    }
    return select(!some, int(chunk_empty), left >= block.block_kv && all, int(chunk_full), int(chunk_masked));
}

bool DeviceBlocks::skips_chunks() const {
    if (spec.block_mask)
        return true;
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
