/// Functions of Halide's runtime that device variants call for every api: device memory is always the caller's.
#include "device_call.h"
#include "status.h"

static int check(attune_device_call *call, const attune_buffer *buffer, const char *what) {
    if (!call->status && !buffer->device)
        call->status = attune_fail(ATTUNE_INTERNAL, "kernel %s (%s) asked to %s a buffer that is not on the device; please report it",
                                   call->kernel->info.name, call->variant->target, what);
    return call->status;
}

int attune_copy_to_device(void *user_context, attune_buffer *buffer, const void *device_interface) {
    (void)device_interface;
    return check(user_context, buffer, "copy");
}

int attune_copy_to_host(void *user_context, attune_buffer *buffer) {
    (void)buffer;
    const attune_buffer nowhere = {0};
    return check(user_context, &nowhere, "copy back");
}

int attune_device_malloc(void *user_context, attune_buffer *buffer, const void *device_interface) {
    (void)device_interface;
    return check(user_context, buffer, "allocate");
}

int attune_device_free(void *user_context, attune_buffer *buffer) {
    return check(user_context, buffer, "free");
}
