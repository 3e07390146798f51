#pragma once
#include "generator/backend/code_generator.h"
#include "tests/support/kernel_case.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace attune::test {

/// A kernel of the tables in this folder.
struct KernelChoice {
    const char *name;
    DType dtype;
    const char *mask;
    Algorithm algorithm;
    ComputeDType compute = ComputeDType::f32;
    friend void PrintTo(const KernelChoice &row, std::ostream *out) { *out << row.name; }
};

/// Every pair of a type and an algorithm, every pair of a mask and an algorithm.
inline const KernelChoice kernel_choices[] = {
    {"f32_causal_auto", DType::f32, "causal", Algorithm::automatic},
    {"f32_none_online", DType::f32, "none", Algorithm::online},
    {"f32_causal_full_row", DType::f32, "causal", Algorithm::full_row},
    {"f32_none_full_row", DType::f32, "none", Algorithm::full_row},
    {"f16_none_auto", DType::f16, "none", Algorithm::automatic},
    {"f16_causal_online", DType::f16, "causal", Algorithm::online},
    {"f16_top_left_full_row", DType::f16, "causal_top_left", Algorithm::full_row},
    {"bf16_top_left_auto", DType::bf16, "causal_top_left", Algorithm::automatic},
    {"bf16_top_left_online", DType::bf16, "causal_top_left", Algorithm::online},
    {"bf16_none_full_row", DType::bf16, "none", Algorithm::full_row},
    {"f16_halves_causal_auto", DType::f16, "causal", Algorithm::automatic, ComputeDType::f16},
    {"f32_quads_causal_auto", DType::f32, "causal", Algorithm::automatic, ComputeDType::i8},
    {"bf16_quads_none_auto", DType::bf16, "none", Algorithm::automatic, ComputeDType::i8},
};

/// Head dimensions that are no multiple of a vector; one strip is 48 rows of AVX-512, a chunk 64 or 32 keys.
class KernelTable : public testing::TestWithParam<std::tuple<std::string, KernelChoice>> {
protected:
    void SetUp() override {
        const auto &[name, choice] = GetParam();
        target = &cpu_target(name);
        // Targets with units of their own are emulated where the CPU lacks them.
        const bool emulate = !target->serves(DType::f32) && must_emulate(name);
        if (!emulate && !available_target(name)) GTEST_SKIP() << "this CPU does not run " << name;
        spec = make_spec(choice.dtype, 10, 6, choice.mask, choice.algorithm);
        spec.compute_dtype = choice.compute;
        spec.name = spec.id();
        kernel = &kernel_for(spec, *target, {.overrides = {}, .emulate = emulate});
    }

    KernelResult run(const ReferenceProblem &problem, const ShapeCase &shape, const RunOptions &options = {}) const {
        return run_kernel(*kernel, problem, shape, options);
    }
    double finite_largest() const { return spec.dtype == DType::f16 ? 65504 : 3e38; }

    AttentionSpec spec;
    const CpuTarget *target = nullptr;
    const LoadedKernel *kernel = nullptr;
};

/// Every target with the kernels that it serves; products of smaller types where it has units for them.
inline std::vector<std::tuple<std::string, KernelChoice>> kernel_table() {
    std::vector<std::tuple<std::string, KernelChoice>> table;
    for (const CpuTarget &target : cpu_targets())
        for (const KernelChoice &choice : kernel_choices)
            if (target.is_x86() && target.serves({choice.dtype, choice.compute}) && (choice.compute == ComputeDType::f32 || !target.serves(DType::f32)))
                table.emplace_back(target.name, choice);
    return table;
}

inline std::string kernel_name(const testing::TestParamInfo<std::tuple<std::string, KernelChoice>> &info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
}

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

inline const RunOptions poison_off = {1, true, false};
inline RunOptions on_threads(int threads) { return {threads, true, true}; }

/// True where row q of a sequence sees key kv.
inline bool sees(const ReferenceProblem &p, int64_t b, int64_t h, int64_t q, int64_t kv) {
    const int64_t len_q = p.lengths_q.empty() ? p.seq_len_q : p.lengths_q[static_cast<size_t>(b)];
    const int64_t len_kv = p.lengths_kv.empty() ? p.seq_len_kv : p.lengths_kv[static_cast<size_t>(b)];
    return q < len_q && kv < len_kv && (!p.visible || p.visible(b, h, q, kv, len_q, len_kv));
}

/// Sets row kv of one head of a key or value array.
inline void set_row(std::vector<double> &tensor, const ReferenceProblem &p, int dim, int64_t b, int64_t hkv, int64_t kv, double x) {
    std::fill_n(tensor.begin() + ((b * p.num_kv_heads + hkv) * p.seq_len_kv + kv) * dim, dim, x);
}

}  // namespace attune::test
