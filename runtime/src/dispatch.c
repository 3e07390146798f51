#include "dispatch.h"

#include "choose.h"
#include "status.h"
#include "visits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_last_of_target(const attune_kernel *kernel, const attune_kernel_variant *v) {
    return v + 1 == kernel->variants + kernel->num_variants || strcmp(v[1].target, v->target) != 0;
}

/// A kernel's variants as attune_choose_row takes them.
static attune_variants variants_of(const attune_kernel *kernel) {
    return (attune_variants){kernel->info.name, kernel->variants, kernel->num_variants, sizeof *kernel->variants,
                             offsetof(attune_kernel_variant, features)};
}

bool attune_params_are_bounded(const attune_kernel *kernel) {
    for (uint32_t i = 0; kernel->num_params <= ATTUNE_MAX_PARAMS && i < kernel->num_params; i++)
        if (kernel->params[i].dimensions > ATTUNE_MAX_PARAM_DIMS || kernel->params[i].offset >= kernel->params_size)
            return false;
    return kernel->num_params <= ATTUNE_MAX_PARAMS;
}

/// What a generator never writes, but a damaged or hand-made table may hold.
static bool is_well_formed(const attune_kernel *kernel, const attune_kernel_variant *v) {
    const bool writes_pairs = kernel->info.pairs && *kernel->info.pairs;
    if (v->split)
        return v->combine && v->part_columns > 0 && v->tile_kv > 0 && v->block_kv > 0 && v->block_kv % v->tile_kv == 0 && v->append &&
               (kernel->cache.page_size & (kernel->cache.page_size - 1)) == 0 && v->block_q > 0 && v->strips == 1 &&
               (v->fold == 1 || v->fold == kernel->info.group) && v->scratch_bytes >= 0 && attune_params_are_bounded(kernel);
    if (v->linear_read)
        return v->linear_update && v->block_q > 0 && v->block_q == v->block_kv && (!v->corrects_state || v->block_q == 1) &&
               (v->fold == 1 || v->fold == kernel->info.group) && v->state_columns >= kernel->info.head_dim_v &&
               v->state_rows >= kernel->info.head_dim && kernel->state != ATTUNE_STATE_NONE && v->scratch_bytes >= 0 &&
               attune_params_are_bounded(kernel);
    bool functions_are_there = v->exact && (!v->fixed || (v->key_norms && v->row_reference)) && (!writes_pairs || v->pairs);
    bool tiles_are_whole = v->tile_kv > 0 && v->block_kv > 0 && v->block_kv % v->tile_kv == 0 && v->block_kv / v->tile_kv <= 256;
    bool strips_are_whole =
        v->strip_rows > 0 && v->block_q > 0 && v->fold > 0 && (int64_t)v->strip_rows * v->strips >= (int64_t)v->block_q * v->fold;
    bool heads_are_whole = v->fold == 1 || v->fold == kernel->info.group;
    bool ranges_are_few = !v->key_ranges || (v->num_ranges >= 0 && v->num_ranges <= ATTUNE_MAX_RANGES);
    bool lists_fit = !kernel->block_size_kv || (kernel->block_size_q == v->block_q && kernel->block_size_kv % v->block_kv == 0 &&
                                                v->fold == 1 && kernel->params_size >= sizeof(attune_block_mask));
    return functions_are_there && tiles_are_whole && strips_are_whole && heads_are_whole && ranges_are_few && lists_fit &&
           attune_params_are_bounded(kernel) && v->scratch_bytes >= 0 && v->scratch_bytes_per_key >= 0;
}

/// All of a target's variants, of which the last serves every call.
static bool target_is_well_formed(const attune_kernel *kernel, const attune_kernel_variant *first) {
    for (const attune_kernel_variant *v = first;; v++) {
        const bool is_last = is_last_of_target(kernel, v), is_bounded = v->most_seq_len_q || v->most_seq_len_kv;
        if (!is_well_formed(kernel, v) || v->features != first->features || v->most_seq_len_q < 0 || v->most_seq_len_kv < 0 ||
            is_bounded == is_last)
            return false;
        if (is_last)
            return true;
    }
}

attune_status attune_check_kernel(const attune_kernel *kernel) {
    if (!kernel)
        return attune_fail(ATTUNE_NULL_POINTER, "kernel is null; attune_kernel_find returns null for a name that is not linked");
    if (kernel->abi != ATTUNE_KERNEL_ABI)
        return attune_fail(ATTUNE_STRUCT_SIZE,
                           "kernel abi is %u but this runtime has %d; generate the kernel with the attune of this runtime", kernel->abi,
                           ATTUNE_KERNEL_ABI);
    const bool has_variants = kernel->num_variants || kernel->num_device_variants;
    if (!has_variants || (kernel->num_variants && !kernel->variants) || (kernel->num_device_variants && !kernel->device_variants) ||
        kernel->type_bits < 8 || kernel->type_bits % 8)
        return attune_fail(ATTUNE_INTERNAL, "kernel %s has a damaged table; generate it again", kernel->info.name);
    return ATTUNE_OK;
}

