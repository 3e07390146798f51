#include "cuda_launch.h"

#include "counters.h"
#include "cuda_driver.h"
#include "device_call.h"
#include "images.h"
#include "status.h"

/// PTX becomes machine code here. Nothing limits registers: a kernel's own directives do.
static attune_status load(const attune_session *s, const char *ptx, size_t size, void **module) {
    (void)s, (void)size;  // the text ends with a 0
    char log[3072] = "";
    int options[] = {ATTUNE_CU_JIT_ERROR_LOG_BUFFER, ATTUNE_CU_JIT_ERROR_LOG_BUFFER_SIZE};
    void *values[] = {log, (void *)(uintptr_t)(sizeof log - 1)};
    const int result = attune_cuda.cuModuleLoadDataEx(module, ptx, 2, options, values);
    if (!result)
        return ATTUNE_OK;
    const char *name = NULL;
    attune_cuda.cuGetErrorName(result, &name);
    return attune_fail(result == ATTUNE_CU_OUT_OF_MEMORY ? ATTUNE_OUT_OF_MEMORY : ATTUNE_DEVICE,
                       "cuModuleLoadDataEx failed with %s (%d); its log: %s", name ? name : "an unknown error", result,
                       *log ? log : "empty");
}

static attune_status find(const attune_session *s, void *module, const char *entry, void **function) {
    (void)s;
    return attune_cuda_status(attune_cuda.cuModuleGetFunction(function, module, entry), "cuModuleGetFunction");
}

static void unload(void *module) {
    attune_cuda.cuModuleUnload(module);
}

static attune_loader loader = {.load = load, .find = find, .unload = unload, .lock = PTHREAD_MUTEX_INITIALIZER};

void attune_unload_cuda(const attune_session *session) {
    attune_unload_images(&loader, session);
}

/// A kernel may have 48 KB of shared memory; for more it has to be asked for, once.
static attune_status allow_shared_memory(attune_function *f, int bytes) {
    enum { always_allowed = 48 << 10 };
    if (bytes <= always_allowed || bytes <= atomic_load_explicit(&f->shared_bytes, memory_order_acquire))
        return ATTUNE_OK;
    attune_status status = ATTUNE_OK;
    pthread_mutex_lock(&f->lock);
    if (bytes > atomic_load(&f->shared_bytes)) {
        int device = 0, most = 0;
        if (!attune_cuda.cuCtxGetDevice(&device) &&
            !attune_cuda.cuDeviceGetAttribute(&most, ATTUNE_CU_DEVICE_MAX_SHARED_BYTES_OPTIN, device) && bytes > most)
            status = attune_fail(ATTUNE_DEVICE, "kernel function %s needs %d bytes of shared memory but the device has %d a block",
                                 f->entry, bytes, most);
        if (!status)
            status = attune_cuda_status(attune_cuda.cuFuncSetAttribute(f->handle, ATTUNE_CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES, bytes),
                                        "cuFuncSetAttribute");
        if (!status)
            atomic_store_explicit(&f->shared_bytes, bytes, memory_order_release);
    }
    pthread_mutex_unlock(&f->lock);
    return status;
}

/// Blocks, threads and shared memory of a launch.
typedef struct launch {
    int blocks[3], threads[3], shared_bytes;
} launch;

static attune_status run(attune_device_call *call, void *state, const char *entry, const launch *l, const size_t *sizes, void **args,
                         const int8_t *is_buffer) {
    enum { max_arguments = 256 };
    attune_function *f;
    attune_status status = attune_find_function(&loader, &call->session, state, entry, &f);
    if (!status)
        status = allow_shared_memory(f, l->shared_bytes);
    if (status || call->is_preparing)
        return status;
    void *arguments[max_arguments];
    uint64_t addresses[max_arguments];
    int n = 0;
    for (; sizes[n]; n++) {
        if (n == max_arguments)
            return attune_fail(ATTUNE_INTERNAL, "kernel function %s has more than %d arguments; please report it", entry, max_arguments);
        if (is_buffer[n])
            addresses[n] = ((const attune_buffer *)args[n])->device;
        arguments[n] = is_buffer[n] ? &addresses[n] : args[n];
    }
    const int result = attune_cuda.cuLaunchKernel(f->handle, (unsigned)l->blocks[0], (unsigned)l->blocks[1], (unsigned)l->blocks[2],
                                                  (unsigned)l->threads[0], (unsigned)l->threads[1], (unsigned)l->threads[2],
                                                  (unsigned)l->shared_bytes, call->session.queue, arguments, NULL);
    if (result) {
        const char *name = NULL;
        attune_cuda.cuGetErrorName(result, &name);
        return attune_fail(
            ATTUNE_DEVICE,
            "cuLaunchKernel failed with %s (%d) for %s: %d x %d x %d blocks of %d x %d x %d threads, %d bytes of shared memory",
            name ? name : "an unknown error", result, entry, l->blocks[0], l->blocks[1], l->blocks[2], l->threads[0], l->threads[1],
            l->threads[2], l->shared_bytes);
    }
    attune_count(ATTUNE_LAUNCHES);
    return ATTUNE_OK;
}

int attune_cuda_initialize_kernels(void *user_context, void **state, const char *image, int size) {
    attune_device_call *call = user_context;
    if (!call->status)
        call->status = attune_load_image(&loader, &call->session, state, image, (size_t)size);
    return call->status;
}

/// Modules stay: the next call needs them, and attune_device_unload drops them.
void attune_cuda_finalize_kernels(void *user_context, void *state) {
    (void)user_context, (void)state;
}

int attune_cuda_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                    int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]) {
    attune_device_call *call = user_context;
    const launch l = {{blocks_x, blocks_y, blocks_z}, {threads_x, threads_y, threads_z}, shared_bytes};
    if (!call->status)
        call->status = run(call, state, entry, &l, arg_sizes, args, arg_is_buffer);
    return call->status;
}

const void *attune_cuda_device_interface(void) {
    return &attune_cuda_api;
}
