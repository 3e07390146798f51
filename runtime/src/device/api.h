/// What the runtime needs of a device api, as a table of functions: cuda.c, opencl.c, vulkan.c.
#ifndef ATTUNE_SRC_DEVICE_API_H
#define ATTUNE_SRC_DEVICE_API_H

#include "attune/device.h"

#include <stdbool.h>

typedef struct attune_device_api attune_device_api;

/// A device in use by one call on one thread: what attune_device leaves open is filled in. For CUDA, its context is the thread's meanwhile.
typedef struct attune_session {
    const attune_device_api *api;
    void *context, *queue, *device;
    void *record;         ///< Vulkan: the attune_vulkan_queue
    uint64_t context_id;  ///< tells contexts apart that had one address after the other; 0 where the driver has none
    bool is_pushed;       ///< the context was not the thread's own
} attune_session;

struct attune_device_api {
    int32_t id;          ///< attune_api
    const char *name;    ///< "CUDA"
    const char *target;  ///< the name of its plainest target: "cuda"
    int32_t (*count)(void);
    attune_status (*open)(int32_t index, attune_device *device);
    void (*close)(attune_session *session);  ///< of an opened device; leaves the session too
    attune_status (*enter)(const attune_device *device, attune_session *session);
    void (*leave)(attune_session *session);  ///< null: there is nothing to undo
    void (*describe)(const attune_session *session, char *text, size_t size);
    attune_status (*capability)(const attune_session *session, int32_t *capability);  ///< in the units of attune_device_variant::needs; null: 0
    attune_status (*allocate)(const attune_session *session, size_t bytes, void **memory);  ///< bytes > 0
    void (*free)(const attune_session *session, void *memory);
    attune_status (*write)(const attune_session *session, void *memory, const void *host, size_t bytes);
    attune_status (*read)(const attune_session *session, void *host, const void *memory, size_t bytes);
    attune_status (*synchronize)(const attune_session *session);
    void (*unload)(const attune_session *session);
    const void *(*interface)(void);
};

extern const attune_device_api attune_cuda_api, attune_opencl_api, attune_vulkan_api;

/// The table of an api, or a status that says why there is none.
attune_status attune_find_api(int32_t api, const attune_device_api **found);
/// Checks `device`, which `name` is for messages, and starts to use it; attune_leave_device ends that.
attune_status attune_enter_device(const char *name, const attune_device *device, attune_session *session);
void attune_leave_device(attune_session *session);

#endif
