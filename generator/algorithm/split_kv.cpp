#include "attune/kernel.h"
#include "generator/algorithm/split_pieces.h"

namespace attune {

using namespace Halide;

int split_value_columns(const AttentionSpec &spec, int vector) {
    return (spec.head_dim_v + vector - 1) / vector * vector;
}

int split_lanes(const AttentionTask &task) {
    const int vector = task.shape.vector;
    // Pairs of i4: a group has 8 in the lower halves of its bytes and 8 in the upper ones.
    if (has_integer_products(task.spec))
        return task.spec.cache.dtype == KvDType::i4 && task.spec.head_dim % (2 * i4_group) != 0 ? std::min(vector, i4_group / 4) : vector;
    // i4 comes 16 to a vector of bytes.
    const int least = task.spec.cache.dtype == KvDType::i4 ? i4_group / 2 : vector;
    for (int vectors : {4, 2})
        if (task.shape.fold == 1 && task.spec.head_dim % (vectors * vector) == 0)
            return std::max(vectors * vector, least);
    return least;
}

int split_sum_lanes(const AttentionTask &task) {
    return std::min(task.shape.vector, split_lanes(task));
}

namespace {

void define_float_dots(const AttentionTask &task, SplitStages &stages, const CacheRows &keys) {
    const int lanes = split_lanes(task);
    Var v("v"), d("d"), k("k"), r("r");
    stages.over_d = RDom(0, (task.spec.head_dim + lanes - 1) / lanes, "over_d");
    const Expr at_d = stages.over_d * lanes + v;
    stages.key = Func("key_row");
    stages.key(d, k) = head_dim_lane(task, d, [&](const Expr &at) {
        const Expr element = keys.element(at, k);
        return keys.is_grouped() ? element * keys.scale(at / i4_group, k) : element;
    });
    stages.dots(v, k, r) = unknown_zero(task);
    stages.dots(v, k, r) += stages.query(at_d, r) * stages.key(at_d, k);
}

/// Dots of i8 are sums of integers to the end: of 512 products of 16 bits and 8 they have 31 bits.
constexpr int most_exact_products = 512;

/// dots from integers: sums of a group are exact, 16 bits of the query lose at most 2^-16 of its largest element each.
void define_integer_dots(const AttentionTask &task, SplitStages &stages, const CacheRows &keys) {
    const int head_dim = task.spec.head_dim, lanes = split_lanes(task);
    Var v("v"), d("d"), g("g"), k("k"), r("r");
    constexpr float most = 32767.0f;
    define_query_scale(task, stages, most);
    stages.query_number = Func("query_number");
    // Two groups of i4 fill 16 lanes: the lower halves of their bytes, then the upper ones.
    const int half = i4_group / 2, groups = keys.is_grouped() ? std::max(1, 2 * lanes / half) : 1, width = groups * i4_group;
    Expr at = d;
    if (groups > 1)
        at = d / width * width + d % (width / 2) / half * i4_group + d % width / (width / 2) * half + d % half;
    stages.query_number(d, r) = cast<int16_t>(query_integer(stages, most, at, r));

    const int sum = keys.is_grouped() ? width : head_dim, steps = sum / (2 * lanes);
    stages.over_pairs = RDom(0, 2, 0, steps, "over_pairs");
    auto at_step = [&](const Expr &step) { return (step * lanes + v) * 2 + stages.over_pairs.x; };
    auto product = [&](const Expr &g) {
        const Expr step = stages.over_pairs.y;
        const int of_half = std::max(1, steps / 2);
        const Expr number =
            keys.is_grouped() ? keys.half_byte(g * (sum / 2) + at_step(step % of_half), step / of_half, k) : keys.number(at_step(step), k);
        return cast<int32_t>(stages.query_number(g * sum + at_step(step), r)) * cast<int32_t>(number);
    };
    if (!keys.is_grouped() && head_dim <= most_exact_products) {
        stages.dots(v, k, r) = 0;
        stages.dots(v, k, r) += product(0);
        return;
    }
    stages.dots(v, k, r) = unknown_zero(task);
    stages.group_dots = Func("group_dots");
    stages.group_dots(v, g, k, r) = 0;
    stages.group_dots(v, g, k, r) += product(g);
    stages.over_groups = RDom(0, head_dim / sum, "over_groups");
    const Expr total = cast<float>(stages.group_dots(v, stages.over_groups, k, r));
    if (!keys.is_grouped()) {
        stages.dots(v, k, r) += total;
        return;
    }
    Expr scale = keys.scale(stages.over_groups * groups, k);
    if (groups > 1)
        scale = select(v < half / 2, scale, keys.scale(stages.over_groups * groups + 1, k));
    stages.dots(v, k, r) += total * scale;
}

}  // namespace

SplitStages define_split_kv(const AttentionTask &task) {
    SplitStages stages;
    const int vector = task.shape.vector, lanes = split_lanes(task);
    const CacheRows key_rows(task, false), value_rows(task, true);
    Var v("v"), d("d"), k("k"), r("r");
    define_split_query(task, stages);
    stages.dots = Func("dots");
    const bool integers = has_integer_products(task.spec);
    if (integers)
        define_integer_dots(task, stages, key_rows);
    else
        define_float_dots(task, stages, key_rows);
    // Strict for unknown_zero's reason: LLVM would make one chain of them.
    stages.turned = Func("turned_dots");
    const Expr turned = sum_of_lanes([&](int part) { return stages.dots(v + part * vector, k, r); }, std::max(lanes / vector, 1));
    stages.turned(v, k, r) = turned.type().is_float() ? strict_float(turned) : turned;

    stages.over_lanes = RDom(0, split_sum_lanes(task), "over_lanes");
    stages.products = Func("products");
    stages.products(k, r) = cast(turned.type(), 0);
    stages.products(k, r) += stages.turned(stages.over_lanes, k, r);
    Expr product = cast<float>(stages.products(k, r));
    if (integers)
        product = product * stages.query_scale(r);
    if (key_rows.has_scales() && !key_rows.is_grouped())
        product = product * key_rows.scale(0, k);
    define_split_weights(task, stages, product);

    // A hidden weight would meet a value, or its scale, that may be a NaN: its update is left out, where any is hidden.
    stages.over_k = RDom(0, split_value_block, 0, split_key_steps(task) * (ATTUNE_SPLIT_KEY_STEP / split_value_block), "over_k");
    const Expr at_k = stages.over_k.y * split_value_block + stages.over_k.x, of_key = stages.weights(at_k, r);
    stages.value = Func("value_row");
    stages.value(d, k) = value_rows.element(d, k);
    const Expr factor = stages.scaled.defined() ? stages.scaled(value_rows.is_grouped() ? d / i4_group : 0, at_k, r) : of_key;
    const Expr all_shown = task.score_hides() ? Internal::const_false() : task.args.masked == 0;
    stages.weighted = Func("weighted");
    stages.weighted(d, r) = 0.0f;
    const Expr sum = stages.weighted(d, r), next = sum + factor * stages.value(d, at_k);
    stages.weighted(d, r) = select(all_shown || is_shown(of_key), next, sum);
    define_split_part(task, stages);
    return stages;
}

CombineStages define_combine(const AttentionTask &task) {
    CombineStages stages;
    const int columns = split_value_columns(task.spec, task.shape.vector), fold = task.shape.fold;
    Var row("row"), d("d"), head("folded_head"), position("position");
    const ImageParam &parts = task.args.parts;
    RDom over_parts(0, parts.dim(2).extent(), "over_parts");
    auto sum_at = [&](const Expr &r, const Expr &part) { return parts(columns, r, part); };
    auto maximum_at = [&](const Expr &r, const Expr &part) { return parts(columns + 1, r, part); };

    stages.maximum = Func("maximum");
    stages.maximum(row) = first_maximum;
    stages.maximum(row) = max(stages.maximum(row), maximum_at(row, over_parts));
    Expr larger = stages.maximum(row);
    const Expr sink = task.sink(task.head(row));
    if (sink.defined())
        larger = max(larger, ceil(max(sink, hidden_score)));
    stages.reference = Func("reference");
    stages.reference(row) = larger;
    // Maxima are integers: scaling by their difference is exact. A NaN stays in the part's sum.
    auto scale = [&](const Expr &r, const Expr &part) { return exp2_integer(maximum_at(r, part) - stages.reference(r)); };
    stages.sum = Func("sum");
    stages.sum(row) = sink.defined() ? exp2_capped(sink - stages.reference(row)) : Expr(0.0f);
    stages.sum(row) += sum_at(row, over_parts) * scale(row, over_parts);
    stages.accumulator = Func("accumulator");
    stages.accumulator(d, row) = 0.0f;
    stages.accumulator(d, row) += parts(d, row, over_parts) * scale(row, over_parts);

    const Expr sum = stages.sum(row);
    stages.inverse = Func("inverse");
    stages.inverse(row) = select(float_bits(sum) == 0, 0.0f, 1.0f / sum);
    const Expr of_row = position * fold + head;
    stages.output = Func("output");
    stages.output(d, head, position) = as_output(stages.accumulator(d, of_row) * stages.inverse(of_row), task.type());
    stages.lse = Func("lse");
    stages.lse(row) = lse_of_sum(stages.reference(row), sum);
    return stages;
}

}  // namespace attune
