#include "generator/algorithm/linear_attention.h"
#include "generator/algorithm/projection.h"

#include <cmath>

namespace attune {

using namespace Halide;

namespace {

/// What AttentionTask asks for; there are no strips and no visits.
BlockShape block_shape(const LinearShape &shape) {
    return {.vector = shape.vector,
            .strip = shape.rows(),
            .block_q = shape.rows(),
            .block_kv = shape.chunk,
            .tile_kv = shape.chunk,
            .tile_d = shape.vector,
            .fold = shape.fold};
}

}  // namespace

bool takes_one_key(const AttentionSpec &spec) {
    return !spec.decay.empty() || !spec.beta.empty();
}

std::vector<Func> LinearReadStages::outputs() const {
    return change.defined() ? std::vector<Func>{output, change} : std::vector<Func>{output};
}

std::vector<Func> LinearUpdateStages::outputs() const {
    return key_sum.defined() ? std::vector<Func>{state, key_sum} : std::vector<Func>{state};
}

LinearTask::LinearTask(const AttentionSpec &spec, const LinearShape &shape)
    : spec(spec), shape(shape), task(spec, block_shape(shape)), first_key("first_key"), num_keys("num_keys"),
      key(halide_type(spec.dtype), 2, "key"), value(halide_type(spec.dtype), 2, "value"), state(Float(32), 2, "state"),
      key_sum(Float(32), 1, "key_sum"), change(Float(32), 2, "change") {
    const int columns = shape.columns(spec.head_dim_v), head_dims = shape.head_dims(spec.head_dim);
    ImageParam(key).dim(0).set_bounds(0, spec.head_dim).dim(1).set_min(0);
    ImageParam(value).dim(0).set_bounds(0, spec.head_dim_v).dim(1).set_min(0);
    ImageParam(state).dim(0).set_bounds(0, columns).dim(1).set_bounds(0, head_dims).set_stride(columns);
    ImageParam(key_sum).dim(0).set_bounds(0, head_dims);
    ImageParam(change).dim(0).set_bounds(0, columns).dim(1).set_min(0).set_stride(columns);
}

std::vector<Argument> LinearTask::of_read() const {
    std::vector<Argument> all = {first_key, num_keys, task.args.query, key, value, state};
    if (divides_by_sum(spec))
        all.push_back(key_sum);
    return task.args.with_block(all);
}

std::vector<Argument> LinearTask::of_update() const {
    return task.args.with_block({first_key, num_keys, key, has_beta() ? Argument(change) : Argument(value)});
}

Expr LinearTask::feature(const Expr &x) const {
    switch (spec.feature_map) {
    case FeatureMap::elu_plus_one:  // of a NaN both are one
        return select(float_bits(x) > 0, x + 1.0f, exp2_capped(x * static_cast<float>(M_LOG2E)));
    case FeatureMap::relu:
        return activated(Activation::relu, x);
    case FeatureMap::identity:
        break;
    }
    return x;
}

Expr LinearTask::key_feature(const Expr &d, const Expr &j) const {
    return feature(cast<float>(key(min(d, spec.head_dim - 1), j)));
}

bool LinearTask::has_value_stage() const {
    return spec.dtype != DType::f32 || shape.columns(spec.head_dim_v) != spec.head_dim_v;
}

Expr LinearTask::value_of(const Expr &v, const Expr &j) const {
    return cast<float>(value(has_value_stage() ? min(v, spec.head_dim_v - 1) : v, j));
}

Expr LinearTask::param(const std::string &name, const Expr &d) const {
    const ParamDeclaration &declaration = *spec.find_param(name);
    std::vector<ExprPtr> index = {make_variable(Variable::b), make_variable(Variable::kv), make_variable(Variable::hkv)};
    if (declaration.dims.size() == 4)
        index.push_back(make_variable(Variable::head_dim));
    const auto node = std::make_shared<Node>(*make_node(Op::element, ExprType::real, index));
    node->parameter = static_cast<int>(&declaration - spec.params.data());
    ExpressionInputs inputs = task.inputs(0, 0, first_key);
    inputs.variables[Variable::head_dim] = min(d, spec.head_dim - 1);
    return to_halide(node, inputs);
}

Func LinearTask::define_kept() const {
    Func kept("kept");
    Var d("d");
    kept(d) = exp2_capped(param(spec.decay, d) * static_cast<float>(M_LOG2E));
    return kept;
}

LinearReadStages LinearTask::define_read() const {
    LinearReadStages stages;
    Var d("d"), r("r"), j("j"), v("v"), l("l"), head("folded_head"), position("position");
    const int vector = shape.vector;
    const Expr row = task.existing_row(r);

    stages.query = Func("query_features");
    stages.query(d, r) = feature(cast<float>(task.args.query(min(d, spec.head_dim - 1), row % shape.fold, row / shape.fold))) *
                         static_cast<float>(spec.softmax_scale);
    stages.key = Func("key_features");
    stages.key(d, j) = key_feature(d, j);
    stages.key_lanes = Func("key_lanes");
    stages.key_lanes(j, d) = stages.key(d, min(j, key.dim(1).extent() - 1));
    Func from_state = stages.query;
    if (has_decay()) {
        stages.kept = define_kept();
        stages.from_state = Func("from_state");
        stages.from_state(d, r) = stages.query(d, r) * stages.kept(d);
        from_state = stages.from_state;
    }

    if (has_beta()) {
        stages.over_held = RDom(0, spec.head_dim, "over_held");
        stages.held = Func("held");
        stages.held(v, j) = 0.0f;
        const Expr of_key = stages.key(stages.over_held, j);
        stages.held(v, j) += (has_decay() ? of_key * stages.kept(stages.over_held) : of_key) * state(v, stages.over_held);
        stages.value = Func("corrected");
        const Expr given = cast<float>(value(min(v, spec.head_dim_v - 1), j));
        stages.value(v, j) = param(spec.beta, 0) * (given - stages.held(v, j));
        stages.change = Func("change_out");
        stages.change(v, j) = stages.value(v, j);
    } else if (has_value_stage()) {
        stages.value = Func("value_rows");
        stages.value(v, j) = value_of(v, j);
    }
    auto value_at = [&](const Expr &at) { return stages.value.defined() ? stages.value(v, at) : value_of(v, at); };

    stages.over_d = RDom(0, spec.head_dim, "over_d");
    stages.products = Func("products");
    stages.products(j, r) = 0.0f;
    stages.products(j, r) += stages.query(stages.over_d, r) * stages.key_lanes(j, stages.over_d);
    stages.weights = Func("linear_weights");
    stages.weights(j, r) = stages.products(j, r);

    // Keys before the tile's first row meet all its rows; of the others each row leaves out what comes after it, which may be a NaN.
    stages.over_state = RDom(0, spec.head_dim, "over_state");
    stages.over_keys = RDom(0, num_keys, "over_keys");
    const Expr before = r / shape.tile_rows * shape.tile_rows / shape.fold;
    stages.over_keys.where(stages.over_keys < before);
    stages.over_own = RDom(0, (shape.tile_rows - 1) / shape.fold + 1, "over_own");
    const Expr own = before + stages.over_own;
    stages.over_own.where(own <= r / shape.fold && own < num_keys);
    stages.weighted = Func("weighted");
    stages.weighted(v, r) = 0.0f;
    stages.weighted(v, r) += from_state(stages.over_state, r) * state(v, stages.over_state);
    stages.weighted(v, r) += stages.weights(stages.over_keys, r) * value_at(stages.over_keys);
    const Expr own_key = clamp(own, 0, value.dim(1).extent() - 1);
    stages.weighted(v, r) += stages.weights(own_key, r) * value_at(own_key);

    stages.inverse = Func("inverse");
    if (divides_by_sum(spec)) {
        stages.over_lanes = RDom(0, (num_keys + vector - 1) / vector, "over_lanes");
        const int head_dims = shape.head_dims(spec.head_dim);
        stages.over_sum_lanes = RDom(0, (head_dims + vector - 1) / vector, "over_sum_lanes");
        const Expr at = stages.over_sum_lanes * vector + l, existing = min(at, spec.head_dim - 1);
        const Expr of_state = select(at < spec.head_dim, from_state(existing, r) * key_sum(existing), 0.0f);
        stages.lane_sums = Func("lane_sums");
        stages.lane_sums(l, r) = 0.0f;
        const Expr of_lane = stages.over_lanes * vector + l, shown = of_lane <= r / shape.fold && of_lane < num_keys;
        stages.lane_sums(l, r) +=
            reinterpret<float>(select(shown, float_bits(stages.weights(of_lane, r)), 0));  // as bits: a hidden NaN is none
        stages.lane_sums(l, r) += of_state;
        const Expr sum = sum_of_lanes([&](int lane) { return stages.lane_sums(lane, r); }, vector);
        stages.inverse(r) = select((float_bits(sum) & 0x7fffffff) == 0, 0.0f, 1.0f / sum);
    } else {
        stages.inverse(r) = 1.0f;
    }
    stages.row_output = Func("row_output");
    stages.row_output(v, r) = stages.weighted(v, r) * stages.inverse(r);
    stages.output = Func("output");
    stages.output(v, head, position) = as_output(stages.row_output(v, position * shape.fold + head), task.type());
    return stages;
}

LinearUpdateStages LinearTask::define_update() const {
    LinearUpdateStages stages;
    Var d("d"), j("j"), v("v");
    stages.key = Func("key_features");
    stages.key(d, j) = key_feature(d, j);
    if (!has_beta() && has_value_stage()) {
        stages.value = Func("value_rows");
        stages.value(v, j) = value_of(v, j);
    }
    if (has_decay())
        stages.kept = define_kept();
    stages.over_keys = RDom(0, num_keys, "over_keys");
    const Expr at = stages.over_keys;
    const Expr added = has_beta() ? change(v, at) : stages.value.defined() ? stages.value(v, at) : value_of(v, at);
    stages.part = Func("part");
    stages.part(v, d) = 0.0f;
    stages.part(v, d) += stages.key(d, at) * added;
    stages.state = Func("state_out");
    stages.state(v, d) = undef<float>();
    stages.state(v, d) = (has_decay() ? stages.kept(d) * stages.state(v, d) : stages.state(v, d)) + stages.part(v, d);
    if (divides_by_sum(spec)) {
        stages.over_key_sum = RDom(0, num_keys, "over_key_sum");
        stages.key_part = Func("key_part");
        stages.key_part(d) = 0.0f;
        stages.key_part(d) += stages.key(d, stages.over_key_sum);
        stages.key_sum = Func("key_sum_out");
        stages.key_sum(d) = undef<float>();
        stages.key_sum(d) = (has_decay() ? stages.kept(d) * stages.key_sum(d) : stages.key_sum(d)) + stages.key_part(d);
    }
    return stages;
}

}  // namespace attune
