#include "generator/cli/run_kernel.h"

#include "attune/kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>

namespace attune::cli {
namespace {

constexpr int64_t index_limit = std::numeric_limits<int32_t>::max();

void dense_strides(int64_t strides[3], int64_t heads, int64_t rows, int64_t dim) {
    strides[0] = heads * rows * dim;
    strides[1] = rows * dim;
    strides[2] = dim;
}

/// The extents of a call and the strides of its tensors, which are dense.
void set_dense_call(attune_attention_args &a, const AttentionSpec &spec, const Shape &shape) {
    a.size = sizeof a;
    a.version = ATTUNE_ATTENTION_ARGS_VERSION;
    a.batch = shape.batch;
    a.num_heads = shape.num_heads;
    a.num_kv_heads = shape.num_kv_heads;
    a.seq_len_q = shape.seq_len_q;
    a.seq_len_kv = shape.seq_len_kv;
    dense_strides(a.stride_query, shape.num_heads, shape.seq_len_q, spec.head_dim);
    dense_strides(a.stride_key, shape.num_kv_heads, shape.seq_len_kv, spec.head_dim);
    dense_strides(a.stride_value, shape.num_kv_heads, shape.seq_len_kv, spec.head_dim_v);
    dense_strides(a.stride_output, shape.num_heads, shape.seq_len_q, spec.head_dim_v);
    dense_strides(a.stride_lse, shape.num_heads, shape.seq_len_q, 1);
}

ErrorCode code_of(attune_status status) {
    switch (status) {
    case ATTUNE_INVALID_ARGUMENT:
    case ATTUNE_SHAPE_MISMATCH:
    case ATTUNE_INDEX_RANGE:
        return ErrorCode::input;
    case ATTUNE_UNSUPPORTED_CPU:
    case ATTUNE_DEVICE:
        return ErrorCode::target;
    default:
        return ErrorCode::internal;  // the rest is ours to get right: pointers, sizes, workspace
    }
}

[[noreturn]] void refuse(attune_status status) {
    std::string problem = attune_last_error();
    if (problem.starts_with("attune: "))
        problem.erase(0, 8);
    if (problem.empty())
        problem = attune_status_string(status);
    throw Error(
        {.code = code_of(status), .argument = problem.substr(0, problem.find(' ')), .value = problem, .expected = {}, .problem = problem});
}

}  // namespace

const attune_device &opened_device(attune_api api) {
    static std::map<attune_api, attune_device> opened;
    const auto [device, is_new] = opened.try_emplace(api);
    if (is_new)
        if (const attune_status status = attune_device_open(api, 0, &device->second)) {
            opened.erase(device);
            refuse(status);
        }
    return device->second;
}

size_t workspace_bytes(const LoadedKernel &kernel, const Shape &shape, int threads) {
    const AttentionSpec &spec = kernel.plan().spec;
    attune_exec exec{};
    exec.size = sizeof exec;
    exec.num_threads = threads;
    attune_attention_args args{};
    set_dense_call(args, spec, shape);
    args.exec = &exec;
    return attune_kernel_workspace_size(kernel.kernel(), &args);
}

void check_index_range(const AttentionSpec &spec, const Shape &shape, ErrorCode code) {
    const struct {
        const char *name;
        int64_t heads, rows, dim;
    } tensors[] = {{"query", shape.num_heads, shape.seq_len_q, spec.head_dim},
                   {"key", shape.num_kv_heads, shape.seq_len_kv, spec.head_dim},
                   {"value", shape.num_kv_heads, shape.seq_len_kv, spec.head_dim_v},
                   {"output", shape.num_heads, shape.seq_len_q, spec.head_dim_v},
                   {"pairs", shape.num_heads, shape.seq_len_q, spec.pairs_output == PairsOutput::none ? 0 : shape.seq_len_kv}};
    for (const auto &t : tensors) {
        const __int128 elements = static_cast<__int128>(shape.batch) * t.heads * t.rows * t.dim;
        if (elements > index_limit)
            throw Error({.code = code,
                         .argument = t.name,
                         .value = fmt::format("{} elements", static_cast<double>(elements)),
                         .expected = fmt::format("at most {}", index_limit),
                         .cure = "split the batch or the heads over several calls",
                         .problem = fmt::format("{} has {}x{}x{}x{} elements", t.name, shape.batch, t.heads, t.rows, t.dim)});
    }
    if (static_cast<__int128>(shape.batch) * shape.num_heads > index_limit)
        throw Error({.code = code,
                     .argument = "batch * heads",
                     .value = fmt::format("{} * {}", shape.batch, shape.num_heads),
                     .expected = fmt::format("at most {}", index_limit),
                     .cure = "split the batch over several calls"});
}

KernelCall::KernelCall(const LoadedKernel &kernel, const CallInputs &inputs, int threads, const CallOutputs &wanted)
    : kernel_(kernel.kernel()) {
    const AttentionSpec &spec = kernel.plan().spec;
    const Shape &shape = inputs.shape;
    const bool packed = inputs.cu_seqlens_q != nullptr;
    rows_ = (packed ? 1 : shape.batch) * shape.num_heads * shape.seq_len_q;
    output_ = Bytes(rows_ * spec.head_dim_v * dtype_bytes(spec.dtype));
    if (wanted.lse) {
        lse_ = Bytes(rows_ * sizeof(float));
        std::fill_n(lse_.as<float>(), rows_, -std::numeric_limits<float>::infinity());
    }
    if (wanted.pairs)
        pairs_ = Bytes(rows_ * shape.seq_len_kv * dtype_bytes(spec.dtype));

    exec_.size = sizeof exec_;
    exec_.num_threads = threads;
    attune_attention_args &a = args_;
    set_dense_call(a, spec, shape);
    a.query = inputs.query;
    a.key = inputs.key;
    a.value = inputs.value;
    a.output = output_.data();
    a.lse = wanted.lse ? lse_.as<float>() : nullptr;
    a.lengths_q = inputs.lengths_q;
    a.lengths_kv = inputs.lengths_kv;
    a.cu_seqlens_q = inputs.cu_seqlens_q;
    a.cu_seqlens_kv = inputs.cu_seqlens_kv;
    if (inputs.cache)
        inputs.cache->bind(a);
    a.params = inputs.params;
    if (wanted.pairs) {
        a.pairs = pairs_.data();
        dense_strides(a.stride_pairs, shape.num_heads, shape.seq_len_q, shape.seq_len_kv);
    }
    if (wanted.state || inputs.past_state) {
        const size_t sums = static_cast<size_t>(shape.batch * shape.num_kv_heads) * spec.head_dim;
        linear_.size = sizeof linear_;
        linear_.past = inputs.past_state;
        linear_.past_key_sum = inputs.past_key_sum;
        if (wanted.state) {
            state_ = Bytes(sums * spec.head_dim_v * sizeof(float));
            linear_.present = state_.as<float>();
        }
        if (wanted.state && divides_by_sum(spec)) {
            key_sum_ = Bytes(sums * sizeof(float));
            linear_.present_key_sum = key_sum_.as<float>();
        }
        a.state = &linear_;
    }
    a.exec = &exec_;

    if (kernel_->num_variants == 0) {
        device_ = &opened_device(static_cast<attune_api>(kernel_->device_variants[0].api));
        return;
    }
    workspace_ = Bytes(attune_kernel_workspace_size(kernel_, &a));
    if (workspace_.size() > 0) {
        a.workspace = workspace_.data();
        a.workspace_size = workspace_.size();
    }
}

void KernelCall::run() {
    if (const attune_status status = device_ ? attune_kernel_run_copied(kernel_, &args_, device_) : attune_kernel_run(kernel_, &args_))
        refuse(status);
}

}  // namespace attune::cli
