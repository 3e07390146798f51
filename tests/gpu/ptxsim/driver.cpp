// The CUDA driver's functions, as a runtime loads them from libcuda.so.1, on the simulator. All calls are done when they return.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "decode.h"
#include "launch.h"

using namespace ptxsim;

namespace {

enum Result {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    not_initialized = 3,
    invalid_device = 101,
    invalid_context = 201,
    no_binary_for_gpu = 209,
    invalid_ptx = 218,
    invalid_handle = 400,
    not_found = 500,
    launch_failed = 719
};

struct Context {
    uint32_t flags = 0;
};

struct LoadedModule {
    Context *context = nullptr;
    Module text;
    std::vector<uint64_t> variables;  // allocations
    std::map<std::string, std::unique_ptr<struct LoadedFunction>> functions;
};

struct LoadedFunction {
    LoadedModule *module = nullptr;
    Kernel kernel;
    uint32_t most_dynamic_shared = 48 << 10;
};

struct Stream {
    Context *context;
};
struct Event {
    std::chrono::steady_clock::time_point time;
    bool recorded = false;
};

uint64_t environment(const char *name, uint64_t fallback) {
    const char *text = std::getenv(name);
    return text && *text ? std::strtoull(text, nullptr, 0) : fallback;
}

struct Driver {
    std::mutex mutex, atomics;
    bool initialized = false;
    DeviceMemory memory;
    Context primary;
    int primary_uses = 0;
    std::set<std::unique_ptr<Context>> contexts;
    std::set<std::unique_ptr<LoadedModule>> modules;
    std::map<void *, std::unique_ptr<Stream>> streams;
    std::map<void *, std::unique_ptr<Event>> events;
    std::set<LoadedFunction *> functions;
    std::string error;
    void *last_stream = nullptr;
    uint64_t executed = 0;

    int fail(int result, const std::string &sentence) {
        const std::lock_guard lock(mutex);
        error = sentence;
        std::fprintf(stderr, "%s\n", sentence.c_str());
        return result;
    }
};
// Never destroyed: a process may call the driver while it ends.
Driver &driver() {
    static Driver *const d = new Driver;
    return *d;
}

// The contexts of a thread. An array, which nobody destroys: a process may call the driver while it ends.
struct ContextStack {
    Context *contexts[64];
    int count;

