#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// Groups of a row that have a scale each, and their elements.
struct Groups {
    int count, size;
};

/// Rows of `columns` elements as the cache stores them. `element`: the new row's, f32.
void define_stored(const AttentionTask &task, AppendRows &rows, int columns, const std::function<Expr(Expr d, Expr r)> &element) {
    const KvCacheSpec &cache = task.spec.cache;
    Var d("d"), r("r"), g("g");
    rows.element = Func("element");
    rows.element(d, r) = element(d, r);
    rows.stored = Func("stored");
    const int stored_elements = cache.dtype == KvDType::i4 ? columns / 2 : columns;
    if (cache.dtype == KvDType::same) {
        rows.stored(d, r) = as_output(rows.element(d, r), task.type());
        rows.stored.output_buffer().dim(0).set_bounds(0, stored_elements).dim(1).set_min(0);
        return;
    }
    const Groups groups = {cache_scales(cache, columns), cache.dtype == KvDType::i4 ? i4_group : columns};
    const bool is_i8 = cache.dtype == KvDType::i8;
    // As bits, which order as magnitudes do, infinities and NaNs above all others: of these the scale is NaN.
    rows.over_group = RDom(0, groups.size, "over_group");
    const Expr x = rows.element(g * groups.size + rows.over_group, r);
    rows.largest = Func("largest");
    rows.largest(g, r) = 0;
    rows.largest(g, r) = max(rows.largest(g, r), float_bits(x) & 0x7fffffff);
    rows.scale = Func("scale");
    rows.zero = Func("zero_point");
    const auto nan_unless_finite = [&](const Expr &bits) { return reinterpret<float>(select(rows.largest(g, r) < infinity_bits, bits, 0x7fc00000)); };
    const float steps = cache.zero_points ? (is_i8 ? 255.0f : 15.0f) : (is_i8 ? 127.0f : 7.0f);
    if (cache.zero_points) {
        rows.lowest = Func("lowest");
        rows.lowest(g, r) = 0.0f;
        rows.lowest(g, r) = min(rows.lowest(g, r), x);
        rows.highest = Func("highest");
        rows.highest(g, r) = 0.0f;
        rows.highest(g, r) = max(rows.highest(g, r), x);
        const Expr range = (rows.highest(g, r) - rows.lowest(g, r)) / steps;
        rows.scale(g, r) = nan_unless_finite(float_bits(range) & 0x7fffffff);  // of zeros that are negative it may be -0
        const Expr lowest = is_i8 ? -128.0f : 0.0f;
        const Expr none = is_i8 ? 0.0f : 8.0f;
        rows.zero(g, r) = select(float_bits(rows.scale(g, r)) == 0, none, lowest - rows.lowest(g, r) / rows.scale(g, r));
    } else {
        rows.scale(g, r) = nan_unless_finite(rows.largest(g, r)) / steps;
    }
    auto number = [&](const Expr &at) {
        const Expr scale = rows.scale(at / groups.size, r);
        const Expr zero = cache.zero_points ? rows.zero(at / groups.size, r) : Expr(is_i8 ? 0.0f : 8.0f);
        const Expr scaled = select(float_bits(scale) == 0, 0.0f, rows.element(at, r) / scale);
        return clamp(cast<int>(round(clamp(scaled + zero, -200.0f, 200.0f))), is_i8 ? -128 : 0, is_i8 ? 127 : 15);
    };
    if (is_i8)
        rows.stored(d, r) = cast<int8_t>(number(d));
    else {
        const Expr low = d / (i4_group / 2) * i4_group + d % (i4_group / 2);
        rows.stored(d, r) = cast<uint8_t>(number(low) | number(low + i4_group / 2) << 4);
    }
    rows.stored.output_buffer().dim(0).set_bounds(0, stored_elements).dim(1).set_min(0);
}

/// The scale (or zero point) as its array has it: without groups for i8.
Func of_array(const AttentionTask &task, const Func &of_groups, int groups, const std::string &name) {
    Var g("g"), r("r");
    Func out(name);
    if (task.spec.cache.dtype == KvDType::i8) {
        out(r) = of_groups(0, r);
        out.output_buffer().dim(0).set_min(0).set_stride(Expr());
    } else {
        out(g, r) = of_groups(g, r);
        out.output_buffer().dim(0).set_bounds(0, groups).dim(1).set_min(0);
    }
    return out;
}

}  // namespace

AppendStages define_append(const AttentionTask &task) {
    AppendStages stages;
    const AttentionSpec &spec = task.spec;
    define_stored(task, stages.key, spec.head_dim, [&](const Expr &d, const Expr &r) {
        return rotated(task, d, r, [&](const Expr &at) { return task.args.new_key(at, r); });
    });
    if (!spec.cache.values_in_key)
        define_stored(task, stages.value, spec.head_dim_v,
                      [&](const Expr &d, const Expr &r) { return cast<float>(task.args.new_value(d, r)); });
    for (AppendRows *rows : {&stages.key, &stages.value})
        if (rows->stored.defined())
            stages.outputs.push_back(rows->stored);
    for (const bool zero : {false, true})
        for (AppendRows *rows : {&stages.key, &stages.value})
            if (rows->scale.defined() && (!zero || spec.cache.zero_points))
                stages.outputs.push_back(of_array(task, zero ? rows->zero : rows->scale,
                                                  cache_scales(spec.cache, rows == &stages.key ? spec.head_dim : spec.head_dim_v),
                                                  zero ? "zero_points" : "scales"));
    return stages;
}

}  // namespace attune
