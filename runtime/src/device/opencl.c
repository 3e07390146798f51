/// OpenCL: contexts, queues, memory.
#include "api.h"
#include "opencl_driver.h"
#include "opencl_launch.h"
#include "status.h"

#include <string.h>

/// Devices of all platforms, one platform after the other: how many, and device `wanted` of them.
static int32_t list_devices(int32_t wanted, void **found) {
    enum { most = 16 };
    void *platforms[most], *devices[most];
    uint32_t num_platforms = 0, num_devices = 0;
    int32_t total = 0;
    if (attune_opencl.clGetPlatformIDs(most, platforms, &num_platforms))
        return 0;
    for (uint32_t p = 0; p < num_platforms && p < most; p++) {
        if (attune_opencl.clGetDeviceIDs(platforms[p], ATTUNE_CL_DEVICE_TYPE_ALL, most, devices, &num_devices))
            continue;  // also where it has none
        num_devices = num_devices < most ? num_devices : most;
        if (wanted >= total && wanted < total + (int32_t)num_devices)
            *found = devices[wanted - total];
        total += (int32_t)num_devices;
    }
    return total;
}

static int32_t count(void) {
    return attune_load_opencl() ? 0 : list_devices(-1, NULL);
}

static attune_status ask_queue(void *queue, uint32_t what, size_t size, void *value) {
    return attune_opencl_status(attune_opencl.clGetCommandQueueInfo(queue, what, size, value, NULL), "clGetCommandQueueInfo");
}

/// What the application left null is asked of the queue, or of the context.
static attune_status enter(const attune_device *device, attune_session *s) {
    attune_status status = attune_load_opencl();
    if (status)
        return status;
    s->context = device->context;
    s->queue = device->queue;
    s->device = device->device;
    if (!s->queue && !s->context)
        return attune_fail(ATTUNE_DEVICE, "device.queue is null; set it to a cl_command_queue, or use attune_device_open");
    uint64_t properties = 0;
    if (s->queue)
        status = ask_queue(s->queue, ATTUNE_CL_QUEUE_PROPERTIES, sizeof properties, &properties);
    if (!status && properties & ATTUNE_CL_QUEUE_OUT_OF_ORDER)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "device.queue is out of order but kernels need one that keeps the order of commands");
    if (!status && !s->context)
        status = ask_queue(s->queue, ATTUNE_CL_QUEUE_CONTEXT, sizeof s->context, &s->context);
    if (!status && !s->device && s->queue)
        status = ask_queue(s->queue, ATTUNE_CL_QUEUE_DEVICE, sizeof s->device, &s->device);
    if (!status && !s->device) {
        enum { most = 16 };
        void *devices[most] = {NULL};
        status = attune_opencl_status(attune_opencl.clGetContextInfo(s->context, ATTUNE_CL_CONTEXT_DEVICES, sizeof devices, devices, NULL),
                                      "clGetContextInfo");
        s->device = devices[0];
    }
    return status;
}

static attune_status open_device(int32_t index, attune_device *device) {
    attune_status status = attune_load_opencl();
    if (status)
        return status;
    void *found = NULL;
    const int32_t devices = list_devices(index, &found);
    if (!found)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "index is %d but there are %d OpenCL devices, counted from 0", index, devices);
    int32_t result = 0;
    void *context = attune_opencl.clCreateContext(NULL, 1, &found, NULL, NULL, &result);
    if (result)
        return attune_opencl_status(result, "clCreateContext");
    void *queue = attune_opencl.clCreateCommandQueue(context, found, 0, &result);
    if (result) {
        attune_opencl.clReleaseContext(context);
        return attune_opencl_status(result, "clCreateCommandQueue");
    }
    device->context = device->owned = context;
    device->queue = queue;
    device->device = found;
    return ATTUNE_OK;
}

static void close_device(attune_session *s) {
    attune_opencl.clReleaseCommandQueue(s->queue);
    attune_opencl.clReleaseContext(s->context);
}

static void describe(const attune_session *s, char *text, size_t size) {
    char name[256] = "";  // of a size that is enough, since a smaller one is an error
    attune_opencl.clGetDeviceInfo(s->device, ATTUNE_CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    strncpy(text, name, size - 1);
    text[size - 1] = 0;
}

static attune_status allocate(const attune_session *s, size_t bytes, void **memory) {
    int32_t result = 0;
    *memory = attune_opencl.clCreateBuffer(s->context, ATTUNE_CL_MEM_READ_WRITE, bytes, NULL, &result);
    if (!result)
        return ATTUNE_OK;
    *memory = NULL;
    return attune_fail(attune_opencl_code(result), "clCreateBuffer failed with %s (%d) for %zu bytes", attune_opencl_error_name(result),
                       result, bytes);
}

static void free_memory(const attune_session *s, void *memory) {
    (void)s;
    attune_opencl.clReleaseMemObject(memory);
}

static attune_status synchronize(const attune_session *s) {
    return attune_opencl_status(attune_opencl.clFinish(s->queue), "clFinish");
}

static attune_status write(const attune_session *s, void *memory, const void *host, size_t bytes) {
    return attune_opencl_status(attune_opencl.clEnqueueWriteBuffer(s->queue, memory, 1, 0, bytes, host, 0, NULL, NULL),
                                "clEnqueueWriteBuffer");
}

static attune_status read(const attune_session *s, void *host, const void *memory, size_t bytes) {
    return attune_opencl_status(attune_opencl.clEnqueueReadBuffer(s->queue, (void *)memory, 1, 0, bytes, host, 0, NULL, NULL),
                                "clEnqueueReadBuffer");
}

const attune_device_api attune_opencl_api = {.id = ATTUNE_API_OPENCL,
                                             .name = "OpenCL",
                                             .target = "opencl",
                                             .count = count,
                                             .open = open_device,
                                             .close = close_device,
                                             .enter = enter,
                                             .describe = describe,
                                             .allocate = allocate,
                                             .free = free_memory,
                                             .write = write,
                                             .read = read,
                                             .synchronize = synchronize,
                                             .unload = attune_unload_opencl,
                                             .interface = attune_opencl_device_interface};