    bool push(void *context) {
        if (count == 64) return false;
        contexts[count++] = static_cast<Context *>(context);
        return true;
    }
    void forget(const void *context) { count = static_cast<int>(std::remove(contexts, contexts + count, context) - contexts); }
};
thread_local ContextStack current;
Context *current_context() { return current.count ? current.contexts[current.count - 1] : nullptr; }

int capability() { return static_cast<int>(environment("ATTUNE_PTXSIM_CAPABILITY", 80)); }

int most_shared_bytes() {  // of a block, opted in
    switch (capability()) {
    case 70: return 96 << 10;
    case 75: return 64 << 10;
    case 80:
    case 87: return 163 << 10;
    case 86:
    case 89:
    case 120: return 99 << 10;
    default: return capability() >= 90 ? 227 << 10 : 48 << 10;
    }
}

int need_context() {
    if (!driver().initialized) return not_initialized;
    return current_context() ? success : invalid_context;
}

int copy_error(const char *what, uint64_t address, uint64_t bytes) {
    char text[160];
    std::snprintf(text, sizeof text, "ptxsim: a %s of %llu bytes at 0x%llx, which are not all in one allocation of the device", what,
                  static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(address));
    return driver().fail(invalid_value, text);
}

int load(void **module, const char *image, std::string &log) {
    if (const int e = need_context()) return e;
    if (!module || !image) return invalid_value;
    auto loaded = std::make_unique<LoadedModule>();
    loaded->context = current_context();
    Driver &d = driver();
    try {
        loaded->text = parse(image);
        if (loaded->text.capability > capability()) {
            log =
                "ptxsim: the module is for sm_" + std::to_string(loaded->text.capability) + ", and this device is sm_" + std::to_string(capability());
            return no_binary_for_gpu;
        }
        Symbols symbols;
        for (const Variable &v : loaded->text.variables) {
            if (v.space == "shared" || v.bytes == 0) continue;
            const uint64_t address = d.memory.allocate(v.bytes);
            if (!address) return out_of_memory;
            loaded->variables.push_back(address);
            uint8_t *const data = d.memory.find(address, v.bytes);
            std::memset(data, 0, v.bytes);
            std::copy(v.content.begin(), v.content.end(), data);
            symbols[v.name] = address;
        }
        for (const Function &f : loaded->text.functions) {
            if (!f.is_entry) continue;
            auto function = std::make_unique<LoadedFunction>();
            function->module = loaded.get();
            function->kernel = decode(loaded->text, f, symbols);
            if (function->kernel.static_shared_bytes > 48u << 10)
                throw PtxError(f.line, "kernel " + f.name + " has " + std::to_string(function->kernel.static_shared_bytes) +
                                           " bytes of static shared memory, at most 49152 are possible");
            loaded->functions[f.name] = std::move(function);
        }
    } catch (const PtxError &e) {
        for (uint64_t address : loaded->variables) d.memory.free(address);
        log = std::string("ptxsim: ") + e.what();
        return invalid_ptx;
    }
    const std::lock_guard lock(d.mutex);
    for (const auto &[name, f] : loaded->functions) d.functions.insert(f.get());
    *module = loaded.get();
    d.modules.insert(std::move(loaded));
    return success;
}

LoadedModule *find_module(void *module) {  // with the mutex held
    for (const auto &m : driver().modules) {
        if (m.get() == module) return m.get();
    }
    return nullptr;
}
LoadedFunction *find_function(void *function) {
    const std::lock_guard lock(driver().mutex);
    const auto found = driver().functions.find(static_cast<LoadedFunction *>(function));
    return found == driver().functions.end() ? nullptr : *found;
}

bool is_stream(void *stream) {  // null: the default stream; 1 and 2: the legacy and the per-thread one
    if (reinterpret_cast<uintptr_t>(stream) <= 2) return true;
    const std::lock_guard lock(driver().mutex);
    return driver().streams.count(stream) != 0;
}

int launch(LoadedFunction *f, const uint32_t (&grid)[3], const uint32_t (&threads)[3], uint32_t shared_bytes, void **parameters) {
    Driver &d = driver();
    const Kernel &kernel = f->kernel;
    const auto refuse = [&](const std::string &why) { return d.fail(invalid_value, "ptxsim: kernel " + kernel.name + ": " + why); };
    uint64_t count = 1;
    for (int i = 0; i < 3; i++) {
        if (grid[i] == 0 || threads[i] == 0) return refuse("a grid or block without threads");
        if (grid[i] > (i == 0 ? 0x7fffffffu : 65535u))
            return refuse("a grid of " + std::to_string(grid[i]) + " blocks in dimension " + std::to_string(i));
        if (threads[i] > (i == 2 ? 64u : 1024u))
            return refuse("a block of " + std::to_string(threads[i]) + " threads in dimension " + std::to_string(i));
        count *= threads[i];
        if (kernel.required_threads[0] && kernel.required_threads[i] != threads[i])
            return refuse("launched with other threads than its .reqntid says");
    }
    const uint64_t most = kernel.max_threads[0] ? static_cast<uint64_t>(kernel.max_threads[0]) * kernel.max_threads[1] * kernel.max_threads[2] : 1024;
    if (count > most) return refuse("launched with " + std::to_string(count) + " threads a block, at most " + std::to_string(most) + " are allowed");
    if (shared_bytes > f->most_dynamic_shared ||
        kernel.shared_bytes(shared_bytes) > static_cast<uint32_t>(f->most_dynamic_shared > 48u << 10 ? most_shared_bytes() : 48 << 10))
        return refuse(
            "launched with " + std::to_string(shared_bytes) + " bytes of dynamic shared memory and " + std::to_string(kernel.static_shared_bytes) +
            " of its own; cuFuncSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) has allowed " + std::to_string(f->most_dynamic_shared));
    Launch l;
    l.kernel = &kernel;
    std::copy(grid, grid + 3, l.grid);
    std::copy(threads, threads + 3, l.threads);
    l.dynamic_shared_bytes = shared_bytes;
    l.parameters.resize(kernel.parameter_bytes);
    for (size_t i = 0; i < kernel.parameters.size(); i++) {
        if (!parameters || !parameters[i]) return refuse("parameter " + std::to_string(i) + " is missing");
        std::memcpy(l.parameters.data() + kernel.parameters[i].offset, parameters[i], kernel.parameters[i].bytes);
    }
    l.memory = d.memory.ranges();
    l.seed = environment("ATTUNE_PTXSIM_SEED", 20210831);
    l.finds_races = environment("ATTUNE_PTXSIM_RACES", 1) != 0;
    l.most_instructions = environment("ATTUNE_PTXSIM_MOST_INSTRUCTIONS", 1000000000);
    l.atomics = &d.atomics;
    const unsigned host_threads = static_cast<unsigned>(environment("ATTUNE_PTXSIM_THREADS", 2));
    const LaunchResult result = run_blocks(l, host_threads);
    if (!result.error.empty()) return d.fail(launch_failed, result.error);
    const std::lock_guard lock(d.mutex);
    d.executed += result.executed;
    return success;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))

