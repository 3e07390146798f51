#include "images.h"

#include "counters.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

static attune_module *find_module(attune_image *image, const attune_session *s) {
    for (attune_module *m = image ? atomic_load(&image->modules) : NULL; m; m = m->next)
        if (m->context == s->context && m->context_id == s->context_id && m->device == s->device && !atomic_load(&m->is_unloaded))
            return m;
    return NULL;
}

static attune_function *find_function(attune_module *module, const char *entry) {
    for (attune_function *f = atomic_load(&module->functions); f; f = f->next)
        if (strcmp(f->entry, entry) == 0)
            return f;
    return NULL;
}

static attune_status out_of_memory(void) {
    return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out while a kernel was loaded");
}

static attune_status add_module(attune_loader *loader, const attune_session *s, attune_image *image, const char *code, size_t size) {
    attune_module *module = calloc(1, sizeof *module);
    if (!module)
        return out_of_memory();
    const attune_status status = loader->load(s, code, size, &module->handle);
    if (status) {
        free(module);
        return status;
    }
    attune_count(ATTUNE_KERNELS_LOADED);
    module->context = s->context;
    module->context_id = s->context_id;
    module->device = s->device;
    module->next = atomic_load(&image->modules);
    atomic_store(&image->modules, module);
    return ATTUNE_OK;
}

attune_status attune_load_image(attune_loader *loader, const attune_session *s, void **state, const char *code, size_t size) {
    if (find_module(__atomic_load_n(state, __ATOMIC_ACQUIRE), s))
        return ATTUNE_OK;
    attune_status status = ATTUNE_OK;
    pthread_mutex_lock(&loader->lock);
    attune_image *image = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    if (!image && (image = calloc(1, sizeof *image))) {
        image->next = loader->images;
        loader->images = image;
        __atomic_store_n(state, image, __ATOMIC_RELEASE);
    }
    if (!image)
        status = out_of_memory();
    else if (!find_module(image, s))
        status = add_module(loader, s, image, code, size);
    pthread_mutex_unlock(&loader->lock);
    return status;
}

static attune_status add_function(attune_loader *loader, const attune_session *s, attune_module *module, const char *entry,
                                  attune_function **function) {
    attune_function *f = calloc(1, sizeof *f);
    if (!f || !(f->entry = strdup(entry))) {
        free(f);
        return out_of_memory();
    }
    const attune_status status = loader->find(s, module->handle, entry, &f->handle);
    if (status) {
        free(f->entry);
        free(f);
        return status;
    }
    pthread_mutex_init(&f->lock, NULL);
    f->next = atomic_load(&module->functions);
    atomic_store(&module->functions, f);
    *function = f;
    return ATTUNE_OK;
}

attune_status attune_find_function(attune_loader *loader, const attune_session *s, void *state, const char *entry,
                                   attune_function **function) {
    attune_module *module = find_module(state, s);
    if (!module)
        return attune_fail(ATTUNE_INTERNAL, "kernel function %s is launched before its code is loaded; please report it", entry);
    if ((*function = find_function(module, entry)))
        return ATTUNE_OK;
    attune_status status = ATTUNE_OK;
    pthread_mutex_lock(&loader->lock);
    if (!(*function = find_function(module, entry)))
        status = add_function(loader, s, module, entry, function);
    pthread_mutex_unlock(&loader->lock);
    return status;
}

static void unload(attune_loader *loader, attune_module *module) {
    attune_function *f = atomic_exchange(&module->functions, NULL);
    while (f) {
        attune_function *next = f->next;
        if (loader->drop)
            loader->drop(f->handle);
        pthread_mutex_destroy(&f->lock);
        free(f->entry);
        free(f);
        f = next;
    }
    loader->unload(module->handle);
}

void attune_unload_images(attune_loader *loader, const attune_session *s) {
    pthread_mutex_lock(&loader->lock);
    for (attune_image *image = loader->images; image; image = image->next)
        for (attune_module *m = atomic_load(&image->modules); m; m = m->next)
            if (m->context == s->context && m->context_id == s->context_id && !atomic_exchange(&m->is_unloaded, true))
                unload(loader, m);
    pthread_mutex_unlock(&loader->lock);
}
