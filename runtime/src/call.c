#include "call.h"

#include "decode.h"
#include "dispatch.h"
#include "linear.h"
#include "parallel.h"
#include "status.h"
#include "threads.h"

#include <string.h>

static int64_t divide_up(int64_t n, int64_t by) {
    return n / by + (n % by != 0);
}
static int64_t round_up(int64_t n, int64_t to) {
    return divide_up(n, to) * to;
}
static int64_t max(int64_t a, int64_t b) {
    return a > b ? a : b;
}
/// Floats in a cache line: key norms of heads and sequences start on one, and are padded to one.
enum { norm_pad = 16 };

int64_t attune_first_row(const attune_call *call, const int32_t *cu_seqlens, int64_t batch) {
    return call->is_packed ? cu_seqlens[batch] : 0;
}

int64_t attune_rows_held(const attune_call *call, int64_t batch) {
    const int32_t *cu = call->args->cu_seqlens_q;
    return call->is_packed ? cu[batch + 1] - cu[batch] : call->args->seq_len_q;
}

int64_t attune_rows_used(const attune_call *call, int64_t batch) {
    const int32_t *lengths = call->args->lengths_q;
    return lengths ? lengths[batch] : attune_rows_held(call, batch);
}

int64_t attune_keys_used(const attune_call *call, int64_t batch) {
    const attune_attention_args *a = call->args;
    if (call->is_packed)
        return a->cu_seqlens_kv[batch + 1] - a->cu_seqlens_kv[batch];
    return a->lengths_kv ? a->lengths_kv[batch] : a->seq_len_kv;
}

int64_t attune_first_kept(const attune_call *call, int64_t batch) {
    if (call->kernel->cache.layout != ATTUNE_LAYOUT_RING)
        return 0;
    return max(attune_keys_used(call, batch) - call->args->seq_len_kv, 0);
}

/// Number of the sequence's first block, counted over sequences. Packed ones start at floor(row / block_q) + batch: that is closed
/// form, increasing, and leaves room for each sequence's blocks, because floor(a + b) + 1 >= floor(a) + ceil(b).
static int64_t first_block(const attune_call *call, int64_t batch) {
    if (!call->is_packed)
        return batch * call->blocks_per_sequence;
    return call->args->cu_seqlens_q[batch] / call->variant->block_q + batch;
}

attune_block attune_find_block(const attune_call *call, int64_t task) {
    // Order: sequence, head, block. Neighbouring tasks share keys and values, which are then still in the cache.
    int64_t heads = call->head_blocks, low = 0, high = call->args->batch;
    if (!call->is_packed)
        low = task / (call->blocks_per_sequence * heads);
    else
        while (high - low > 1) {
            int64_t middle = low + (high - low) / 2;
            if (first_block(call, middle) * heads <= task)
                low = middle;
            else
                high = middle;
        }
    int64_t blocks = first_block(call, low + 1) - first_block(call, low);
    int64_t rest = task - first_block(call, low) * heads;
    attune_block found = {low, rest / blocks * call->variant->fold, rest % blocks};
    // The last rows see the most keys. Heaviest first leaves the light blocks to fill the gaps at the end of the call.
    if (call->is_causal)
        found.block = blocks - 1 - found.block;
    return found;
}

static int64_t longest_keys(const attune_call *call) {
    // lengths_kv are not looked at: they change from step to step of a decode loop, and the workspace's size should not.
    if (!call->is_packed)
        return call->args->seq_len_kv;
    int64_t longest = 0;
    for (int64_t b = 0; b < call->args->batch; b++)
        longest = max(longest, attune_keys_used(call, b));
    return longest;
}

static void plan_work(attune_call *call) {
    const attune_attention_args *a = call->args;
    call->blocks_per_sequence = divide_up(a->seq_len_q, call->variant->block_q);
    // Both factors are below 2^31 (attune_check_shape), so nothing here overflows.
    call->head_blocks = a->num_heads / call->variant->fold;
    call->row_tasks = first_block(call, a->batch) * call->head_blocks;
    call->norm_blocks = divide_up(longest_keys(call), ATTUNE_NORM_BLOCK);
    const bool shares_keys = call->is_packed || call->blocks_per_sequence > 1 || call->head_blocks > a->num_kv_heads;
    call->norm_tasks = call->variant->fixed && (shares_keys || call->norm_blocks > 1) ? a->batch * a->num_kv_heads * call->norm_blocks : 0;

    const attune_exec *exec = a->exec;
    call->num_workers = attune_threads_of(exec);
    if (call->variant->linear_read)
        call->num_workers = (int32_t)attune_min(call->num_workers, attune_linear_tasks(call));
    else if (!call->variant->split)  // decode has more tasks than blocks of rows
        call->num_workers = (int32_t)attune_min(call->num_workers, call->row_tasks);
    call->parallel_for = exec && exec->parallel_for ? exec->parallel_for : attune_pool_parallel_for;
    call->parallel_context = exec ? exec->parallel_context : NULL;
}

