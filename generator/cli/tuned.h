#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/flags.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace attune {
struct TunedReading;
}

namespace attune::cli {

/// --tuned FILE|DIR (several), --device CLASS and --determinism, of a command that makes kernels.
void declare_tuned_flags(Flags &flags);
/// --determinism D0|D1, and whether it is D0: schedules for some calls may give a row other bits than those for others.
void declare_determinism_flag(Flags &flags, const std::string &help);
bool allows_any_bits(const Flags &flags);
/// The words that give the same rows again, for "repeat it with" lines.
std::vector<std::string> tuned_words(const Flags &flags);

/// Tells each line that gave no record on standard error.
void warn_of_problems(const TunedReading &reading);

/// The schedules that --tuned holds for a specification on targets, by target's name: of each the row of its class of CPUs. A row that cannot be
/// used (parameters that are illegal here, another family, schedules that give a row other bits) is told on standard error by file and line, and
/// so is each line that cannot be read; the target then keeps its default schedule. Throws Error(input) where a file cannot be opened,
/// Error(usage) for a --device that is none.
struct TunedChoice {
    std::map<std::string, TunedSchedule> schedules;
    std::vector<std::string> files;  ///< that were read, and the folders given: what the result depends on
};
TunedChoice choose_tuned(const Flags &flags, const AttentionSpec &spec, const std::vector<std::string> &targets);

/// The same for one target, as load_kernel takes it.
CompileOptions tuned_options(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target);
/// The same for one target, as explain shows it (plan_schedules).
std::vector<KernelPlan> tuned_plans(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target);

}  // namespace attune::cli
