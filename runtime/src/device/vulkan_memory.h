/// Vulkan: memory of attune_device_allocate, and copies through a buffer that the host can write.
#ifndef ATTUNE_SRC_DEVICE_VULKAN_MEMORY_H
#define ATTUNE_SRC_DEVICE_VULKAN_MEMORY_H

#include "api.h"

attune_status attune_vulkan_allocate(const attune_session *session, size_t bytes, void **memory);
void attune_vulkan_free(const attune_session *session, void *memory);
attune_status attune_vulkan_write(const attune_session *session, void *memory, const void *host, size_t bytes);
attune_status attune_vulkan_read(const attune_session *session, void *host, const void *memory, size_t bytes);

#endif
