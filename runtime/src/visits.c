#include "visits.h"

#include <string.h>

/// What slot->chunk_full says of a chunk and the whole block: the mask decides; every pair is visible; every pair that exists is.
enum { masked = 0, whole = 1, cut = 2 };

// ---- candidates

typedef struct chunk_range {
    int64_t first, end;
} chunk_range;

/// Ranges of chunks, sorted by their start; there are few.
static void sort_ranges(chunk_range *ranges, int count) {
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && ranges[j].first < ranges[j - 1].first; j--) {
            chunk_range other = ranges[j];
            ranges[j] = ranges[j - 1];
            ranges[j - 1] = other;
        }
}

static int find_by_ranges(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t *count) {
    const attune_kernel_variant *v = call->variant;
    _Alignas(64) int32_t found[2 * ATTUNE_MAX_RANGES] = {0, block->seq_len_kv - 1};
    int num_ranges = 1;
    if (v->key_ranges) {
        num_ranges = v->num_ranges;
        attune_slice s;
        void *others[] = {attune_array(&s, ATTUNE_TYPE_INT, 32, found, 2 * num_ranges)};
        int code = attune_run_task(call, v->key_ranges, block, others, 1);
        if (code)
            return code;
    }
    chunk_range ranges[ATTUNE_MAX_RANGES];
    int used = 0;
    for (int i = 0; i < num_ranges; i++) {
        int64_t first = found[2 * i] > block->first_kept ? found[2 * i] : block->first_kept,
                last = attune_min(found[2 * i + 1], block->seq_len_kv - 1);
        if (first <= last)
            ranges[used++] = (chunk_range){first / v->block_kv, last / v->block_kv + 1};
    }
    sort_ranges(ranges, used);
    int64_t n = 0, next = 0;
    for (int i = 0; i < used; i++) {
        for (int64_t chunk = ranges[i].first > next ? ranges[i].first : next; chunk < ranges[i].end; chunk++) {
            slot->chunks[n] = (int32_t)chunk;
            slot->chunk_full[n++] = masked;
        }
        next = ranges[i].end > next ? ranges[i].end : next;
    }
    *count = n;
    return 0;
}

/// The call's list of key blocks, each of one or more chunks.
static void find_by_lists(const attune_call *call, attune_slot *slot, const attune_block_arguments *block, int64_t *count) {
    const attune_block_mask *mask = call->args->params;
    const int32_t *offsets = mask->row_offsets + block->batch * mask->stride_batch + block->head * mask->stride_head +
                             block->q_begin / call->kernel->block_size_q;
    const int64_t block_kv = call->variant->block_kv, per_block = call->kernel->block_size_kv / block_kv;
    const int64_t chunks = (block->seq_len_kv + block_kv - 1) / block_kv;
    int64_t n = 0;
    for (int64_t i = offsets[0]; i < offsets[1]; i++) {
        int64_t end = attune_min((mask->columns[i] + 1) * per_block, chunks);
        for (int64_t chunk = mask->columns[i] * per_block; chunk < end; chunk++) {
            slot->chunks[n] = (int32_t)chunk;
            slot->chunk_full[n++] = mask->full && mask->full[i] ? whole : masked;
        }
    }
    *count = n;
}

/// States of `strips` times `strip_rows` rows x n blocks of keys, without a mask: what the sequence's end leaves.
static void states_without_mask(const attune_slot *slot, int64_t n, int64_t strips, int32_t block_keys, int32_t seq_len_kv) {
    for (int64_t i = 0; i < n; i++) {
        int32_t left = seq_len_kv - slot->first_keys[i];
        uint8_t state = left >= block_keys ? ATTUNE_BLOCK_FULL : left > 0 ? ATTUNE_BLOCK_PARTIAL : ATTUNE_BLOCK_EMPTY;
        for (int64_t strip = 0; strip < strips; strip++)
            slot->states[strip * n + i] = state;
    }
}

static int find_states(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t n, int64_t strips,
                       int32_t strip_rows, int32_t block_keys) {
    if (n == 0)
        return 0;
    if (!call->variant->block_states) {
        states_without_mask(slot, n, strips, block_keys, block->seq_len_kv);
        return 0;
    }
    attune_slice keys, states;
    void *others[] = {&strip_rows, &block_keys, attune_array(&keys, ATTUNE_TYPE_INT, 32, slot->first_keys, n),
                      attune_matrix(&states, ATTUNE_TYPE_UINT, 8, slot->states, n, strips)};
    return attune_run_task(call, call->variant->block_states, block, others, 4);
}

