#include "vulkan_queue.h"

#include "status.h"

#include <stdlib.h>

struct attune_vulkan_block {
    attune_vulkan_block *next;
    uint64_t uniforms, memory;
    attune_vulkan_slot slots[ATTUNE_VULKAN_SLOTS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static attune_vulkan_queue *queues;

attune_status attune_find_vulkan_queue(const attune_device *d, attune_vulkan_queue **found) {
    pthread_mutex_lock(&lock);
    attune_vulkan_queue *q = queues;
    while (q && (q->device != d->device || q->queue != d->queue))
        q = q->next;
    if (!q && (q = calloc(1, sizeof *q))) {
        attune_vk_properties properties;
        attune_vulkan.vkGetPhysicalDeviceProperties(d->physical_device, &properties);
        attune_vulkan.vkGetPhysicalDeviceMemoryProperties(d->physical_device, &q->memory);
        q->limits = properties.limits;
        q->api_version = properties.api_version;
        q->device = d->device;
        q->physical = d->physical_device;
        q->queue = d->queue;
        q->family = d->queue_family;
        pthread_mutex_init(&q->lock, NULL);
        q->next = queues;
        queues = q;
    }
    pthread_mutex_unlock(&lock);
    *found = q;
    return q ? ATTUNE_OK : attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for what is kept of a queue");
}

static void drop_block(void *device, attune_vulkan_block *b) {
    for (int i = 0; i < ATTUNE_VULKAN_SLOTS; i++) {
        attune_vulkan.vkDestroyFence(device, b->slots[i].fence, NULL);
        attune_vulkan.vkDestroyDescriptorPool(device, b->slots[i].sets, NULL);
    }
    attune_vulkan.vkDestroyBuffer(device, b->uniforms, NULL);
    attune_vulkan.vkFreeMemory(device, b->memory, NULL);
    free(b);
}

static void drop(attune_vulkan_queue *q) {
    for (int i = 0; i < q->num_slots; i++)
        if (q->slots[i]->is_pending)
            attune_vulkan.vkWaitForFences(q->device, 1, &q->slots[i]->fence, 1, UINT64_MAX);
    while (q->blocks) {
        attune_vulkan_block *next = q->blocks->next;
        drop_block(q->device, q->blocks);
        q->blocks = next;
    }
    attune_vulkan.vkDestroyCommandPool(q->device, q->commands, NULL);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

void attune_drop_vulkan_queues(void *device) {
    pthread_mutex_lock(&lock);
    for (attune_vulkan_queue **at = &queues; *at;) {
        attune_vulkan_queue *q = *at;
        if (q->device == device) {
            *at = q->next;
            drop(q);
        } else
            at = &q->next;
    }
    pthread_mutex_unlock(&lock);
}

static int32_t find_memory_type(const attune_vulkan_queue *q, uint32_t allowed, uint32_t flags) {
    for (uint32_t i = 0; i < q->memory.num_types; i++)
        if (allowed >> i & 1 && (q->memory.types[i].flags & flags) == flags)
            return (int32_t)i;
    return -1;
}

attune_status attune_make_vulkan_buffer(const attune_vulkan_queue *q, uint64_t bytes, uint32_t usage, uint32_t needed, uint32_t wanted,
                                        uint64_t *buffer, uint64_t *memory) {
    const attune_vk_buffer_info info = {.type = ATTUNE_VK_TYPE_BUFFER, .size = bytes, .usage = usage};
    *buffer = *memory = 0;
    const char *function = "vkCreateBuffer";
    int32_t result = attune_vulkan.vkCreateBuffer(q->device, &info, NULL, buffer);
    if (result >= 0) {
        attune_vk_memory_needs needs;
        attune_vulkan.vkGetBufferMemoryRequirements(q->device, *buffer, &needs);
        int32_t type = find_memory_type(q, needs.types, needed | wanted);
        type = type < 0 ? find_memory_type(q, needs.types, needed) : type;
        const attune_vk_memory_info allocation = {
            .type = ATTUNE_VK_TYPE_MEMORY, .size = needs.size, .memory_type = type < 0 ? 0 : (uint32_t)type};
        function = "vkAllocateMemory";
        result = attune_vulkan.vkAllocateMemory(q->device, &allocation, NULL, memory);
    }
    if (result >= 0) {
        function = "vkBindBufferMemory";
        result = attune_vulkan.vkBindBufferMemory(q->device, *buffer, *memory, 0);
    }
    if (result >= 0)
        return ATTUNE_OK;
    attune_vulkan.vkDestroyBuffer(q->device, *buffer, NULL);
    attune_vulkan.vkFreeMemory(q->device, *memory, NULL);
    *buffer = *memory = 0;
    return attune_fail(attune_vulkan_code(result), "%s failed with %s (%d) for %llu bytes", function, attune_vulkan_result_name(result),
                       result, (unsigned long long)bytes);
}

static attune_status make_slot(attune_vulkan_queue *q, attune_vulkan_slot *slot) {
    const attune_vk_commands_info commands = {.type = ATTUNE_VK_TYPE_COMMANDS, .pool = q->commands, .count = 1};
    const attune_vk_fence_info fence = {.type = ATTUNE_VK_TYPE_FENCE};
    const attune_vk_pool_size sizes[] = {{ATTUNE_VK_UNIFORM_BUFFER, 1}, {ATTUNE_VK_STORAGE_BUFFER, ATTUNE_VULKAN_MOST_BUFFERS}};
    const attune_vk_descriptor_pool_info sets = {.type = ATTUNE_VK_TYPE_DESCRIPTOR_POOL, .max_sets = 1, .num_sizes = 2, .sizes = sizes};
    attune_status status =
        attune_vulkan_status(attune_vulkan.vkAllocateCommandBuffers(q->device, &commands, &slot->commands), "vkAllocateCommandBuffers");
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkCreateFence(q->device, &fence, NULL, &slot->fence), "vkCreateFence");
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkCreateDescriptorPool(q->device, &sets, NULL, &slot->sets), "vkCreateDescriptorPool");
    return status;
}

static attune_status make_block(attune_vulkan_queue *q, attune_vulkan_block *b) {
    enum { bytes = ATTUNE_VULKAN_SLOTS * ATTUNE_VULKAN_SCALAR_BYTES };
    attune_status status = ATTUNE_OK;
    if (!q->commands) {
        const attune_vk_command_pool_info info = {
            .type = ATTUNE_VK_TYPE_COMMAND_POOL, .flags = ATTUNE_VK_COMMANDS_CAN_BE_RESET, .family = q->family};
        status = attune_vulkan_status(attune_vulkan.vkCreateCommandPool(q->device, &info, NULL, &q->commands), "vkCreateCommandPool");
    }
    if (!status)
        status = attune_make_vulkan_buffer(q, bytes, ATTUNE_VK_USAGE_UNIFORM, ATTUNE_VK_ON_HOST | ATTUNE_VK_COHERENT, 0, &b->uniforms,
                                           &b->memory);
    void *scalars = NULL;
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkMapMemory(q->device, b->memory, 0, bytes, 0, &scalars), "vkMapMemory");
    for (int i = 0; i < ATTUNE_VULKAN_SLOTS && !status; i++) {
        attune_vulkan_slot *slot = &b->slots[i];
        slot->uniforms = b->uniforms;
        slot->uniforms_at = (uint64_t)i * ATTUNE_VULKAN_SCALAR_BYTES;
        slot->scalars = (char *)scalars + slot->uniforms_at;
        status = make_slot(q, slot);
    }
    return status;
}

