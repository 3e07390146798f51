#pragma once
#include "generator/cli/bytes.h"
#include "generator/cli/flags.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/run_kernel.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::cli {

/// The arrays of `attune run`, read and found to fit one another.
struct RunInputs {
    NpyArray query, key;                         ///< (batch, heads, seq, dim), of one type: <f4, <f2 or <u2
    NpyArray value;                              ///< the same; empty where values are in key
    std::vector<int32_t> lengths_q, lengths_kv;  ///< (batch); empty where not given
    std::vector<int32_t> cu_seqlens_q, cu_seqlens_kv;
    Shape shape;              ///< of the call: with cu_seqlens, batch is the number of sequences
    int64_t array_batch = 1;  ///< of the arrays: with cu_seqlens 1
    int64_t head_dim = 0, head_dim_v = 0;

    bool packed() const { return !cu_seqlens_q.empty(); }
};

void declare_run_inputs(Flags &flags);

/// Reads the files and checks every shape, before anything is compiled. Throws Error(input) that names both arrays of a mismatch.
/// asked: the specification without what the arrays say; its cache decides whether there is a value.
RunInputs read_run_inputs(const Flags &flags, const AttentionSpec &asked);

/// The specification for these arrays: keys that are not given default to theirs. Throws Error(input) with both values where given keys
/// contradict the arrays.
AttentionSpec spec_for_inputs(RawSpec raw, const RunInputs &inputs);

/// The array's elements in the kernel's encoding: copied, or float32 rounded to bf16.
Bytes encode_array(const NpyArray &array, DType dtype);
/// Kernel output in the encoding of the query: float32 where bf16 was computed from float32 arrays.
NpyArray decode_array(const Bytes &bytes, DType dtype, const std::string &npy_dtype, std::vector<int64_t> shape);

}  // namespace attune::cli
