#include "choose.h"

#include "cpu.h"
#include "status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct variant_row {
    const void *data;
    const char *target;
    uint32_t features;
} variant_row;

static variant_row row_at(const attune_variants *variants, uint32_t i) {
    const uint8_t *data = (const uint8_t *)variants->rows + i * variants->row_bytes;
    variant_row row = {.data = data};
    memcpy(&row.target, data, sizeof row.target);
    memcpy(&row.features, data + variants->features_at, sizeof row.features);
    return row;
}

/// A target's rows stand together.
static bool is_last_of_target(const attune_variants *variants, uint32_t i) {
    return i + 1 == variants->count || strcmp(row_at(variants, i + 1).target, row_at(variants, i).target) != 0;
}

/// Target names of those rows that are runnable (or of all) as "avx512, avx2, sse41", cut where they do not fit.
static const char *list_targets(const attune_variants *variants, bool runnable_only, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < variants->count && used < size; i++) {
        const variant_row row = row_at(variants, i);
        if (!is_last_of_target(variants, i) || (runnable_only && (row.features & ~attune_cpu_features())))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", row.target);
    }
    return used ? text : "none";
}

/// The first feature that a row needs and this CPU lacks, or 0.
static uint32_t missing_feature(variant_row row) {
    uint32_t missing = row.features & ~attune_cpu_features();
    return missing & (0u - missing);
}

static attune_status find_forced(const attune_variants *variants, const char *target, const void **found) {
    char all[160], runnable[160];
    list_targets(variants, false, all, sizeof all);
    for (uint32_t i = 0; i < variants->count; i++) {
        const variant_row row = row_at(variants, i);
        if (strcmp(row.target, target) != 0)
            continue;
        uint32_t missing = missing_feature(row);
        if (missing)
            return attune_fail(ATTUNE_UNSUPPORTED_CPU, "ATTUNE_FORCE_TARGET is %s but this CPU lacks %s; unset it or use one of: %s",
                               target, attune_cpu_feature_name(missing), list_targets(variants, true, runnable, sizeof runnable));
        *found = row.data;
        return ATTUNE_OK;
    }
    return attune_fail(ATTUNE_UNSUPPORTED_CPU,
                       "ATTUNE_FORCE_TARGET is %s but kernel %s has only %s; unset it or generate the kernel with TARGETS %s", target,
                       variants->name, all, target);
}

static attune_status find_best(const attune_variants *variants, const void **found) {
    for (uint32_t i = 0; i < variants->count; i++) {
        if (missing_feature(row_at(variants, i)))
            continue;
        *found = row_at(variants, i).data;
        return ATTUNE_OK;
    }
    char all[160];
    return attune_fail(ATTUNE_UNSUPPORTED_CPU, "kernel %s has %s but this CPU lacks %s; generate the kernel with TARGETS sse41 too",
                       variants->name, list_targets(variants, false, all, sizeof all),
                       attune_cpu_feature_name(missing_feature(row_at(variants, variants->count - 1))));
}

attune_status attune_choose_row(const attune_variants *variants, const void **row) {
    const char *forced = getenv("ATTUNE_FORCE_TARGET");
    bool is_forced = forced && *forced && strcmp(forced, "auto") != 0;
    return is_forced ? find_forced(variants, forced, row) : find_best(variants, row);
}

/// ATTUNE_VERBOSE when a target was last chosen.
static atomic_int verbosity;

int attune_verbosity(void) {
    return atomic_load_explicit(&verbosity, memory_order_relaxed);
}

bool attune_tell_choice(const attune_variants *variants, const char *target) {
    const char *verbose = getenv("ATTUNE_VERBOSE");
    const int level = !verbose || !*verbose || strcmp(verbose, "0") == 0 ? 0 : strcmp(verbose, "2") == 0 ? 2 : 1;
    atomic_store_explicit(&verbosity, level, memory_order_relaxed);
    if (!level)
        return false;
    char all[160];
    const int refusal = attune_tile_refusal();
    if (refusal)
        fprintf(stderr, "attune: the system refused amx tiles to this process (%s)\n", strerror(refusal));
    fprintf(stderr, "attune: %s runs %s (of %s)\n", variants->name, target, list_targets(variants, false, all, sizeof all));
    return true;
}
