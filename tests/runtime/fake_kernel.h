/// Kernels written by hand: plain loops behind the task ABI, told by a script what to do, which note what the runtime asked of them.
#pragma once
#include "attune/kernel.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

/// What the fake task functions do and saw. One at a time; reset by making a FakeKernel.
struct Script {
    bool causal = false;
    std::function<int32_t(int b, int h, int q)> row_class;  ///< given by row_reference; none: FIXED
    std::function<bool(int b, int h, int q)> guard_holds;   ///< of the fixed function; none: always
    std::map<std::string, int> fail;                        ///< function -> code that it returns
    std::function<void()> in_exact;                         ///< runs inside the exact function

    std::mutex mutex;
    std::vector<std::string> problems;                        ///< breaches of the ABI by the runtime
    std::map<std::tuple<int, int, int>, std::string> stored;  ///< (b, h, q) -> functions that stored the row, e.g. "fixed"
    std::vector<std::tuple<int, int, int>> blocks;            ///< (b, h, q_begin) in the order of arrival
    int key_bound_calls = 0, exact_calls = 0;
};
extern Script *script;

/// softmax_scale of all fake kernels, head_dim 4, head_dim_v 3.
inline constexpr double fake_scale = 0.5;
inline constexpr int fake_head_dim = 4, fake_head_dim_v = 3;

/// A f32 kernel with one variant that runs anywhere, and a fresh script.
struct FakeKernel {
    Script own_script;
    std::vector<attune_kernel_variant> variants;
    attune_kernel kernel{};

    explicit FakeKernel(bool has_fixed = false, int block_q = 4);
    ~FakeKernel();
    FakeKernel(const FakeKernel &) = delete;
    /// After a change of `variants`.
    void refresh();
};
