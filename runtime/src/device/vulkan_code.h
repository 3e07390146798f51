/// Vulkan: SPIR-V as Halide 21 packs it.
#ifndef ATTUNE_SRC_DEVICE_VULKAN_CODE_H
#define ATTUNE_SRC_DEVICE_VULKAN_CODE_H

#include "attune/attention.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A module with one entry point. Its descriptor set 0 has the uniform buffer of all scalars, if any, then the storage buffers, in the order of
/// arguments.
typedef struct attune_vulkan_module {
    const char *entry;
    const uint32_t *words;  ///< SPIR-V
    size_t num_words;
    uint32_t num_uniforms, num_buffers;
    uint32_t num_constants;  ///< specialisation constants: sizes that only a launch knows
    uint64_t shared_bytes;
} attune_vulkan_module;

/// The module of `entry` in an image of `num_words` words, all of which is checked to lie inside.
attune_status attune_find_vulkan_code(const uint32_t *image, size_t num_words, const char *entry, attune_vulkan_module *code);

/// The capabilities that a module declares, one after the other: `at` is 0 at first. False at the end.
bool attune_next_vulkan_capability(const attune_vulkan_module *code, size_t *at, uint32_t *capability);

#endif
