#pragma once
#include "attention.h"

#include <attune/attention.hpp>

#include <string>
#include <vector>

/// The kernels that Attune generated for this model: attune_add_kernel(smollm_prefill …) and those of decode in CMakeLists.txt.
class AttuneAttention {
public:
    static constexpr int64_t head_dim = 64, group = 3;  ///< what the kernels were generated for
    static constexpr double rope_base = 100000;

    /// Throws std::runtime_error with Attune's own sentence where the kernel refuses. Not from two threads at once: the workspace is one.
    void operator()(const AttentionCall &call);

    /// The kernel for single tokens on such a cache: "smollm_decode_i8".
    static std::string decode_name(CacheFormat format);
    /// The instruction set they run with here: "avx512".
    static std::string target();

private:
    void append(const AttentionCall &call, KvCache &cache, int64_t layer);
    void prefill(const AttentionCall &call, KvCache &cache, int64_t layer);
    void decode(const AttentionCall &call);

    attune::Kernel prefill_ = attune::find("smollm_prefill");
    attune::Workspace workspace_;  // kept from call to call
    std::vector<float> turned_;
};
