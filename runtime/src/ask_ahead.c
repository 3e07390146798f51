#include "ask_ahead.h"

#include "call.h"

#include <stdbool.h>

enum { line = 64 };

void attune_clear_ahead(attune_ahead *ahead) {
    ahead->ask = (attune_ask){0};
    ahead->num_streams = ahead->current = 0;
    ahead->num_turns = ahead->at = ahead->end = ahead->owed = 0;
}

void attune_add_ahead(attune_ahead *ahead, const attune_buffer *rows) {
    const bool has_heads = rows->dimensions == 3;
    const attune_dimension *position = &rows->dim[has_heads ? 2 : 1];
    const int64_t element = rows->type_bits / 8, heads = has_heads ? rows->dim[1].extent : 1, positions = position->extent;
    const bool is_one = position->stride == rows->dim[0].extent;  // rows without a gap: a line then costs 1 cycle instead of 3
    for (int64_t head = 0; head < heads && head < ATTUNE_MAX_AHEAD_HEADS && positions > 0; head++)
        ahead->streams[ahead->num_streams++] = (attune_row_stream){.row = rows->host + head * rows->dim[1].stride * element,
                                                                   .bytes = rows->dim[0].extent * element * (is_one ? positions : 1),
                                                                   .stride = position->stride * element,
                                                                   .rows = is_one ? 1 : positions};
}

void attune_add_ahead_listed(attune_ahead *ahead, const uint8_t *base, const int32_t *starts, int64_t element_bytes, int64_t bytes,
                             attune_runs runs) {
    ahead->streams[ahead->num_streams++] = (attune_row_stream){.row = base,
                                                               .bytes = bytes,
                                                               .rows = runs.rows,
                                                               .starts = starts,
                                                               .element_bytes = element_bytes,
                                                               .run = runs.first,
                                                               .next_run = runs.next};
}

static int64_t lines_of(int64_t bytes) {
    return (bytes + line - 1) / line;
}

void attune_spread_ahead(attune_ahead *ahead, int64_t visits) {
    int64_t lines = 0;
    for (int64_t i = 0; i < ahead->num_streams; i++)
        lines += ahead->streams[i].rows * lines_of(ahead->streams[i].bytes);
    ahead->ask.bytes = visits > 0 ? (lines + visits - 1) / visits * line : 0;
}

/// Listed runs of a length, as many as are asked for in turns.
static void begin_turns(attune_ahead *a, attune_row_stream *s) {
    const int64_t rows = attune_min(s->run, s->rows);
    a->num_turns = a->at = 0;
    a->end = rows * s->bytes;
    do {
        a->turns[a->num_turns++] = s->row + *s->starts++ * s->element_bytes;
        s->rows -= rows;
        s->run = s->next_run;
    } while (a->num_turns < ATTUNE_RUNS_IN_TURNS && s->rows >= rows && s->run == rows);
}

/// The rows of a stream that come next; false where none are left.
static bool begin_run(attune_ahead *a) {
    while (a->current < a->num_streams && a->streams[a->current].rows == 0)
        a->current++;
    if (a->current == a->num_streams)
        return false;
    attune_row_stream *s = &a->streams[a->current];
    if (s->starts) {
        begin_turns(a, s);
        return true;
    }
    a->ask.next = s->row;
    a->ask.left = s->bytes;
    s->row += s->stride;
    s->rows--;
    return true;
}

/// A line of each run; returns how many.
static int64_t ask_in_turns(attune_ahead *a) {
    if (a->num_turns == ATTUNE_RUNS_IN_TURNS)  // straight-line code
        for (int i = 0; i < ATTUNE_RUNS_IN_TURNS; i++)
            __builtin_prefetch(a->turns[i] + a->at, 0, 2);
    else
        for (int64_t i = 0; i < a->num_turns; i++)
            __builtin_prefetch(a->turns[i] + a->at, 0, 2);
    a->at += line;
    return a->num_turns;
}

static int64_t ask_in_order(attune_ahead *a, int64_t lines) {
    const int64_t count = attune_min(lines_of(a->ask.left), lines);
    for (int64_t i = 0; i < count; i++)
        __builtin_prefetch(a->ask.next + i * line, 0, 2);
    a->ask.next += count * line;
    a->ask.left -= count * line;
    return count;
}

static void ask_over_ends(attune_ahead *a) {
    int64_t lines = a->ask.bytes / line - a->owed;
    while (lines > 0 && (a->at < a->end || a->ask.left > 0 || begin_run(a)))
        lines -= a->at < a->end ? ask_in_turns(a) : ask_in_order(a, lines);
    a->owed = lines < 0 ? -lines : 0;
}

int32_t attune_ask_ahead(void *scratch) {
    attune_ahead *a = ((attune_scratch *)scratch)->ahead;
    const int64_t bytes = a->ask.bytes;
    // Mostly a run goes on.
    if (a->ask.left < bytes) {
        ask_over_ends(a);
        return 0;
    }
    const uint8_t *const first = a->ask.next;
    for (int64_t at = 0; at < bytes; at += line)
        __builtin_prefetch(first + at, 0, 2);
    a->ask.next += bytes;
    a->ask.left -= bytes;
    return 0;
}
