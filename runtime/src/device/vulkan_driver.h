/// The functions and structures of Vulkan 1.2 that the runtime uses. Functions have their own names, members those of vulkan_core.h without prefixes;
/// no header of Vulkan's is needed. Handles of instances, devices, queues and command buffers are void *, all others uint64_t.
#ifndef ATTUNE_SRC_DEVICE_VULKAN_DRIVER_H
#define ATTUNE_SRC_DEVICE_VULKAN_DRIVER_H

#include "attune/attention.h"

#include <stddef.h>
#include <stdint.h>

/// What most structures start with.
#define ATTUNE_VK_HEAD                                                                                                                     \
    int32_t type; /* ATTUNE_VK_TYPE_… */                                                                                                 \
    void *next

typedef struct attune_vk_application {
    ATTUNE_VK_HEAD;
    const char *name;
    uint32_t version;
    const char *engine;
    uint32_t engine_version, api_version;
} attune_vk_application;

typedef struct attune_vk_instance_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
    const attune_vk_application *application;
    uint32_t num_layers;
    const char *const *layers;
    uint32_t num_extensions;
    const char *const *extensions;
} attune_vk_instance_info;

typedef struct attune_vk_limits {
    uint32_t other_1[6], max_uniform_range, max_storage_range, other_2[3];
    uint64_t other_3[2];
    uint32_t other_4[3], max_storage_buffers, other_5[34];
    uint32_t max_shared_bytes, max_groups[3], max_threads, max_group_size[3];
    uint32_t other_6[13];
    uint64_t other_7[4];
    uint32_t other_8[36];
    uint64_t other_9[3];
} attune_vk_limits;

typedef struct attune_vk_properties {
    uint32_t api_version, driver_version, vendor, device, kind;
    char name[256];
    uint8_t cache_uuid[16];
    attune_vk_limits limits;
    uint32_t sparse[5];
} attune_vk_properties;

typedef struct attune_vk_features {
    ATTUNE_VK_HEAD;
    uint32_t other_1[39], float64, int64, int16, other_2[13];
} attune_vk_features;
typedef struct attune_vk_features_11 {
    ATTUNE_VK_HEAD;
    uint32_t storage16, uniform16, other[10];
} attune_vk_features_11;
typedef struct attune_vk_features_12 {
    ATTUNE_VK_HEAD;
    uint32_t other_1[2], storage8, uniform8, other_2[3], float16, int8, other_3[38];
} attune_vk_features_12;

typedef struct attune_vk_memory_properties {
    uint32_t num_types;
    struct {
        uint32_t flags, heap;
    } types[32];
    uint32_t num_heaps;
    struct {
        uint64_t size;
        uint32_t flags;
    } heaps[16];
} attune_vk_memory_properties;

typedef struct attune_vk_queue_family {
    uint32_t flags, count, timestamp_bits, granularity[3];
} attune_vk_queue_family;

typedef struct attune_vk_queue_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, family, count;
    const float *priorities;
} attune_vk_queue_info;

typedef struct attune_vk_device_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, num_queues;
    const attune_vk_queue_info *queues;
    uint32_t num_layers;
    const char *const *layers;
    uint32_t num_extensions;
    const char *const *extensions;
    const void *features;
} attune_vk_device_info;

typedef struct attune_vk_memory_needs {
    uint64_t size, alignment;
    uint32_t types;  ///< bit i: memory type i will do
} attune_vk_memory_needs;

typedef struct attune_vk_memory_info {
    ATTUNE_VK_HEAD;
    uint64_t size;
    uint32_t memory_type;
} attune_vk_memory_info;

typedef struct attune_vk_buffer_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
    uint64_t size;
    uint32_t usage, sharing, num_families;
    const uint32_t *families;
} attune_vk_buffer_info;

typedef struct attune_vk_shader_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
    size_t bytes;
    const uint32_t *code;
} attune_vk_shader_info;

typedef struct attune_vk_binding {
    uint32_t binding, kind, count, stages;
    const void *samplers;
} attune_vk_binding;

typedef struct attune_vk_set_layout_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, num_bindings;
    const attune_vk_binding *bindings;
} attune_vk_set_layout_info;

typedef struct attune_vk_layout_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, num_sets;
    const uint64_t *sets;
    uint32_t num_ranges;
    const void *ranges;
} attune_vk_layout_info;

typedef struct attune_vk_stage_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, stage;
    uint64_t shader;
    const char *entry;
    const void *constants;
} attune_vk_stage_info;

