#include "driver.h"

#include "status.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static attune_status open_library(attune_driver *d) {
    const char *named = getenv(d->variable);
    const bool is_named = named && *named;
    const char *const names[2] = {is_named ? named : d->names[0], is_named ? NULL : d->names[1]};
    for (int i = 0; i < 2 && names[i] && !d->handle; i++)
        d->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (d->handle)
        return ATTUNE_OK;
    if (is_named)
        return attune_fail(ATTUNE_DEVICE, "%s is %s, which cannot be loaded: %s", d->variable, named, dlerror());
    return attune_fail(ATTUNE_DEVICE, "there is no %s driver: %s is not found; install it, or set %s to where it is", d->api, d->names[0],
                       d->variable);
}

static attune_status find_symbols(attune_driver *d) {
    for (size_t i = 0; i < d->num_symbols; i++) {
        const attune_driver_symbol *symbol = &d->symbols[i];
        *symbol->address = dlsym(d->handle, symbol->name);
        if (!*symbol->address && !symbol->is_optional) {
            dlclose(d->handle);
            d->handle = NULL;
            return attune_fail(ATTUNE_DEVICE, "the %s driver has no %s; it is too old, or another library", d->api, symbol->name);
        }
    }
    return ATTUNE_OK;
}

attune_status attune_load_driver(attune_driver *d) {
    if (atomic_load_explicit(&d->is_ready, memory_order_acquire))
        return ATTUNE_OK;
    pthread_mutex_lock(&lock);
    attune_status status = ATTUNE_OK;
    if (!d->handle) {
        status = open_library(d);
        if (!status)
            status = find_symbols(d);
    }
    if (!status && d->start && !atomic_load_explicit(&d->is_ready, memory_order_relaxed))
        status = d->start();
    if (!status)
        atomic_store_explicit(&d->is_ready, true, memory_order_release);
    pthread_mutex_unlock(&lock);
    return status;
}
