/// Checks that look at numbers only.
#include "validate.h"

#include "kv_cache.h"
#include "status.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static const char *const dimension_names[3] = {"batch", "head", "sequence"};

attune_status attune_check_args(const void *args, const char *type, size_t size, const char *version_name, uint32_t version) {
    if (!args)
        return attune_fail(ATTUNE_NULL_POINTER, "args is null; pass an %s", type);
    uint32_t found[2];  // size, version
    memcpy(found, args, sizeof found);
    if (found[0] != size)
        return attune_fail(ATTUNE_STRUCT_SIZE,
                           "args.size is %u but must be sizeof(%s), here %zu; set it, or compile with the header of this runtime", found[0],
                           type, size);
    if (found[1] != version)
        return attune_fail(ATTUNE_STRUCT_SIZE, "args.version is %u but must be %s, here %u", found[1], version_name, version);
    return ATTUNE_OK;
}

attune_status attune_check_counts(const attune_count *counts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (counts[i].value < counts[i].minimum)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s is %" PRId64 " but must be at least %" PRId64, counts[i].name, counts[i].value,
                               counts[i].minimum);
        if (counts[i].value > counts[i].maximum)
            return attune_fail(ATTUNE_INDEX_RANGE, "%s is %" PRId64 " but must be at most %" PRId64 "; split it over several calls",
                               counts[i].name, counts[i].value, counts[i].maximum);
    }
    return ATTUNE_OK;
}

attune_status attune_check_structs(const attune_attention_args *a) {
    attune_status status =
        attune_check_args(a, "attune_attention_args", sizeof *a, "ATTUNE_ATTENTION_ARGS_VERSION", ATTUNE_ATTENTION_ARGS_VERSION);
    return status ? status : attune_check_exec(a->exec);
}

attune_status attune_check_exec(const attune_exec *exec) {
    if (!exec)
        return ATTUNE_OK;
    if (exec->size != sizeof *exec)
        return attune_fail(ATTUNE_STRUCT_SIZE,
                           "exec.size is %u but must be sizeof(attune_exec), here %zu; set it, or compile with the header of this runtime",
                           exec->size, sizeof *exec);
    if (exec->num_threads < 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "exec.num_threads is %d but must be at least 0, which stands for attune_num_threads()",
                           exec->num_threads);
    return ATTUNE_OK;
}

/// As ATTUNE_LARGEST_LENGTH, for sequences and heads.
static const int64_t largest_count_of_expressions = (int64_t)1 << 20;

static bool has_expressions(const attune_kernel *kernel) {
    const char *score = kernel->info.score, *mask = kernel->info.mask;
    const bool has_mask = kernel->num_variants ? kernel->variants[0].block_states != NULL : mask && strcmp(mask, "true") != 0;
    return kernel->num_params || has_mask || (score && strcmp(score, "s") != 0);
}

static attune_status check_counts(const attune_kernel *kernel, const attune_attention_args *a) {
    const int64_t largest_count = has_expressions(kernel) ? largest_count_of_expressions : INT32_MAX;
    const struct {
        const char *name;
        int64_t value, minimum, maximum;
    } counts[] = {{"batch", a->batch, 0, largest_count},
                  {"num_heads", a->num_heads, 1, largest_count},
                  {"num_kv_heads", a->num_kv_heads, 1, largest_count},
                  {"seq_len_q", a->seq_len_q, 0, ATTUNE_LARGEST_LENGTH},
                  {"seq_len_kv", a->seq_len_kv, 0, ATTUNE_LARGEST_LENGTH}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value < counts[i].minimum)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s is %" PRId64 " but must be at least %" PRId64, counts[i].name, counts[i].value,
                               counts[i].minimum);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value > counts[i].maximum)
            return attune_fail(ATTUNE_INDEX_RANGE,
                               "%s is %" PRId64 " but must be at most %" PRId64 " for kernel %s; split it over several calls",
                               counts[i].name, counts[i].value, counts[i].maximum, kernel->info.name);
    if (a->batch * a->num_heads > INT32_MAX)
        return attune_fail(ATTUNE_INDEX_RANGE,
                           "batch * num_heads is %" PRId64 " but must be at most %d; split the batch over several calls",
                           a->batch * a->num_heads, INT32_MAX);
    return ATTUNE_OK;
}

static attune_status check_heads(const attune_kernel *kernel, const attune_attention_args *a) {
    if (a->num_heads % a->num_kv_heads)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "num_heads is %" PRId64 " but must be a multiple of num_kv_heads, which is %" PRId64,
                           a->num_heads, a->num_kv_heads);
    int64_t group = kernel->info.group;
    if (group > 0 && a->num_heads != group * a->num_kv_heads)
        return attune_fail(ATTUNE_SHAPE_MISMATCH,
                           "num_heads is %" PRId64 " but kernel %s was generated for group %" PRId64 ", so %" PRId64
                           " with num_kv_heads %" PRId64 "; generate one with GROUP %" PRId64,
                           a->num_heads, kernel->info.name, group, group * a->num_kv_heads, a->num_kv_heads,
                           a->num_heads / a->num_kv_heads);
    return ATTUNE_OK;
}

