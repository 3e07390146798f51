/// Which of a kernel's device variants runs.
#include "device_call.h"
#include "dispatch.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_well_formed(const attune_kernel *kernel, const attune_device_variant *v) {
    const bool heads_are_whole = v->fold == 1 || (v->fold > 1 && v->fold == kernel->info.group);
    const bool lists_fit = !kernel->block_size_kv || (kernel->block_size_q > 0 && kernel->block_size_kv > 0 && v->fold == 1 &&
                                                      kernel->params_size >= sizeof(attune_block_mask));
    const bool parts_fit = !v->split_keys || (v->split_keys > 0 && v->block_q > 0 && v->combine);
    return v->attention && parts_fit && heads_are_whole && lists_fit && (!kernel->num_pattern_words || kernel->pattern_words) &&
           attune_params_are_bounded(kernel);
}

/// "cuda_mma, cuda, opencl", cut where it does not fit.
static const char *list_targets(const attune_kernel *kernel, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < kernel->num_device_variants && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", kernel->device_variants[i].target);
    return used ? text : "no device targets";
}

/// The variant that ATTUNE_FORCE_TARGET names, which may name a CPU's target, or null.
static const attune_device_variant *find_forced(const attune_kernel *kernel, const attune_device_api *api) {
    const char *forced = getenv("ATTUNE_FORCE_TARGET");
    for (uint32_t i = 0; forced && i < kernel->num_device_variants; i++)
        if (strcmp(kernel->device_variants[i].target, forced) == 0 && kernel->device_variants[i].api == api->id)
            return &kernel->device_variants[i];
    return NULL;
}

attune_status attune_choose_device_variant(const attune_kernel *kernel, const attune_session *session, const attune_attention_args *args,
                                           const attune_device_variant **variant) {
    const attune_device_api *api = session->api;
    const attune_device_variant *forced = find_forced(kernel, api), *too_new = NULL;
    int32_t capability = 0;
    *variant = NULL;
    attune_status status = api->capability ? api->capability(session, &capability) : ATTUNE_OK;
    bool fits = false;
    for (uint32_t i = 0; i < kernel->num_device_variants && !status && !fits; i++) {
        const attune_device_variant *v = &kernel->device_variants[i];
        if (v->api != api->id || (forced && strcmp(v->target, forced->target) != 0))
            continue;
        if (v->needs > capability) {
            too_new = v;
            continue;
        }
        *variant = v;
        fits = !args || attune_rows_are_aligned(kernel, v, args);
    }
    if (status)
        return status;
    char all[160];
    if (*variant && !is_well_formed(kernel, *variant))
        return attune_fail(ATTUNE_INTERNAL, "kernel %s has a damaged table for %s; generate it again", kernel->info.name,
                           (*variant)->target);
    if (*variant)
        return ATTUNE_OK;
    if (too_new) {
        const bool may_help = strcmp(too_new->target, api->target) != 0;  // the plainest target runs on more devices
        return attune_fail(ATTUNE_DEVICE, "kernel %s has %s, which needs compute capability %d.%d, but the device has %d.%d%s%s",
                           kernel->info.name, too_new->target, too_new->needs / 10, too_new->needs % 10, capability / 10, capability % 10,
                           may_help ? "; add to TARGETS: " : "", may_help ? api->target : "");
    }
    return attune_fail(ATTUNE_INVALID_ARGUMENT, "kernel %s has %s but exec.device is driven by %s; add %s to TARGETS", kernel->info.name,
                       list_targets(kernel, all, sizeof all), api->name, api->target);
}
