#include "own_queue.h"

#include <stdexcept>

namespace {
void check(cl_int result, const char *function) {
    if (result != CL_SUCCESS)
        throw std::runtime_error(std::string(function) + " failed with " + std::to_string(result));
}
}  // namespace

OwnQueue::OwnQueue() {
    cl_platform_id platform = nullptr;
    cl_int result = CL_SUCCESS;
    check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device_, nullptr), "clGetDeviceIDs");
    context_ = clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &result);
    check(result, "clCreateContext");
    queue_ = clCreateCommandQueue(context_, device_, 0, &result);
    check(result, "clCreateCommandQueue");
}

OwnQueue::~OwnQueue() {
    for (cl_mem memory : memory_)
        clReleaseMemObject(memory);
    if (queue_)
        clReleaseCommandQueue(queue_);
    if (context_)
        clReleaseContext(context_);
}

std::string OwnQueue::device_name() const {
    char name[256] = "";
    clGetDeviceInfo(device_, CL_DEVICE_NAME, sizeof name - 1, name, nullptr);
    return name;
}

cl_mem OwnQueue::make(size_t count) {
    cl_int result = CL_SUCCESS;
    memory_.push_back(clCreateBuffer(context_, CL_MEM_READ_WRITE, count * sizeof(float), nullptr, &result));
    check(result, "clCreateBuffer");
    return memory_.back();
}

cl_mem OwnQueue::put(const std::vector<float> &values) {
    cl_mem memory = make(values.size());
    check(clEnqueueWriteBuffer(queue_, memory, CL_TRUE, 0, values.size() * sizeof(float), values.data(), 0, nullptr, nullptr),
          "clEnqueueWriteBuffer");
    return memory;
}

std::vector<float> OwnQueue::get(cl_mem memory, size_t count) const {
    std::vector<float> values(count);
    check(clEnqueueReadBuffer(queue_, memory, CL_TRUE, 0, count * sizeof(float), values.data(), 0, nullptr, nullptr),
          "clEnqueueReadBuffer");
    return values;
}
