#pragma once
#include "attune/kernel.h"
#include "generator/backend/call_range.h"
#include "generator/backend/target.h"
#include "generator/spec/spec.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attune {

/// The schedule parameters of one variant, by name ("block_q": 192), in the order the family declares them.
using ScheduleParameters = std::vector<std::pair<std::string, int>>;

/// A row of a tuned database that a schedule's parameters come from.
struct TunedSource {
    std::string file;    ///< its name without folders, so that builds are equal wherever it lies
    std::string date;    ///< "2026-11-26T21:48:25Z"
    std::string device;  ///< the class of CPUs that it was measured on: "zen4"
};
/// A schedule for some calls only.
struct ScheduleRule {
    CallRange calls;
    ScheduleParameters parameters;
};
/// Parameters in place of the defaults, and where they come from.
struct TunedSchedule {
    ScheduleParameters parameters;
    TunedSource source;
    std::vector<ScheduleRule> rules = {};  ///< before `parameters`: the first whose calls hold a call is taken
};

struct DeviceTarget;  // device_target.h

/// What the generator decided for a specification on a target, before anything is compiled.
struct KernelPlan {
    AttentionSpec spec;
    const CpuTarget *target = nullptr;
    const DeviceTarget *device = nullptr;  ///< of a loaded device kernel, which has no CPU target
    std::string algorithm;                 ///< "fixed_reference_softmax + online_softmax", "online_softmax", "full_row_softmax"
    std::string schedule;                  ///< the family: "cpu_query_lanes", "cpu_full_row"
    ScheduleParameters parameters;
    CallRange calls;                   ///< where the kernel has several schedules: those that this one is for
    std::optional<TunedSource> tuned;  ///< of the parameters, where they are not the default; told in the metadata, no part of the code
    bool rounds_weights = false;       ///< before they meet values, to the kernel's type (Precision of reference.h)
    std::string reason;                ///< why this family and these parameters, one line
    int64_t footprint_bytes = 0;       ///< working set of the inner loops: strips and chunks that should stay in L1/L2
    std::string footprint_formula;     ///< as text, with the parameters' names

    const char *target_name() const;   ///< "avx512", "cuda"
    std::string variant_name() const;  ///< "<id>__avx512", "<id>__avx512_q64"
};

/// How a build differs from the release form; tests use it.
struct CompileOptions {
    ScheduleParameters overrides;           ///< instead of the default of these parameters. Throws Error(usage) where illegal or unknown
    std::optional<TunedSource> tuned = {};  ///< of the overrides: for the metadata
    std::vector<ScheduleRule> rules = {};   ///< other overrides for some calls (TunedSchedule)
    bool twins = false;                     ///< plain Halide in place of the machine's own operations
    bool emulate = false;  ///< for a CPU with AVX2: functions of the test program in place of the target's own instructions
    bool asserts = false;  ///< keep Halide's checks, and turn promises into checks
    bool asan = false;     ///< Halide's address-sanitizer instrumentation
};

/// "block_q=192 block_kv=64"
std::string parameters_text(const KernelPlan &plan);

/// The softmax of a specification, what automatic stands for in its place.
Algorithm softmax_algorithm(const AttentionSpec &spec);
KernelPlan plan_kernel(const AttentionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides = {});
/// The same with rules: a plan for each of them, in their order, then the one of `overrides` for all other calls.
std::vector<KernelPlan> plan_schedules(const AttentionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides,
                                       const std::vector<ScheduleRule> &rules);
/// Why a row could come out with other bits under one plan than under the other, of one kernel and target ("block_kv is 64 and 128"); empty: it
/// cannot, and which of them a call takes is no matter but of speed.
std::string difference_in_bits(const KernelPlan &a, const KernelPlan &b);

/// What the descriptor says of a plan before it is compiled: all but the scratch.
attune_kernel_variant planned_sizes(const KernelPlan &plan);

/// One object file in memory.
struct ObjectFile {
    std::string name;  ///< member name in the archive
    std::vector<char> bytes;
};

/// A variant: its objects, and what the descriptor must say of it.
struct CompiledVariant {
    KernelPlan plan;
    std::vector<ObjectFile> objects;
    attune_kernel_variant sizes{};  ///< block_q, scratch_…; its pointers are null here
    double seconds = 0;             ///< spent generating
};
CompiledVariant compile_variant(const KernelPlan &plan, const CompileOptions &options = {});

/// Writes <directory>/<name>.a, .h and .json for all targets of the specification; each appears only when complete, and is not touched
/// where its content is the same already. tuned: by target's name; others have the default schedule. Throws Error(usage) for parameters that
/// are illegal or unknown. Returns the paths.
std::vector<std::string> build_kernel(const AttentionSpec &spec, const std::string &directory,
                                      const std::map<std::string, TunedSchedule> &tuned = {});

/// The three texts and bytes of a build.
std::string kernel_header(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants);
struct CompiledDeviceVariant;  // device_kernel.h
std::string kernel_metadata(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants,
                            const std::vector<CompiledDeviceVariant> &device_variants);  ///< JSON
ObjectFile kernel_descriptor(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants,
                             const std::vector<CompiledDeviceVariant> &device_variants, const std::string &metadata);

/// A kernel loaded into this process: kernel() can be run with attune_kernel_run as long as this lives.
class LoadedKernel {
public:
    virtual ~LoadedKernel() = default;
    virtual const attune_kernel *kernel() const = 0;
    virtual const KernelPlan &plan() const = 0;
    virtual double compile_seconds() const = 0;  ///< 0 when it came from the cache
    virtual const std::vector<ObjectFile> &objects() const = 0;
};
/// Compiles the specification for one target, or takes it from the cache ($ATTUNE_CACHE_DIR, else $XDG_CACHE_HOME/attune, else
/// ~/.cache/attune; keyed by specification, schedule, target and build of this generator; safe with several processes), and loads it.
std::unique_ptr<LoadedKernel> load_kernel(const AttentionSpec &spec, const CpuTarget &target, const CompileOptions &options = {});

/// What `explain --stage algorithm|schedule|llvm|asm` prints: Halide's loop nest or lowered statements, LLVM assembly, machine assembly.
std::string kernel_stage_text(const KernelPlan &plan, const std::string &stage);

/// "21.0.0", "22.1.8", and an id that changes with every build of the generator.
std::string halide_version();
std::string llvm_version();
std::string build_id();

}  // namespace attune
