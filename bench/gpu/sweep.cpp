#include "bench/gpu/sweep.h"

#include "bench/gpu/numbers.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace attune::gpu_bench {
namespace {

void check(attune_status status) {
    if (status)
        throw std::runtime_error(attune_last_error());
}

/// Device memory with the array in it, or with room for one.
class DeviceArray {
public:
    DeviceArray(const attune_device &device, size_t bytes) : device_(device) { check(attune_device_allocate(&device, bytes, &memory_)); }
    DeviceArray(const attune_device &device, const std::vector<char> &array) : DeviceArray(device, array.size()) {
        check(attune_device_write(&device, memory_, array.data(), array.size()));
    }
    ~DeviceArray() { attune_device_free_memory(&device_, memory_); }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;
    void *memory() const { return memory_; }

private:
    const attune_device &device_;
    void *memory_ = nullptr;
};

/// The problem on the host.
struct Problem {
    std::string dtype;
    int64_t head_dim;
    SweepRow row;
    bool causal;
    std::vector<char> query, key, value;

    int64_t query_row(int64_t b, int64_t s, int64_t h) const { return ((b * row.seq_len_q + s) * row.num_heads + h) * head_dim; }
    int64_t key_row(int64_t b, int64_t s, int64_t h) const {
        return ((b * row.seq_len_kv + s) * row.num_kv_heads + h / (row.num_heads / row.num_kv_heads)) * head_dim;
    }
};

/// The largest error of a row, in units of its bound: rounding the result, weights and values to the type, and sums of f32.
double share_of_row(const Problem &p, const std::vector<char> &output, int64_t b, int64_t s, int64_t h) {
    const int64_t keys = p.causal ? s + 1 + p.row.seq_len_kv - p.row.seq_len_q : p.row.seq_len_kv;
    auto at = [&](const std::vector<char> &array, int64_t row, int64_t d) { return element(p.dtype, array, row + d); };
    std::vector<double> weights(static_cast<size_t>(keys));
    double maximum = -INFINITY, sum = 0;
    for (int64_t k = 0; k < keys; k++) {
        double logit = 0;
        for (int64_t d = 0; d < p.head_dim; d++)
            logit += at(p.query, p.query_row(b, s, h), d) * at(p.key, p.key_row(b, k, h), d);
        weights[static_cast<size_t>(k)] = logit / std::sqrt(static_cast<double>(p.head_dim));
        maximum = std::max(maximum, weights[static_cast<size_t>(k)]);
    }
    for (double &w : weights)
        sum += w = std::exp(w - maximum);
    double worst = 0;
    for (int64_t d = 0; d < p.head_dim; d++) {
        double expected = 0, magnitude = 0;
        for (int64_t k = 0; k < keys; k++) {
            const double product = weights[static_cast<size_t>(k)] / sum * at(p.value, p.key_row(b, k, h), d);
            expected += product;
            magnitude += std::fabs(product);
        }
        const double bound = unit_roundoff(p.dtype) * (std::fabs(expected) + 2 * magnitude) + 4e-6 * (1 + magnitude);
        const double error = std::fabs(element(p.dtype, output, p.query_row(b, s, h) + d) - expected) / bound;
        worst = error > worst || std::isnan(error) ? error : worst;
    }
    return worst;
}

}  // namespace

SweepResult measure(const attune_device &device, const SweepRow &row, int warm_up, int repeats) {
    const attune_kernel_info &info = *attune_kernel_describe(row.kernel);
    const bool causal = std::string(info.mask) == "causal";
    const int64_t of_queries = row.batch * row.num_heads * row.seq_len_q * info.head_dim,
                  of_keys = row.batch * row.num_kv_heads * row.seq_len_kv * info.head_dim;
    const Problem p = {info.dtype,
                       info.head_dim,
                       row,
                       causal,
                       random_array(info.dtype, of_queries, 1),
                       random_array(info.dtype, of_keys, 2),
                       random_array(info.dtype, of_keys, 3)};
    const DeviceArray query(device, p.query), key(device, p.key), value(device, p.value), output(device, p.query.size());
    const attune_exec exec = {
        .size = sizeof exec, .num_threads = 0, .parallel_for = nullptr, .parallel_context = nullptr, .stream = nullptr, .device = &device};
    attune_attention_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.query = query.memory(), args.key = key.memory(), args.value = value.memory(), args.output = output.memory();
    args.batch = row.batch, args.num_heads = row.num_heads, args.num_kv_heads = row.num_kv_heads;
    args.seq_len_q = row.seq_len_q, args.seq_len_kv = row.seq_len_kv;
    const auto beside = [&](int64_t stride[3], int64_t seq_len, int64_t heads) {
        stride[0] = seq_len * heads * info.head_dim;
        stride[1] = info.head_dim;
        stride[2] = heads * info.head_dim;
    };
    beside(args.stride_query, row.seq_len_q, row.num_heads), beside(args.stride_output, row.seq_len_q, row.num_heads);
    beside(args.stride_key, row.seq_len_kv, row.num_kv_heads), beside(args.stride_value, row.seq_len_kv, row.num_kv_heads);
    args.exec = &exec;
    args.workspace_size = attune_kernel_workspace_size(row.kernel, &args);  // of decode: its parts
    const DeviceArray workspace(device, std::max<size_t>(args.workspace_size, 1));
    args.workspace = workspace.memory();

    std::vector<double> times;
    for (int i = 0; i < warm_up + repeats; i++) {
        const auto begin = std::chrono::steady_clock::now();
        check(attune_kernel_run(row.kernel, &args));
        check(attune_device_synchronize(&device));
        if (i >= warm_up)
            times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::vector<char> result(p.query.size());
    check(attune_device_read(&device, result.data(), output.memory(), result.size()));

    SweepResult r;
    for (const int64_t s : {int64_t(0), row.seq_len_q / 3, row.seq_len_q - 1})
        for (const int64_t b : {int64_t(0), row.batch - 1})
            r.error_share = std::max(r.error_share, share_of_row(p, result, b, s, (s + b) % row.num_heads));
    std::sort(times.begin(), times.end());
    r.median_ms = times[times.size() / 2];
    r.min_ms = times.front();
    const double queries = static_cast<double>(row.seq_len_q), keys = static_cast<double>(row.seq_len_kv),
                 pairs = static_cast<double>(row.batch * row.num_heads) * (causal ? queries * (keys - (queries - 1) / 2) : queries * keys);
    r.tflops = 2 * pairs * 2 * info.head_dim / r.median_ms * 1e-9;
    r.gbs = 2 * static_cast<double>(p.key.size()) / r.median_ms * 1e-6;
    return r;
}

}  // namespace attune::gpu_bench
