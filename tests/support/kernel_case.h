/// Generated kernels on problems of any shape and layout, judged by the reference in double: what the tests of schedules, conformance and
/// back end share. Every element that a kernel must not read is a NaN, every element that it must not write a sentinel.
#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/params.h"
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace attune::test {

/// How the tensors lie in memory.
enum class Layout {
    bhsd,          ///< (batch, head, sequence, dim), dense
    bshd,          ///< (batch, sequence, head, dim), dense
    packed_qkv,    ///< query, key and value heads side by side in one array of rows, as a fused projection leaves them; seq_len_q == seq_len_kv
    padded,        ///< bhsd with gaps after rows, heads and sequences, off the element's alignment by one element; lse strided
    broadcast_kv,  ///< all sequences share key and value: batch stride 0
};

/// One row of a table of shapes.
struct ShapeCase {
    const char *name;
    int64_t batch, num_heads, num_kv_heads, seq_len_q, seq_len_kv;
    std::vector<int32_t> lengths_q = {}, lengths_kv = {};
    bool cu_seqlens = false;  ///< the lengths are those of sequences packed one after another
    Layout layout = Layout::bhsd;
    int64_t ring_slots = 0;  ///< of kernels with kv_layout ring; 0: seq_len_kv, at least 1. lengths_kv and seq_len_kv count the keys that a sequence has had
};

/// A specification with every default filled in. head_dim_v 0: head_dim. mask: an expression, or "none".
AttentionSpec make_spec(DType dtype, int head_dim, int head_dim_v = 0, const std::string &mask = "none", Algorithm algorithm = Algorithm::automatic,
                        int group = 0);

/// What a specification says of pairs, as a file has it.
struct PairsText {
    std::string mask = "none", score = "s";
    std::string params = {};  ///< "ids: i32[b, kv] nondecreasing; w: i32"
    std::string normalizer = "softmax", sink = {}, outputs = {};
    std::string block_size = {};  ///< "64,32": block_mask = "csr"
    std::string feature_map = {}, decay = {}, beta = {};
};
AttentionSpec make_spec(DType dtype, int head_dim, int head_dim_v, int group, const PairsText &text);

/// The kernel, compiled at most once a process. Nothing in a test may change it.
const LoadedKernel &kernel_for(const AttentionSpec &spec, const CpuTarget &target, const CompileOptions &options = {});
/// "attune_prefill_…__avx512 block_q=192 …".
std::string describe(const LoadedKernel &kernel);

/// Random arguments of mask and score, and random block lists; `scalars` by name instead of the defaults.
cli::CallParams make_params(const AttentionSpec &spec, const ShapeCase &shape, uint64_t seed = 1, const std::map<std::string, double> &scalars = {});

/// Random inputs of the shape, as a caller has them: queries not yet turned, keys and values not yet rounded to the cache's integers.
ReferenceProblem make_problem(const AttentionSpec &spec, const ShapeCase &shape, InputKind inputs = InputKind::normal, uint64_t seed = 1,
                              const cli::CallParams &params = {});

/// The same as a kernel sees it, and as the reference must: queries turned by rope, keys and values as the cache holds them, what a ring
/// has lost hidden.
ReferenceProblem as_cached(const AttentionSpec &spec, ReferenceProblem problem, const ShapeCase &shape);

struct RunOptions {
    int threads = 1;
    bool lse = true;     ///< where the kernel has it
    bool poison = true;  ///< keys and queries after the lengths become NaN; else they are as in the problem (a cache format: poison in any case)
    cli::CallParams params = {};  ///< those of the problem. Tensors lie as the shape's layout says, each at the end of a page
    uint64_t page_order = 1;  ///< of a paged cache
};

/// What a kernel wrote, dense as the reference's results.
struct KernelResult {
    attune_status status = ATTUNE_INTERNAL;
    std::vector<double> output;
    std::vector<uint32_t> output_bits;
    std::vector<float> lse;     ///< empty where not asked for
    std::vector<double> pairs;  ///< (batch, heads, seq_q, seq_kv), 0 outside the lengths; empty where the kernel has none
    std::vector<uint32_t> lse_bits() const;
};

/// Runs the kernel in a workspace of exactly the size that it asks for. Fails the test where the call fails, where an element outside
/// output, lse and workspace changed, or where the caller's floating-point mode did.
KernelResult run_kernel(const LoadedKernel &kernel, const ReferenceProblem &problem, const ShapeCase &shape, const RunOptions &options = {});

/// Fails the test where the result is outside the derived bound of the reference. Returns the share of the bound.
ErrorShare expect_right(const LoadedKernel &kernel, const ReferenceProblem &problem, const ShapeCase &shape, const KernelResult &result,
                        uint64_t seed = 1);
/// All of the above for random inputs; options.params are the problem's.
ErrorShare check_shape(const LoadedKernel &kernel, const ShapeCase &shape, InputKind inputs = InputKind::normal, uint64_t seed = 1,
                       const RunOptions &options = {});

/// The row (batch, head, q) of a flat index into lse; for messages.
std::string row_name(const ReferenceProblem &problem, int64_t row);
/// Fails the test where a bit of output or lse differs in a row for which `compared` holds (flat index into lse).
void expect_same_bits(const ReferenceProblem &problem, const KernelResult &got, const KernelResult &expected, const std::string &context,
                      const std::function<bool(int64_t row)> &compared = {});

/// A target by name, or null where this CPU does not run it.
const CpuTarget *available_target(const std::string &name);
/// This CPU does not run the target, but can emulate it (CompileOptions::emulate).
bool must_emulate(const std::string &name);
/// Of the targets that serve every type.
std::vector<std::string> target_names();

}  // namespace attune::test

/// Skips the test where this CPU does not run the target, and says so.
#define ATTUNE_REQUIRE_TARGET(variable, name)                                                                                               \
    const CpuTarget *variable = attune::test::available_target(name);                                                                       \
    if (!variable) GTEST_SKIP() << "this CPU does not run " << name