// ---- the simulator's own
API const char *ptxsim_last_error(void) { return driver().error.c_str(); }
API void *ptxsim_last_stream(void) { return driver().last_stream; }            // of the last launch
API uint64_t ptxsim_executed_instructions(void) { return driver().executed; }  // of lanes, by launches that succeeded

// ---- devices
API int cuInit(unsigned) {
    driver().initialized = true;
    return success;
}
API int cuDriverGetVersion(int *version) {
    *version = 12080;
    return success;
}
API int cuDeviceGetCount(int *count) {
    *count = 1;
    return driver().initialized ? success : not_initialized;
}
API int cuDeviceGet(int *device, int ordinal) {
    if (!driver().initialized) return not_initialized;
    if (ordinal != 0) return invalid_device;
    *device = 0;
    return success;
}
API int cuDeviceGetName(char *name, int size, int device) {
    if (device != 0) return invalid_device;
    std::snprintf(name, static_cast<size_t>(size), "ptxsim sm_%d", capability());
    return success;
}
API int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    if (device != 0) return invalid_device;
    *bytes = DeviceMemory::capacity;
    return success;
}
API int cuDeviceGetAttribute(int *value, int attribute, int device) {
    if (device != 0) return invalid_device;
    switch (attribute) {
    case 1: *value = 1024; break;  // threads per block
    case 2:
    case 3: *value = 1024; break;  // block dimension x, y
    case 4: *value = 64; break;
    case 5: *value = 0x7fffffff; break;  // grid dimension x
    case 6:
    case 7: *value = 65535; break;
    case 8: *value = 48 << 10; break;  // shared memory per block
    case 9: *value = 64 << 10; break;  // constant memory
    case 10: *value = 32; break;       // warp
    case 12: *value = 65536; break;    // registers per block
    case 16: *value = 2; break;        // multiprocessors
    case 39: *value = 2048; break;     // threads per multiprocessor
    case 41: *value = 1; break;        // unified addressing
    case 75: *value = capability() / 10; break;
    case 76: *value = capability() % 10; break;
    case 81: *value = most_shared_bytes() + 1024; break;  // shared memory per multiprocessor
    case 82: *value = 65536; break;
    case 97: *value = most_shared_bytes(); break;  // shared memory per block, opted in
    default: *value = 0;
    }
    return success;
}

