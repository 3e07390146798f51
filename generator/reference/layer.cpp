#include "generator/reference/layer.h"

#include "generator/reference/expressions.h"
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"
#include "generator/reference/rope.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace attune {
namespace {

constexpr double u32 = 0x1p-24, flushed = 0x1p-120;

double half_ulp(DType dtype, double x) {
    const Precision precision = precision_of(dtype);
    const int exponent = x == 0 ? precision.min_exponent : std::max(std::ilogb(x), precision.min_exponent);
    return std::ldexp(0.5, exponent - (precision.bits - 1));
}

struct ActivationBound {
    double slope, own;
};

ActivationBound bound_of(Activation activation) {
    switch (activation) {
    case Activation::gelu: return {1.13, 4e-7};
    case Activation::silu: return {1.1, 8e-7};
    default: return {1, 0};
    }
}

double activated(Activation activation, double x) {
    switch (activation) {
    case Activation::relu: return x > 0 || std::isnan(x) ? x : 0;
    case Activation::gelu: return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::none: break;
    }
    return x;
}

/// Columns first … first + count - 1 of rows of `columns`, heads of `dim` apart: (batch, heads, seq, dim).
std::vector<double> split_heads(const std::vector<double> &rows, int64_t batch, int64_t seq, int64_t columns, int64_t first, int64_t heads, int64_t dim) {
    std::vector<double> out;
    out.reserve(static_cast<size_t>(batch * heads * seq * dim));
    for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t s = 0; s < seq; s++)
                for (int64_t d = 0; d < dim; d++) out.push_back(rows[static_cast<size_t>((b * seq + s) * columns + first + h * dim + d)]);
    return out;
}

struct Heads {
    Bounded query, key, value;  // (batch, heads, seq, dim)
};

/// How far attention's output may be, from the errors of what it is computed of.
std::vector<double> output_error(const LayerSpec &spec, const ReferenceProblem &problem, const ReferenceResult &result, const Heads &in, bool rounds_weights) {
    const double of_weights = 8 * u32 + 2 * precision_of(spec.attention.types(), rounds_weights).weight_roundoff;
    const int64_t dim = problem.head_dim, dim_v = problem.head_dim_v, group = problem.num_heads / problem.num_kv_heads;
    std::vector<double> errors(result.output.size());
    if (is_linear(spec.attention)) {  // which has carried them along
        for (size_t i = 0; i < errors.size(); i++)
            errors[i] = result.output_error[i] + 8 * u32 * result.value_abs[i] + half_ulp(spec.attention.dtype, result.output[i]) + flushed;
        return errors;
    }
    std::vector<double> logits, weights;
    for (int64_t b = 0; b < problem.batch; b++)
        for (int64_t h = 0; h < problem.num_heads; h++)
            for (int64_t q = 0; q < problem.seq_len_q; q++) {
                const int64_t used_q = problem.rows_of(b), used = problem.keys_of(b);
                const int64_t row = (b * problem.num_heads + h) * problem.seq_len_q + q;
                double shift = 0, largest = -INFINITY, sum = 0;
                logits.assign(static_cast<size_t>(used), -INFINITY);
                for (int64_t kv = 0; kv < used && q < used_q; kv++) {
                    if (problem.visible && !problem.visible(b, h, q, kv, used_q, used)) continue;
                    const int64_t key = (b * problem.num_kv_heads + h / group) * problem.seq_len_kv + kv;
                    double product = 0, error = 0;
                    for (int64_t d = 0; d < dim; d++) {
                        const size_t i = static_cast<size_t>(row * dim + d), j = static_cast<size_t>(key * dim + d);
                        product += in.query.value[i] * in.key.value[j];
                        error += in.query.error[i] * std::abs(in.key.value[j]) + (std::abs(in.query.value[i]) + in.query.error[i]) * in.key.error[j];
                    }
                    logits[static_cast<size_t>(kv)] = product * problem.softmax_scale;
                    largest = std::max(largest, product * problem.softmax_scale);
                    shift = std::max(shift, error * problem.softmax_scale);
                }
                weights.clear();
                for (const double logit : logits) weights.push_back(logit == -INFINITY ? 0 : std::exp(logit - largest)), sum += weights.back();
                for (int64_t d = 0; d < dim_v; d++) {
                    const size_t at = static_cast<size_t>(row * dim_v + d);
                    if (sum == 0) continue;  // exactly 0
                    double of_values = 0;
                    for (int64_t kv = 0; kv < used; kv++)
                        of_values += weights[static_cast<size_t>(kv)] / sum *
                                     in.value.error[static_cast<size_t>(((b * problem.num_kv_heads + h / group) * problem.seq_len_kv + kv) * dim_v + d)];
                    errors[at] = std::expm1(2 * shift) * result.value_abs[at] + std::exp(2 * shift) * of_values + of_weights * result.value_abs[at] +
                                 result.output_error[at] + half_ulp(spec.attention.dtype, result.output[at]) + flushed;
                }
            }
    return errors;
}

