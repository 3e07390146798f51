/// attune/device.hpp, on the mock of CUDA's driver.
#include "attune/device.hpp"
#include "device_fake.h"
#include "problem.h"

#include <cstring>
#include <gtest/gtest.h>

namespace {

struct DeviceInterface : testing::Test {
    MockCuda &mock = fresh_mock();
    FakeDeviceKernel fake;
    attune::Kernel kernel{&fake.kernel};
    attune::Workspace workspace;
    attune::Shape q{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 4}, kv{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 4};
    attune::Shape v{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 3}, out{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 3};
    static size_t elements(const attune::Shape &s) { return size_t(s.batch * s.heads * s.seq_len * s.head_dim); }
};

TEST_F(DeviceInterface, OpensRunsAndReads) {
    EXPECT_EQ(attune::Device::count(ATTUNE_API_CUDA), 1);
    attune::Device device;
    attune::Status status = device.open(ATTUNE_API_CUDA);
    ASSERT_TRUE(status) << status.message();
    EXPECT_FALSE(device.name().empty());
    ASSERT_TRUE(device.prepare(kernel));
    fake.calls.clear();

    const std::vector<float> host(elements(q), 0.5f), host_value(elements(v), 2.0f);
    attune::DeviceArray<float> query, key, value, output;
    ASSERT_TRUE(query.put(device, host));
    ASSERT_TRUE(key.put(device, {host.data(), elements(kv)}));
    ASSERT_TRUE(value.put(device, host_value));
    ASSERT_TRUE(output.allocate(device, elements(out)));
    fake.body = [&](void **) {  // the mock's device memory is this machine's
        std::memcpy(output.data(), value.data(), 8 * sizeof(float));
        return 0;
    };
    status = kernel({.query = attune::bhsd(query.data(), q), .key = attune::bhsd(key.data(), kv), .value = attune::bhsd(value.data(), v),
                     .output = attune::bhsd(output.data(), out), .device = device.get()}, workspace);
    ASSERT_TRUE(status) << status.message();
    ASSERT_EQ(fake.calls.size(), 1u);
    EXPECT_EQ(fake.calls[0].buffers[query_at].device, query.data());
    EXPECT_EQ(fake.calls[0].buffers[output_at].device, output.data());
    EXPECT_EQ(workspace.size(), 0u) << "devices take none";
    ASSERT_TRUE(device.synchronize());
    std::vector<float> result(8);
    ASSERT_TRUE(output.read(result));
    EXPECT_EQ(result, std::vector<float>(8, 2.0f));
}

TEST_F(DeviceInterface, ArraysFreeTheirMemoryOnceAndMove) {
    attune::Device device;
    ASSERT_TRUE(device.open(ATTUNE_API_CUDA));
    {
        attune::DeviceArray<float> first;
        ASSERT_TRUE(first.allocate(device, 4));
        const void *memory = first.data();
        attune::DeviceArray<float> second(std::move(first));
        EXPECT_EQ(second.data(), memory);
        EXPECT_EQ(second.size(), 4u);
        EXPECT_TRUE(mock.freed.empty());
        ASSERT_TRUE(second.allocate(device, 8)) << "the old memory goes";
        EXPECT_EQ(mock.freed.size(), 1u);
        std::vector<float> too_many(9);
        const attune::Status status = second.read(too_many);
        EXPECT_EQ(status.message(), "attune: elements has 9 entries but must have at most those of the array, 8");
    }
    EXPECT_EQ(mock.freed.size(), 2u);
    mock.bytes_left = 10;
    attune::DeviceArray<float> large;
    EXPECT_EQ(large.allocate(device, 4).code(), ATTUNE_OUT_OF_MEMORY);
    EXPECT_EQ(large.data(), nullptr);
}

TEST_F(DeviceInterface, LeavesAnApplicationsOwnContextAlone) {
    {
        attune_device own{};
        own.api = ATTUNE_API_CUDA;
        own.context = reinterpret_cast<void *>(0xc0);
        own.queue = reinterpret_cast<void *>(0x77);
        attune::Device device(own);
        ASSERT_TRUE(device.synchronize());
        EXPECT_EQ(attune::Device::cuda(own.queue).get()->queue, own.queue);
        device.unload();
    }
    EXPECT_EQ(std::count(mock.calls.begin(), mock.calls.end(), "destroy 0xc0"), 0);
    EXPECT_EQ(mock.contexts_made, 0);
}

TEST_F(DeviceInterface, HandlesStandWhereAddressesDo) {
    int object = 0;
    EXPECT_EQ(attune::on_device<float>(static_cast<void *>(&object)), static_cast<void *>(&object));  // a cl_mem
    EXPECT_EQ(attune::on_device<float>(uint64_t(0x1000)), reinterpret_cast<float *>(0x1000));         // a CUdeviceptr
}

TEST_F(DeviceInterface, ErrorsHaveTheirText) {
    attune::Device device;
    EXPECT_EQ(device.open(ATTUNE_API_METAL).code(), ATTUNE_DEVICE);
    const attune::Status status = device.open(ATTUNE_API_CUDA, 5);
    EXPECT_FALSE(status);
    EXPECT_NE(status.message().find("5"), std::string_view::npos) << status.message();
}

}  // namespace
