#include "vulkan_driver.h"

#include "driver.h"
#include "status.h"

attune_vulkan_functions attune_vulkan;

static const attune_driver_symbol symbols[] = {
#define NEEDED(type, function, parameters) {#function, (void **)&attune_vulkan.function, false},
    ATTUNE_VULKAN_FUNCTIONS(NEEDED)};

attune_status attune_load_vulkan(void) {
    static attune_driver driver = {.api = "Vulkan",
                                   .variable = "ATTUNE_VULKAN_LIBRARY",
                                   .names = {"libvulkan.so.1", "libvulkan.so"},
                                   .symbols = symbols,
                                   .num_symbols = sizeof symbols / sizeof *symbols};
    return attune_load_driver(&driver);
}

const char *attune_vulkan_result_name(int32_t result) {
    // Of vulkan_core.h those that calls made here can give.
    static const char *const names[] = {
        [1] = "VK_ERROR_OUT_OF_HOST_MEMORY",    [2] = "VK_ERROR_OUT_OF_DEVICE_MEMORY", [3] = "VK_ERROR_INITIALIZATION_FAILED",
        [4] = "VK_ERROR_DEVICE_LOST",           [5] = "VK_ERROR_MEMORY_MAP_FAILED",    [6] = "VK_ERROR_LAYER_NOT_PRESENT",
        [7] = "VK_ERROR_EXTENSION_NOT_PRESENT", [8] = "VK_ERROR_FEATURE_NOT_PRESENT",  [9] = "VK_ERROR_INCOMPATIBLE_DRIVER",
        [10] = "VK_ERROR_TOO_MANY_OBJECTS",     [12] = "VK_ERROR_FRAGMENTED_POOL",     [13] = "VK_ERROR_UNKNOWN"};
    switch (result) {
    case -1000069000:
        return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case -1000012000:
        return "VK_ERROR_INVALID_SHADER_NV";
    case -1000011001:
        return "VK_ERROR_VALIDATION_FAILED_EXT";
    }
    const int64_t index = -(int64_t)result;
    const char *name = index > 0 && index < (int64_t)(sizeof names / sizeof *names) ? names[index] : NULL;
    return name ? name : "an error";
}

attune_status attune_vulkan_code(int32_t result) {
    const bool is_memory = result == ATTUNE_VK_OUT_OF_HOST_MEMORY || result == ATTUNE_VK_OUT_OF_DEVICE_MEMORY;
    return is_memory ? ATTUNE_OUT_OF_MEMORY : ATTUNE_DEVICE;
}

attune_status attune_vulkan_status(int32_t result, const char *function) {
    if (result >= 0)
        return ATTUNE_OK;
    return attune_fail(attune_vulkan_code(result), "%s failed with %s (%d)", function, attune_vulkan_result_name(result), result);
}