static attune_status check_outputs_and_params(const attune_kernel *kernel, const attune_attention_args *a) {
    if (a->lse && !kernel->info.has_lse)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "lse is given but kernel %s writes none; pass null or add lse to OUTPUTS",
                           kernel->info.name);
    if (a->pairs && !*kernel->info.pairs)
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "pairs is given but kernel %s writes none; pass null or add logits or weights to OUTPUTS", kernel->info.name);
    if (a->pairs && a->cu_seqlens_q)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "pairs is given together with cu_seqlens; run packed sequences one by one for it");
    if (a->params && !kernel->params_size)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "params is given but kernel %s has none; pass null", kernel->info.name);
    if (!a->params && kernel->params_size)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "params is null but kernel %s needs its %s_params (%u bytes)", kernel->info.name,
                           kernel->info.name, kernel->params_size);
    return ATTUNE_OK;
}

/// Rows of an output that share elements would be written by several threads. Sorted by stride, each dimension must step over all
/// that the smaller ones reach; layouts that interleave without touching otherwise are refused too, and nobody has them.
static attune_status check_rows_are_apart(const attune_operand *t) {
    int order[3] = {2, 1, 0};
    for (int i = 0; i < 3; i++)
        for (int j = i + 1; j < 3; j++)
            if (t->stride[order[j]] < t->stride[order[i]]) {
                int other = order[i];
                order[i] = order[j];
                order[j] = other;
            }
    __int128 reach = t->row_elements;
    for (int i = 0; i < 3; i++) {
        int d = order[i];
        if (t->extent[d] <= 1)
            continue;
        if (t->stride[d] < reach)
            return attune_fail(ATTUNE_INVALID_ARGUMENT,
                               "stride_%s[%d] (%s) is %" PRId64 " but must be at least %" PRId64 ", or rows of %s overlap", t->name, d,
                               dimension_names[d], t->stride[d], (int64_t)reach, t->name);
        reach += (__int128)t->stride[d] * (t->extent[d] - 1);
    }
    return ATTUNE_OK;
}

attune_status attune_check_strides(const attune_operand *t, bool is_written, bool is_packed) {
    for (int d = is_packed ? 1 : 0; d < 3; d++)
        if (t->stride[d] < 0)
            return attune_fail(ATTUNE_INVALID_ARGUMENT,
                               "stride_%s[%d] (%s) is %" PRId64 " but must not be negative; copy the tensor in forward order", t->name, d,
                               dimension_names[d], t->stride[d]);
    __int128 span = attune_operand_span(t);
    if (span > INT32_MAX)
        return attune_fail(ATTUNE_INDEX_RANGE,
                           "%s spans %" PRId64 "%s elements but must span at most %d; split the batch or the heads over several calls",
                           t->name, span > INT64_MAX ? INT64_MAX : (int64_t)span, span > INT64_MAX ? " or more" : "", INT32_MAX);
    return is_written && span ? check_rows_are_apart(t) : ATTUNE_OK;
}

static attune_status check_lengths(const char *name, const int32_t *lengths, int64_t batch, const char *limit_name, int64_t limit) {
    for (int64_t b = 0; lengths && b < batch; b++)
        if (lengths[b] < 0 || lengths[b] > limit)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s[%" PRId64 "] is %d but must be within 0 .. %" PRId64 ", which is %s", name, b,
                               lengths[b], limit, limit_name);
    return ATTUNE_OK;
}

static attune_status check_cu_seqlens(const char *name, const int32_t *cu, int64_t batch, const char *total_name, int64_t total) {
    if (cu[0] != 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s[0] is %d but must be 0, the first row of the first sequence", name, cu[0]);
    for (int64_t b = 0; b < batch; b++)
        if (cu[b + 1] < cu[b])
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s[%" PRId64 "] is %d but must be at least the entry before it, which is %d", name,
                               b + 1, cu[b + 1], cu[b]);
    if (cu[batch] > total)
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "%s[%" PRId64 "] is %d but must be at most %s, which is %" PRId64 " (rows of all sequences together)", name,
                           batch, cu[batch], total_name, total);
    return ATTUNE_OK;
}

