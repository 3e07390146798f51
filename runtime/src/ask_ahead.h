/// Asks memory for the rows of a worker's next task while the present one computes: the query is read and the output written once, row by
/// row, so nothing else hides those misses (a window of 256 keys, head_dim 128, f32: 10 % of the time). So are keys and values of short
/// sequences. Asked for all at once they would be dropped, a processor keeps some tens of misses in flight; so generated code calls
/// attune_ask_ahead at each visit of a strip, and within visits of partial chunks. Some processors do not drop them but wait, 16 at a time:
/// 16 % of the time of 49 x 49, head_dim 32, where a visit's beginning was the only place.
#ifndef ATTUNE_SRC_ASK_AHEAD_H
#define ATTUNE_SRC_ASK_AHEAD_H

#include "attune/kernel.h"

/// Rows of one head, evenly apart or in listed runs.
typedef struct attune_row_stream {
    const uint8_t *row;
    int64_t bytes, stride, rows;  // of a row; from row to row, of listed ones 0; left, those of the present run not among them
    const int32_t *starts;        // where the next runs start, in elements from `row`, or null
    int64_t element_bytes;
    int64_t run, next_run;  // rows of the next run, and of those after it
} attune_row_stream;

/// Most heads whose rows a task holds (attune_kernel_variant::fold); larger folds are asked for in part.
enum { ATTUNE_MAX_AHEAD_HEADS = 16 };

/// Listed rows of which some follow each other without a gap, as in a page: the first ones, which may begin amid a page, and the next ones.
typedef struct attune_runs {
    int64_t rows, first, next;
} attune_runs;

/// Listed runs of a length are asked for in turns, a line of each: where a run begins the processor's prefetcher starts anew, and lines come one by
/// one until it follows. One thread of a Xeon, f16, 32 heads on 8, 8192 keys in pages of 16 and 64: 1.79 and 1.58 ms run after run (the first line of
/// each four runs ahead), 1.63 and 1.52 in turns, without pages 1.37. 4 and 16 runs do as well; to begin them a few lines apart costs what it wins.
enum { ATTUNE_RUNS_IN_TURNS = 8 };

typedef struct attune_ahead {
    attune_ask ask;                                             // first: what generated code knows
    attune_row_stream streams[2 * ATTUNE_MAX_AHEAD_HEADS + 2];  // query and output rows; keys and values
    int64_t num_streams, current;
    const uint8_t *turns[ATTUNE_RUNS_IN_TURNS];  // listed runs that are asked for in turns
    int64_t num_turns, at, end;                  // bytes of each: asked for, in all
    int64_t owed;                                // lines that were asked for too early
} attune_ahead;

/// Forgets what was asked for.
void attune_clear_ahead(attune_ahead *ahead);
/// Adds the rows of a buffer (elements, heads, positions) or (elements, rows).
void attune_add_ahead(attune_ahead *ahead, const attune_buffer *rows);
/// Adds rows of `bytes` each, whose runs start at base + starts[i] * element_bytes.
void attune_add_ahead_listed(attune_ahead *ahead, const uint8_t *base, const int32_t *starts, int64_t element_bytes, int64_t bytes,
                             attune_runs runs);
/// Spreads the lines over `visits` calls of attune_ask_ahead.
void attune_spread_ahead(attune_ahead *ahead, int64_t visits);

#endif
