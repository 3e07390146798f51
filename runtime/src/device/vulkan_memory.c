#include "vulkan_memory.h"

#include "status.h"
#include "vulkan_queue.h"

#include <stdlib.h>
#include <string.h>

/// Buffers that attune_vulkan_allocate made, with the memory of each.
typedef struct allocation {
    struct allocation *next;
    void *device;
    uint64_t buffer, memory;
} allocation;
static allocation *allocations;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

attune_status attune_vulkan_allocate(const attune_session *s, size_t bytes, void **memory) {
    enum { usage = ATTUNE_VK_USAGE_STORAGE | ATTUNE_VK_USAGE_COPY_FROM | ATTUNE_VK_USAGE_COPY_TO };
    allocation *a = calloc(1, sizeof *a);
    if (!a)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for what is kept of an array");
    a->device = s->device;
    const attune_status status = attune_make_vulkan_buffer(s->record, bytes, usage, 0, ATTUNE_VK_ON_DEVICE, &a->buffer, &a->memory);
    if (status) {
        free(a);
        return status;
    }
    pthread_mutex_lock(&lock);
    a->next = allocations;
    allocations = a;
    pthread_mutex_unlock(&lock);
    *memory = (void *)(uintptr_t)a->buffer;
    return ATTUNE_OK;
}

void attune_vulkan_free(const attune_session *s, void *memory) {
    allocation *a = NULL;
    pthread_mutex_lock(&lock);
    for (allocation **at = &allocations; *at && !a; at = a ? at : &(*at)->next)
        if ((*at)->device == s->device && (*at)->buffer == (uint64_t)(uintptr_t)memory) {
            a = *at;
            *at = a->next;
        }
    pthread_mutex_unlock(&lock);
    if (!a)
        return;
    attune_vulkan_finish(s->record, NULL);  // what was enqueued may still use it
    attune_vulkan.vkDestroyBuffer(a->device, a->buffer, NULL);
    attune_vulkan.vkFreeMemory(a->device, a->memory, NULL);
    free(a);
}

/// What a copy goes through: a buffer that this machine can read and write, and commands of its own.
typedef struct stage {
    attune_vulkan_queue *queue;
    uint64_t bytes, buffer, memory, pool;
    void *host, *commands;
} stage;

static void drop(stage *s) {
    attune_vulkan.vkDestroyCommandPool(s->queue->device, s->pool, NULL);
    attune_vulkan.vkDestroyBuffer(s->queue->device, s->buffer, NULL);
    attune_vulkan.vkFreeMemory(s->queue->device, s->memory, NULL);
}

static attune_status make(stage *s) {
    enum { largest = 16 << 20, usage = ATTUNE_VK_USAGE_COPY_FROM | ATTUNE_VK_USAGE_COPY_TO };
    s->bytes = s->bytes < largest ? s->bytes : largest;
    const attune_vk_command_pool_info pool = {
        .type = ATTUNE_VK_TYPE_COMMAND_POOL, .flags = ATTUNE_VK_COMMANDS_CAN_BE_RESET, .family = s->queue->family};
    void *device = s->queue->device;
    attune_status status = attune_make_vulkan_buffer(s->queue, s->bytes, usage, ATTUNE_VK_ON_HOST | ATTUNE_VK_COHERENT, ATTUNE_VK_CACHED,
                                                     &s->buffer, &s->memory);
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkMapMemory(device, s->memory, 0, s->bytes, 0, &s->host), "vkMapMemory");
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkCreateCommandPool(device, &pool, NULL, &s->pool), "vkCreateCommandPool");
    const attune_vk_commands_info commands = {.type = ATTUNE_VK_TYPE_COMMANDS, .pool = s->pool, .count = 1};
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkAllocateCommandBuffers(device, &commands, &s->commands), "vkAllocateCommandBuffers");
    if (status)
        drop(s);
    return status;
}

static attune_status copy_piece(const stage *s, uint64_t from, uint64_t to, const attune_vk_copy *piece) {
    const attune_vk_begin_info begin = {.type = ATTUNE_VK_TYPE_BEGIN, .flags = ATTUNE_VK_SUBMITTED_ONCE};
    const attune_status status = attune_vulkan_status(attune_vulkan.vkBeginCommandBuffer(s->commands, &begin), "vkBeginCommandBuffer");
    if (status)
        return status;
    attune_vulkan_wait_for_all(s->commands, ATTUNE_VK_AT_TRANSFER, ATTUNE_VK_TRANSFER_READ | ATTUNE_VK_TRANSFER_WRITE);
    attune_vulkan.vkCmdCopyBuffer(s->commands, from, to, 1, piece);
    attune_vulkan_let_all_see(s->commands, ATTUNE_VK_AT_TRANSFER, ATTUNE_VK_TRANSFER_WRITE);
    return attune_vulkan_finish(s->queue, s->commands);
}

/// Either way: one of `from` and `to` is null.
static attune_status copy(const attune_session *session, uint64_t memory, const char *from, char *to, size_t bytes) {
    attune_vk_memory_needs there;
    attune_vulkan.vkGetBufferMemoryRequirements(session->device, memory, &there);
    if (bytes > there.size)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "%zu bytes are to be copied but memory has %llu", bytes,
                           (unsigned long long)there.size);
    stage s = {.queue = session->record, .bytes = bytes};
    attune_status status = make(&s);
    if (status)
        return status;
    for (size_t done = 0; done < bytes && !status; done += s.bytes) {
        const size_t piece = bytes - done < s.bytes ? bytes - done : s.bytes;
        if (from)
            memcpy(s.host, from + done, piece);
        status = from ? copy_piece(&s, s.buffer, memory, &(attune_vk_copy){.to = done, .bytes = piece})
                      : copy_piece(&s, memory, s.buffer, &(attune_vk_copy){.from = done, .bytes = piece});
        if (to && !status)
            memcpy(to + done, s.host, piece);
    }
    drop(&s);
    return status;
}

attune_status attune_vulkan_write(const attune_session *s, void *memory, const void *host, size_t bytes) {
    return copy(s, (uint64_t)(uintptr_t)memory, host, NULL, bytes);
}

attune_status attune_vulkan_read(const attune_session *s, void *host, const void *memory, size_t bytes) {
    return copy(s, (uint64_t)(uintptr_t)memory, NULL, host, bytes);
}
