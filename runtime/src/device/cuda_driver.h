/// The functions of CUDA's driver that the runtime calls, in their own names. Handles are void * and no header of CUDA's is needed.
#ifndef ATTUNE_SRC_DEVICE_CUDA_DRIVER_H
#define ATTUNE_SRC_DEVICE_CUDA_DRIVER_H

#include "attune/attention.h"

#include <stddef.h>
#include <stdint.h>

#define ATTUNE_CUDA_FUNCTIONS(F)                                                                                                           \
    F(cuInit, (unsigned flags))                                                                                                            \
    F(cuGetErrorName, (int result, const char **text))                                                                                     \
    F(cuGetErrorString, (int result, const char **text))                                                                                   \
    F(cuDeviceGetCount, (int *count))                                                                                                      \
    F(cuDeviceGet, (int *device, int index))                                                                                               \
    F(cuDeviceGetAttribute, (int *value, int attribute, int device))                                                                       \
    F(cuDeviceGetName, (char *text, int size, int device))                                                                                 \
    F(cuCtxCreate_v2, (void **context, unsigned flags, int device))                                                                        \
    F(cuCtxDestroy_v2, (void *context))                                                                                                    \
    F(cuCtxGetCurrent, (void **context))                                                                                                   \
    F(cuCtxPushCurrent_v2, (void *context))                                                                                                \
    F(cuCtxPopCurrent_v2, (void **context))                                                                                                \
    F(cuCtxGetDevice, (int *device))                                                                                                       \
    F(cuStreamCreate, (void **stream, unsigned flags))                                                                                     \
    F(cuStreamDestroy_v2, (void *stream))                                                                                                  \
    F(cuStreamSynchronize, (void *stream))                                                                                                 \
    F(cuMemAlloc_v2, (uint64_t * memory, size_t bytes))                                                                                    \
    F(cuMemFree_v2, (uint64_t memory))                                                                                                     \
    F(cuMemcpyHtoDAsync_v2, (uint64_t to, const void *from, size_t bytes, void *stream))                                                   \
    F(cuMemcpyDtoHAsync_v2, (void *to, uint64_t from, size_t bytes, void *stream))                                                         \
    F(cuModuleLoadDataEx, (void **module, const void *image, unsigned num_options, int *options, void **values))                           \
    F(cuModuleUnload, (void *module))                                                                                                      \
    F(cuModuleGetFunction, (void **function, void *module, const char *name))                                                              \
    F(cuFuncSetAttribute, (void *function, int attribute, int value))                                                                      \
    F(cuLaunchKernel, (void *function, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z, unsigned threads_x, unsigned threads_y,    \
                       unsigned threads_z, unsigned shared_bytes, void *stream, void **arguments, void **extra))

/// Since CUDA 12.0.
#define ATTUNE_CUDA_OPTIONAL_FUNCTIONS(F) F(cuCtxGetId, (void *context, unsigned long long *id))

typedef struct attune_cuda_functions {
#define ATTUNE_DECLARE(name, parameters) int(*name) parameters;
    ATTUNE_CUDA_FUNCTIONS(ATTUNE_DECLARE)
    ATTUNE_CUDA_OPTIONAL_FUNCTIONS(ATTUNE_DECLARE)
#undef ATTUNE_DECLARE
} attune_cuda_functions;
extern attune_cuda_functions attune_cuda;

/// Loads the driver unless it is loaded.
attune_status attune_load_cuda(void);
/// Success for result 0; else a status that names `function` and what it returned.
attune_status attune_cuda_status(int result, const char *function);

/// Numbers of cuda.h.
enum {
    ATTUNE_CU_OUT_OF_MEMORY = 2,
    ATTUNE_CU_NO_DEVICE = 100,
    ATTUNE_CU_JIT_ERROR_LOG_BUFFER = 5,
    ATTUNE_CU_JIT_ERROR_LOG_BUFFER_SIZE = 6,
    ATTUNE_CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES = 8,
    ATTUNE_CU_DEVICE_CAPABILITY_MAJOR = 75,
    ATTUNE_CU_DEVICE_CAPABILITY_MINOR = 76,
    ATTUNE_CU_DEVICE_MAX_SHARED_BYTES_OPTIN = 97,
    ATTUNE_CU_STREAM_NON_BLOCKING = 1
};

#endif
