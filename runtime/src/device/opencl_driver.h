/// The functions of OpenCL 1.2 that the runtime calls, in their own names. Handles are void * and no header of OpenCL's is needed.
#ifndef ATTUNE_SRC_DEVICE_OPENCL_DRIVER_H
#define ATTUNE_SRC_DEVICE_OPENCL_DRIVER_H

#include "attune/attention.h"

#include <stddef.h>
#include <stdint.h>

/// Those that return a status, then those that return a handle and leave the status in *result.
#define ATTUNE_OPENCL_FUNCTIONS(F)                                                                                                         \
    F(int32_t, clGetPlatformIDs, (uint32_t room, void **platforms, uint32_t *count))                                                       \
    F(int32_t, clGetDeviceIDs, (void *platform, uint64_t type, uint32_t room, void **devices, uint32_t *count))                            \
    F(int32_t, clGetDeviceInfo, (void *device, uint32_t what, size_t size, void *value, size_t *needed))                                   \
    F(int32_t, clGetContextInfo, (void *context, uint32_t what, size_t size, void *value, size_t *needed))                                 \
    F(int32_t, clGetCommandQueueInfo, (void *queue, uint32_t what, size_t size, void *value, size_t *needed))                              \
    F(int32_t, clReleaseContext, (void *context))                                                                                          \
    F(int32_t, clReleaseCommandQueue, (void *queue))                                                                                       \
    F(int32_t, clReleaseMemObject, (void *memory))                                                                                         \
    F(int32_t, clReleaseProgram, (void *program))                                                                                          \
    F(int32_t, clReleaseKernel, (void *kernel))                                                                                            \
    F(int32_t, clFinish, (void *queue))                                                                                                    \
    F(int32_t, clEnqueueWriteBuffer,                                                                                                       \
      (void *queue, void *memory, uint32_t blocking, size_t offset, size_t bytes, const void *host, uint32_t num_events,                   \
       const void *events, void *event))                                                                                                   \
    F(int32_t, clEnqueueReadBuffer,                                                                                                        \
      (void *queue, void *memory, uint32_t blocking, size_t offset, size_t bytes, void *host, uint32_t num_events, const void *events,     \
       void *event))                                                                                                                       \
    F(int32_t, clBuildProgram, (void *program, uint32_t num_devices, void *const *devices, const char *options, void *notify, void *data)) \
    F(int32_t, clGetProgramBuildInfo, (void *program, void *device, uint32_t what, size_t size, void *value, size_t *needed))              \
    F(int32_t, clSetKernelArg, (void *kernel, uint32_t index, size_t size, const void *value))                                             \
    F(int32_t, clEnqueueNDRangeKernel,                                                                                                     \
      (void *queue, void *kernel, uint32_t dimensions, const size_t *offset, const size_t *global, const size_t *local,                    \
       uint32_t num_events, const void *events, void *event))                                                                              \
    F(void *, clCreateContext,                                                                                                             \
      (const intptr_t *properties, uint32_t num_devices, void *const *devices, void *notify, void *data, int32_t *result))                 \
    F(void *, clCreateCommandQueue, (void *context, void *device, uint64_t properties, int32_t *result))                                   \
    F(void *, clCreateBuffer, (void *context, uint64_t flags, size_t bytes, void *host, int32_t *result))                                  \
    F(void *, clCreateProgramWithSource, (void *context, uint32_t count, const char **sources, const size_t *sizes, int32_t *result))      \
    F(void *, clCreateKernel, (void *program, const char *name, int32_t *result))

typedef struct attune_opencl_functions {
#define ATTUNE_DECLARE(type, name, parameters) type(*name) parameters;
    ATTUNE_OPENCL_FUNCTIONS(ATTUNE_DECLARE)
#undef ATTUNE_DECLARE
} attune_opencl_functions;
extern attune_opencl_functions attune_opencl;

/// Loads the driver unless it is loaded.
attune_status attune_load_opencl(void);
/// "CL_INVALID_WORK_GROUP_SIZE"
const char *attune_opencl_error_name(int32_t result);
/// Success for result 0; else a status that names `function` and what it returned.
attune_status attune_opencl_status(int32_t result, const char *function);
/// ATTUNE_OUT_OF_MEMORY where it is that, else ATTUNE_DEVICE.
attune_status attune_opencl_code(int32_t result);

/// Numbers of cl.h.
enum {
    ATTUNE_CL_MEM_OBJECT_ALLOCATION_FAILURE = -4,
    ATTUNE_CL_OUT_OF_HOST_MEMORY = -6,
    ATTUNE_CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE = 0x1020,
    ATTUNE_CL_DEVICE_MAX_CONSTANT_ARGS = 0x1021,
    ATTUNE_CL_DEVICE_NAME = 0x102B,
    ATTUNE_CL_CONTEXT_DEVICES = 0x1081,
    ATTUNE_CL_QUEUE_CONTEXT = 0x1090,
    ATTUNE_CL_QUEUE_DEVICE = 0x1091,
    ATTUNE_CL_QUEUE_PROPERTIES = 0x1093,
    ATTUNE_CL_QUEUE_OUT_OF_ORDER = 1,
    ATTUNE_CL_PROGRAM_BUILD_LOG = 0x1183,
    ATTUNE_CL_MEM_READ_WRITE = 1
};
#define ATTUNE_CL_DEVICE_TYPE_ALL 0xFFFFFFFFu

#endif