int attune_find_chunks(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t *count, const char **stage) {
    const attune_kernel_variant *v = call->variant;
    int64_t found = 0;
    if (call->kernel->block_size_kv) {
        find_by_lists(call, slot, block, &found);
    } else {
        *stage = "key_ranges";
        int code = find_by_ranges(call, slot, block, &found);
        if (code)
            return code;
    }
    for (int64_t i = 0; i < found; i++)
        slot->first_keys[i] = slot->chunks[i] * v->block_kv;
    *stage = "block_states";
    int code = find_states(call, slot, block, found, 1, block->num_positions * v->fold, v->block_kv);
    if (code)
        return code;
    int64_t n = 0;
    for (int64_t i = 0; i < found; i++) {
        const int64_t first_key = slot->chunks[i] * (int64_t)v->block_kv;
        const bool is_whole = first_key >= block->first_kept && first_key + v->block_kv <= block->seq_len_kv;
        const uint8_t state = slot->chunk_full[i] ? ATTUNE_BLOCK_FULL : slot->states[i];
        if (state == ATTUNE_BLOCK_EMPTY)
            continue;
        slot->chunks[n] = slot->chunks[i];
        slot->chunk_full[n++] = is_whole && state == ATTUNE_BLOCK_FULL ? whole : slot->chunk_full[i] ? cut : masked;
    }
    *count = n;
    return 0;
}

int attune_trim_chunks(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t count, int32_t *first_keys,
                       int32_t *num_keys, const char **stage) {
    const attune_kernel_variant *v = call->variant;
    const int tiles = v->block_kv / v->tile_kv;
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        for (int tile = 0; slot->chunk_full[i] == masked && tile < tiles; tile++)
            slot->first_keys[n++] = slot->chunks[i] * v->block_kv + tile * v->tile_kv;
    *stage = "block_states";
    int code = find_states(call, slot, block, n, 1, block->num_positions * v->fold, v->tile_kv);
    if (code)
        return code;
    const uint8_t *states = slot->states;
    for (int64_t i = 0; i < count; i++) {
        int first = 0, end = tiles;
        if (slot->chunk_full[i] == masked) {
            while (first < end - 1 && states[first] == ATTUNE_BLOCK_EMPTY)
                first++;
            while (end > first + 1 && states[end - 1] == ATTUNE_BLOCK_EMPTY)
                end--;
            states += tiles;
        }
        const int32_t chunk = slot->chunks[i] * v->block_kv, first_key = chunk + first * v->tile_kv, end_key = chunk + end * v->tile_kv;
        first_keys[i] = first_key > block->first_kept ? first_key : block->first_kept;
        num_keys[i] = (end_key < block->seq_len_kv ? end_key : block->seq_len_kv) - first_keys[i];
    }
    return 0;
}

bool attune_chunk_is_whole(const attune_slot *slot, int64_t i) {
    return slot->chunk_full[i] == whole;
}

// ---- lists

enum { full_visit = 1 };
static int32_t partial_visit(int first, int end) {
    return full_visit | first << ATTUNE_VISIT_FIRST_SHIFT | end << ATTUNE_VISIT_END_SHIFT;
}

/// The visit of a strip whose tiles have these states: 0, full_visit or a partial one.
static int32_t strip_visit(const uint8_t *states, int tiles, bool split) {
    int first = 0, end = tiles, full = 0;
    while (first < end && states[first] == ATTUNE_BLOCK_EMPTY)
        first++;
    while (end > first && states[end - 1] == ATTUNE_BLOCK_EMPTY)
        end--;
    for (int i = first; i < end; i++)
        full += states[i] == ATTUNE_BLOCK_FULL;
    if (first == end)
        return 0;
    return split && full == tiles ? full_visit : partial_visit(first, end);
}

int attune_list_visits(const attune_call *call, attune_slot *slot, attune_block_arguments *block, int64_t count, bool split,
                       const char **stage) {
    const attune_kernel_variant *v = call->variant;
    const int tiles = v->block_kv / v->tile_kv, columns = 1 + v->strips;
    const int strips = attune_strips_used(call, block->num_positions);
    // Tiles are looked at only where the mask decides.
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        for (int tile = 0; slot->chunk_full[i] == masked && tile < tiles; tile++)
            slot->first_keys[n++] = slot->chunks[i] * v->block_kv + tile * v->tile_kv;
    *stage = "block_states";
    int code = find_states(call, slot, block, n, strips, v->strip_rows, v->tile_kv);
    if (code)
        return code;

    slot->full.count = slot->partial.count = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t *full = slot->full.entries + slot->full.count * columns, *partial = slot->partial.entries + slot->partial.count * columns;
        full[0] = partial[0] = slot->chunks[i];
        memset(full + 1 + strips, 0, (size_t)(v->strips - strips) * sizeof *full);
        memset(partial + 1 + strips, 0, (size_t)(v->strips - strips) * sizeof *partial);
        if (slot->chunk_full[i] != masked) {
            const bool is_full = split && slot->chunk_full[i] == whole;
            int32_t *entry = is_full ? full : partial;
            for (int strip = 0; strip < strips; strip++)
                entry[1 + strip] = is_full ? full_visit : partial_visit(0, tiles) | ATTUNE_VISIT_UNMASKED;
            *(is_full ? &slot->full.count : &slot->partial.count) += 1;
            continue;
        }
        bool any_full = false, any_partial = false;
        for (int strip = 0; strip < strips; strip++) {
            int32_t visit = strip_visit(slot->states + strip * n + at, tiles, split);
            const bool is_full = split && visit == full_visit;
            full[1 + strip] = is_full ? visit : 0;
            partial[1 + strip] = is_full ? 0 : visit;
            any_full |= is_full;
            any_partial |= visit && !is_full;
        }
        at += tiles;
        slot->full.count += any_full;
        slot->partial.count += any_partial;
    }
    return 0;
}
