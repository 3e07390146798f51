#pragma once
#include "attention.h"

#include <attune/attention.hpp>

#include <string>

/// The two kernels that Attune generated for this model: attune_add_kernel(smollm_prefill …) and (smollm_decode …) in CMakeLists.txt.
class AttuneAttention {
public:
    static constexpr int64_t head_dim = 64, group = 3;  ///< what the kernels were generated for

    /// Throws std::runtime_error with Attune's own sentence where the kernel refuses. Not from two threads at once: the workspace is one.
    void operator()(const AttentionCall &call);

    /// The instruction set they run with here: "avx512".
    static std::string target();

private:
    attune::Kernel prefill_ = attune::find("smollm_prefill"), decode_ = attune::find("smollm_decode");
    attune::Workspace workspace_;  // kept from call to call
};
