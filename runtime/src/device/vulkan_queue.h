/// Vulkan: what the runtime keeps for a queue. Each launch takes a slot: a command buffer, a descriptor set, a piece of a uniform buffer for its
/// scalars, and a fence, which tells when the slot is free again. Slots are made 16 at a time, as many as launches are pending at once.
#ifndef ATTUNE_SRC_DEVICE_VULKAN_QUEUE_H
#define ATTUNE_SRC_DEVICE_VULKAN_QUEUE_H

#include "attune/device.h"
#include "vulkan_driver.h"

#include <pthread.h>
#include <stdbool.h>

enum {
    ATTUNE_VULKAN_SLOTS = 16,           ///< made at once
    ATTUNE_VULKAN_MOST_SLOTS = 512,     ///< a launch with so many pending waits for the first of them
    ATTUNE_VULKAN_SCALAR_BYTES = 2048,  ///< of a launch: 256 scalars. A multiple of any device's alignment of uniforms
    ATTUNE_VULKAN_MOST_BUFFERS = 32     ///< of a launch
};

typedef struct attune_vulkan_slot {
    void *commands;
    uint64_t fence;
    bool is_pending;  ///< its fence has been submitted
    uint64_t sets;    ///< pool of one descriptor set
    uint64_t uniforms, uniforms_at;
    void *scalars;  ///< the uniforms, mapped
} attune_vulkan_slot;

typedef struct attune_vulkan_block attune_vulkan_block;

typedef struct attune_vulkan_queue {
    struct attune_vulkan_queue *next;
    void *device, *physical, *queue;
    uint32_t family;
    attune_vk_limits limits;
    uint32_t api_version;
    attune_vk_memory_properties memory;
    pthread_mutex_t lock;  ///< of the slots, and of what Vulkan leaves to its callers: queue and command pool
    uint64_t commands;     ///< pool of the slots
    attune_vulkan_block *blocks;
    attune_vulkan_slot *slots[ATTUNE_VULKAN_MOST_SLOTS];  ///< in the order of their launches, from `first` on, all around
    int num_slots, first;
} attune_vulkan_queue;

/// The queue of a device whose handles are checked; made at its first use.
attune_status attune_find_vulkan_queue(const attune_device *device, attune_vulkan_queue **queue);
/// Waits for all queues of this VkDevice that were found, and forgets them.
void attune_drop_vulkan_queues(void *device);

/// A slot that is free, with its command buffer begun. The queue is locked until attune_end_vulkan_launch, which submits it if status is success.
attune_status attune_begin_vulkan_launch(attune_vulkan_queue *queue, attune_vulkan_slot **slot);
attune_status attune_end_vulkan_launch(attune_vulkan_queue *queue, attune_vulkan_slot *slot, attune_status status);

/// What comes before in this queue is done, and seen by `to`; then, the other way round, what comes after sees what `from` wrote, as does the host.
void attune_vulkan_wait_for_all(void *commands, uint32_t stage, uint32_t to);
void attune_vulkan_let_all_see(void *commands, uint32_t stage, uint32_t from);

/// Submits `commands` (null: none) and waits until they, and all before them in this queue, are done.
attune_status attune_vulkan_finish(attune_vulkan_queue *queue, void *commands);

/// A buffer of its own memory, of a type that has all flags `needed`, and where there are such, those `wanted` too.
attune_status attune_make_vulkan_buffer(const attune_vulkan_queue *queue, uint64_t bytes, uint32_t usage, uint32_t needed, uint32_t wanted,
                                        uint64_t *buffer, uint64_t *memory);

#endif