// ---- contexts
API int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    if (!driver().initialized) return not_initialized;
    if (device != 0) return invalid_device;
    auto made = std::make_unique<Context>();
    made->flags = flags;
    *context = made.get();
    if (!current.push(made.get())) return invalid_context;
    const std::lock_guard lock(driver().mutex);
    driver().contexts.insert(std::move(made));
    return success;
}
API int cuCtxDestroy_v2(void *context) {
    Driver &d = driver();
    const std::lock_guard lock(d.mutex);
    const auto found = std::find_if(d.contexts.begin(), d.contexts.end(), [&](const auto &c) { return c.get() == context; });
    if (found == d.contexts.end()) return invalid_context;
    for (auto m = d.modules.begin(); m != d.modules.end();) {
        if ((*m)->context != context) {
            ++m;
            continue;
        }
        for (const auto &[name, f] : (*m)->functions) d.functions.erase(f.get());
        for (uint64_t address : (*m)->variables) d.memory.free(address);
        m = d.modules.erase(m);
    }
    std::erase_if(d.streams, [&](const auto &s) { return s.second->context == context; });
    current.forget(context);
    d.contexts.erase(found);
    return success;
}
API int cuCtxGetCurrent(void **context) {
    *context = current_context();
    return driver().initialized ? success : not_initialized;
}
API int cuCtxSetCurrent(void *context) {
    if (!driver().initialized) return not_initialized;
    if (current.count) current.count--;
    return !context || current.push(context) ? success : invalid_context;
}
API int cuCtxPushCurrent_v2(void *context) { return context && current.push(context) ? success : invalid_context; }
API int cuCtxPopCurrent_v2(void **context) {
    if (!current.count) return invalid_context;
    if (context) *context = current_context();
    current.count--;
    return success;
}
API int cuCtxGetDevice(int *device) {
    *device = 0;
    return need_context();
}
API int cuCtxGetApiVersion(void *, unsigned *version) {
    *version = 12080;
    return success;
}
API int cuCtxSynchronize(void) { return need_context(); }
API int cuDevicePrimaryCtxRetain(void **context, int device) {
    if (!driver().initialized) return not_initialized;
    if (device != 0) return invalid_device;
    const std::lock_guard lock(driver().mutex);
    driver().primary_uses++;
    *context = &driver().primary;
    return success;
}
API int cuDevicePrimaryCtxRelease_v2(int device) {
    if (device != 0) return invalid_device;
    const std::lock_guard lock(driver().mutex);
    if (driver().primary_uses == 0) return invalid_context;
    driver().primary_uses--;
    return success;
}

