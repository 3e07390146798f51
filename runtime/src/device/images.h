/// Device code that is loaded: of each generated object (an image) a module for each context, of each module its kernels. Finding what is there takes
/// no lock; loading takes the api's.
#ifndef ATTUNE_SRC_DEVICE_IMAGES_H
#define ATTUNE_SRC_DEVICE_IMAGES_H

#include "api.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct attune_function {
    struct attune_function *next;
    char *entry;
    void *handle;
    pthread_mutex_t lock;     ///< for what the driver does not make safe itself
    atomic_int shared_bytes;  ///< CUDA: of dynamic shared memory that it may have
} attune_function;

typedef struct attune_module {
    struct attune_module *next;
    void *context, *device;
    uint64_t context_id;
    void *handle;
    atomic_bool is_unloaded;  ///< such modules stay in the list, so that others can be found without a lock
    _Atomic(attune_function *) functions;
} attune_module;

typedef struct attune_image {
    struct attune_image *next;
    _Atomic(attune_module *) modules;
} attune_image;

/// All images of an api, and how it loads them.
typedef struct attune_loader {
    attune_status (*load)(const attune_session *session, const char *code, size_t size, void **module);
    attune_status (*find)(const attune_session *session, void *module, const char *entry, void **function);
    void (*unload)(void *module);
    void (*drop)(void *function);  ///< null where functions go with their module
    pthread_mutex_t lock;
    attune_image *images;
} attune_loader;

/// Loads the code into the session's context unless it is there. *state, null at first, becomes the image.
attune_status attune_load_image(attune_loader *loader, const attune_session *session, void **state, const char *code, size_t size);
/// A kernel of the image `state` in the session's context, which has been loaded.
attune_status attune_find_function(attune_loader *loader, const attune_session *session, void *state, const char *entry,
                                   attune_function **function);
/// All modules of the session's context.
void attune_unload_images(attune_loader *loader, const attune_session *session);

#endif
