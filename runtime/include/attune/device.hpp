/// attune/device.h in C++20: a device, arrays on it, and calls of attention.hpp that run there.
///
///   attune::Device device;
///   if (attune::Status s = device.open(ATTUNE_API_CUDA); !s) std::cerr << s.message() << '\n';   // or Device::opencl(own_queue)
///   attune::DeviceArray<float> query, …;
///   status = query.put(device, host_query);                                                      // allocates, copies
///   status = kernel({.query = attune::bhsd(query.data(), q), …, .device = device.get()}, workspace);  // enqueues, returns
///   status = output.read(host_output);                                                           // waits
///
/// Memory of one's own: attune::on_device<float>(cl_mem) is what views of it begin with. Views, lengths and tensors of params lie on the device.
#ifndef ATTUNE_DEVICE_HPP
#define ATTUNE_DEVICE_HPP

#include "attune/attention.hpp"
#include "attune/device.h"

namespace attune {

/// What stands where an element's address does on CPUs: a cl_mem, a VkBuffer, a CUdeviceptr.
template <class T, class Handle>
T *on_device(Handle handle) {
    if constexpr (std::is_pointer_v<Handle>)
        return static_cast<T *>(static_cast<void *>(handle));
    else
        return reinterpret_cast<T *>(static_cast<uintptr_t>(handle));
}

/// A context and a queue: those of an application, which stay its own, or opened here and then closed with this object. Does not move: arrays
/// and calls hold its address.
class Device {
public:
    Device() = default;
    /// The application's own, as attune/device.h says for its api; `size` is set here.
    explicit Device(attune_device own) : device_(own) { device_.size = sizeof device_; }
    static Device opencl(void *command_queue) { return Device(described(ATTUNE_API_OPENCL, command_queue)); }
    /// The thread's current context; null: the default stream.
    static Device cuda(void *stream = nullptr) { return Device(described(ATTUNE_API_CUDA, stream)); }
    Device(const Device &) = delete;
    ~Device() { attune_device_close(&device_); }

    /// A new context and queue on device `index` of those that count() counts.
    Status open(attune_api api, int32_t index = 0) {
        attune_device_close(&device_);
        device_ = attune_device{};
        device_.size = sizeof device_;
        return Status::of(attune_device_open(api, index, &device_));
    }
    static int32_t count(attune_api api) { return attune_device_count(api); }

    const attune_device *get() const { return &device_; }
    std::string name() const {
        char text[256] = "";
        return attune_device_name(&device_, text, sizeof text);
    }
    /// Loads what the kernel has for this device, so that its first call only launches.
    Status prepare(const Kernel &kernel) const { return Status::of(attune_kernel_prepare(kernel.get(), &device_)); }
    /// Waits for all that was enqueued, and reports what failed there.
    Status synchronize() const { return Status::of(attune_device_synchronize(&device_)); }
    /// Forgets the kernels loaded into the context, before an application destroys its own.
    void unload() const { attune_device_unload(&device_); }

private:
    static attune_device described(attune_api api, void *queue) {
        attune_device device{};
        device.api = api;
        device.queue = queue;
        return device;
    }

    attune_device device_{};
};

/// Elements in a device's memory, for applications without an allocator of their own. The device must live longer.
template <class T>
class DeviceArray {
public:
    DeviceArray() = default;
    DeviceArray(DeviceArray &&other) noexcept { *this = std::move(other); }
    DeviceArray &operator=(DeviceArray &&other) noexcept {
        std::swap(device_, other.device_);
        std::swap(memory_, other.memory_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~DeviceArray() {
        if (memory_)
            attune_device_free_memory(device_, memory_);
    }

    /// Room for `size` elements; what was there is gone.
    Status allocate(const Device &device, size_t size) {
        DeviceArray made;
        made.device_ = device.get();
        made.size_ = size;
        const Status status = Status::of(attune_device_allocate(made.device_, size * sizeof(T), &made.memory_));
        if (status)
            *this = std::move(made);
        return status;
    }
    /// Room for these, and these in it.
    Status put(const Device &device, std::span<const T> elements) {
        if (Status status = allocate(device, elements.size()); !status)
            return status;
        return Status::of(attune_device_write(device_, memory_, elements.data(), elements.size_bytes()));
    }
    /// The first elements, in the order of the queue; waits for it.
    Status read(std::span<T> elements) const {
        if (elements.size() > size_)
            return Status(ATTUNE_INVALID_ARGUMENT, "attune: elements has " + std::to_string(elements.size()) +
                                                       " entries but must have at most those of the array, " + std::to_string(size_));
        return Status::of(attune_device_read(device_, elements.data(), memory_, elements.size_bytes()));
    }

    T *data() const { return static_cast<T *>(memory_); }  ///< for views; no address of this machine's
    size_t size() const { return size_; }

private:
    const attune_device *device_ = nullptr;
    void *memory_ = nullptr;
    size_t size_ = 0;
};

}  // namespace attune
#endif