// ---- modules
API int cuModuleLoadData(void **module, const void *image) {
    std::string log;
    const int result = load(module, static_cast<const char *>(image), log);
    return log.empty() ? result : driver().fail(result, log);
}
API int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
    std::string log;
    const int result = load(module, static_cast<const char *>(image), log);
    char *buffer = nullptr;
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == 5) buffer = static_cast<char *>(values[i]);                     // CU_JIT_ERROR_LOG_BUFFER
        if (options[i] == 6) size = reinterpret_cast<uintptr_t>(values[i]) & 0xffffffff;  // and its size
    }
    if (buffer && size) std::snprintf(buffer, size, "%s", log.c_str());
    if (log.empty()) return result;
    const std::lock_guard lock(driver().mutex);
    driver().error = log;
    return result;
}
API int cuModuleUnload(void *module) {
    if (const int e = need_context()) return e;
    Driver &d = driver();
    const std::lock_guard lock(d.mutex);
    const auto found = std::find_if(d.modules.begin(), d.modules.end(), [&](const auto &m) { return m.get() == module; });
    if (found == d.modules.end()) return invalid_handle;
    for (const auto &[name, f] : (*found)->functions) d.functions.erase(f.get());
    for (uint64_t address : (*found)->variables) d.memory.free(address);
    d.modules.erase(found);
    return success;
}
API int cuModuleGetFunction(void **function, void *module, const char *name) {
    if (const int e = need_context()) return e;
    const std::lock_guard lock(driver().mutex);
    LoadedModule *const m = find_module(module);
    if (!m) return invalid_handle;
    const auto found = m->functions.find(name);
    if (found == m->functions.end()) return not_found;
    *function = found->second.get();
    return success;
}
API int cuFuncSetAttribute(void *function, int attribute, int value) {
    LoadedFunction *const f = find_function(function);
    if (!f) return invalid_handle;
    if (attribute != 8) return success;
    if (value < 0 || static_cast<uint32_t>(value) + f->kernel.static_shared_bytes > static_cast<uint32_t>(most_shared_bytes()))
        return driver().fail(invalid_value, "ptxsim: kernel " + f->kernel.name + ": " + std::to_string(value) +
                                                " bytes of dynamic shared memory, and the device has " + std::to_string(most_shared_bytes()));
    f->most_dynamic_shared = static_cast<uint32_t>(value);
    return success;
}
API int cuFuncGetAttribute(int *value, int attribute, void *function) {
    LoadedFunction *const f = find_function(function);
    if (!f) return invalid_handle;
    const Kernel &k = f->kernel;
    switch (attribute) {
    case 0: *value = static_cast<int>(k.max_threads[0] ? k.max_threads[0] * k.max_threads[1] * k.max_threads[2] : 1024); break;
    case 1: *value = static_cast<int>(k.static_shared_bytes); break;
    case 3: *value = static_cast<int>(k.local_bytes); break;
    case 5: *value = f->module->text.version; break;
    case 6: *value = capability(); break;
    case 8: *value = static_cast<int>(f->most_dynamic_shared); break;
    default: *value = 0;
    }
    return success;
}
API int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared_bytes,
                       void *stream, void **parameters, void **extra) {
    if (const int e = need_context()) return e;
    LoadedFunction *const f = find_function(function);
    if (!f || f->module->context != current_context())
        return driver().fail(invalid_handle, "ptxsim: a launch of a function that is not of the current context");
    if (!is_stream(stream)) return driver().fail(invalid_handle, "ptxsim: a launch on a stream that does not exist");
    if (extra) return driver().fail(invalid_value, "ptxsim: a launch with its parameters in `extra`, which is not supported");
    driver().last_stream = stream;
    return launch(f, {gx, gy, gz}, {bx, by, bz}, shared_bytes, parameters);
}

// ---- memory
API int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (const int e = need_context()) return e;
    if (bytes == 0) return invalid_value;
    *address = driver().memory.allocate(bytes);
    return *address ? success : out_of_memory;
}
API int cuMemFree_v2(uint64_t address) {
    if (address == 0) return success;
    return driver().memory.free(address) ? success : copy_error("free", address, 0);
}
API int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = *total = DeviceMemory::capacity;
    return success;
}
API int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    if (const int e = need_context()) return e;
    uint8_t *const data = driver().memory.find(to, bytes);
    if (!data) return copy_error("copy to the device", to, bytes);
    std::memcpy(data, from, bytes);
    return success;
}
API int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    if (const int e = need_context()) return e;
    const uint8_t *const data = driver().memory.find(from, bytes);
    if (!data) return copy_error("copy from the device", from, bytes);
    std::memcpy(to, data, bytes);
    return success;
}
API int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
    if (const int e = need_context()) return e;
    uint8_t *const target = driver().memory.find(to, bytes);
    const uint8_t *const source = driver().memory.find(from, bytes);
    if (!target || !source) return copy_error("copy on the device", target ? from : to, bytes);
    std::memmove(target, source, bytes);
    return success;
}
API int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    return is_stream(stream) ? cuMemcpyHtoD_v2(to, from, bytes) : invalid_handle;
}
API int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    return is_stream(stream) ? cuMemcpyDtoH_v2(to, from, bytes) : invalid_handle;
}
API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    return is_stream(stream) ? cuMemcpyDtoD_v2(to, from, bytes) : invalid_handle;
}
API int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) {
    if (const int e = need_context()) return e;
    uint8_t *const data = driver().memory.find(to, bytes);
    if (!data) return copy_error("fill", to, bytes);
    std::memset(data, value, bytes);
    return success;
}
API int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
    return is_stream(stream) ? cuMemsetD8_v2(to, value, bytes) : invalid_handle;
}

