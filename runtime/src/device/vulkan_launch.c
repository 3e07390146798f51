#include "vulkan_launch.h"

#include "counters.h"
#include "device_call.h"
#include "images.h"
#include "status.h"
#include "vulkan_code.h"
#include "vulkan_queue.h"

#include <stdlib.h>
#include <string.h>

/// The image, on the boundary of a word.
typedef struct module {
    size_t num_words;
    uint32_t words[];
} module;

typedef struct pipeline {
    void *device;
    uint32_t num_uniforms, num_buffers;
    uint64_t set_layout, layout, handle;
} pipeline;

static attune_status load(const attune_session *s, const char *image, size_t size, void **loaded) {
    (void)s;
    module *m = malloc(sizeof *m + size);
    if (!m)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out while a kernel was loaded");
    m->num_words = size / sizeof(uint32_t);
    memcpy(m->words, image, m->num_words * sizeof(uint32_t));
    *loaded = m;
    return ATTUNE_OK;
}

static void unload(void *loaded) {
    free(loaded);
}

/// What SPIR-V asks of a device beyond Vulkan 1.0, and the feature that gives it.
typedef struct capability {
    uint32_t number;
    const char *feature;
    bool is_there;
} capability;

static attune_status check_capabilities(const attune_vulkan_queue *q, const attune_vulkan_module *code) {
    attune_vk_features_12 f12 = {.type = ATTUNE_VK_TYPE_FEATURES_12};
    attune_vk_features_11 f11 = {.type = ATTUNE_VK_TYPE_FEATURES_11, .next = &f12};
    attune_vk_features f = {.type = ATTUNE_VK_TYPE_FEATURES, .next = &f11};
    if (q->api_version < ATTUNE_VK_VERSION_1_2)
        return attune_fail(ATTUNE_DEVICE, "kernels need a device of Vulkan 1.2, but this one has %u.%u", q->api_version >> 22,
                           q->api_version >> 12 & 0x3ff);
    attune_vulkan.vkGetPhysicalDeviceFeatures2(q->physical, &f);
    const capability known[] = {{9, "shaderFloat16", f12.float16},
                                {10, "shaderFloat64", f.float64},
                                {11, "shaderInt64", f.int64},
                                {22, "shaderInt16", f.int16},
                                {39, "shaderInt8", f12.int8},
                                {4433, "storageBuffer16BitAccess", f11.storage16},
                                {4434, "uniformAndStorageBuffer16BitAccess", f11.uniform16},
                                {4448, "storageBuffer8BitAccess", f12.storage8},
                                {4449, "uniformAndStorageBuffer8BitAccess", f12.uniform8}};
    uint32_t number;
    for (size_t at = 0; attune_next_vulkan_capability(code, &at, &number);)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (known[i].number == number && !known[i].is_there)
                return attune_fail(ATTUNE_DEVICE, "kernel function %s needs %s, which the device does not have", code->entry,
                                   known[i].feature);
    return ATTUNE_OK;
}

static attune_status check_code(const attune_vulkan_queue *q, const attune_vulkan_module *code) {
    if (code->num_buffers > q->limits.max_storage_buffers || code->num_buffers > ATTUNE_VULKAN_MOST_BUFFERS)
        return attune_fail(ATTUNE_DEVICE, "kernel function %s has %u arrays but the device takes %u", code->entry, code->num_buffers,
                           q->limits.max_storage_buffers < ATTUNE_VULKAN_MOST_BUFFERS ? q->limits.max_storage_buffers
                                                                                      : ATTUNE_VULKAN_MOST_BUFFERS);
    if (code->shared_bytes > q->limits.max_shared_bytes)
        return attune_fail(ATTUNE_DEVICE, "kernel function %s needs %llu bytes of shared memory but the device has %u a work-group",
                           code->entry, (unsigned long long)code->shared_bytes, q->limits.max_shared_bytes);
    return check_capabilities(q, code);
}

static attune_status make_layouts(pipeline *p) {
    attune_vk_binding bindings[1 + ATTUNE_VULKAN_MOST_BUFFERS];
    const uint32_t count = p->num_uniforms + p->num_buffers;
    for (uint32_t i = 0; i < count; i++)
        bindings[i] = (attune_vk_binding){.binding = i,
                                          .kind = i < p->num_uniforms ? ATTUNE_VK_UNIFORM_BUFFER : ATTUNE_VK_STORAGE_BUFFER,
                                          .count = 1,
                                          .stages = ATTUNE_VK_STAGE_COMPUTE};
    const attune_vk_set_layout_info set = {.type = ATTUNE_VK_TYPE_SET_LAYOUT, .num_bindings = count, .bindings = bindings};
    const attune_vk_layout_info layout = {.type = ATTUNE_VK_TYPE_LAYOUT, .num_sets = 1, .sets = &p->set_layout};
    attune_status status = attune_vulkan_status(attune_vulkan.vkCreateDescriptorSetLayout(p->device, &set, NULL, &p->set_layout),
                                                "vkCreateDescriptorSetLayout");
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkCreatePipelineLayout(p->device, &layout, NULL, &p->layout), "vkCreatePipelineLayout");
    return status;
}

