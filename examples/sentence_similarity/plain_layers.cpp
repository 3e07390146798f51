#include "plain_layers.h"

#include "attune_layers.h"
#include "parallel.h"

#include <unsupported/Eigen/SpecialFunctions>

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

/// x * weight^T + bias, rows split over threads.
template <class Dense, class Row>
Dense apply(const Dense &weight, const Row &bias, const Dense &x, int threads) {
    Dense y(x.rows(), weight.rows());
    parallel_ranges(threads, x.rows(), [&](int64_t begin, int64_t end) {
        auto rows = y.middleRows(begin, end - begin);
        rows.noalias() = x.middleRows(begin, end - begin) * weight.transpose();
        rows.rowwise() += bias;
    });
    return y;
}

/// One head of one sentence: columns `first` … of the queries, and of keys and values one and two hidden sizes further.
template <class Real, class Dense>
void attend_head(const Dense &qkv, Dense &mixed, int64_t first_row, int64_t length, int64_t first, int64_t dim, int64_t hidden) {
    const Real scale = 1 / std::sqrt(static_cast<Real>(dim));
    std::vector<Real> weights(static_cast<std::size_t>(length));
    for (int64_t q = 0; q < length; ++q) {
        Real largest = -std::numeric_limits<Real>::infinity(), sum = 0;
        for (int64_t kv = 0; kv < length; ++kv) {
            Real score = 0;
            for (int64_t d = 0; d < dim; ++d)
                score += qkv(first_row + q, first + d) * qkv(first_row + kv, hidden + first + d);
            weights[kv] = score * scale;
            largest = std::max(largest, weights[kv]);
        }
        for (Real &weight : weights)
            sum += weight = std::exp(weight - largest);
        for (int64_t kv = 0; kv < length; ++kv)
            for (int64_t d = 0; d < dim; ++d)
                mixed(first_row + q, first + d) += weights[kv] / sum * qkv(first_row + kv, 2 * hidden + first + d);
    }
}

}  // namespace

template <class Real>
PlainLayers<Real>::PlainLayers(const std::vector<LayerWeights> &weights) {
    for (const LayerWeights &w : weights) {
        const int64_t hidden = w.query.weight.rows();
        Weights own = {Dense(3 * hidden, w.query.weight.cols()),
                       w.attention_output.weight.cast<Real>(),
                       w.intermediate.weight.cast<Real>(),
                       w.output.weight.cast<Real>(),
                       Row(3 * hidden),
                       w.attention_output.bias.cast<Real>(),
                       w.intermediate.bias.cast<Real>(),
                       w.output.bias.cast<Real>()};
        int64_t row = 0;
        for (const Linear *part : {&w.query, &w.key, &w.value}) {
            own.qkv.middleRows(row, hidden) = part->weight.cast<Real>();
            own.qkv_bias.segment(row, hidden) = part->bias.cast<Real>();
            row += hidden;
        }
        weights_.push_back(std::move(own));
    }
}

template <class Real>
void PlainLayers<Real>::attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    constexpr int64_t heads = minilm::num_heads;
    const Weights &w = weights_[layer];
    const int64_t hidden = x.cols(), dim = hidden / heads;
    const Dense qkv = apply(w.qkv, w.qkv_bias, Dense(x.template cast<Real>()), batch.threads);
    Dense mixed = Dense::Zero(x.rows(), hidden);
    parallel_ranges(batch.threads, batch.batch * heads, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            attend_head<Real>(qkv, mixed, i / heads * batch.seq_len, batch.lengths[i / heads], i % heads * dim, dim, hidden);
    });
    y = apply(w.output, w.output_bias, mixed, batch.threads).template cast<float>();
}

template <class Real>
void PlainLayers<Real>::feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    const Weights &w = weights_[layer];
    Dense inner = apply(w.up, w.up_bias, Dense(x.template cast<Real>()), batch.threads);
    parallel_ranges(batch.threads, inner.rows(), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            auto row = inner.row(r).array();
            row = Real(0.5) * row * (1 + (row * Real(M_SQRT1_2)).erf());
        }
    });
    y = apply(w.down, w.down_bias, inner, batch.threads).template cast<float>();
}

template class PlainLayers<float>;
template class PlainLayers<double>;
