#include "opencl_launch.h"

#include "counters.h"
#include "device_call.h"
#include "images.h"
#include "opencl_driver.h"
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static attune_status build_failure(void *program, void *device, int32_t result) {
    size_t size = 0;
    char *log = NULL;
    if (!attune_opencl.clGetProgramBuildInfo(program, device, ATTUNE_CL_PROGRAM_BUILD_LOG, 0, NULL, &size) && (log = calloc(1, size + 1)))
        attune_opencl.clGetProgramBuildInfo(program, device, ATTUNE_CL_PROGRAM_BUILD_LOG, size, log, NULL);
    const attune_status status = attune_fail(attune_opencl_code(result), "clBuildProgram failed with %s (%d); its log: %s",
                                             attune_opencl_error_name(result), result, log && *log ? log : "empty");
    free(log);
    return status;
}

/// Halide's OpenCL C asks for two limits of the device when it is compiled. A program keeps its context: no other one can get its address.
static attune_status load(const attune_session *s, const char *source, size_t size, void **program) {
    uint64_t constant_bytes = 0;
    uint32_t constant_args = 0;
    int32_t result =
        attune_opencl.clGetDeviceInfo(s->device, ATTUNE_CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, sizeof constant_bytes, &constant_bytes, NULL);
    if (!result)
        result = attune_opencl.clGetDeviceInfo(s->device, ATTUNE_CL_DEVICE_MAX_CONSTANT_ARGS, sizeof constant_args, &constant_args, NULL);
    if (result)
        return attune_opencl_status(result, "clGetDeviceInfo");
    char options[128];
    snprintf(options, sizeof options, "-D MAX_CONSTANT_BUFFER_SIZE=%" PRIu64 " -D MAX_CONSTANT_ARGS=%" PRIu32, constant_bytes,
             constant_args);

    while (size > 0 && source[size - 1] == 0)  // a text, whether its end is counted or not
        size--;
    *program = attune_opencl.clCreateProgramWithSource(s->context, 1, &source, &size, &result);
    if (result)
        return attune_opencl_status(result, "clCreateProgramWithSource");
    result = attune_opencl.clBuildProgram(*program, 1, &s->device, options, NULL, NULL);
    if (!result)
        return ATTUNE_OK;
    const attune_status status = build_failure(*program, s->device, result);
    attune_opencl.clReleaseProgram(*program);
    return status;
}

static attune_status find(const attune_session *s, void *program, const char *entry, void **kernel) {
    int32_t result = 0;
    (void)s;
    *kernel = attune_opencl.clCreateKernel(program, entry, &result);
    return attune_opencl_status(result, "clCreateKernel");
}

static void unload(void *program) {
    attune_opencl.clReleaseProgram(program);
}
static void drop(void *kernel) {
    attune_opencl.clReleaseKernel(kernel);
}

static attune_loader loader = {.load = load, .find = find, .unload = unload, .drop = drop, .lock = PTHREAD_MUTEX_INITIALIZER};

void attune_unload_opencl(const attune_session *session) {
    attune_unload_images(&loader, session);
}

/// Groups, work items of each and local memory of a launch.
typedef struct launch {
    size_t groups[3], items[3];
    int local_bytes;
} launch;

static int32_t set_arguments(void *kernel, const launch *l, const size_t *sizes, void **args, const int8_t *is_buffer) {
    uint32_t n = 0;
    int32_t result = 0;
    for (; sizes[n] && !result; n++) {
        const void *memory = is_buffer[n] ? (void *)(uintptr_t)((const attune_buffer *)args[n])->device : NULL;
        result = attune_opencl.clSetKernelArg(kernel, n, is_buffer[n] ? sizeof memory : sizes[n], is_buffer[n] ? &memory : args[n]);
    }
    // Kernels take local memory as their last argument, those without any too.
    return result ? result : attune_opencl.clSetKernelArg(kernel, n, l->local_bytes > 0 ? (size_t)l->local_bytes : 1, NULL);
}

static attune_status run(attune_device_call *call, void *state, const char *entry, const launch *l, const size_t *sizes, void **args,
                         const int8_t *is_buffer) {
    attune_function *f;
    attune_status status = attune_find_function(&loader, &call->session, state, entry, &f);
    if (status || call->is_preparing)
        return status;
    const size_t global[3] = {l->groups[0] * l->items[0], l->groups[1] * l->items[1], l->groups[2] * l->items[2]};
    const char *function = "clSetKernelArg";
    pthread_mutex_lock(&f->lock);  // arguments belong to the kernel until it is enqueued
    int32_t result = set_arguments(f->handle, l, sizes, args, is_buffer);
    if (!result) {
        function = "clEnqueueNDRangeKernel";
        result = attune_opencl.clEnqueueNDRangeKernel(call->session.queue, f->handle, 3, NULL, global, l->items, 0, NULL, NULL);
    }
    pthread_mutex_unlock(&f->lock);
    if (result)
        return attune_fail(attune_opencl_code(result),
                           "%s failed with %s (%d) for %s: %zu x %zu x %zu groups of %zu x %zu x %zu work items, %d bytes of local memory",
                           function, attune_opencl_error_name(result), result, entry, l->groups[0], l->groups[1], l->groups[2], l->items[0],
                           l->items[1], l->items[2], l->local_bytes);
    attune_count(ATTUNE_LAUNCHES);
    return ATTUNE_OK;
}

int attune_opencl_initialize_kernels(void *user_context, void **state, const char *image, int size) {
    attune_device_call *call = user_context;
    if (!call->status)
        call->status = attune_load_image(&loader, &call->session, state, image, (size_t)size);
    return call->status;
}

/// Programs stay: the next call needs them, and attune_device_unload drops them.
void attune_opencl_finalize_kernels(void *user_context, void *state) {
    (void)user_context, (void)state;
}

int attune_opencl_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                      int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]) {
    attune_device_call *call = user_context;
    const launch l = {
        {(size_t)blocks_x, (size_t)blocks_y, (size_t)blocks_z}, {(size_t)threads_x, (size_t)threads_y, (size_t)threads_z}, shared_bytes};
    if (!call->status)
        call->status = run(call, state, entry, &l, arg_sizes, args, arg_is_buffer);
    return call->status;
}

const void *attune_opencl_device_interface(void) {
    return &attune_opencl_api;
}
