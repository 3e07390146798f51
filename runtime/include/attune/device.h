/// Attention on GPUs: the device that a call runs on, and what an application without device code of its own needs beside it.
///   attune_device device = {sizeof device, ATTUNE_API_CUDA};                  // the current context, the default stream
///   attune_exec exec = {.size = sizeof exec, .device = &device};
///   args.exec = &exec, args.query = (const void *)query, …;                   // CUdeviceptr, cl_mem, VkBuffer
///   attune_kernel_run(kernel, &args);                                         // or <name>(&args): enqueues, does not wait
/// Tensors, lengths and the tensors of params lie on the device; attune_attention_args, the params struct and its scalars are the host's, and may
/// change as soon as the call returns. A cl_mem counts from its first byte: for a part of one, pass a sub-buffer.
/// A call copies nothing, allocates nothing and does not wait. At a kernel's first call in a context the driver compiles or loads it, and the runtime copies
/// its constant patterns there and waits for that, unless attune_kernel_prepare did. Calls are thread-safe, on one queue too. The arrays that a call names must live until the device is done with them.
/// Numbers, strides and pointers are checked as on the CPU; what lies on the device is not read. Kernels keep inside the tensors whatever it is: lengths and
/// cu_seqlens are cut to 0 .. seq_len, columns of block lists to the blocks there are, a list to as many. Only where a list begins is taken as it stands:
/// row_offsets must be within columns (and full). cu_seqlens that overlap leave rows that two sequences write with the result of either.
/// Packed sequences: seq_len_q counts the rows of all, and as the host does not know their lengths, each sequence gets as many blocks of rows as all of
/// them need. Those past its end compute nothing, but thousands of short sequences are better packed into several calls.
/// workspace is device memory, and only kernels of decode need some. Not on devices: packed sequences of decode kernels; caches of pages, rings or integers, rope, append, pairs.
/// Drivers are loaded when first asked for, by name and never linked: libcuda.so.1 (ATTUNE_CUDA_LIBRARY names another), libOpenCL.so.1
/// (ATTUNE_OPENCL_LIBRARY), libvulkan.so.1 (ATTUNE_VULKAN_LIBRARY).
/// Vulkan: a tensor is a VkBuffer for storage, from its first byte on, of memory on any heap. Calls of the runtime on one VkQueue may come from many
/// threads; an application that submits to it itself keeps the two apart. A call comes after all that was submitted to its queue before, and what is
/// submitted later comes after it, without barriers or semaphores of the application's. The device's features that kernels use have to be enabled:
/// shaderInt64, and for f16 and bf16 shaderInt16 and storageBuffer16BitAccess. Each queue keeps command buffers, descriptor pools and 32 KB of
/// uniforms for every 16 calls that are pending at once, made when first needed; with 512 pending, a call waits for the first of them.
/// Errors of all functions here: ATTUNE_DEVICE where there is no driver or it reports an error (its name and log are in attune_last_error),
/// ATTUNE_OUT_OF_MEMORY, ATTUNE_NULL_POINTER, ATTUNE_STRUCT_SIZE, ATTUNE_INVALID_ARGUMENT.
#ifndef ATTUNE_DEVICE_H
#define ATTUNE_DEVICE_H

#include "attune/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How a device is driven. This runtime drives CUDA, OpenCL and Vulkan; for the others, functions say so.
typedef enum attune_api {
    ATTUNE_API_CUDA = 1,
    ATTUNE_API_OPENCL = 2,
    ATTUNE_API_VULKAN = 3,
    ATTUNE_API_METAL = 4,
    ATTUNE_API_D3D12 = 5,
    ATTUNE_API_WEBGPU = 6
} attune_api;

/// A context and a queue, the application's own or those of attune_device_open. Zero-initialise, set `size` and `api`, then what the api has:
///   CUDA    context: CUcontext, null: the thread's current one. queue: CUstream, null: exec->stream, which null too is the default stream
///   OpenCL  queue: cl_command_queue, needed (or exec->stream), in order. context: cl_context, device: cl_device_id, null: those of the queue
///   Vulkan  physical_device, device (VkDevice), queue (VkQueue, or exec->stream) and queue_family, which computes, needed. instance is not looked at
struct attune_device {
    uint32_t size;  ///< sizeof(attune_device)
    int32_t api;    ///< attune_api
    void *context;
    void *queue;
    void *device;
    void *physical_device;
    void *instance;
    uint32_t queue_family;
    uint32_t reserved;  ///< 0
    void *owned;        ///< of attune_device_open: what attune_device_close gives back; else null
};

/// Devices of this api on this machine, 0 .. count - 1; 0 where there is no driver.
int32_t attune_device_count(attune_api api);
/// Fills `device` with a new context and a new queue on device `index`. An application that has a context fills attune_device itself.
attune_status attune_device_open(attune_api api, int32_t index, attune_device *device);
/// Waits for the queue of an opened device, forgets the kernels loaded in its context and destroys both. Others are left alone.
void attune_device_close(attune_device *device);
/// Writes the name that the driver has for the device ("NVIDIA H100 PCIe") into `text` and returns it; "" where it has none.
const char *attune_device_name(const attune_device *device, char *text, size_t size);

/// Loads what `kernel` has for this device, and compiles it where the driver has to: later calls only launch.
attune_status attune_kernel_prepare(const attune_kernel *kernel, const attune_device *device);
/// Forgets all kernels that calls loaded into this context, before the application destroys it. No call in it may be running.
void attune_device_unload(const attune_device *device);

/// Device memory, for applications that have no allocator of their own. 0 bytes give a pointer that may be freed, as malloc does.
attune_status attune_device_allocate(const attune_device *device, size_t bytes, void **memory);
/// Null is ignored. What was enqueued may still use the memory.
void attune_device_free_memory(const attune_device *device, void *memory);
/// Copies to or from the start of `memory`, in the order of the queue, and returns when it is done.
attune_status attune_device_write(const attune_device *device, void *memory, const void *host, size_t bytes);
attune_status attune_device_read(const attune_device *device, void *host, const void *memory, size_t bytes);
/// Waits for all that was enqueued, and reports what failed there.
attune_status attune_device_synchronize(const attune_device *device);

/// A whole call on tensors in this machine's memory: allocates on the device, copies in, runs, copies out, waits, frees. For trying kernels out:
/// the copies take longer than most calls. args->exec is not looked at. Elements between the rows of output and lse stay as they are.
attune_status attune_kernel_run_copied(const attune_kernel *kernel, const attune_attention_args *args, const attune_device *device);

/// What this runtime has asked drivers for since the program started, on all devices.
typedef struct attune_device_counters {
    uint64_t copies_to_device, copies_from_device;
    uint64_t allocations;     ///< of device memory
    uint64_t kernels_loaded;  ///< modules or programs, each for one context
    uint64_t launches;
} attune_device_counters;
void attune_device_read_counters(attune_device_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
