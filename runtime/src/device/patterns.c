#include "patterns.h"

#include "counters.h"
#include "status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct copy {
    struct copy *next;
    const attune_device_api *api;
    void *context, *device;
    uint64_t context_id;
    void *memory;
    atomic_bool is_dropped;  ///< such copies stay in the list, so that others can be found without a lock
    uint32_t num_words;
    int32_t words[];  ///< as kernels have them: one that is loaded where another was unloaded may have other words at the same address
} copy;

static _Atomic(copy *) copies;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_of_session(copy *c, const attune_session *s) {
    return c->api == s->api && c->context == s->context && c->context_id == s->context_id && c->device == s->device &&
           !atomic_load(&c->is_dropped);
}

static copy *find(const attune_session *s, const attune_kernel *kernel) {
    for (copy *c = atomic_load(&copies); c; c = c->next)
        if (c->num_words == kernel->num_pattern_words && is_of_session(c, s) &&
            memcmp(c->words, kernel->pattern_words, c->num_words * sizeof(int32_t)) == 0)
            return c;
    return NULL;
}

static attune_status make(const attune_session *s, const attune_kernel *kernel, copy **made) {
    const size_t bytes = kernel->num_pattern_words * sizeof(int32_t);
    copy *c = calloc(1, sizeof *c + bytes);
    if (!c)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for the patterns of kernel %s", kernel->info.name);
    attune_status status = s->api->allocate(s, bytes, &c->memory);
    if (!status) {
        attune_count(ATTUNE_ALLOCATIONS);
        attune_count(ATTUNE_COPIES_TO_DEVICE);
        status = s->api->write(s, c->memory, kernel->pattern_words, bytes);
        if (status)
            s->api->free(s, c->memory);
    }
    if (status) {
        free(c);
        return status;
    }
    c->api = s->api;
    c->context = s->context;
    c->context_id = s->context_id;
    c->device = s->device;
    c->num_words = kernel->num_pattern_words;
    memcpy(c->words, kernel->pattern_words, bytes);
    c->next = atomic_load(&copies);
    atomic_store(&copies, c);
    *made = c;
    return ATTUNE_OK;
}

attune_status attune_find_patterns(const attune_session *s, const attune_kernel *kernel, void **memory) {
    copy *c = find(s, kernel);
    attune_status status = ATTUNE_OK;
    if (!c) {
        pthread_mutex_lock(&lock);
        c = find(s, kernel);
        if (!c)
            status = make(s, kernel, &c);
        pthread_mutex_unlock(&lock);
    }
    *memory = c ? c->memory : NULL;
    return status;
}

void attune_drop_patterns(const attune_session *s) {
    pthread_mutex_lock(&lock);
    for (copy *c = atomic_load(&copies); c; c = c->next)
        if (is_of_session(c, s) && !atomic_exchange(&c->is_dropped, true))
            s->api->free(s, c->memory);
    pthread_mutex_unlock(&lock);
}
