/// Which of a kernel's targets runs on this machine.
#ifndef ATTUNE_SRC_DISPATCH_H
#define ATTUNE_SRC_DISPATCH_H

#include "attune/kernel.h"

#include <stdbool.h>

/// Whether this runtime understands the kernel's tables at all; nothing beyond `abi` may be read where it does not.
attune_status attune_check_kernel(const attune_kernel *kernel);

/// Of a table that a generator never writes, but a damaged or hand-made one may hold.
bool attune_params_are_bounded(const attune_kernel *kernel);

/// The first variant of the first target that this CPU runs, or of the one that ATTUNE_FORCE_TARGET names. Chosen once a kernel and then kept;
/// ATTUNE_VERBOSE=1 prints the choice. A failed choice is not kept, so the next call tries again. `kernel` must be checked.
attune_status attune_choose_target(const attune_kernel *kernel, const attune_kernel_variant **first);

/// Of the chosen target, the variant for a call: the first whose seq_lens hold the call's. ATTUNE_VERBOSE=2 prints it.
attune_status attune_choose_variant(const attune_kernel *kernel, int64_t seq_len_q, int64_t seq_len_kv,
                                    const attune_kernel_variant **variant);

#endif
