// A context, a queue and memory, made with OpenCL alone: what an application has before it meets Attune.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <string>
#include <vector>

class OwnQueue {
public:
    // On the first device of the first platform; throws std::runtime_error where there is none.
    OwnQueue();
    ~OwnQueue();
    OwnQueue(const OwnQueue &) = delete;

    cl_command_queue get() const { return queue_; }
    std::string device_name() const;

    // Device memory with these values, or for so many, as long as this object lives.
    cl_mem put(const std::vector<float> &values);
    cl_mem make(size_t count);
    // Waits for all that was enqueued.
    std::vector<float> get(cl_mem memory, size_t count) const;

private:
    cl_device_id device_ = nullptr;
    cl_context context_ = nullptr;
    cl_command_queue queue_ = nullptr;
    std::vector<cl_mem> memory_;
};
