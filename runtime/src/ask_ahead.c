#include "ask_ahead.h"

#include <stdbool.h>

enum { line = 64, runs_ahead = 4 };

void attune_clear_ahead(attune_ahead *ahead) {
    ahead->num_streams = ahead->current = ahead->byte = ahead->lines_per_visit = 0;
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
                                                                   .rows = is_one ? 1 : positions,
                                                                   .run = 1};
}

void attune_add_ahead_listed(attune_ahead *ahead, const uint8_t *base, const int32_t *starts, int64_t element_bytes, int64_t bytes,
                             int64_t rows) {
    ahead->streams[ahead->num_streams++] =
        (attune_row_stream){.row = base, .bytes = bytes, .rows = rows, .starts = starts, .element_bytes = element_bytes};
}

void attune_spread_ahead(attune_ahead *ahead, int64_t visits) {
    int64_t lines = 0;
    for (int64_t i = 0; i < ahead->num_streams; i++)
        lines += ahead->streams[i].rows * ((ahead->streams[i].bytes + line - 1) / line);
    ahead->lines_per_visit = visits > 0 ? (lines + visits - 1) / visits : 0;
}

/// Rows that follow each other without a gap, as in a page, are asked for as one.
static int64_t find_run(const attune_row_stream *s) {
    int64_t rows = 1;
    while (rows < s->rows && (s->starts[rows] - s->starts[rows - 1]) * s->element_bytes == s->bytes)
        rows++;
    return rows;
}

static const uint8_t *first_of(const attune_row_stream *s) {
    return s->starts ? s->row + *s->starts * s->element_bytes : s->row;
}

static void ask_over_ends(attune_ahead *a) {
    int64_t lines = a->lines_per_visit, byte = a->byte;  // kept in registers: through memory a line takes twice as long
    while (lines > 0 && a->current < a->num_streams) {
        attune_row_stream s = a->streams[a->current];
        while (lines > 0 && s.rows > 0) {
            if (s.run == 0) {
                s.run = find_run(&s);
                // The first line of a run, which lies anywhere, is asked for before its turn. One thread of a Xeon, f16, 32 heads on 8, 8192 keys in pages of 16
                // and 64: 0.73 and 0.83 of the rate of a cache without pages, now 0.80 and 0.88. Two runs ahead do as well, and so do eight.
                if (runs_ahead * s.run < s.rows)
                    __builtin_prefetch(s.row + s.starts[runs_ahead * s.run] * s.element_bytes, 0, 2);
            }
            const uint8_t *at = first_of(&s) + byte;
            const int64_t left = (s.run * s.bytes - byte + line - 1) / line, count = left < lines ? left : lines;
            for (int64_t i = 0; i < count; i++)
                __builtin_prefetch(at + i * line, 0, 2);
            lines -= count;
            byte += count * line;
            if (count < left)
                break;
            byte = 0;
            s.rows -= s.run;
            s.row += s.stride;
            if (s.starts) {
                s.starts += s.run;
                s.run = 0;
            }
        }
        a->streams[a->current] = s;
        a->current += s.rows == 0;
    }
    a->byte = byte;
}

int32_t attune_ask_ahead(void *scratch) {
    attune_ahead *a = ((attune_scratch *)scratch)->ahead;
    if (a->current == a->num_streams)
        return 0;
    // Mostly a row goes on.
    const attune_row_stream *s = &a->streams[a->current];
    const int64_t bytes = a->lines_per_visit * line;
    if (s->run * s->bytes - a->byte < bytes) {
        ask_over_ends(a);
        return 0;
    }
    const uint8_t *const first = first_of(s) + a->byte;
    for (int64_t at = 0; at < bytes; at += line)
        __builtin_prefetch(first + at, 0, 2);
    a->byte += bytes;
    return 0;
}
