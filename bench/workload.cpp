#include "workload.h"

#include "generator/cli/problem.h"
#include "generator/reference/expressions.h"
#include "generator/reference/reference.h"
#include "shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace attune::bench {
namespace {

constexpr uint64_t seed = 1;

Arrays filled(ReferenceProblem &problem, InputKind kind, DType dtype) {
    fill_inputs(problem, kind, dtype, seed);
    return {cli::encode(problem.query, dtype), cli::encode(problem.key, dtype), cli::encode(problem.value, dtype)};
}

/// `rows` rows of `dim` elements from row `first` on.
std::vector<double> decoded_rows(const cli::Bytes &bytes, DType dtype, int64_t first, int64_t rows, int64_t dim) {
    const int64_t row_bytes = dim * dtype_bytes(dtype);
    cli::Bytes part(rows * row_bytes);
    std::memcpy(part.data(), bytes.data() + first * row_bytes, part.size());
    return cli::decode(part, dtype);
}

/// The specification's mask and score, asked about these rows of one head.
void show_pairs(ReferenceProblem &sampled, const Workload &w, int64_t b, int64_t h, const std::vector<int64_t> &rows, int64_t len_q,
                int64_t len_kv) {
    ReferenceProblem all;
    all.batch = w.shape.batch;
    all.num_heads = w.shape.num_heads;
    all.num_kv_heads = w.shape.num_kv_heads;
    all.seq_len_q = w.shape.seq_len_q;
    all.seq_len_kv = w.shape.seq_len_kv;
    set_expressions(all, w.spec, w.params.values());
    cli::apply_block_lists(all, w.params.lists());
    sampled.softmax_scale = all.softmax_scale;
    sampled.compute = all.compute;
    if (all.visible)
        sampled.visible = [=, visible = all.visible](int64_t, int64_t, int64_t q, int64_t kv, int64_t, int64_t) {
            return visible(b, h, rows[q], kv, len_q, len_kv);
        };
    if (all.score)
        sampled.score = [=, score = all.score](int64_t, int64_t, int64_t q, int64_t kv, int64_t, int64_t, double s) {
            return score(b, h, rows[q], kv, len_q, len_kv, s);
        };
}

ErrorShare sampled_share(const Workload &w, const Arrays &arrays, const cli::Bytes &output, const float *lse, const Precision &precision,
                         int64_t b, int64_t h) {
    const AttentionSpec &spec = w.spec;
    const cli::Shape &s = w.shape;
    const int64_t len_q = w.lengths.empty() ? s.seq_len_q : w.lengths[b], len_kv = w.lengths.empty() ? s.seq_len_kv : w.lengths[b];
    const int64_t head = b * s.num_heads + h, kv_head = b * s.num_kv_heads + h / (s.num_heads / s.num_kv_heads);
    const std::set<int64_t> sampled = {0, len_q / 3, len_q * 2 / 3, len_q - 1};
    const std::vector<int64_t> rows(sampled.begin(), sampled.end());

    ReferenceProblem problem;  // one head, the sampled rows only
    problem.seq_len_q = static_cast<int64_t>(rows.size());
    problem.seq_len_kv = len_kv;
    problem.head_dim = spec.head_dim;
    problem.head_dim_v = spec.head_dim_v;
    show_pairs(problem, w, b, h, rows, len_q, len_kv);
    problem.key = decoded_rows(arrays.key, spec.dtype, kv_head * s.seq_len_kv, len_kv, spec.head_dim);
    problem.value = decoded_rows(arrays.value, spec.dtype, kv_head * s.seq_len_kv, len_kv, spec.head_dim_v);
    std::vector<double> found;
    std::vector<float> found_lse;
    for (int64_t row : rows) {
        const int64_t at = head * s.seq_len_q + row;
        const auto query = decoded_rows(arrays.query, spec.dtype, at, 1, spec.head_dim),
                   out = decoded_rows(output, spec.dtype, at, 1, spec.head_dim_v);
        problem.query.insert(problem.query.end(), query.begin(), query.end());
        found.insert(found.end(), out.begin(), out.end());
        if (lse)
            found_lse.push_back(lse[at]);
    }
    return error_share(problem, reference_attention(problem), found, found_lse, precision);
}

}  // namespace