/// "where seq_len_q <= 64 and seq_len_kv <= 512"; of the last of several "otherwise".
static const char *rule_text(const attune_kernel_variant *v, char *text, size_t size) {
    const char *both = v->most_seq_len_q && v->most_seq_len_kv ? " and " : "";
    char q[40] = "", kv[40] = "";
    if (v->most_seq_len_q)
        snprintf(q, sizeof q, "seq_len_q <= %d", v->most_seq_len_q);
    if (v->most_seq_len_kv)
        snprintf(kv, sizeof kv, "seq_len_kv <= %d", v->most_seq_len_kv);
    snprintf(text, size, *q || *kv ? "where %s%s%s" : "otherwise", q, both, kv);
    return text;
}

static void tell(const attune_kernel *kernel, const attune_kernel_variant *variant) {
    const attune_variants variants = variants_of(kernel);
    if (!attune_tell_choice(&variants, variant->target))
        return;
    char rule[100];
    for (const attune_kernel_variant *v = variant; !is_last_of_target(kernel, variant); v++) {
        fprintf(stderr, "attune:   %s: %s\n", rule_text(v, rule, sizeof rule), v->schedule);
        if (is_last_of_target(kernel, v))
            break;
    }
}

attune_status attune_choose_target(const attune_kernel *kernel, const attune_kernel_variant **variant) {
    // `chosen` is the runtime's own word in a kernel that is otherwise constant.
    const attune_kernel_variant **chosen = (const attune_kernel_variant **)&kernel->chosen;
    *variant = __atomic_load_n(chosen, __ATOMIC_ACQUIRE);
    if (*variant)
        return ATTUNE_OK;

    if (!kernel->num_variants)
        return attune_fail(ATTUNE_UNSUPPORTED_CPU, "kernel %s has only device targets, %s first; give exec->device, or add auto to TARGETS",
                           kernel->info.name, kernel->device_variants[0].target);

    const attune_variants variants = variants_of(kernel);
    const void *row;
    const attune_status status = attune_choose_row(&variants, &row);
    if (status)
        return status;
    *variant = row;
    if (!target_is_well_formed(kernel, *variant))
        return attune_fail(ATTUNE_INTERNAL, "kernel %s has a damaged table for %s; generate it again", kernel->info.name,
                           (*variant)->target);

    const attune_kernel_variant *expected = NULL;
    if (__atomic_compare_exchange_n(chosen, &expected, *variant, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        tell(kernel, *variant);
    else
        *variant = expected;  // another thread was first
    return ATTUNE_OK;
}

static const attune_kernel_variant *variant_for(const attune_kernel_variant *first, int64_t seq_len_q, int64_t seq_len_kv) {
    const attune_kernel_variant *v = first;
    while ((v->most_seq_len_q && seq_len_q > v->most_seq_len_q) || (v->most_seq_len_kv && seq_len_kv > v->most_seq_len_kv))
        v++;  // to the target's last at most, which has no bounds
    return v;
}

attune_status attune_choose_variant(const attune_kernel *kernel, int64_t seq_len_q, int64_t seq_len_kv,
                                    const attune_kernel_variant **variant) {
    const attune_kernel_variant *first;
    attune_status status = attune_choose_target(kernel, &first);
    if (status)
        return status;
    *variant = variant_for(first, seq_len_q, seq_len_kv);
    if (attune_verbosity() > 1)
        fprintf(stderr, "attune: %s with seq_len_q %lld, seq_len_kv %lld runs %s: %s\n", kernel->info.name, (long long)seq_len_q,
                (long long)seq_len_kv, (*variant)->target, (*variant)->schedule);
    return ATTUNE_OK;
}

const char *attune_kernel_target(const attune_kernel *kernel) {
    const attune_kernel_variant *first;
    if (attune_check_kernel(kernel) || attune_choose_target(kernel, &first))
        return NULL;
    return first->target;
}

const char *attune_kernel_schedule(const attune_kernel *kernel, int64_t seq_len_q, int64_t seq_len_kv) {
    const attune_kernel_variant *first;
    if (attune_check_kernel(kernel) || attune_choose_target(kernel, &first))
        return NULL;
    return variant_for(first, seq_len_q, seq_len_kv)->schedule;
}
