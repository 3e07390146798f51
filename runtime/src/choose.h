/// Which row of a table of variants runs on this machine: of attention kernels and of projections.
#ifndef ATTUNE_SRC_CHOOSE_H
#define ATTUNE_SRC_CHOOSE_H

#include "attune/attention.h"

#include <stdbool.h>

/// Rows, best first, those of one target together; the last is the baseline.
typedef struct attune_variants {
    const char *name;  ///< of the kernel
    const void *rows;
    uint32_t count;
    size_t row_bytes;
    size_t
        features_at;  ///< bytes from a row's start to its features, ATTUNE_CPU_… bits that are all needed. It starts with its target's name
} attune_variants;

/// The first that this CPU runs, or the one that ATTUNE_FORCE_TARGET names.
attune_status attune_choose_row(const attune_variants *variants, const void **row);
/// Prints the choice where ATTUNE_VERBOSE asks for it, and tells whether it does. Here and in dispatch.c is all that the runtime prints.
bool attune_tell_choice(const attune_variants *variants, const char *target);
/// ATTUNE_VERBOSE when a target was last chosen: 0, 1, 2.
int attune_verbosity(void);

#endif
