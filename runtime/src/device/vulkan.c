/// Vulkan: devices and queues.
#include "api.h"
#include "attune/kernel.h"
#include "status.h"
#include "vulkan_launch.h"
#include "vulkan_memory.h"
#include "vulkan_queue.h"

#include <string.h>

/// The instance of attune_device_count and attune_device_open, made when first needed and kept: devices of its keep the driver loaded.
static attune_status find_instance(void **found) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static void *instance;
    attune_status status = attune_load_vulkan();
    if (status)
        return status;
    const attune_vk_application application = {.type = ATTUNE_VK_TYPE_APPLICATION, .name = "attune", .api_version = ATTUNE_VK_VERSION_1_3};
    const attune_vk_instance_info info = {.type = ATTUNE_VK_TYPE_INSTANCE, .application = &application};
    pthread_mutex_lock(&lock);
    if (!instance)
        status = attune_vulkan_status(attune_vulkan.vkCreateInstance(&info, NULL, &instance), "vkCreateInstance");
    pthread_mutex_unlock(&lock);
    *found = instance;
    return status;
}

/// How many devices there are, and number `wanted` of them.
static attune_status list_devices(void *instance, int32_t wanted, int32_t *total, void **found) {
    enum { most = 16 };
    void *devices[most];
    uint32_t count = most;
    const attune_status status =
        attune_vulkan_status(attune_vulkan.vkEnumeratePhysicalDevices(instance, &count, devices), "vkEnumeratePhysicalDevices");
    *total = status ? 0 : (int32_t)count;
    *found = wanted >= 0 && wanted < *total ? devices[wanted] : NULL;
    return status;
}

static int32_t count(void) {
    void *instance, *none;
    int32_t total = 0;
    if (!find_instance(&instance))
        list_devices(instance, -1, &total, &none);
    return total;
}

static attune_status enter(const attune_device *device, attune_session *s) {
    attune_status status = attune_load_vulkan();
    if (status)
        return status;
    const struct {
        const void *handle;
        const char *name, *type;
    } needed[] = {{device->device, "device", "VkDevice"},
                  {device->physical_device, "physical_device", "VkPhysicalDevice"},
                  {device->queue, "queue", "VkQueue"}};
    for (int i = 0; i < 3; i++)
        if (!needed[i].handle)
            return attune_fail(ATTUNE_DEVICE, "device.%s is null; set it to a %s, or use attune_device_open", needed[i].name,
                               needed[i].type);
    attune_vulkan_queue *queue;
    status = attune_find_vulkan_queue(device, &queue);
    s->context = s->device = device->device;
    s->queue = device->queue;
    s->record = queue;
    return status;
}

/// A family of queues that compute, or -1.
static int32_t find_family(void *physical) {
    enum { most = 16 };
    attune_vk_queue_family families[most];
    uint32_t count = most;
    attune_vulkan.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++)
        if (families[i].flags & ATTUNE_VK_QUEUE_COMPUTE)
            return (int32_t)i;
    return -1;
}

/// A VkDevice with a queue of `family`, and the features that kernels use, as far as it has them.
static attune_status make_device(void *physical, uint32_t family, void **device) {
    attune_vk_features_12 has_12 = {.type = ATTUNE_VK_TYPE_FEATURES_12};
    attune_vk_features_11 has_11 = {.type = ATTUNE_VK_TYPE_FEATURES_11, .next = &has_12};
    attune_vk_features has = {.type = ATTUNE_VK_TYPE_FEATURES, .next = &has_11};
    attune_vulkan.vkGetPhysicalDeviceFeatures2(physical, &has);
    attune_vk_features_12 use_12 = {.type = ATTUNE_VK_TYPE_FEATURES_12,
                                    .storage8 = has_12.storage8,
                                    .uniform8 = has_12.uniform8,
                                    .float16 = has_12.float16,
                                    .int8 = has_12.int8};
    attune_vk_features_11 use_11 = {
        .type = ATTUNE_VK_TYPE_FEATURES_11, .next = &use_12, .storage16 = has_11.storage16, .uniform16 = has_11.uniform16};
    attune_vk_features use = {
        .type = ATTUNE_VK_TYPE_FEATURES, .next = &use_11, .float64 = has.float64, .int64 = has.int64, .int16 = has.int16};
    const float priority = 1;
    const attune_vk_queue_info queue = {.type = ATTUNE_VK_TYPE_QUEUE, .family = family, .count = 1, .priorities = &priority};
    const attune_vk_device_info info = {.type = ATTUNE_VK_TYPE_DEVICE, .next = &use, .num_queues = 1, .queues = &queue};
    return attune_vulkan_status(attune_vulkan.vkCreateDevice(physical, &info, NULL, device), "vkCreateDevice");
}

static attune_status open_device(int32_t index, attune_device *device) {
    void *instance, *physical;
    int32_t total;
    attune_status status = find_instance(&instance);
    if (!status)
        status = list_devices(instance, index, &total, &physical);
    if (status)
        return status;
    if (!physical)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "index is %d but there are %d Vulkan devices, counted from 0", index, total);
    attune_vk_properties properties;
    attune_vulkan.vkGetPhysicalDeviceProperties(physical, &properties);
    const int32_t family = find_family(physical);
    if (family < 0 || properties.api_version < ATTUNE_VK_VERSION_1_2)
        return attune_fail(ATTUNE_DEVICE, "%s has Vulkan %u.%u%s but kernels need 1.2 and a queue that computes", properties.name,
                           properties.api_version >> 22, properties.api_version >> 12 & 0x3ff,
                           family < 0 ? " and no queue that computes" : "");
    void *made;
    status = make_device(physical, (uint32_t)family, &made);
    if (status)
        return status;
    device->instance = instance;
    device->physical_device = physical;
    device->device = device->owned = made;
    device->queue_family = (uint32_t)family;
    attune_vulkan.vkGetDeviceQueue(made, device->queue_family, 0, &device->queue);
    return ATTUNE_OK;
}

static void close_device(attune_session *s) {
    attune_vulkan.vkDestroyDevice(s->device, NULL);
}

static void describe(const attune_session *s, char *text, size_t size) {
    const attune_vulkan_queue *queue = s->record;
    attune_vk_properties properties;
    attune_vulkan.vkGetPhysicalDeviceProperties(queue->physical, &properties);
    strncpy(text, properties.name, size - 1);
    text[size - 1] = 0;
}

static attune_status synchronize(const attune_session *s) {
    return attune_vulkan_finish(s->record, NULL);
}

const attune_device_api attune_vulkan_api = {.id = ATTUNE_API_VULKAN,
                                             .name = "Vulkan",
                                             .target = "vulkan",
                                             .count = count,
                                             .open = open_device,
                                             .close = close_device,
                                             .enter = enter,
                                             .describe = describe,
                                             .allocate = attune_vulkan_allocate,
                                             .free = attune_vulkan_free,
                                             .write = attune_vulkan_write,
                                             .read = attune_vulkan_read,
                                             .synchronize = synchronize,
                                             .unload = attune_unload_vulkan,
                                             .interface = attune_vulkan_device_interface};
