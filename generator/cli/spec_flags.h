#pragma once
#include "generator/backend/target.h"
#include "generator/cli/flags.h"
#include "generator/spec/spec.h"

#include <string>
#include <vector>

namespace attune::cli {

/// The specification on a command line: an optional SPEC file and a flag for each key of generator/spec/keys.h, but for those that the
/// command has declared itself.
void declare_spec_flags(Flags &flags);

/// File, then flags over it; not yet validated, so that `run` can fill in what the arrays say. A file for --block-mask is block_mask = "csr".
RawSpec raw_spec(const Flags &flags);

/// The words that give the same specification again, for "repeat it with" lines.
std::vector<std::string> spec_words(const Flags &flags);

/// --target T|auto of a command that explains or runs a kernel.
void declare_target_flag(Flags &flags);
/// What --target says, else $ATTUNE_FORCE_TARGET, else the best of the specification's targets that runs here. The variable is then
/// taken out of this process, because the runtime would refuse a kernel of another target. Throws Error(target) where it cannot run here.
/// A target named by either need not be among those that the specification is built for.
const CpuTarget &target_to_run(const Flags &flags, const AttentionSpec &spec);
/// What --target says, else the best that runs here: any target that can be generated, as explaining needs no execution.
const CpuTarget &target_to_explain(const Flags &flags, const AttentionSpec &spec);

}  // namespace attune::cli
