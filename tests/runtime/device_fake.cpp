#include "device_fake.h"

#include <cstdlib>
#include <dlfcn.h>

namespace {

FakeDeviceKernel *current = nullptr;

DeviceBuffer copy_of(const void *argument) {
    const auto *b = static_cast<const attune_buffer *>(argument);
    DeviceBuffer copy{reinterpret_cast<const void *>(b->device), b->device_interface, b->host, b->flags, b->type_code, b->type_bits, {}, {}, {}};
    for (int d = 0; d < b->dimensions; d++) {
        copy.extent.push_back(b->dim[d].extent);
        copy.stride.push_back(b->dim[d].stride);
        copy.min.push_back(b->dim[d].min);
    }
    return copy;
}

DeviceCall note(void **arguments, int num_buffers) {
    DeviceCall call{};
    call.user_context = *static_cast<void **>(*arguments++);
    for (int i = 0; i < 6; i++)
        call.scalars.push_back(*static_cast<int32_t *>(arguments[i]));
    void **rest = arguments + 6;
    for (const attune_param &param : current->params) {
        call.params.push_back(*rest);
        if (param.dimensions)
            call.tensors.push_back(copy_of(*rest));
        rest++;
    }
    if (current->kernel.block_size_kv) {
        call.has_full = *static_cast<int32_t *>(*rest++);
        for (int i = 0; i < 3; i++)
            call.lists.push_back(copy_of(*rest++));
    }
    if (current->kernel.num_pattern_words)
        call.patterns.push_back(copy_of(*rest++));
    for (int i = 0; i < num_buffers; i++)
        call.buffers.push_back(copy_of(rest[i]));
    return call;
}

int combine(void **arguments) {
    current->combined.push_back(note(arguments, num_device_buffers + 1));
    return 0;
}

int attention(void **arguments) {
    const DeviceCall call = note(arguments, num_device_buffers);
    static std::mutex mutex;
    {
        std::lock_guard lock(mutex);
        current->calls.push_back(call);
    }
    return current->body ? current->body(arguments) : 0;
}

// Before main: the first test that needs the driver finds it.
const int environment = setenv("ATTUNE_CUDA_LIBRARY", ATTUNE_MOCK_CUDA, 1);

}  // namespace

FakeDeviceKernel::FakeDeviceKernel(const FakeOptions &options) : FakeKernel(options) {
    device_variants.push_back({"cuda", ATTUNE_API_CUDA, options.fold, 64, 64, 70, 0, 0, 0, attention, nullptr});
    current = this;
    refresh();
}

FakeDeviceKernel::~FakeDeviceKernel() {
    current = nullptr;
}

void FakeDeviceKernel::refresh() {
    FakeKernel::refresh();
    kernel.device_variants = device_variants.data();
    kernel.num_device_variants = uint32_t(device_variants.size());
}

void FakeDeviceKernel::split_keys(int keys) {
    device_variants[0].split_keys = keys;
    device_variants[0].combine = combine;
}

void FakeDeviceKernel::leave_devices_only() {
    variants.clear();
    refresh();
    kernel.variants = nullptr;
}

void *mock_symbol(const char *name) {
    static void *library = dlopen(ATTUNE_MOCK_CUDA, RTLD_NOW);
    return dlsym(library, name);
}

MockCuda &fresh_mock() {
    (void)environment;
    static MockCuda *mock = mock_function<MockCuda *()>("mock_cuda")();
    *mock = {};
    return *mock;
}

attune_device cuda_device(void *context) {
    attune_device device{};
    device.size = sizeof device;
    device.api = ATTUNE_API_CUDA;
    device.context = context;
    return device;
}