/// Puts new slots before the first, which is still pending.
static attune_status add_slots(attune_vulkan_queue *q) {
    attune_vulkan_block *b = calloc(1, sizeof *b);
    if (!b)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for what is kept of a launch");
    const attune_status status = make_block(q, b);
    if (status) {
        drop_block(q->device, b);
        return status;
    }
    b->next = q->blocks;
    q->blocks = b;
    for (int i = q->num_slots; i > q->first; i--)
        q->slots[i + ATTUNE_VULKAN_SLOTS - 1] = q->slots[i - 1];
    for (int i = 0; i < ATTUNE_VULKAN_SLOTS; i++)
        q->slots[q->first + i] = &b->slots[i];
    q->num_slots += ATTUNE_VULKAN_SLOTS;
    return ATTUNE_OK;
}

static attune_status wait_for(const attune_vulkan_queue *q, uint64_t fence) {
    return attune_vulkan_status(attune_vulkan.vkWaitForFences(q->device, 1, &fence, 1, UINT64_MAX), "vkWaitForFences");
}

/// Makes q->slots[q->first] one that is free.
static attune_status free_first_slot(attune_vulkan_queue *q) {
    if (q->num_slots == 0)
        return add_slots(q);
    attune_vulkan_slot *slot = q->slots[q->first];
    if (!slot->is_pending)
        return ATTUNE_OK;
    const int32_t result = attune_vulkan.vkGetFenceStatus(q->device, slot->fence);
    if (result == ATTUNE_VK_NOT_READY && q->num_slots < ATTUNE_VULKAN_MOST_SLOTS)
        return add_slots(q);
    attune_status status = attune_vulkan_status(result, "vkGetFenceStatus");
    if (!status && result == ATTUNE_VK_NOT_READY)
        status = wait_for(q, slot->fence);
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkResetFences(q->device, 1, &slot->fence), "vkResetFences");
    if (!status)
        slot->is_pending = false;
    return status;
}

