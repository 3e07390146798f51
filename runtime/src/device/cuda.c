/// CUDA: contexts, streams, memory.
#include "api.h"
#include "cuda_driver.h"
#include "cuda_launch.h"
#include "status.h"

static int32_t count(void) {
    int found = 0;
    if (attune_load_cuda() || attune_cuda.cuDeviceGetCount(&found))
        return 0;
    return found;
}

/// Makes `context` the thread's unless it is.
static attune_status push(attune_session *s, void *context) {
    void *current = NULL;
    attune_status status = attune_cuda_status(attune_cuda.cuCtxGetCurrent(&current), "cuCtxGetCurrent");
    s->context = context ? context : current;
    if (!status && !s->context)
        return attune_fail(ATTUNE_DEVICE,
                           "device.context is null and no CUDA context is current on this thread; make one current, set it, or "
                           "use attune_device_open");
    if (!status && s->context != current) {
        status = attune_cuda_status(attune_cuda.cuCtxPushCurrent_v2(s->context), "cuCtxPushCurrent");
        s->is_pushed = !status;
    }
    return status;
}

static void leave(attune_session *s) {
    void *popped;
    if (s->is_pushed)
        attune_cuda.cuCtxPopCurrent_v2(&popped);
    s->is_pushed = false;
}

static attune_status enter(const attune_device *device, attune_session *s) {
    attune_status status = attune_load_cuda();
    if (!status)
        status = push(s, device->context);
    unsigned long long id = 0;
    if (!status && attune_cuda.cuCtxGetId)
        status = attune_cuda_status(attune_cuda.cuCtxGetId(s->context, &id), "cuCtxGetId");
    s->context_id = id;
    s->queue = device->queue;
    if (status)
        leave(s);
    return status;
}

static attune_status open_device(int32_t index, attune_device *device) {
    attune_status status = attune_load_cuda();
    if (status)
        return status;
    const int32_t devices = count();
    if (index < 0 || index >= devices)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "index is %d but there are %d CUDA devices, counted from 0", index, devices);
    int cuda_device = 0;
    void *context = NULL, *stream = NULL, *popped;
    status = attune_cuda_status(attune_cuda.cuDeviceGet(&cuda_device, index), "cuDeviceGet");
    if (!status)
        status = attune_cuda_status(attune_cuda.cuCtxCreate_v2(&context, 0, cuda_device), "cuCtxCreate");
    if (status)
        return status;
    status = attune_cuda_status(attune_cuda.cuStreamCreate(&stream, ATTUNE_CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    attune_cuda.cuCtxPopCurrent_v2(&popped);  // a new context is current
    if (status) {
        attune_cuda.cuCtxDestroy_v2(context);
        return status;
    }
    device->context = device->owned = context;
    device->queue = stream;
    return ATTUNE_OK;
}

static void close_device(attune_session *s) {
    attune_cuda.cuStreamDestroy_v2(s->queue);
    leave(s);
    attune_cuda.cuCtxDestroy_v2(s->context);
}

static void describe(const attune_session *s, char *text, size_t size) {
    int device;
    (void)s;
    if (!attune_cuda.cuCtxGetDevice(&device))
        attune_cuda.cuDeviceGetName(text, size < 1024 ? (int)size : 1024, device);
}

static attune_status capability(const attune_session *s, int32_t *found) {
    int device = 0, major = 0, minor = 0;
    (void)s;
    attune_status status = attune_cuda_status(attune_cuda.cuCtxGetDevice(&device), "cuCtxGetDevice");
    if (!status)
        status =
            attune_cuda_status(attune_cuda.cuDeviceGetAttribute(&major, ATTUNE_CU_DEVICE_CAPABILITY_MAJOR, device), "cuDeviceGetAttribute");
    if (!status)
        status =
            attune_cuda_status(attune_cuda.cuDeviceGetAttribute(&minor, ATTUNE_CU_DEVICE_CAPABILITY_MINOR, device), "cuDeviceGetAttribute");
    *found = 10 * major + minor;
    return status;
}

static attune_status allocate(const attune_session *s, size_t bytes, void **memory) {
    uint64_t address = 0;
    (void)s;
    const int result = attune_cuda.cuMemAlloc_v2(&address, bytes);
    *memory = (void *)(uintptr_t)address;
    if (result == ATTUNE_CU_OUT_OF_MEMORY)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "the device has no %zu bytes left", bytes);
    return attune_cuda_status(result, "cuMemAlloc");
}

static void free_memory(const attune_session *s, void *memory) {
    (void)s;
    attune_cuda.cuMemFree_v2((uint64_t)(uintptr_t)memory);
}

static attune_status synchronize(const attune_session *s) {
    return attune_cuda_status(attune_cuda.cuStreamSynchronize(s->queue), "cuStreamSynchronize");
}

static attune_status write(const attune_session *s, void *memory, const void *host, size_t bytes) {
    const int result = attune_cuda.cuMemcpyHtoDAsync_v2((uint64_t)(uintptr_t)memory, host, bytes, s->queue);
    return result ? attune_cuda_status(result, "cuMemcpyHtoDAsync") : synchronize(s);
}

static attune_status read(const attune_session *s, void *host, const void *memory, size_t bytes) {
    const int result = attune_cuda.cuMemcpyDtoHAsync_v2(host, (uint64_t)(uintptr_t)memory, bytes, s->queue);
    return result ? attune_cuda_status(result, "cuMemcpyDtoHAsync") : synchronize(s);
}

const attune_device_api attune_cuda_api = {.id = ATTUNE_API_CUDA,
                                           .name = "CUDA",
                                           .target = "cuda",
                                           .count = count,
                                           .open = open_device,
                                           .close = close_device,
                                           .enter = enter,
                                           .leave = leave,
                                           .describe = describe,
                                           .capability = capability,
                                           .allocate = allocate,
                                           .free = free_memory,
                                           .write = write,
                                           .read = read,
                                           .synchronize = synchronize,
                                           .unload = attune_unload_cuda,
                                           .interface = attune_cuda_device_interface};