void norm_row(double *x, double *e, const std::vector<double> &norm, double eps) {
    const size_t count = norm.size();
    double squares = 0, moved = 0;
    for (size_t i = 0; i < count; i++) squares += x[i] * x[i], moved += 2 * std::abs(x[i]) * e[i] + e[i] * e[i];
    const double mean = squares / static_cast<double>(count) + eps, off = std::min(moved / static_cast<double>(count), mean * 0.999);
    const double scale = 1 / std::sqrt(mean), scale_off = 1 / std::sqrt(mean - off) - scale;
    for (size_t i = 0; i < count; i++) {
        const double g = std::abs(norm[i]), result = x[i] * scale * norm[i];
        e[i] = g * ((std::abs(x[i]) + e[i]) * scale_off + scale * e[i]) + (static_cast<double>(count) / 2 + 4) * u32 * std::abs(result);
        x[i] = result;
    }
}

/// Norm and turn of (batch, heads, seq, dim), then what storing them rounds.
void finish_heads(const LayerSpec &spec, const ReferenceLayer &layer, Bounded &rows, int64_t heads, const std::vector<double> &norm) {
    const int64_t dim = spec.attention.head_dim;
    if (norm.empty() && spec.rope.style == RopeSpec::Style::none) return;
    const Rotation rotation(spec.rope);
    for (int64_t b = 0; b < layer.batch; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t s = 0; s < layer.seq_len; s++) {
                double *const x = rows.value.data() + ((b * heads + h) * layer.seq_len + s) * dim;
                double *const e = rows.error.data() + (x - rows.value.data());
                if (!norm.empty()) norm_row(x, e, norm, spec.qk_norm_eps);
                if (spec.rope.style != RopeSpec::Style::none) {
                    const int64_t position = layer.positions.empty() ? s : layer.positions[static_cast<size_t>(b * layer.seq_len + s)];
                    std::vector<double> terms(static_cast<size_t>(dim), 0.0), errors(e, e + dim), errors_turned(static_cast<size_t>(dim));
                    // Of errors a turn makes |e_x cos| + |e_y sin|.
                    rotation.turn(errors.data(), position, errors_turned.data());
                    rotation.turn(x, position, terms.data());
                    for (int64_t d = 0; d < spec.rope.dims / 2 * 2; d++) e[d] = errors_turned[static_cast<size_t>(d)] + 4 * u32 * terms[static_cast<size_t>(d)];
                }
                for (int64_t d = 0; d < dim; d++) e[d] += half_ulp(spec.attention.dtype, x[d]);
            }
}

}  // namespace

Bounded exactly(std::vector<double> value) {
    std::vector<double> error(value.size(), 0.0);
    return {std::move(value), std::move(error)};
}

Bounded reference_projection(const ProjectionSpec &spec, int64_t rows, const Bounded &input, const ReferenceWeights &weights) {
    const int64_t inputs = spec.in_features, outputs = spec.out_features;
    const double steps = static_cast<double>(std::min<int64_t>(inputs, 256) + inputs / 256 + 8);
    const ActivationBound bound = bound_of(spec.activation);
    Bounded out;
    out.value.reserve(static_cast<size_t>(rows * outputs));
    out.error.reserve(static_cast<size_t>(rows * outputs));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < outputs; n++) {
            double sum = weights.bias.empty() ? 0 : weights.bias[static_cast<size_t>(n)], terms = std::abs(sum), carried = 0;
            for (int64_t k = 0; k < inputs; k++) {
                const size_t x = static_cast<size_t>(r * inputs + k);
                const double w = weights.weight[static_cast<size_t>(n * inputs + k)];
                sum += w * input.value[x];
                terms += std::abs(w * input.value[x]);
                carried += std::abs(w) * input.error[x];
            }
            const double result = activated(spec.activation, sum), before = carried + steps * u32 * terms + 2 * u32 * std::abs(sum);
            out.value.push_back(result);
            out.error.push_back(bound.slope * before + bound.own * (std::abs(sum) + before) + half_ulp(spec.dtype, result) + flushed);
        }
    return out;
}