Workload make_workload(DType dtype, const cli::Shape &shape, int head_dim, int head_dim_v, const PairsText &pairs, bool padding) {
    RawSpec raw;
    const auto set = [&](const char *key, const std::string &text) {
        if (!text.empty())
            set_spec_flag(raw, key, text, "bench");
    };
    set("kernel.dtype", dtype_name(dtype));
    set("kernel.head_dim", std::to_string(head_dim));
    set("kernel.head_dim_v", std::to_string(head_dim_v));
    set("kernel.group", std::to_string(shape.num_heads / shape.num_kv_heads));
    set("kernel.mask", pairs.mask);
    set("kernel.score", pairs.score);
    set("params", pairs.params);
    set("kernel.block_mask", pairs.block_density > 0 ? "csr" : "");
    Workload w{validate_spec(raw), shape, padding ? padding_lengths(shape.batch, shape.seq_len_kv) : std::vector<int32_t>()};
    std::vector<cli::Argument> arguments;
    for (size_t i = 0; i < w.spec.params.size(); i++) {
        const ParamDeclaration &param = w.spec.params[i];
        arguments.push_back(cli::default_argument(w.spec, i, shape, seed));
        if (param.element != ParamDeclaration::Element::i32 || !pairs.integers)
            continue;
        ParamValue value = cli::argument_value(param, arguments.back());
        for (size_t j = 0; j < value.elements.size(); j++)
            value.elements[j] = pairs.integers(static_cast<int64_t>(j));
        arguments.back() = cli::make_argument(param, value.extents, value.elements);
    }
    cli::BlockLists lists;
    if (pairs.block_density > 0)
        lists = cli::random_block_lists(w.spec, shape, pairs.block_density, 0, seed);
    w.params = {w.spec, std::move(arguments), std::move(lists)};
    return w;
}

cli::Cost workload_cost(const Workload &w) {
    if (w.lengths.empty())
        return cli::call_cost(w.spec, w.shape, w.params.values(), w.params.lists());
    cli::Cost sum;
    for (int32_t length : w.lengths) {
        const cli::Cost cost = cli::call_cost(w.spec, {1, w.shape.num_heads, w.shape.num_kv_heads, length, length});
        sum.visible_pairs += cost.visible_pairs;
        sum.flops += cost.flops;
        sum.bytes += cost.bytes;
    }
    return sum;
}

Arrays random_arrays(const Workload &w, InputKind kind) {
    ReferenceProblem problem;
    problem.batch = w.shape.batch;
    problem.num_heads = w.shape.num_heads;
    problem.num_kv_heads = w.shape.num_kv_heads;
    problem.seq_len_q = w.shape.seq_len_q;
    problem.seq_len_kv = w.shape.seq_len_kv;
    problem.head_dim = w.spec.head_dim;
    problem.head_dim_v = w.spec.head_dim_v;
    problem.lengths_q = problem.lengths_kv = w.lengths;
    set_expressions(problem, w.spec, w.params.values());
    cli::apply_block_lists(problem, w.params.lists());
    return filled(problem, kind, w.spec.dtype);
}

const Arrays &shared_arrays(DType dtype) {
    static std::map<DType, Arrays> all;
    if (const auto found = all.find(dtype); found != all.end())
        return found->second;
    ReferenceProblem problem;
    problem.head_dim = problem.head_dim_v = 1;
    for (const BenchShape &row : bench_shapes) {
        const cli::Shape &s = row.shape;
        problem.seq_len_q = std::max(problem.seq_len_q, s.batch * s.num_heads * s.seq_len_q * row.head_dim);
        problem.seq_len_kv = std::max(problem.seq_len_kv, s.batch * s.num_kv_heads * s.seq_len_kv * std::max(row.head_dim, row.head_dim_v));
    }
    return all.emplace(dtype, filled(problem, InputKind::normal, dtype)).first->second;
}

cli::CallInputs call_inputs(const Workload &w, const Arrays &arrays) {
    const int32_t *lengths = w.lengths.empty() ? nullptr : w.lengths.data();
    return {.shape = w.shape,
            .query = arrays.query.data(),
            .key = arrays.key.data(),
            .value = arrays.value.data(),
            .lengths_q = lengths,
            .lengths_kv = lengths,
            .params = w.params.data()};
}

const LoadedKernel &kernel_for(const AttentionSpec &spec, const CpuTarget &target) {
    static std::map<std::pair<std::string, std::string>, std::unique_ptr<LoadedKernel>> kernels;
    auto &kernel = kernels[{spec.canonical(), target.name}];
    if (!kernel)
        kernel = load_kernel(spec, target);
    return *kernel;
}

std::string sampled_error(const Workload &w, const Arrays &arrays, const cli::Bytes &output, const float *lse, const Precision &precision) {
    const int64_t batch = w.shape.batch, heads = w.shape.num_heads;
    for (const auto &[b, h] : {std::pair<int64_t, int64_t>{0, 0}, {batch / 2, heads / 2}, {batch - 1, heads - 1}}) {
        const ErrorShare share = sampled_share(w, arrays, output, lse, precision, b, h);
        if (!(share.output <= 1 && share.lse <= 1))  // false for NaN
            return fmt::format("wrong result in batch {}, head {}: {:.3g} times the error bound (lse {:.3g})", b, h, share.output,
                               share.lse);
    }
    return {};
}

}  // namespace attune::bench
