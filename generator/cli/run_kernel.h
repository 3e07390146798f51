#pragma once
#include "attune/device.h"
#include "generator/backend/kernel.h"
#include "generator/cli/bytes.h"
#include "generator/cli/kv_cache.h"
#include "generator/cli/shape.h"
#include "generator/spec/error.h"

#include <cstdint>

namespace attune::cli {

/// What a call reads: arrays in the kernel's encoding, dense, (batch, heads, seq, dim) in C order. They must outlive the KernelCall.
struct CallInputs {
    Shape shape;  ///< with cu_seqlens: batch is the number of sequences, the lengths are totals
    const void *query = nullptr, *key = nullptr, *value = nullptr;
    const CacheImage *cache = nullptr;                          ///< instead of key and value, where the specification has a cache format
    const int32_t *lengths_q = nullptr, *lengths_kv = nullptr;  ///< (batch), or null
    const int32_t *cu_seqlens_q = nullptr, *cu_seqlens_kv = nullptr;  ///< (batch + 1), or null
    const float *past_state = nullptr, *past_key_sum = nullptr;       ///< of linear attention, or null: there is no past
    const void *params = nullptr;                                     ///< <name>_params, or null where the kernel has none
};

/// What a call writes beside the output; the kernel must have it.
struct CallOutputs {
    bool lse = false, pairs = false, state = false;
};

/// A call made ready: what it writes and its workspace are allocated, so that run() is the kernel and nothing else.
class KernelCall {
public:
    /// threads: 0 for attune_num_threads().
    KernelCall(const LoadedKernel &kernel, const CallInputs &inputs, int threads, const CallOutputs &wanted);

    /// Throws Error: input where the arguments are at fault, target, or internal.
    void run();

    /// Rows that no sequence holds (after the last of cu_seqlens) stay output 0, lse -inf.
    const Bytes &output() const { return output_; }        ///< (batch, heads, seq_q, head_dim_v) in the kernel's encoding
    const float *lse() const { return lse_.as<float>(); }  ///< (batch, heads, seq_q), or empty
    const Bytes &pairs() const {
        return pairs_;
    }  ///< (batch, heads, seq_q, seq_kv) in the kernel's encoding, or empty; 0 outside the lengths
    const Bytes &state() const { return state_; }      ///< float32 (batch, kv_heads, head_dim, head_dim_v), or empty
    const Bytes &key_sum() const { return key_sum_; }  ///< float32 (batch, kv_heads, head_dim), or empty
    size_t rows() const { return rows_; }              ///< of output, over batch and heads
    size_t workspace_bytes() const { return workspace_.size(); }

private:
    const attune_kernel *kernel_;
    const attune_device *device_ = nullptr;  ///< of a device kernel: run() copies there and back
    attune_exec exec_{};
    attune_linear_state linear_{};
    attune_attention_args args_{};
    size_t rows_ = 0;
    Bytes output_, lse_, pairs_, state_, key_sum_, workspace_;
};

/// The first device of an api, opened once. Throws Error(target) where there is none.
const attune_device &opened_device(attune_api api);

/// What a call of a CPU kernel with dense tensors takes beside them: what it wants for args.workspace.
size_t workspace_bytes(const LoadedKernel &kernel, const Shape &shape, int threads);

/// Refuses, before anything is compiled, a shape whose tensors the kernel cannot index. Throws Error with `code`.
void check_index_range(const AttentionSpec &spec, const Shape &shape, ErrorCode code);

}  // namespace attune::cli
