#include "generator/algorithm/projection.h"
#include "generator/algorithm/attention.h"
#include "generator/algorithm/operations.h"

#include <cmath>

namespace attune {

using namespace Halide;

ProjectionArguments::ProjectionArguments(const ProjectionSpec &spec, const ProjectionShape &shape)
    : input(halide_type(spec.dtype), 2, "input"), weights(shape.pairs ? UInt(32) : halide_type(spec.dtype), 4, "weights"),
      bias(Float(32), 1, "bias"), has_bias_(spec.bias) {
    const int panel_chunk = shape.panel * shape.steps();
    input.dim(0).set_bounds(0, spec.in_features).dim(1).set_min(0);
    weights.dim(0).set_bounds(0, shape.panel).dim(1).set_bounds(0, shape.steps()).set_stride(shape.panel);
    weights.dim(2).set_min(0).set_stride(panel_chunk);
    weights.dim(3).set_bounds(0, shape.chunks(spec.in_features)).set_stride(panel_chunk * shape.panels(spec.out_features));
    weights.set_host_alignment(64);
    bias.dim(0).set_min(0);
}

std::vector<Argument> ProjectionArguments::all() const {
    std::vector<Argument> all = {input, weights};
    if (has_bias_)
        all.push_back(bias);
    return all;
}

Expr ProjectionTask::row_step(const Expr &step, const Expr &row) const {
    const bool is_whole = spec.in_features % shape.block_inputs == 0;
    auto element = [&](const Expr &at) {
        const Expr existing = args.input(is_whole ? at : min(at, spec.in_features - 1), row);
        return is_whole ? existing : select(at < spec.in_features, existing, cast(existing.type(), 0));
    };
    return shape.pairs ? pair_of_bf16(element(2 * step), element(2 * step + 1)) : cast<float>(element(step));
}

ProjectionStages ProjectionTask::define() const {
    ProjectionStages stages;
    Var k("k"), i("i"), t("t"), j("j"), p("p"), c("c"), n("n"), row("row");
    const int tile = shape.tile_rows, panel = shape.panel;

    // Rows after the last repeat it, so that tiles are whole; inputs after the last are 0, as are their weights.
    stages.rows = Func("rows");
    stages.rows(k, i, t, c) = row_step(c * shape.steps() + k, min(t * tile + i, args.input.dim(1).extent() - 1));

    if (spec.dtype != DType::f32 && !shape.pairs) {
        stages.panel = Func("panel");
        stages.panel(j, k, p, c) = cast<float>(args.weights(j, k, p, c));
    }
    stages.over_steps = RDom(0, shape.steps(), "over_steps");
    const Expr step = stages.over_steps, of_row = stages.rows(step, i, t, c);
    const Expr weight = stages.panel.defined() ? stages.panel(j, step, p, c) : args.weights(j, step, p, c);
    stages.part = Func("part");
    stages.part(j, i, p, t, c) = 0.0f;
    const Expr sum = stages.part(j, i, p, t, c);
    stages.part(j, i, p, t, c) = shape.pairs ? dot_bf16(machine, sum, weight, of_row) : sum + of_row * weight;

    stages.over_chunks = RDom(0, shape.chunks(spec.in_features), "over_chunks");
    stages.sum = Func("sum");
    stages.sum(j, i, p, t) = 0.0f;
    stages.sum(j, i, p, t) += stages.part(j, i, p, t, stages.over_chunks);

    stages.output = Func("output");
    const Expr total = stages.sum(n % panel, row % tile, n / panel, row / tile);
    stages.output(n, row) = as_output(activated(spec.activation, spec.bias ? total + args.bias(n) : total), halide_type(spec.dtype));
    return stages;
}

Expr activated(Activation activation, const Expr &x) {
    const Expr magnitude = float_bits(x) & 0x7fffffff;
    switch (activation) {
    case Activation::relu:
        return select(float_bits(x) < 0 && magnitude <= infinity_bits, 0.0f, x);  // a NaN stays one
    case Activation::silu:
        return x / (1.0f + exp2_capped(x * static_cast<float>(-M_LOG2E)));
    case Activation::gelu: {
        // erf by Abramowitz & Stegun 7.1.26, error 1.5e-7; at |x| = 8 it is 1. The bound is one of bits, where a NaN is above all.
        const Expr z = reinterpret<float>(min(magnitude, float_bits(8.0f))) * static_cast<float>(M_SQRT1_2);
        const Expr t = 1.0f / (1.0f + 0.3275911f * z);
        Expr series = 1.061405429f;
        for (const float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
            series = series * t + a;
        const Expr erf = 1.0f - series * t * exp2_of_difference(z * z * static_cast<float>(-M_LOG2E));
        return 0.5f * x * (1.0f + select(float_bits(x) < 0, -erf, erf));
    }
    case Activation::none:
        break;
    }
    return x;
}

}  // namespace attune