static attune_status compile(const attune_vulkan_module *code, pipeline *p) {
    const attune_vk_shader_info shader = {.type = ATTUNE_VK_TYPE_SHADER, .bytes = code->num_words * sizeof(uint32_t), .code = code->words};
    attune_vk_pipeline_info info = {
        .type = ATTUNE_VK_TYPE_PIPELINE,
        .stage = {.type = ATTUNE_VK_TYPE_STAGE, .stage = ATTUNE_VK_STAGE_COMPUTE, .entry = code->entry},
        .layout = p->layout,
    };
    attune_status status =
        attune_vulkan_status(attune_vulkan.vkCreateShaderModule(p->device, &shader, NULL, &info.stage.shader), "vkCreateShaderModule");
    if (status)
        return status;
    status =
        attune_vulkan_status(attune_vulkan.vkCreateComputePipelines(p->device, 0, 1, &info, NULL, &p->handle), "vkCreateComputePipelines");
    attune_vulkan.vkDestroyShaderModule(p->device, info.stage.shader, NULL);
    return status;
}

static void drop(void *found) {
    pipeline *p = found;
    attune_vulkan.vkDestroyPipeline(p->device, p->handle, NULL);
    attune_vulkan.vkDestroyPipelineLayout(p->device, p->layout, NULL);
    attune_vulkan.vkDestroyDescriptorSetLayout(p->device, p->set_layout, NULL);
    free(p);
}

static attune_status find(const attune_session *s, void *loaded, const char *entry, void **found) {
    const module *m = loaded;
    attune_vulkan_module code;
    attune_status status = attune_find_vulkan_code(m->words, m->num_words, entry, &code);
    if (!status)
        status = check_code(s->record, &code);
    if (status)
        return status;
    pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out while a kernel was loaded");
    p->device = s->device;
    p->num_uniforms = code.num_uniforms;
    p->num_buffers = code.num_buffers;
    status = make_layouts(p);
    if (!status)
        status = compile(&code, p);
    if (status)
        drop(p);
    else
        *found = p;
    return status;
}

static attune_loader loader = {.load = load, .find = find, .unload = unload, .drop = drop, .lock = PTHREAD_MUTEX_INITIALIZER};

void attune_unload_vulkan(const attune_session *s) {
    attune_drop_vulkan_queues(s->device);
    attune_unload_images(&loader, s);
}

/// Work-groups and threads of each.
typedef struct launch {
    uint32_t groups[3], threads[3];
} launch;

static attune_status check_launch(const attune_vulkan_queue *q, const char *entry, const launch *l) {
    const uint32_t *most_groups = q->limits.max_groups, *most_threads = q->limits.max_group_size;
    const uint64_t threads = (uint64_t)l->threads[0] * l->threads[1] * l->threads[2];
    for (int i = 0; i < 3; i++) {
        if (l->groups[i] > most_groups[i])
            return attune_fail(ATTUNE_DEVICE,
                               "kernel function %s is launched on %u x %u x %u work-groups but the device takes %u x %u x %u; divide the "
                               "batch",
                               entry, l->groups[0], l->groups[1], l->groups[2], most_groups[0], most_groups[1], most_groups[2]);
        if (l->threads[i] > most_threads[i] || threads > q->limits.max_threads)
            return attune_fail(ATTUNE_DEVICE,
                               "kernel function %s has work-groups of %u x %u x %u threads but the device takes %u x %u x %u and %u in all",
                               entry, l->threads[0], l->threads[1], l->threads[2], most_threads[0], most_threads[1], most_threads[2],
                               q->limits.max_threads);
    }
    return ATTUNE_OK;
}

/// Bytes up to the end of its last element.
static uint64_t bytes_of(const attune_buffer *b) {
    uint64_t elements = 1;
    for (int d = 0; d < b->dimensions; d++)
        elements += b->dim[d].extent > 1 ? (uint64_t)(b->dim[d].extent - 1) * (uint64_t)b->dim[d].stride : 0;
    return elements * ((b->type_bits + 7u) / 8);
}

/// The arguments of a launch as descriptors: first the scalars, one after the other in one buffer, then the arrays.
static attune_status gather(const attune_vulkan_queue *q, const char *entry, const pipeline *p, const attune_vulkan_slot *slot,
                            const size_t *sizes, void **args, const int8_t *is_buffer, attune_vk_range *ranges) {
    size_t used = 0;
    uint32_t buffers = 0;
    for (int n = 0; sizes[n]; n++) {
        if (is_buffer[n]) {
            const attune_buffer *b = args[n];
            if (bytes_of(b) > q->limits.max_storage_range)
                return attune_fail(ATTUNE_DEVICE, "a tensor of %llu bytes is given but the device takes arrays of %u; divide the batch",
                                   (unsigned long long)bytes_of(b), q->limits.max_storage_range);
            if (buffers < p->num_buffers)
                ranges[p->num_uniforms + buffers] = (attune_vk_range){.buffer = b->device, .bytes = ATTUNE_VK_WHOLE};
            buffers++;
        } else {
            if (used + sizes[n] <= ATTUNE_VULKAN_SCALAR_BYTES)
                memcpy((char *)slot->scalars + used, args[n], sizes[n]);
            used += sizes[n];
        }
    }
    if (buffers != p->num_buffers || (used > 0) != (p->num_uniforms > 0) || used > ATTUNE_VULKAN_SCALAR_BYTES)
        return attune_fail(ATTUNE_INTERNAL, "kernel function %s is launched with %u arrays and %zu bytes of scalars; please report it",
                           entry, buffers, used);
    if (used)
        ranges[0] = (attune_vk_range){.buffer = slot->uniforms, .offset = slot->uniforms_at, .bytes = ATTUNE_VULKAN_SCALAR_BYTES};
    return ATTUNE_OK;
}