static attune_status begin(void *commands) {
    const attune_vk_begin_info info = {.type = ATTUNE_VK_TYPE_BEGIN, .flags = ATTUNE_VK_SUBMITTED_ONCE};
    return attune_vulkan_status(attune_vulkan.vkBeginCommandBuffer(commands, &info), "vkBeginCommandBuffer");
}

static attune_status submit(const attune_vulkan_queue *q, void *commands, uint64_t fence) {
    const attune_vk_submit_info info = {.type = ATTUNE_VK_TYPE_SUBMIT, .num_commands = commands ? 1 : 0, .commands = &commands};
    attune_status status = ATTUNE_OK;
    if (commands)
        status = attune_vulkan_status(attune_vulkan.vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    return status ? status : attune_vulkan_status(attune_vulkan.vkQueueSubmit(q->queue, 1, &info, fence), "vkQueueSubmit");
}

attune_status attune_begin_vulkan_launch(attune_vulkan_queue *q, attune_vulkan_slot **slot) {
    pthread_mutex_lock(&q->lock);
    attune_status status = free_first_slot(q);
    if (!status) {
        *slot = q->slots[q->first];
        status = begin((*slot)->commands);
    }
    if (status)
        pthread_mutex_unlock(&q->lock);
    return status;
}

attune_status attune_end_vulkan_launch(attune_vulkan_queue *q, attune_vulkan_slot *slot, attune_status status) {
    if (!status)
        status = submit(q, slot->commands, slot->fence);
    if (!status) {
        slot->is_pending = true;
        q->first = (q->first + 1) % q->num_slots;
    }
    pthread_mutex_unlock(&q->lock);
    return status;
}

void attune_vulkan_wait_for_all(void *commands, uint32_t stage, uint32_t to) {
    const attune_vk_barrier barrier = {.type = ATTUNE_VK_TYPE_BARRIER, .from = ATTUNE_VK_MEMORY_WRITE, .to = to};
    attune_vulkan.vkCmdPipelineBarrier(commands, ATTUNE_VK_AT_ALL_COMMANDS, stage, 0, 1, &barrier, 0, NULL, 0, NULL);
}

void attune_vulkan_let_all_see(void *commands, uint32_t stage, uint32_t from) {
    const attune_vk_barrier barrier = {.type = ATTUNE_VK_TYPE_BARRIER, .from = from, .to = ATTUNE_VK_MEMORY_READ | ATTUNE_VK_MEMORY_WRITE};
    attune_vulkan.vkCmdPipelineBarrier(commands, stage, ATTUNE_VK_AT_ALL_COMMANDS | ATTUNE_VK_AT_HOST, 0, 1, &barrier, 0, NULL, 0, NULL);
}

attune_status attune_vulkan_finish(attune_vulkan_queue *q, void *commands) {
    const attune_vk_fence_info info = {.type = ATTUNE_VK_TYPE_FENCE};
    uint64_t fence = 0;
    attune_status status = attune_vulkan_status(attune_vulkan.vkCreateFence(q->device, &info, NULL, &fence), "vkCreateFence");
    if (status)
        return status;
    pthread_mutex_lock(&q->lock);
    status = submit(q, commands, fence);
    pthread_mutex_unlock(&q->lock);
    if (!status)
        status = wait_for(q, fence);
    attune_vulkan.vkDestroyFence(q->device, fence, NULL);
    return status;
}
