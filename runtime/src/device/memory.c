/// attune_device_…: a device opened, its memory, its queue.
#include "api.h"
#include "counters.h"
#include "patterns.h"
#include "status.h"

int32_t attune_device_count(attune_api api) {
    const attune_device_api *found;
    return attune_find_api(api, &found) ? 0 : found->count();
}

attune_status attune_device_open(attune_api api, int32_t index, attune_device *device) {
    const attune_device_api *found;
    if (!device)
        return attune_fail(ATTUNE_NULL_POINTER, "device is null; pass an attune_device to fill");
    const attune_status status = attune_find_api(api, &found);
    if (status)
        return status;
    *device = (attune_device){.size = sizeof *device, .api = api};
    return found->open(index, device);
}

void attune_device_close(attune_device *device) {
    attune_session session;
    if (!device || !device->owned || attune_enter_device("device", device, &session))
        return;
    session.api->synchronize(&session);
    attune_drop_patterns(&session);
    session.api->unload(&session);
    session.api->close(&session);
    *device = (attune_device){.size = sizeof *device, .api = device->api};
}

const char *attune_device_name(const attune_device *device, char *text, size_t size) {
    attune_session session;
    if (!text || size == 0)
        return "";
    *text = 0;
    if (!attune_enter_device("device", device, &session)) {
        session.api->describe(&session, text, size);
        attune_leave_device(&session);
    }
    return text;
}

void attune_device_unload(const attune_device *device) {
    attune_session session;
    if (!attune_enter_device("device", device, &session)) {
        attune_drop_patterns(&session);
        session.api->unload(&session);
        attune_leave_device(&session);
    }
}

attune_status attune_device_allocate(const attune_device *device, size_t bytes, void **memory) {
    attune_session session;
    if (!memory)
        return attune_fail(ATTUNE_NULL_POINTER, "memory is null; pass where the pointer goes");
    *memory = NULL;
    attune_status status = attune_enter_device("device", device, &session);
    if (!status) {
        status = session.api->allocate(&session, bytes ? bytes : 1, memory);
        if (!status)
            attune_count(ATTUNE_ALLOCATIONS);
        attune_leave_device(&session);
    }
    return status;
}

void attune_device_free_memory(const attune_device *device, void *memory) {
    attune_session session;
    if (memory && !attune_enter_device("device", device, &session)) {
        session.api->free(&session, memory);
        attune_leave_device(&session);
    }
}

static attune_status check_copy(const void *memory, const void *host, size_t bytes) {
    if (bytes && (!memory || !host))
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null but %zu bytes are to be copied", memory ? "host" : "memory", bytes);
    return ATTUNE_OK;
}

attune_status attune_device_write(const attune_device *device, void *memory, const void *host, size_t bytes) {
    attune_session session;
    attune_status status = check_copy(memory, host, bytes);
    if (!status)
        status = attune_enter_device("device", device, &session);
    if (!status) {
        if (bytes) {
            attune_count(ATTUNE_COPIES_TO_DEVICE);
            status = session.api->write(&session, memory, host, bytes);
        }
        attune_leave_device(&session);
    }
    return status;
}

attune_status attune_device_read(const attune_device *device, void *host, const void *memory, size_t bytes) {
    attune_session session;
    attune_status status = check_copy(memory, host, bytes);
    if (!status)
        status = attune_enter_device("device", device, &session);
    if (!status) {
        if (bytes) {
            attune_count(ATTUNE_COPIES_FROM_DEVICE);
            status = session.api->read(&session, host, memory, bytes);
        }
        attune_leave_device(&session);
    }
    return status;
}

attune_status attune_device_synchronize(const attune_device *device) {
    attune_session session;
    attune_status status = attune_enter_device("device", device, &session);
    if (!status) {
        status = session.api->synchronize(&session);
        attune_leave_device(&session);
    }
    return status;
}