typedef struct attune_vk_pipeline_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
    attune_vk_stage_info stage;
    uint64_t layout, base;
    int32_t base_index;
} attune_vk_pipeline_info;

typedef struct attune_vk_pool_size {
    uint32_t kind, count;
} attune_vk_pool_size;

typedef struct attune_vk_descriptor_pool_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, max_sets, num_sizes;
    const attune_vk_pool_size *sizes;
} attune_vk_descriptor_pool_info;

typedef struct attune_vk_set_info {
    ATTUNE_VK_HEAD;
    uint64_t pool;
    uint32_t count;
    const uint64_t *layouts;
} attune_vk_set_info;

typedef struct attune_vk_range {
    uint64_t buffer, offset, bytes;
} attune_vk_range;

typedef struct attune_vk_write {
    ATTUNE_VK_HEAD;
    uint64_t set;
    uint32_t binding, element, count, kind;
    const void *images;
    const attune_vk_range *buffers;
    const void *views;
} attune_vk_write;

typedef struct attune_vk_command_pool_info {
    ATTUNE_VK_HEAD;
    uint32_t flags, family;
} attune_vk_command_pool_info;

typedef struct attune_vk_commands_info {
    ATTUNE_VK_HEAD;
    uint64_t pool;
    uint32_t level, count;
} attune_vk_commands_info;

typedef struct attune_vk_begin_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
    const void *inheritance;
} attune_vk_begin_info;

typedef struct attune_vk_barrier {
    ATTUNE_VK_HEAD;
    uint32_t from, to;
} attune_vk_barrier;

typedef struct attune_vk_copy {
    uint64_t from, to, bytes;
} attune_vk_copy;

typedef struct attune_vk_submit_info {
    ATTUNE_VK_HEAD;
    uint32_t num_waits;
    const uint64_t *waits;
    const uint32_t *wait_stages;
    uint32_t num_commands;
    void *const *commands;
    uint32_t num_signals;
    const uint64_t *signals;
} attune_vk_submit_info;

typedef struct attune_vk_fence_info {
    ATTUNE_VK_HEAD;
    uint32_t flags;
} attune_vk_fence_info;

/// Numbers of vulkan_core.h.
enum {
    ATTUNE_VK_TYPE_APPLICATION = 0,
    ATTUNE_VK_TYPE_INSTANCE = 1,
    ATTUNE_VK_TYPE_QUEUE = 2,
    ATTUNE_VK_TYPE_DEVICE = 3,
    ATTUNE_VK_TYPE_SUBMIT = 4,
    ATTUNE_VK_TYPE_MEMORY = 5,
    ATTUNE_VK_TYPE_FENCE = 8,
    ATTUNE_VK_TYPE_BUFFER = 12,
    ATTUNE_VK_TYPE_SHADER = 16,
    ATTUNE_VK_TYPE_STAGE = 18,
    ATTUNE_VK_TYPE_PIPELINE = 29,
    ATTUNE_VK_TYPE_LAYOUT = 30,
    ATTUNE_VK_TYPE_SET_LAYOUT = 32,
    ATTUNE_VK_TYPE_DESCRIPTOR_POOL = 33,
    ATTUNE_VK_TYPE_SET = 34,
    ATTUNE_VK_TYPE_WRITE = 35,
    ATTUNE_VK_TYPE_COMMAND_POOL = 39,
    ATTUNE_VK_TYPE_COMMANDS = 40,
    ATTUNE_VK_TYPE_BEGIN = 42,
    ATTUNE_VK_TYPE_BARRIER = 46,
    ATTUNE_VK_TYPE_FEATURES_11 = 49,
    ATTUNE_VK_TYPE_FEATURES_12 = 51,
    ATTUNE_VK_TYPE_FEATURES = 1000059000,

    ATTUNE_VK_NOT_READY = 1,
    ATTUNE_VK_INCOMPLETE = 5,
    ATTUNE_VK_OUT_OF_HOST_MEMORY = -1,
    ATTUNE_VK_OUT_OF_DEVICE_MEMORY = -2,