static attune_status bind(const attune_vulkan_queue *q, const pipeline *p, const attune_vulkan_slot *slot, const attune_vk_range *ranges) {
    const attune_vk_set_info info = {.type = ATTUNE_VK_TYPE_SET, .pool = slot->sets, .count = 1, .layouts = &p->set_layout};
    uint64_t set = 0;
    attune_status status = attune_vulkan_status(attune_vulkan.vkResetDescriptorPool(q->device, slot->sets, 0), "vkResetDescriptorPool");
    if (!status)
        status = attune_vulkan_status(attune_vulkan.vkAllocateDescriptorSets(q->device, &info, &set), "vkAllocateDescriptorSets");
    if (status)
        return status;
    attune_vk_write writes[1 + ATTUNE_VULKAN_MOST_BUFFERS];
    const uint32_t count = p->num_uniforms + p->num_buffers;
    for (uint32_t i = 0; i < count; i++)
        writes[i] = (attune_vk_write){.type = ATTUNE_VK_TYPE_WRITE,
                                      .set = set,
                                      .binding = i,
                                      .count = 1,
                                      .kind = i < p->num_uniforms ? ATTUNE_VK_UNIFORM_BUFFER : ATTUNE_VK_STORAGE_BUFFER,
                                      .buffers = &ranges[i]};
    attune_vulkan.vkUpdateDescriptorSets(q->device, count, writes, 0, NULL);
    attune_vulkan.vkCmdBindPipeline(slot->commands, ATTUNE_VK_BIND_COMPUTE, p->handle);
    attune_vulkan.vkCmdBindDescriptorSets(slot->commands, ATTUNE_VK_BIND_COMPUTE, p->layout, 0, 1, &set, 0, NULL);
    return ATTUNE_OK;
}

static attune_status run(attune_device_call *call, void *state, const char *entry, const launch *l, const size_t *sizes, void **args,
                         const int8_t *is_buffer) {
    attune_vulkan_queue *q = call->session.record;
    attune_function *f;
    attune_status status = check_launch(q, entry, l);
    if (!status)
        status = attune_find_function(&loader, &call->session, state, entry, &f);
    if (status || call->is_preparing)
        return status;
    attune_vulkan_slot *slot;
    status = attune_begin_vulkan_launch(q, &slot);
    if (status)
        return status;
    attune_vk_range ranges[1 + ATTUNE_VULKAN_MOST_BUFFERS];
    status = gather(q, entry, f->handle, slot, sizes, args, is_buffer, ranges);
    if (!status)
        status = bind(q, f->handle, slot, ranges);
    if (!status) {
        attune_vulkan_wait_for_all(slot->commands, ATTUNE_VK_AT_COMPUTE, ATTUNE_VK_SHADER_READ | ATTUNE_VK_SHADER_WRITE);
        attune_vulkan.vkCmdDispatch(slot->commands, l->groups[0], l->groups[1], l->groups[2]);
        attune_vulkan_let_all_see(slot->commands, ATTUNE_VK_AT_COMPUTE, ATTUNE_VK_SHADER_WRITE);
    }
    status = attune_end_vulkan_launch(q, slot, status);
    if (!status)
        attune_count(ATTUNE_LAUNCHES);
    return status;
}

int attune_vulkan_initialize_kernels(void *user_context, void **state, const char *image, int size) {
    attune_device_call *call = user_context;
    if (!call->status)
        call->status = attune_load_image(&loader, &call->session, state, image, (size_t)size);
    return call->status;
}

/// Pipelines stay: the next call needs them, and attune_device_unload drops them.
void attune_vulkan_finalize_kernels(void *user_context, void *state) {
    (void)user_context, (void)state;
}

int attune_vulkan_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                      int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]) {
    attune_device_call *call = user_context;
    const launch l = {{(uint32_t)blocks_x, (uint32_t)blocks_y, (uint32_t)blocks_z},
                      {(uint32_t)threads_x, (uint32_t)threads_y, (uint32_t)threads_z}};
    (void)shared_bytes;  // the code says it too
    if (!call->status)
        call->status = run(call, state, entry, &l, arg_sizes, args, arg_is_buffer);
    return call->status;
}

const void *attune_vulkan_device_interface(void) {
    return &attune_vulkan_api;
}