static attune_status check_sequences(const attune_kernel *kernel, const attune_attention_args *a) {
    const int32_t *cu_q = a->cu_seqlens_q, *cu_kv = a->cu_seqlens_kv;
    if (!cu_q != !cu_kv)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "cu_seqlens_%s is given without cu_seqlens_%s; pass both or neither", cu_q ? "q" : "kv",
                           cu_q ? "kv" : "q");
    if (cu_q && (a->lengths_q || a->lengths_kv))
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "lengths_%s is given together with cu_seqlens, which tell all lengths; pass null",
                           a->lengths_q ? "q" : "kv");
    const bool is_ring = kernel->cache.layout == ATTUNE_LAYOUT_RING;
    if (cu_q && kernel->cache.layout != ATTUNE_LAYOUT_CONTIGUOUS)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "cu_seqlens is given but kernel %s keeps its keys in %s; pass lengths_q and lengths_kv",
                           kernel->info.name, is_ring ? "rings" : "pages");
    if (is_ring && a->seq_len_kv == 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "seq_len_kv is 0 but must be at least 1, the slots of a ring; kernel %s keeps its keys in one",
                           kernel->info.name);
    if (attune_device_of(a))
        return ATTUNE_OK;  // lengths lie there
    attune_status status = check_lengths("lengths_q", a->lengths_q, a->batch, "seq_len_q", a->seq_len_q);
    if (!status && is_ring)
        status = check_lengths("lengths_kv", a->lengths_kv, a->batch, "the longest sequence", ATTUNE_LARGEST_LENGTH);
    else if (!status)
        status = check_lengths("lengths_kv", a->lengths_kv, a->batch, "seq_len_kv", a->seq_len_kv);
    if (!status && cu_q)
        status = check_cu_seqlens("cu_seqlens_q", cu_q, a->batch, "seq_len_q", a->seq_len_q);
    if (!status && cu_kv)
        status = check_cu_seqlens("cu_seqlens_kv", cu_kv, a->batch, "seq_len_kv", a->seq_len_kv);
    return status;
}

void attune_list_operands(const attune_kernel *kernel, const attune_attention_args *a, attune_operand tensors[ATTUNE_NUM_OPERANDS]) {
    // Packed sequences are one long one whose batch stride means nothing.
    int64_t batch = a->cu_seqlens_q && a->batch > 0 ? 1 : a->batch;
    int64_t bytes = kernel->type_bits / 8, dim = kernel->info.head_dim, dim_v = kernel->info.head_dim_v;
    int64_t heads = a->num_heads, rows = a->seq_len_q, keys = a->seq_len_kv;
    const attune_cache_view view = attune_view_cache(kernel, a);
    tensors[ATTUNE_QUERY] = (attune_operand){"query", a->query, bytes, dim, {batch, heads, rows}, a->stride_query, false};
    attune_list_cache_operands(&view, tensors + ATTUNE_KEY);
    tensors[ATTUNE_OUTPUT] = (attune_operand){"output", a->output, bytes, dim_v, {batch, heads, rows}, a->stride_output, false};
    tensors[ATTUNE_LSE] = (attune_operand){"lse", a->lse, sizeof(float), 1, {batch, heads, rows}, a->stride_lse, true};
    tensors[ATTUNE_PAIRS] = (attune_operand){"pairs", a->pairs, bytes, keys, {batch, heads, rows}, a->stride_pairs, true};
}

__int128 attune_operand_span(const attune_operand *t) {
    __int128 span = t->row_elements;
    for (int d = 0; d < 3; d++) {
        if (t->extent[d] == 0)
            return 0;
        span += (__int128)(t->extent[d] - 1) * t->stride[d];
    }
    return span;
}

attune_status attune_check_positions(const attune_kernel *kernel, const int32_t *positions, int64_t stride) {
    if (positions && !kernel->rope.frequencies)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "positions is given but kernel %s has no rope; pass null", kernel->info.name);
    if (positions && stride < 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "stride_positions is %" PRId64 " but must not be negative", stride);
    if (positions && (uintptr_t)positions % sizeof(int32_t))
        return attune_fail(ATTUNE_MISALIGNED, "positions is at %p but must be aligned to 4 bytes", (const void *)positions);
    return ATTUNE_OK;
}

attune_status attune_check_shape(const attune_kernel *kernel, const attune_attention_args *a) {
    attune_status status = check_counts(kernel, a);
    if (!status)
        status = check_heads(kernel, a);
    if (!status)
        status = check_outputs_and_params(kernel, a);
    if (!status)
        status = check_sequences(kernel, a);
    if (!status)
        status = attune_check_cache_struct(kernel, a->cache);
    if (!status)
        status = attune_check_positions(kernel, a->positions, a->stride_positions);
    if (status)
        return status;
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, a, tensors);
    for (int i = 0; i < ATTUNE_NUM_OPERANDS && !status; i++)
        if (!tensors[i].is_optional || tensors[i].data)
            status = attune_check_strides(&tensors[i], i >= ATTUNE_OUTPUT, a->cu_seqlens_q != NULL);
    return status;
}
