/// Which chunks of keys a block of rows visits. Candidates come from the mask's key ranges or from the call's block lists; the kernel's
/// block_states then tells, by the mask alone, which of them are full, partial or empty, for the block and for each strip of it.
#ifndef ATTUNE_SRC_VISITS_H
#define ATTUNE_SRC_VISITS_H

#include "arguments.h"

/// Most ranges that a kernel's key_ranges may give.
enum { ATTUNE_MAX_RANGES = 8 };

/// Lists the chunks of a block in slot->chunks, with slot->chunk_full; *count is their number. 0, or the code of the failed function.
int attune_find_chunks(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t *count, const char **stage);

/// Listed chunk i is one that all rows of the block see whole.
/// Of chunks found so, the first key and the number of keys that hold whatever the rows see: whole tiles of those the mask decides in, cut to the
/// keys that there are.
int attune_trim_chunks(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t count, int32_t *first_keys,
                       int32_t *num_keys, const char **stage);
bool attune_chunk_is_whole(const attune_slot *slot, int64_t i);

/// Fills slot->full and slot->partial from `count` listed chunks: with `split`, whole chunks go to `full`; else all go to `partial`.
int attune_list_visits(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t count, bool split,
                       const char **stage);

#endif
