// A machine without any driver of a GPU: nothing is loaded, calls on CPUs run, calls on devices say what is missing. CMakeLists.txt hides the drivers
// that this machine has: by empty files in the loader's path, or by variables that name a file that does not exist.
#include "no_driver_attention.h"

#include <attune/attention.hpp>
#include <attune/device.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>

namespace {

struct Api {
    attune_api api;
    const char *missing, *variable, *file;  ///< file: words of a path in /proc/self/maps
};
const Api apis[] = {{ATTUNE_API_CUDA, "there is no CUDA driver: libcuda.so.1 is not found; install it, or set ATTUNE_CUDA_LIBRARY", "ATTUNE_CUDA_LIBRARY", "libcuda"},
                    {ATTUNE_API_OPENCL, "there is no OpenCL driver: libOpenCL.so.1 is not found; install it, or set ATTUNE_OPENCL_LIBRARY", "ATTUNE_OPENCL_LIBRARY", "libOpenCL"},
                    {ATTUNE_API_VULKAN, "there is no Vulkan driver: libvulkan.so.1 is not found; install it, or set ATTUNE_VULKAN_LIBRARY", "ATTUNE_VULKAN_LIBRARY", "libvulkan"}};

/// The driver libraries in this process's memory.
std::string loaded_drivers() {
    std::ifstream maps("/proc/self/maps");
    std::string found;
    for (std::string line; std::getline(maps, line);)
        for (const Api &row : apis)
            if (line.find(row.file) != std::string::npos) found += line + "\n";
    return found;
}
const std::string loaded_at_start = loaded_drivers();

/// 2 heads of 5 rows, 16 elements, causal.
struct Call {
    static constexpr int heads = 2, rows = 5, head_dim = 16;
    std::vector<float> query, key, value, output;
    attune::Workspace workspace;

    Call() : query(heads * rows * head_dim), key(query.size()), value(query.size()), output(query.size(), -1.0f) {
        for (size_t i = 0; i < query.size(); i++) query[i] = std::sin(0.7f * float(i)), key[i] = std::cos(0.3f * float(i)), value[i] = std::sin(0.1f * float(i));
    }
    attune::Status run(const attune_device *device) {
        const attune::Shape shape{.batch = 1, .heads = heads, .seq_len = rows, .head_dim = head_dim};
        const attune::Kernel kernel = attune::find("no_driver_attention");
        return kernel({.query = attune::bhsd(query.data(), shape), .key = attune::bhsd(key.data(), shape), .value = attune::bhsd(value.data(), shape),
                       .output = attune::bhsd(output.data(), shape), .device = device}, workspace);
    }
    double expected(int h, int i, int d) const {
        double sum = 0, weighted = 0;
        for (int j = 0; j <= i; j++) {
            double dot = 0;
            for (int e = 0; e < head_dim; e++) dot += double(query[(h * rows + i) * head_dim + e]) * key[(h * rows + j) * head_dim + e];
            const double weight = std::exp(dot / 4);
            sum += weight, weighted += weight * value[(h * rows + j) * head_dim + d];
        }
        return weighted / sum;
    }
};

TEST(NoDriver, NothingIsLoadedAtStartOrByCallsOnTheCpu) {
    EXPECT_EQ(loaded_at_start, "");
    Call call;
    const attune::Status status = call.run(nullptr);
    ASSERT_TRUE(status) << status.message();
    for (int h = 0; h < call.heads; h++)
        for (int i = 0; i < call.rows; i++)
            for (int d = 0; d < call.head_dim; d++) EXPECT_NEAR(call.output[(h * call.rows + i) * call.head_dim + d], call.expected(h, i, d), 1e-5);
    EXPECT_EQ(loaded_drivers(), "");
}

TEST(NoDriver, CallsOnADeviceSayWhatIsMissing) {
    for (const Api &row : apis) {
        SCOPED_TRACE(row.variable);
        const char *named = std::getenv(row.variable);
        const std::string expected = named ? std::string(row.variable) + " is /nowhere/driver.so, which cannot be loaded" : row.missing;
        EXPECT_EQ(attune_device_count(row.api), 0);
        attune_device device{};
        device.size = sizeof device;
        EXPECT_EQ(attune_device_open(row.api, 0, &device), ATTUNE_DEVICE);
        EXPECT_NE(std::string(attune_last_error()).find(expected), std::string::npos) << attune_last_error();

        device = attune_device{};
        device.size = sizeof device;
        device.api = row.api;
        device.queue = device.device = device.physical_device = &device;  // of a context that cannot be: the driver is asked for first
        Call call;
        const attune::Status status = call.run(&device);
        EXPECT_EQ(status.code(), ATTUNE_DEVICE);
        EXPECT_NE(status.message().find(expected), std::string::npos) << status.message();
        for (const float element : call.output) EXPECT_EQ(element, -1.0f);
        EXPECT_EQ(attune_kernel_prepare(attune_kernel_at(0), &device), ATTUNE_DEVICE);
        void *memory = &call;
        EXPECT_EQ(attune_device_allocate(&device, 4, &memory), ATTUNE_DEVICE);
        EXPECT_EQ(attune_device_synchronize(&device), ATTUNE_DEVICE);
    }
    Call call;
    EXPECT_TRUE(call.run(nullptr)) << "CPUs go on";
}

}  // namespace
