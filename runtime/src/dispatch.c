#include "dispatch.h"

#include "cpu.h"
#include "status.h"
#include "visits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_last_of_target(const attune_kernel *kernel, const attune_kernel_variant *v) {
    return v + 1 == kernel->variants + kernel->num_variants || strcmp(v[1].target, v->target) != 0;
}

/// Target names of those variants that are runnable (or of all) as "avx512, avx2, sse41", cut where they do not fit.
static const char *list_targets(const attune_kernel *kernel, bool runnable_only, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < kernel->num_variants && used < size; i++) {
        const attune_kernel_variant *v = &kernel->variants[i];
        if (!is_last_of_target(kernel, v) || (runnable_only && (v->features & ~attune_cpu_features())))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", v->target);
    }
    return used ? text : "none";
}

/// The first feature that `variant` needs and this CPU lacks, or 0.
static uint32_t missing_feature(const attune_kernel_variant *variant) {
    uint32_t missing = variant->features & ~attune_cpu_features();
    return missing & (0u - missing);
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

static attune_status find_forced(const attune_kernel *kernel, const char *target, const attune_kernel_variant **variant) {
    char all[160], runnable[160];
    list_targets(kernel, false, all, sizeof all);
    for (uint32_t i = 0; i < kernel->num_variants; i++) {
        const attune_kernel_variant *v = &kernel->variants[i];
        if (strcmp(v->target, target) != 0)
            continue;
        uint32_t missing = missing_feature(v);
        if (missing)
            return attune_fail(ATTUNE_UNSUPPORTED_CPU, "ATTUNE_FORCE_TARGET is %s but this CPU lacks %s; unset it or use one of: %s",
                               target, attune_cpu_feature_name(missing), list_targets(kernel, true, runnable, sizeof runnable));
        *variant = v;
        return ATTUNE_OK;
    }
    return attune_fail(ATTUNE_UNSUPPORTED_CPU,
                       "ATTUNE_FORCE_TARGET is %s but kernel %s has only %s; unset it or generate the kernel with TARGETS %s", target,
                       kernel->info.name, all, target);
}

static attune_status find_best(const attune_kernel *kernel, const attune_kernel_variant **variant) {
    for (uint32_t i = 0; i < kernel->num_variants; i++) {
        if (missing_feature(&kernel->variants[i]))
            continue;
        *variant = &kernel->variants[i];
        return ATTUNE_OK;
    }
    char all[160];
    return attune_fail(ATTUNE_UNSUPPORTED_CPU, "kernel %s has %s but this CPU lacks %s; generate the kernel with TARGETS sse41 too",
                       kernel->info.name, list_targets(kernel, false, all, sizeof all),
                       attune_cpu_feature_name(missing_feature(&kernel->variants[kernel->num_variants - 1])));
}

/// ATTUNE_VERBOSE when a target was last chosen: 0, 1, 2.
static atomic_int verbosity;

static int read_verbosity(void) {
    const char *verbose = getenv("ATTUNE_VERBOSE");
    const int level = !verbose || !*verbose || strcmp(verbose, "0") == 0 ? 0 : strcmp(verbose, "2") == 0 ? 2 : 1;
    atomic_store_explicit(&verbosity, level, memory_order_relaxed);
    return level;
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

/// Here and below is all that the runtime prints.
static void tell(const attune_kernel *kernel, const attune_kernel_variant *variant) {
    if (!read_verbosity())
        return;
    char all[160], rule[100];
    const int refusal = attune_tile_refusal();
    if (refusal)
        fprintf(stderr, "attune: the system refused amx tiles to this process (%s)\n", strerror(refusal));
    fprintf(stderr, "attune: %s runs %s (of %s)\n", kernel->info.name, variant->target, list_targets(kernel, false, all, sizeof all));
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

    const char *forced = getenv("ATTUNE_FORCE_TARGET");
    bool is_forced = forced && *forced && strcmp(forced, "auto") != 0;
    attune_status status = is_forced ? find_forced(kernel, forced, variant) : find_best(kernel, variant);
    if (status)
        return status;
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
    if (atomic_load_explicit(&verbosity, memory_order_relaxed) > 1)
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