Bounded reference_layer(const LayerSpec &spec, const ReferenceLayer &layer, bool rounds_weights) {
    if (spec.attention.score || !(is_softmax(spec.attention.normalizer) || is_linear(spec.attention)))
        throw std::invalid_argument("reference_layer: the bound of a layer with a score, or with this normalizer, is not derived");
    const AttentionSpec &attention = spec.attention;
    const bool is_cross = spec.is_cross();
    const int64_t seq_kv = is_cross ? layer.seq_len_context : layer.seq_len, rows_q = layer.batch * layer.seq_len, rows_kv = layer.batch * seq_kv;
    const Bounded tokens = exactly(layer.input), source = is_cross ? exactly(layer.context) : tokens;
    auto projected = [&](const Bounded &x, int64_t rows, int inputs, int64_t heads, int dim, const ReferenceWeights &weights, int64_t seq) {
        ProjectionSpec projection = spec.token_projection();
        projection.in_features = inputs;
        projection.out_features = static_cast<int>(heads * dim);
        const Bounded y = reference_projection(projection, rows, x, weights);
        return Bounded{split_heads(y.value, layer.batch, seq, heads * dim, 0, heads, dim),
                       split_heads(y.error, layer.batch, seq, heads * dim, 0, heads, dim)};
    };
    const int d_source = is_cross ? spec.d_context : spec.d_model;
    Heads in = {projected(tokens, rows_q, spec.d_model, spec.heads, attention.head_dim, layer.query, layer.seq_len),
                      projected(source, rows_kv, d_source, spec.kv_heads, attention.head_dim, layer.key, seq_kv),
                      projected(source, rows_kv, d_source, spec.kv_heads, attention.head_dim_v, layer.value, seq_kv)};
    finish_heads(spec, layer, in.query, spec.heads, layer.query_norm);
    finish_heads(spec, layer, in.key, spec.kv_heads, layer.key_norm);
    ReferenceProblem problem;
    problem.batch = layer.batch;
    problem.num_heads = spec.heads;
    problem.num_kv_heads = spec.kv_heads;
    problem.seq_len_q = layer.seq_len;
    problem.seq_len_kv = seq_kv;
    problem.head_dim = attention.head_dim;
    problem.head_dim_v = attention.head_dim_v;
    problem.softmax_scale = attention.softmax_scale;
    problem.query = in.query.value;
    problem.key = in.key.value;
    problem.value = in.value.value;
    problem.lengths_q = layer.lengths;
    problem.lengths_kv = is_cross ? layer.lengths_context : layer.lengths;
    set_expressions(problem, attention, {});
    if (is_linear(attention)) {
        problem.linear.query_error = in.query.error;
        problem.linear.key_error = in.key.error;
        problem.linear.value_error = in.value.error;
    }
    const ReferenceResult result = reference_attention(problem);

    // (batch, heads, seq, dim) -> (batch, seq, heads x dim)
    const std::vector<double> errors = output_error(spec, problem, result, in, rounds_weights);
    Bounded mixed;
    for (int64_t b = 0; b < layer.batch; b++)
        for (int64_t s = 0; s < layer.seq_len; s++)
            for (int64_t h = 0; h < spec.heads; h++)
                for (int64_t d = 0; d < attention.head_dim_v; d++) {
                    const size_t at = static_cast<size_t>(((b * spec.heads + h) * layer.seq_len + s) * attention.head_dim_v + d);
                    mixed.value.push_back(result.output[at]);
                    mixed.error.push_back(errors[at]);
                }
    return reference_projection(spec.output_projection(), rows_q, mixed, layer.output);
}

}  // namespace attune
