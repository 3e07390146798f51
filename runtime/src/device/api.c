#include "api.h"

#include "status.h"

attune_status attune_find_api(int32_t api, const attune_device_api **found) {
    static const char *const not_here[] = {
        [ATTUNE_API_METAL] = "Metal", [ATTUNE_API_D3D12] = "Direct3D 12", [ATTUNE_API_WEBGPU] = "WebGPU"};
    if (api == ATTUNE_API_CUDA)
        *found = &attune_cuda_api;
    else if (api == ATTUNE_API_OPENCL)
        *found = &attune_opencl_api;
    else if (api == ATTUNE_API_VULKAN)
        *found = &attune_vulkan_api;
    else if (api > 0 && api <= ATTUNE_API_WEBGPU)
        return attune_fail(ATTUNE_DEVICE, "device.api is %s, which this runtime does not drive; it drives CUDA, OpenCL and Vulkan",
                           not_here[api]);
    else
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "device.api is %d but must be an attune_api, 1 .. %d", api, ATTUNE_API_WEBGPU);
    return ATTUNE_OK;
}

attune_status attune_enter_device(const char *name, const attune_device *device, attune_session *session) {
    *session = (attune_session){0};
    if (!device)
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null; pass an attune_device", name);
    if (device->size != sizeof *device)
        return attune_fail(ATTUNE_STRUCT_SIZE,
                           "%s.size is %u but must be sizeof(attune_device), here %zu; set it, or compile with the header of this runtime",
                           name, device->size, sizeof *device);
    attune_status status = attune_find_api(device->api, &session->api);
    return status ? status : session->api->enter(device, session);
}

void attune_leave_device(attune_session *session) {
    if (session->api->leave)
        session->api->leave(session);
}
