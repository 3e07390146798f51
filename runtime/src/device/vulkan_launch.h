/// Vulkan: modules and pipelines.
#ifndef ATTUNE_SRC_DEVICE_VULKAN_LAUNCH_H
#define ATTUNE_SRC_DEVICE_VULKAN_LAUNCH_H

#include "api.h"
#include "attune/kernel.h"

/// All modules of the session's VkDevice, after what uses them.
void attune_unload_vulkan(const attune_session *session);

#endif
