#include "device_mock_cuda.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace {

std::mutex mutex;
MockCuda mock;
thread_local std::vector<void *> contexts;  // of this thread, the last is current

struct Module {
    void *context;
};
std::map<void *, std::string> functions;

void note(const std::string &call) {
    std::lock_guard lock(mutex);
    mock.calls.push_back(call);
}
std::string hex(const void *p) {
    char text[32];
    std::snprintf(text, sizeof text, "%p", p);
    return text;
}
void *current() {
    return contexts.empty() ? nullptr : contexts.back();
}
/// Functions of a context need one.
int with_context() {
    return current() ? 0 : 201;  // CUDA_ERROR_INVALID_CONTEXT
}

}  // namespace

#define DRIVER extern "C" __attribute__((visibility("default"))) int

extern "C" __attribute__((visibility("default"))) MockCuda *mock_cuda() {
    return &mock;
}

DRIVER cuInit(unsigned) {
    return mock.devices ? 0 : 100;
}
DRIVER cuGetErrorName(int result, const char **text) {
    *text = result == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : result == 218 ? "CUDA_ERROR_INVALID_PTX" : "CUDA_ERROR_OF_THE_MOCK";
    return 0;
}
DRIVER cuGetErrorString(int, const char **text) {
    *text = "what the mock says";
    return 0;
}
DRIVER cuDeviceGetCount(int *count) {
    *count = mock.devices;
    return 0;
}
DRIVER cuDeviceGet(int *device, int index) {
    *device = index;
    return 0;
}
DRIVER cuDeviceGetAttribute(int *value, int attribute, int) {
    *value = attribute == 75 ? mock.major : attribute == 76 ? mock.minor : attribute == 97 ? mock.most_shared_bytes : 0;
    return 0;
}
DRIVER cuDeviceGetName(char *text, int size, int) {
    std::strncpy(text, "mock device", size_t(size - 1));
    text[size - 1] = 0;
    return 0;
}
DRIVER cuCtxCreate_v2(void **context, unsigned, int) {
    *context = std::malloc(1);
    contexts.push_back(*context);
    std::lock_guard lock(mutex);
    mock.contexts_made++;
    return 0;
}
DRIVER cuCtxDestroy_v2(void *context) {
    note("destroy context");
    std::free(context);
    return 0;
}
DRIVER cuCtxGetCurrent(void **context) {
    *context = current();
    return 0;
}
DRIVER cuCtxPushCurrent_v2(void *context) {
    contexts.push_back(context);
    note("push " + hex(context));
    return 0;
}
DRIVER cuCtxPopCurrent_v2(void **context) {
    *context = current();
    if (!contexts.empty())
        contexts.pop_back();
    note("pop " + hex(*context));
    return 0;
}
DRIVER cuCtxGetDevice(int *device) {
    *device = 0;
    return with_context();
}
DRIVER cuCtxGetId(void *context, unsigned long long *id) {
    *id = mock.has_context_ids ? reinterpret_cast<uintptr_t>(context) + 1 : 0;
    return 0;
}
DRIVER cuStreamCreate(void **stream, unsigned flags) {
    *stream = reinterpret_cast<void *>(uintptr_t(0x5000 + flags));
    return with_context();
}
DRIVER cuStreamDestroy_v2(void *) {
    note("destroy stream");
    return with_context();
}
DRIVER cuStreamSynchronize(void *stream) {
    note("synchronize " + hex(stream));
    return mock.synchronize_result;
}
DRIVER cuMemAlloc_v2(uint64_t *memory, size_t bytes) {
    if (bytes > mock.bytes_left)
        return 2;
    mock.bytes_left -= bytes;
    *memory = reinterpret_cast<uintptr_t>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
    std::memset(reinterpret_cast<void *>(*memory), 0xEE, bytes);
    return with_context();
}
DRIVER cuMemFree_v2(uint64_t memory) {
    std::lock_guard lock(mutex);
    mock.freed.push_back(reinterpret_cast<void *>(memory));
    std::free(reinterpret_cast<void *>(memory));
    return with_context();
}
DRIVER cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return with_context();
}
DRIVER cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) {
    std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
    return with_context();
}
DRIVER cuModuleLoadDataEx(void **module, const void *image, unsigned num_options, int *options, void **values) {
    note("load " + std::string(static_cast<const char *>(image)));
    for (unsigned i = 0; i < num_options; i++) {
        if (options[i] == 0)
            note("registers are limited");
        if (options[i] == 5 && mock.load_result)
            std::strncpy(static_cast<char *>(values[i]), mock.load_log.c_str(), reinterpret_cast<uintptr_t>(values[i + 1]));
    }
    if (mock.load_result)
        return mock.load_result;
    *module = new Module{current()};
    return with_context();
}
DRIVER cuModuleUnload(void *module) {
    note("unload");
    delete static_cast<Module *>(module);
    return with_context();
}
DRIVER cuModuleGetFunction(void **function, void *module, const char *name) {
    if (static_cast<Module *>(module)->context != current())
        return 201;
    if (std::string(name) == "missing")
        return 500;  // CUDA_ERROR_NOT_FOUND
    std::lock_guard lock(mutex);
    *function = reinterpret_cast<void *>(0x1000 + functions.size());
    functions[*function] = name;
    mock.calls.push_back("find " + std::string(name));
    return 0;
}
DRIVER cuFuncSetAttribute(void *function, int attribute, int value) {
    std::lock_guard lock(mutex);
    if (attribute == 8)
        mock.shared_opt_ins.emplace_back(functions[function], value);
    return 0;
}
DRIVER cuLaunchKernel(void *function, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                      unsigned threads_z, unsigned shared_bytes, void *stream, void **arguments, void **) {
    if (mock.launch_result)
        return mock.launch_result;
    std::lock_guard lock(mutex);
    MockLaunch launch{functions[function], {blocks_x, blocks_y, blocks_z}, {threads_x, threads_y, threads_z}, shared_bytes, stream, current(),
                      {}};
    for (size_t i = 0; i < mock.num_arguments; i++) {
        uint64_t value;
        std::memcpy(&value, arguments[i], sizeof value);
        launch.arguments.push_back(value);
    }
    mock.launches.push_back(launch);
    return 0;
}