    ATTUNE_VK_QUEUE_COMPUTE = 2,
    ATTUNE_VK_STAGE_COMPUTE = 0x20,  ///< of a pipeline's layout
    ATTUNE_VK_BIND_COMPUTE = 1,
    ATTUNE_VK_AT_COMPUTE = 0x800,  ///< stages that barriers name
    ATTUNE_VK_AT_TRANSFER = 0x1000,
    ATTUNE_VK_AT_HOST = 0x4000,
    ATTUNE_VK_AT_ALL_COMMANDS = 0x10000,
    ATTUNE_VK_SHADER_READ = 0x20,  ///< accesses that barriers name
    ATTUNE_VK_SHADER_WRITE = 0x40,
    ATTUNE_VK_TRANSFER_READ = 0x800,
    ATTUNE_VK_TRANSFER_WRITE = 0x1000,
    ATTUNE_VK_MEMORY_READ = 0x8000,
    ATTUNE_VK_MEMORY_WRITE = 0x10000,
    ATTUNE_VK_USAGE_COPY_FROM = 1,
    ATTUNE_VK_USAGE_COPY_TO = 2,
    ATTUNE_VK_USAGE_UNIFORM = 0x10,
    ATTUNE_VK_USAGE_STORAGE = 0x20,
    ATTUNE_VK_ON_DEVICE = 1,  ///< flags of memory types
    ATTUNE_VK_ON_HOST = 2,
    ATTUNE_VK_COHERENT = 4,
    ATTUNE_VK_CACHED = 8,
    ATTUNE_VK_UNIFORM_BUFFER = 6,  ///< kinds of descriptors
    ATTUNE_VK_STORAGE_BUFFER = 7,
    ATTUNE_VK_COMMANDS_CAN_BE_RESET = 2,
    ATTUNE_VK_SUBMITTED_ONCE = 1
};
#define ATTUNE_VK_WHOLE (~UINT64_C(0))
#define ATTUNE_VK_VERSION_1_2 (UINT32_C(1) << 22 | UINT32_C(2) << 12)
#define ATTUNE_VK_VERSION_1_3 (UINT32_C(1) << 22 | UINT32_C(3) << 12)