/// false where the workspace would not fit into an address space.
static bool plan_workspace(attune_call *call) {
    const attune_attention_args *a = call->args;
    const attune_kernel_variant *v = call->variant;
    // Packed sequences: sequence b starts at 16 * (ceil(row / 16) + b), with room for ceil(length / 16) * 16, as above.
    call->norm_head_stride =
        call->is_packed ? norm_pad * (divide_up(a->seq_len_kv, norm_pad) + a->batch) : round_up(a->seq_len_kv, norm_pad);
    call->norm_batch_stride = call->norm_head_stride * a->num_kv_heads;
    call->row_array_bytes = (size_t)round_up((int64_t)v->block_q * v->fold * 4, 64);

    // 2^31 keys * 2^31 bytes a key fit into 128 bits together with all that is added and multiplied here.
    typedef unsigned __int128 wide;
    const wide limit = SIZE_MAX / 2;
    wide chunks = ((wide)longest_keys(call) + (wide)v->block_kv - 1) / (wide)v->block_kv;
    if (v->linear_read)
        chunks = 0;                                              // it lists no visits
    chunks += call->kernel->cache.layout == ATTUNE_LAYOUT_RING;  // which starts anywhere
    wide tiles = (wide)(v->block_kv / v->tile_kv);
    wide visits = chunks * (wide)(1 + v->strips) * 4, first_keys = chunks * tiles * 4, states = chunks * tiles * (wide)v->strips;
    visits = (visits + 63) / 64 * 64, first_keys = (first_keys + 63) / 64 * 64, states = (states + 63) / 64 * 64;
    wide chunk_list = (chunks * 4 + 63) / 64 * 64;  // flags take less
    wide scratch = ((wide)v->scratch_bytes + (wide)v->scratch_bytes_per_key * chunks * (wide)v->block_kv + 63) / 64 * 64;
    attune_plan_decode_slot(call);
    attune_plan_linear_slot(call);
    wide slot = 4 * (wide)call->row_array_bytes + 2 * visits + 2 * chunk_list + first_keys + states + scratch +
                4 * (wide)call->start_bytes + 4 * (wide)call->scale_bytes + call->outer_bytes + call->key_sum_bytes + call->change_bytes +
                call->no_key_bytes;
    wide norms = v->fixed ? (wide)call->norm_batch_stride * (call->is_packed ? 1 : (wide)a->batch) * sizeof(float) : 0;
    if (slot > limit || slot * (wide)call->num_workers > limit || norms > limit)
        return false;
    call->max_chunks = (int64_t)chunks;
    if (v->split && !attune_plan_decode(call))
        return false;
    if (v->split)
        call->num_workers = (int32_t)attune_min(call->num_workers, max(call->split_tasks, 1));
    wide workspace = norms + (wide)call->decode_bytes + slot * (wide)call->num_workers;
    if (workspace > limit)
        return false;

    call->visit_bytes = (size_t)visits;
    call->first_key_bytes = (size_t)first_keys;
    call->chunk_bytes = (size_t)chunk_list;
    call->state_bytes = (size_t)states;
    call->norm_bytes = (size_t)norms;
    call->scratch_bytes = (size_t)scratch;
    call->slot_bytes = (size_t)slot;
    call->workspace_bytes = (size_t)workspace;
    return true;
}

attune_status attune_plan_call(const attune_kernel *kernel, const attune_attention_args *args, attune_call *call) {
    *call = (attune_call){.kernel = kernel, .args = args};
    attune_status status = attune_choose_variant(kernel, args->seq_len_q, args->seq_len_kv, &call->variant);
    if (status)
        return status;
    call->is_packed = args->cu_seqlens_q != NULL;
    call->is_causal = kernel->info.mask && strstr(kernel->info.mask, "causal");
    call->group = args->num_heads / args->num_kv_heads;
    if (args->batch == 0 || args->seq_len_q == 0)
        return ATTUNE_OK;  // no work, no workspace
    attune_bind_params(kernel, args, &call->params);
    plan_work(call);
    if (call->variant->split && (status = attune_check_decode_rows(call)))
        return status;
    if (!plan_workspace(call))
        return attune_fail(ATTUNE_INDEX_RANGE, "workspace would exceed the address space; use fewer threads than %d or shorter sequences",
                           call->num_workers);
    return ATTUNE_OK;
}

/// The next `bytes` of a slot.
static void *take(uint8_t **at, size_t bytes) {
    void *taken = *at;
    *at += bytes;
    return taken;
}

attune_slot attune_find_slot(const attune_call *call, int32_t index) {
    uint8_t *at = (uint8_t *)call->args->workspace + call->norm_bytes + call->decode_bytes + (size_t)index * call->slot_bytes;
    attune_slot slot = {0};
    slot.reference = take(&at, call->row_array_bytes);
    slot.row_class = take(&at, call->row_array_bytes);
    slot.row_state = take(&at, call->row_array_bytes);
    slot.lse = take(&at, call->row_array_bytes);
    slot.full.entries = take(&at, call->visit_bytes);
    slot.partial.entries = take(&at, call->visit_bytes);
    slot.chunks = take(&at, call->chunk_bytes);
    slot.chunk_full = take(&at, call->chunk_bytes);
    slot.first_keys = take(&at, call->first_key_bytes);
    slot.states = take(&at, call->state_bytes);
    slot.key_rows = take(&at, call->start_bytes);
    slot.value_rows = take(&at, call->start_bytes);
    slot.rows_ahead = take(&at, 2 * call->start_bytes);
    slot.scales = take(&at, 4 * call->scale_bytes);
    slot.state = take(&at, call->outer_bytes);
    slot.key_sum = take(&at, call->key_sum_bytes);
    slot.change = take(&at, call->change_bytes);
    slot.no_key = take(&at, call->no_key_bytes);
    slot.scratch = (attune_scratch){.base = at, .size = call->scratch_bytes};
    return slot;
}

float *attune_key_norms(const attune_call *call, int64_t batch, int64_t kv_head) {
    float *all = call->args->workspace;
    if (!call->is_packed)
        return all + batch * call->norm_batch_stride + kv_head * call->norm_head_stride;
    return all + kv_head * call->norm_head_stride + norm_pad * (divide_up(call->args->cu_seqlens_kv[batch], norm_pad) + batch);
}