// ---- streams and events
API int cuStreamCreate(void **stream, unsigned) {
    if (const int e = need_context()) return e;
    auto made = std::make_unique<Stream>(Stream{current_context()});
    *stream = made.get();
    const std::lock_guard lock(driver().mutex);
    driver().streams[*stream] = std::move(made);
    return success;
}
API int cuStreamSynchronize(void *stream) { return is_stream(stream) ? need_context() : static_cast<int>(invalid_handle); }
API int cuStreamQuery(void *stream) { return cuStreamSynchronize(stream); }
API int cuStreamDestroy_v2(void *stream) {
    const std::lock_guard lock(driver().mutex);
    return driver().streams.erase(stream) ? success : invalid_handle;
}
API int cuStreamGetCtx(void *stream, void **context) {
    if (!is_stream(stream)) return invalid_handle;
    const std::lock_guard lock(driver().mutex);
    const auto found = driver().streams.find(stream);
    *context = found == driver().streams.end() ? current_context() : found->second->context;
    return success;
}
API int cuEventCreate(void **event, unsigned) {
    if (const int e = need_context()) return e;
    auto made = std::make_unique<Event>();
    *event = made.get();
    const std::lock_guard lock(driver().mutex);
    driver().events[*event] = std::move(made);
    return success;
}
API int cuEventRecord(void *event, void *stream) {
    if (!is_stream(stream)) return invalid_handle;
    const std::lock_guard lock(driver().mutex);
    const auto found = driver().events.find(event);
    if (found == driver().events.end()) return invalid_handle;
    found->second->time = std::chrono::steady_clock::now();
    found->second->recorded = true;
    return success;
}
API int cuEventSynchronize(void *event) {
    const std::lock_guard lock(driver().mutex);
    return driver().events.count(event) ? success : invalid_handle;
}
API int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
    const std::lock_guard lock(driver().mutex);
    const auto a = driver().events.find(begin), b = driver().events.find(end);
    if (a == driver().events.end() || b == driver().events.end() || !a->second->recorded || !b->second->recorded) return invalid_handle;
    *milliseconds = std::chrono::duration<float, std::milli>(b->second->time - a->second->time).count();
    return success;
}
API int cuEventDestroy_v2(void *event) {
    const std::lock_guard lock(driver().mutex);
    return driver().events.erase(event) ? success : invalid_handle;
}

// ---- errors
API int cuGetErrorName(int result, const char **name) {
    switch (result) {
    case success: *name = "CUDA_SUCCESS"; break;
    case invalid_value: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case out_of_memory: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case not_initialized: *name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case invalid_device: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case invalid_context: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case no_binary_for_gpu: *name = "CUDA_ERROR_NO_BINARY_FOR_GPU"; break;
    case invalid_ptx: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case invalid_handle: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case not_found: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case launch_failed: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    default: *name = nullptr; return invalid_value;
    }
    return success;
}
API int cuGetErrorString(int result, const char **text) {
    switch (result) {
    case success: *text = "no error"; break;
    case invalid_value: *text = "invalid argument"; break;
    case out_of_memory: *text = "out of memory"; break;
    case not_initialized: *text = "initialization error"; break;
    case invalid_device: *text = "invalid device ordinal"; break;
    case invalid_context: *text = "invalid device context"; break;
    case no_binary_for_gpu: *text = "no kernel image is available for execution on the device"; break;
    case invalid_ptx: *text = "a PTX JIT compilation failed"; break;
    case invalid_handle: *text = "invalid resource handle"; break;
    case not_found: *text = "named symbol not found"; break;
    case launch_failed: *text = "unspecified launch failure"; break;
    default: *text = nullptr; return invalid_value;
    }
    return success;
}