/// Those that return a VkResult, then those that return nothing. The last parameter of those that take host allocators is always null.
#define ATTUNE_VULKAN_FUNCTIONS(F)                                                                                                         \
    F(int32_t, vkCreateInstance, (const attune_vk_instance_info *info, const void *host, void **instance))                                 \
    F(int32_t, vkEnumeratePhysicalDevices, (void *instance, uint32_t *count, void **devices))                                              \
    F(int32_t, vkCreateDevice, (void *physical, const attune_vk_device_info *info, const void *host, void **device))                       \
    F(int32_t, vkAllocateMemory, (void *device, const attune_vk_memory_info *info, const void *host, uint64_t *memory))                    \
    F(int32_t, vkMapMemory, (void *device, uint64_t memory, uint64_t offset, uint64_t bytes, uint32_t flags, void **host))                 \
    F(int32_t, vkCreateBuffer, (void *device, const attune_vk_buffer_info *info, const void *host, uint64_t *buffer))                      \
    F(int32_t, vkBindBufferMemory, (void *device, uint64_t buffer, uint64_t memory, uint64_t offset))                                      \
    F(int32_t, vkCreateShaderModule, (void *device, const attune_vk_shader_info *info, const void *host, uint64_t *shader))                \
    F(int32_t, vkCreateDescriptorSetLayout, (void *device, const attune_vk_set_layout_info *info, const void *host, uint64_t *layout))     \
    F(int32_t, vkCreatePipelineLayout, (void *device, const attune_vk_layout_info *info, const void *host, uint64_t *layout))              \
    F(int32_t, vkCreateComputePipelines,                                                                                                   \
      (void *device, uint64_t cache, uint32_t count, const attune_vk_pipeline_info *infos, const void *host, uint64_t *pipelines))         \
    F(int32_t, vkCreateDescriptorPool, (void *device, const attune_vk_descriptor_pool_info *info, const void *host, uint64_t *pool))       \
    F(int32_t, vkResetDescriptorPool, (void *device, uint64_t pool, uint32_t flags))                                                       \
    F(int32_t, vkAllocateDescriptorSets, (void *device, const attune_vk_set_info *info, uint64_t *sets))                                   \
    F(int32_t, vkCreateCommandPool, (void *device, const attune_vk_command_pool_info *info, const void *host, uint64_t *pool))             \
    F(int32_t, vkAllocateCommandBuffers, (void *device, const attune_vk_commands_info *info, void **commands))                             \
    F(int32_t, vkBeginCommandBuffer, (void *commands, const attune_vk_begin_info *info))                                                   \
    F(int32_t, vkEndCommandBuffer, (void *commands))                                                                                       \
    F(int32_t, vkCreateFence, (void *device, const attune_vk_fence_info *info, const void *host, uint64_t *fence))                         \
    F(int32_t, vkGetFenceStatus, (void *device, uint64_t fence))                                                                           \
    F(int32_t, vkResetFences, (void *device, uint32_t count, const uint64_t *fences))                                                      \
    F(int32_t, vkWaitForFences, (void *device, uint32_t count, const uint64_t *fences, uint32_t all, uint64_t nanoseconds))                \
    F(int32_t, vkQueueSubmit, (void *queue, uint32_t count, const attune_vk_submit_info *infos, uint64_t fence))                           \
    F(void, vkGetPhysicalDeviceProperties, (void *physical, attune_vk_properties *properties))                                             \
    F(void, vkGetPhysicalDeviceFeatures2, (void *physical, attune_vk_features *features))                                                  \
    F(void, vkGetPhysicalDeviceMemoryProperties, (void *physical, attune_vk_memory_properties *properties))                                \
    F(void, vkGetPhysicalDeviceQueueFamilyProperties, (void *physical, uint32_t *count, attune_vk_queue_family *families))                 \
    F(void, vkGetDeviceQueue, (void *device, uint32_t family, uint32_t index, void **queue))                                               \
    F(void, vkDestroyDevice, (void *device, const void *host))                                                                             \
    F(void, vkFreeMemory, (void *device, uint64_t memory, const void *host))                                                               \
    F(void, vkGetBufferMemoryRequirements, (void *device, uint64_t buffer, attune_vk_memory_needs *needs))                                 \
    F(void, vkDestroyBuffer, (void *device, uint64_t buffer, const void *host))                                                            \
    F(void, vkDestroyShaderModule, (void *device, uint64_t shader, const void *host))                                                      \
    F(void, vkDestroyDescriptorSetLayout, (void *device, uint64_t layout, const void *host))                                               \
    F(void, vkDestroyPipelineLayout, (void *device, uint64_t layout, const void *host))                                                    \
    F(void, vkDestroyPipeline, (void *device, uint64_t pipeline, const void *host))                                                        \
    F(void, vkDestroyDescriptorPool, (void *device, uint64_t pool, const void *host))                                                      \
    F(void, vkUpdateDescriptorSets,                                                                                                        \
      (void *device, uint32_t num_writes, const attune_vk_write *writes, uint32_t num_copies, const void *copies))                         \
    F(void, vkDestroyCommandPool, (void *device, uint64_t pool, const void *host))                                                         \
    F(void, vkDestroyFence, (void *device, uint64_t fence, const void *host))                                                              \
    F(void, vkCmdBindPipeline, (void *commands, uint32_t point, uint64_t pipeline))                                                        \
    F(void, vkCmdBindDescriptorSets,                                                                                                       \
      (void *commands, uint32_t point, uint64_t layout, uint32_t first, uint32_t count, const uint64_t *sets, uint32_t num_offsets,        \
       const uint32_t *offsets))                                                                                                           \
    F(void, vkCmdDispatch, (void *commands, uint32_t x, uint32_t y, uint32_t z))                                                           \
    F(void, vkCmdCopyBuffer, (void *commands, uint64_t from, uint64_t to, uint32_t count, const attune_vk_copy *copies))                   \
    F(void, vkCmdPipelineBarrier,                                                                                                          \
      (void *commands, uint32_t from, uint32_t to, uint32_t flags, uint32_t num_barriers, const attune_vk_barrier *barriers,               \
       uint32_t num_buffers, const void *buffers, uint32_t num_images, const void *images))

typedef struct attune_vulkan_functions {
#define ATTUNE_DECLARE(type, name, parameters) type(*name) parameters;
    ATTUNE_VULKAN_FUNCTIONS(ATTUNE_DECLARE)
#undef ATTUNE_DECLARE
} attune_vulkan_functions;
extern attune_vulkan_functions attune_vulkan;

/// Loads the driver unless it is loaded.
attune_status attune_load_vulkan(void);
/// "VK_ERROR_DEVICE_LOST"
const char *attune_vulkan_result_name(int32_t result);
/// Success for result 0 and above; else a status that names `function` and what it returned.
attune_status attune_vulkan_status(int32_t result, const char *function);
/// ATTUNE_OUT_OF_MEMORY where it is that, else ATTUNE_DEVICE.
attune_status attune_vulkan_code(int32_t result);

#endif
