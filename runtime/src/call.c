#include "call.h"

#include "dispatch.h"
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
static int64_t min(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/// Floats in a cache line: key bounds of heads and sequences start on one, and are padded to one.
enum { bound_pad = 16 };

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

/// Number of the sequence's first block, counted over sequences. Packed ones start at floor(row / block_q) + batch: that is closed
/// form, increasing, and leaves room for each sequence's blocks, because floor(a + b) + 1 >= floor(a) + ceil(b).
static int64_t first_block(const attune_call *call, int64_t batch) {
    if (!call->is_packed)
        return batch * call->blocks_per_sequence;
    return call->args->cu_seqlens_q[batch] / call->variant->block_q + batch;
}

attune_block attune_find_block(const attune_call *call, int64_t task) {
    // Order: sequence, head, block. Neighbouring tasks share keys and values, which are then still in the cache.
    int64_t heads = call->args->num_heads, low = 0, high = call->args->batch;
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
    attune_block found = {low, rest / blocks, rest % blocks};
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
    call->row_tasks = first_block(call, a->batch) * a->num_heads;
    call->bound_tasks = call->variant->fixed ? a->batch * a->num_kv_heads : 0;

    const attune_exec *exec = a->exec;
    int64_t num_threads = exec && exec->num_threads > 0 ? exec->num_threads : attune_num_threads();
    call->num_workers = (int32_t)min(min(num_threads, ATTUNE_MAX_THREADS), call->row_tasks);
    call->parallel_for = exec && exec->parallel_for ? exec->parallel_for : attune_pool_parallel_for;
    call->parallel_context = exec ? exec->parallel_context : NULL;
}

/// false where the workspace would not fit into an address space.
static bool plan_workspace(attune_call *call) {
    const attune_attention_args *a = call->args;
    const attune_kernel_variant *v = call->variant;
    // Packed sequences: sequence b starts at 16 * (ceil(row / 16) + b), with room for ceil(length / 16) * 16, as above.
    call->bound_head_stride =
        call->is_packed ? bound_pad * (divide_up(a->seq_len_kv, bound_pad) + a->batch) : round_up(a->seq_len_kv, bound_pad);
    call->bound_batch_stride = call->bound_head_stride * a->num_kv_heads;
    call->row_array_bytes = (size_t)round_up((int64_t)v->block_q * 4, 64);

    // 2^31 keys * 2^31 bytes a key fit into 128 bits together with all that is added and multiplied here.
    typedef unsigned __int128 wide;
    wide key_block = (wide)max(v->scratch_key_block, 1);
    wide keys = ((wide)longest_keys(call) + key_block - 1) / key_block * key_block;
    wide scratch = ((wide)v->scratch_bytes + (wide)v->scratch_bytes_per_key * keys + 63) / 64 * 64;
    wide slot = 4 * (wide)call->row_array_bytes + scratch;
    wide bounds = v->fixed ? (wide)call->bound_batch_stride * (call->is_packed ? 1 : (wide)a->batch) * sizeof(float) : 0;
    wide limit = SIZE_MAX / 2;
    if (keys > limit || scratch > limit || slot * (wide)call->num_workers > limit || bounds > limit)
        return false;
    wide workspace = bounds + slot * (wide)call->num_workers;
    if (workspace > limit)
        return false;

    call->bound_bytes = (size_t)bounds;
    call->scratch_bytes = (size_t)scratch;
    call->slot_bytes = (size_t)slot;
    call->workspace_bytes = (size_t)workspace;
    return true;
}

attune_status attune_plan_call(const attune_kernel *kernel, const attune_attention_args *args, attune_call *call) {
    *call = (attune_call){.kernel = kernel, .args = args};
    attune_status status = attune_choose_variant(kernel, &call->variant);
    if (status)
        return status;
    call->is_packed = args->cu_seqlens_q != NULL;
    call->is_causal = kernel->info.mask && strncmp(kernel->info.mask, "causal", 6) == 0;
    call->group = args->num_heads / args->num_kv_heads;
    if (args->batch == 0 || args->seq_len_q == 0)
        return ATTUNE_OK;  // no work, no workspace
    plan_work(call);
    if (!plan_workspace(call))
        return attune_fail(ATTUNE_INDEX_RANGE, "workspace would exceed the address space; use fewer threads than %d or shorter sequences",
                           call->num_workers);
    return ATTUNE_OK;
}

attune_slot attune_find_slot(const attune_call *call, int32_t index) {
    uint8_t *base = (uint8_t *)call->args->workspace + call->bound_bytes + (size_t)index * call->slot_bytes;
    size_t array = call->row_array_bytes;
    return (attune_slot){(float *)base,
                         (int32_t *)(base + array),
                         (int32_t *)(base + 2 * array),
                         (float *)(base + 3 * array),
                         {.base = base + 4 * array, .size = call->scratch_bytes}};
}

float *attune_key_bounds(const attune_call *call, int64_t batch, int64_t kv_head) {
    float *all = call->args->workspace;
    if (!call->is_packed)
        return all + batch * call->bound_batch_stride + kv_head * call->bound_head_stride;
    return all + kv_head * call->bound_head_stride + bound_pad * (divide_up(call->args->cu_seqlens_kv[batch], bound_pad) + batch);
}
