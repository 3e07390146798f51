/// CUDA on a mock of its driver: contexts, streams, modules, shared memory, errors, memory, and the counters.
#include "device_fake.h"
#include "problem.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

namespace {

/// A call whose attention function loads a module and launches kernel "attend" with three arguments, as generated code does.
class Cuda : public testing::Test {
protected:
    MockCuda &mock = fresh_mock();
    FakeDeviceKernel fake;
    Problem p;
    attune_device device = cuda_device();
    void *state = nullptr;
    std::string entry = "attend";
    int shared_bytes = 1000, blocks = 3;

    Cuda() {
        p.build();
        p.exec.device = &device;
        mock.num_arguments = 3;
        fake.body = [this](void **arguments) { return launch(arguments); };
    }
    ~Cuda() override {
        // Modules of one test must not be found by the next, whose contexts have the same names.
        for (uintptr_t context : {0xc0, 0xc1})
            if (attune_device d = cuda_device(reinterpret_cast<void *>(context)); true)
                attune_device_unload(&d);
    }
    int launch(void **arguments) {
        void *context = *static_cast<void **>(arguments[0]);
        auto *query = static_cast<attune_buffer *>(arguments[7 + query_at]), *output = static_cast<attune_buffer *>(arguments[7 + output_at]);
        attune_cuda_initialize_kernels(context, &state, "PTX", 4);
        attune_copy_to_device(context, query, attune_cuda_device_interface());
        int64_t rows = query->dim[2].extent;
        size_t sizes[] = {8, 8, 8, 0};
        void *args[] = {query, &rows, output, nullptr};
        int8_t is_buffer[] = {1, 0, 1, 0};
        const int code =
            attune_cuda_run(context, state, entry.c_str(), blocks, 2, 1, 128, 1, 1, shared_bytes, sizes, args, is_buffer);
        attune_cuda_finalize_kernels(context, state);
        return code;
    }
    attune_status run() { return attune_kernel_run(&fake.kernel, &p.args); }
    int count(const std::string &call) const { return int(std::count(mock.calls.begin(), mock.calls.end(), call)); }
};

TEST_F(Cuda, LaunchesOnTheCallersStreamInTheCallersContext) {
    device.queue = reinterpret_cast<void *>(0x77);
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(mock.launches.size(), 1u);
    const MockLaunch &l = mock.launches[0];
    EXPECT_EQ(l.entry, "attend");
    EXPECT_EQ(l.stream, device.queue);
    EXPECT_EQ(l.context, device.context);
    EXPECT_EQ(l.blocks[0], 3u);
    EXPECT_EQ(l.blocks[1], 2u);
    EXPECT_EQ(l.threads[0], 128u);
    EXPECT_EQ(l.shared_bytes, 1000u);
    EXPECT_EQ(l.arguments, (std::vector<uint64_t>{uintptr_t(p.args.query), 6, uintptr_t(p.args.output)}));
    EXPECT_TRUE(mock.shared_opt_ins.empty());
    EXPECT_EQ(count("registers are limited"), 0);
    EXPECT_EQ(mock.calls.front(), "push 0xc0");
    EXPECT_EQ(mock.calls.back(), "pop 0xc0");
    for (const std::string &call : mock.calls)
        EXPECT_NE(call.substr(0, 11), "synchronize");
}

TEST_F(Cuda, TakesTheStreamOfExecWhereTheDeviceHasNone) {
    p.exec.stream = reinterpret_cast<void *>(0x78);
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(mock.launches.at(0).stream, p.exec.stream);
    device.queue = reinterpret_cast<void *>(0x77);
    ASSERT_EQ(run(), ATTUNE_OK);
    EXPECT_EQ(mock.launches.at(1).stream, device.queue);
}

TEST_F(Cuda, TakesTheThreadsContextWhereTheDeviceHasNone) {
    attune_device opened{};
    ASSERT_EQ(attune_device_open(ATTUNE_API_CUDA, 0, &opened), ATTUNE_OK) << attune_last_error();
    // The runtime leaves no context behind, so the thread gets one the driver's way.
    auto push = mock_function<int(void *)>("cuCtxPushCurrent_v2");
    push(opened.context);
    mock.calls.clear();
    device.context = nullptr;
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(mock.launches.at(0).context, opened.context);
    EXPECT_EQ(mock.calls, (std::vector<std::string>{"load PTX", "find attend"})) << "it is current already";
    void *popped;
    mock_function<int(void **)>("cuCtxPopCurrent_v2")(&popped);
    attune_device_close(&opened);
}

TEST_F(Cuda, LoadsAModuleOnceAContext) {
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(run(), ATTUNE_OK);
    EXPECT_EQ(count("load PTX"), 1);
    EXPECT_EQ(count("find attend"), 1);
    device.context = reinterpret_cast<void *>(0xc1);
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(count("load PTX"), 2);
    EXPECT_EQ(count("find attend"), 2);
    device.context = reinterpret_cast<void *>(0xc0);
    ASSERT_EQ(run(), ATTUNE_OK);
    EXPECT_EQ(count("load PTX"), 2);
    EXPECT_EQ(mock.launches.size(), 4u);
}

TEST_F(Cuda, LoadsAgainAfterUnload) {
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    attune_device_unload(&device);
    EXPECT_EQ(count("unload"), 1);
    attune_device_unload(&device);
    EXPECT_EQ(count("unload"), 1);
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(count("load PTX"), 2);
}

TEST_F(Cuda, LoadsOnceForManyThreads) {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; i++)
                failures += run() != ATTUNE_OK;
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(count("load PTX"), 1);
    EXPECT_EQ(count("find attend"), 1);
    EXPECT_EQ(mock.launches.size(), 400u);
}

TEST_F(Cuda, AsksForMoreThan48KBOfSharedMemoryOnce) {
    shared_bytes = 48 << 10;
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_TRUE(mock.shared_opt_ins.empty());
    shared_bytes = 100 << 10;
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(run(), ATTUNE_OK);
    shared_bytes = 64 << 10;  // must not take away what was asked for
    ASSERT_EQ(run(), ATTUNE_OK);
    EXPECT_EQ(mock.shared_opt_ins, (std::vector<std::pair<std::string, int>>{{"attend", 100 << 10}}));
    EXPECT_EQ(mock.launches.back().shared_bytes, unsigned(64 << 10));
}

TEST_F(Cuda, SaysWhereSharedMemoryIsTooSmall) {
    mock.most_shared_bytes = 99 << 10;
    shared_bytes = 160 << 10;
    EXPECT_EQ(run(), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: kernel function attend needs 163840 bytes of shared memory but the device has 101376 a block");
    EXPECT_TRUE(mock.launches.empty());
}

TEST_F(Cuda, ShowsTheLogOfPtxThatDoesNotCompile) {
    mock.load_result = 218;
    mock.load_log = "ptxas fatal: line 7; unknown instruction 'frobnicate'";
    EXPECT_EQ(run(), ATTUNE_DEVICE);
    const std::string message = attune_last_error();
    EXPECT_NE(message.find("CUDA_ERROR_INVALID_PTX (218)"), std::string::npos) << message;
    EXPECT_NE(message.find("unknown instruction 'frobnicate'"), std::string::npos) << message;
    EXPECT_TRUE(mock.launches.empty());
    mock.load_result = 0;
    EXPECT_EQ(run(), ATTUNE_OK) << "what failed is tried again: " << attune_last_error();
}

TEST_F(Cuda, NamesAKernelFunctionThatIsMissing) {
    entry = "missing";
    EXPECT_EQ(run(), ATTUNE_DEVICE);
    EXPECT_EQ(std::string(attune_last_error()).find("attune: cuModuleGetFunction failed with"), 0u) << attune_last_error();
}

TEST_F(Cuda, DescribesALaunchThatFails) {
    mock.launch_result = 1;
    EXPECT_EQ(run(), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: cuLaunchKernel failed with CUDA_ERROR_OF_THE_MOCK (1) for attend: 3 x 2 x 1 blocks of "
                                      "128 x 1 x 1 threads, 1000 bytes of shared memory");
}

TEST_F(Cuda, ReportsWhatAQueueFoundLater) {
    mock.synchronize_result = 700;
    EXPECT_EQ(attune_device_synchronize(&device), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: cuStreamSynchronize failed with CUDA_ERROR_OF_THE_MOCK (700): what the mock says");
}

TEST_F(Cuda, PreparesWithoutLaunching) {
    ASSERT_EQ(attune_kernel_prepare(&fake.kernel, &device), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(count("load PTX"), 1);
    EXPECT_EQ(count("find attend"), 1);
    EXPECT_TRUE(mock.launches.empty());
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(count("load PTX"), 1);
    EXPECT_EQ(mock.launches.size(), 1u);
    EXPECT_EQ(attune_kernel_prepare(nullptr, &device), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_kernel_prepare(&fake.kernel, nullptr), ATTUNE_NULL_POINTER);
    fake.device_variants[0].needs = 100;
    EXPECT_EQ(attune_kernel_prepare(&fake.kernel, &device), ATTUNE_DEVICE);
}

TEST_F(Cuda, TakesTheFirstVariantThatTheDeviceCanRun) {
    std::string ran;
    fake.body = nullptr;
    const attune_device_variant plain = fake.device_variants[0];
    attune_device_variant mma = plain;
    mma.target = "cuda_mma", mma.needs = 90, mma.attention = [](void **) { return 9; };
    fake.device_variants = {mma, plain};
    fake.refresh();
    EXPECT_EQ(run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(fake.calls.size(), 1u);
    mock.major = 9;
    EXPECT_EQ(run(), ATTUNE_INTERNAL);
    EXPECT_STREQ(attune_last_error(), "attune: kernel fake (cuda_mma) failed with code 9; please report it");
    setenv("ATTUNE_FORCE_TARGET", "cuda", 1);
    EXPECT_EQ(run(), ATTUNE_OK) << attune_last_error();
    setenv("ATTUNE_FORCE_TARGET", "avx2", 1);  // of CPUs: says nothing here
    EXPECT_EQ(run(), ATTUNE_INTERNAL);
    unsetenv("ATTUNE_FORCE_TARGET");
}

TEST_F(Cuda, OpensADeviceWithAContextAndAStreamOfItsOwn) {
    EXPECT_EQ(attune_device_count(ATTUNE_API_CUDA), 1);
    attune_device opened{};
    ASSERT_EQ(attune_device_open(ATTUNE_API_CUDA, 0, &opened), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(opened.size, sizeof opened);
    EXPECT_NE(opened.context, nullptr);
    EXPECT_NE(opened.queue, nullptr);
    char name[64];
    EXPECT_STREQ(attune_device_name(&opened, name, sizeof name), "mock device");
    EXPECT_STREQ(attune_device_name(&opened, name, 5), "mock");
    p.exec.device = &opened;
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    mock.calls.clear();
    attune_device_close(&opened);
    EXPECT_EQ(count("unload"), 1);
    EXPECT_EQ(count("destroy stream"), 1);
    EXPECT_EQ(count("destroy context"), 1);
    EXPECT_EQ(opened.context, nullptr);
    attune_device_close(&opened);
    attune_device_close(&device);  // not its own: left alone
    attune_device_close(nullptr);
    EXPECT_EQ(count("destroy context"), 1);
    EXPECT_EQ(attune_device_open(ATTUNE_API_CUDA, 1, &opened), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(), "attune: index is 1 but there are 1 CUDA devices, counted from 0");
    EXPECT_EQ(attune_device_open(ATTUNE_API_CUDA, 0, nullptr), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_device_open(ATTUNE_API_METAL, 0, &opened), ATTUNE_DEVICE);
    EXPECT_EQ(attune_device_count(ATTUNE_API_METAL), 0);
    EXPECT_EQ(attune_device_count(attune_api(99)), 0);
}

TEST_F(Cuda, AllocatesAndCopies) {
    attune_device_counters before, after;
    attune_device_read_counters(&before);
    const char text[] = "sixteen bytes..";
    char back[sizeof text] = "";
    void *memory = nullptr;
    ASSERT_EQ(attune_device_allocate(&device, sizeof text, &memory), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_write(&device, memory, text, sizeof text), ATTUNE_OK);
    EXPECT_EQ(attune_device_read(&device, back, memory, sizeof back), ATTUNE_OK);
    EXPECT_STREQ(back, text);
    EXPECT_EQ(attune_device_write(&device, nullptr, nullptr, 0), ATTUNE_OK);
    EXPECT_EQ(attune_device_write(&device, nullptr, text, 1), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_device_read(&device, nullptr, memory, 1), ATTUNE_NULL_POINTER);
    attune_device_free_memory(&device, memory);
    attune_device_free_memory(&device, nullptr);
    EXPECT_EQ(mock.freed, std::vector<void *>{memory});
    attune_device_read_counters(&after);
    EXPECT_EQ(after.copies_to_device - before.copies_to_device, 1u);
    EXPECT_EQ(after.copies_from_device - before.copies_from_device, 1u);
    EXPECT_EQ(after.allocations - before.allocations, 1u);
    EXPECT_EQ(after.launches, before.launches);

    mock.bytes_left = 100;
    EXPECT_EQ(attune_device_allocate(&device, 1000, &memory), ATTUNE_OUT_OF_MEMORY);
    EXPECT_EQ(memory, nullptr);
    EXPECT_STREQ(attune_last_error(), "attune: the device has no 1000 bytes left");
    EXPECT_EQ(attune_device_allocate(&device, 1, nullptr), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_device_allocate(nullptr, 1, &memory), ATTUNE_NULL_POINTER);
}

TEST_F(Cuda, CopiesNothingInACall) {
    attune_device_counters before, after;
    attune_device_read_counters(&before);
    ASSERT_EQ(run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(run(), ATTUNE_OK);
    attune_device_read_counters(&after);
    EXPECT_EQ(after.launches - before.launches, 2u);
    EXPECT_EQ(after.kernels_loaded - before.kernels_loaded, 1u);
    EXPECT_EQ(after.copies_to_device, before.copies_to_device);
    EXPECT_EQ(after.copies_from_device, before.copies_from_device);
    EXPECT_EQ(after.allocations, before.allocations);
}

TEST_F(Cuda, SaysThatThereIsNoDevice) {
    mock.devices = 0;
    EXPECT_EQ(attune_device_count(ATTUNE_API_CUDA), 0);
}

/// The equation over the buffers, which on the mock are memory: what a kernel of generated code would leave there.
int attend(void **arguments) {
    arguments++;  // the context
    const bool has_lengths_q = *static_cast<int *>(arguments[3]), has_lengths_kv = *static_cast<int *>(arguments[4]),
               writes_lse = *static_cast<int *>(arguments[5]);
    const int group = *static_cast<int *>(arguments[2]);
    const auto tensor = [&](int which) { return static_cast<attune_buffer *>(arguments[6 + which]); };
    const auto at = [&](int which, int d, int q, int h, int b) {
        const attune_dimension *dim = tensor(which)->dim;
        const int first = which == key_at || which == value_at || which == lse_at ? 1 : 2;
        return reinterpret_cast<float *>(tensor(which)->device) + d + int64_t(q) * dim[first].stride + int64_t(h) * dim[first + 1].stride +
               int64_t(b) * dim[first + 2].stride;
    };
    const attune_dimension *query = tensor(query_at)->dim;
    for (int b = 0; b < query[4].extent; b++)
        for (int h = 0; h < query[3].extent; h++)
            for (int q = 0; q < query[2].extent; q++) {
                const int rows = has_lengths_q ? reinterpret_cast<int *>(tensor(lengths_q_at)->device)[b] : query[2].extent,
                          keys = has_lengths_kv ? reinterpret_cast<int *>(tensor(lengths_kv_at)->device)[b] : tensor(key_at)->dim[1].extent;
                double sum = 0, weighted[fake_head_dim_v] = {};
                for (int kv = 0; q < rows && kv < keys; kv++) {
                    double logit = 0;
                    for (int d = 0; d < fake_head_dim; d++)
                        logit += double(*at(query_at, d, q, h, b)) * *at(key_at, d, kv, h / group, b);
                    const double weight = std::exp(fake_scale * logit);
                    sum += weight;
                    for (int d = 0; d < fake_head_dim_v; d++)
                        weighted[d] += weight * *at(value_at, d, kv, h / group, b);
                }
                for (int d = 0; d < fake_head_dim_v; d++)
                    *at(output_at, d, q, h, b) = sum > 0 ? float(weighted[d] / sum) : 0.f;
                if (writes_lse)
                    *at(lse_at, 0, q, h, b) = sum > 0 ? float(std::log(sum)) : -INFINITY;
            }
    return 0;
}

TEST_F(Cuda, RunsOnCopiesOfTheHostsTensors) {
    fake.body = attend;
    for (const bool is_padded : {false, true}) {
        Problem host;
        host.pad = is_padded ? 3 : 0;
        host.lengths_q = {6, 4}, host.lengths_kv = {0, 5};
        host.build();
        mock.freed.clear();
        attune_device_counters before, after;
        attune_device_read_counters(&before);
        ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &host.args, &device), ATTUNE_OK) << attune_last_error();
        attune_device_read_counters(&after);
        host.expect_right();
        EXPECT_EQ(after.allocations - before.allocations, 7u);
        EXPECT_EQ(mock.freed.size(), 7u);
        EXPECT_EQ(after.copies_to_device - before.copies_to_device, is_padded ? 7u : 5u) << "what stands between rows goes there and back";
        EXPECT_EQ(after.copies_from_device - before.copies_from_device, 2u);
    }
}

TEST_F(Cuda, ChecksTheHostsTensorsBeforeItCopies) {
    const int32_t too_long[] = {6, 99};
    p.args.lengths_kv = too_long;
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(attune_last_error()).find("lengths_kv[1] is 99"), std::string::npos) << attune_last_error();
    p.args.lengths_kv = nullptr;
    p.args.query = nullptr;
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, nullptr, &device), ATTUNE_NULL_POINTER);
    EXPECT_EQ(attune_kernel_run_copied(nullptr, &p.args, &device), ATTUNE_NULL_POINTER);
    p.args.seq_len_q = 0;
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_OK);
    EXPECT_TRUE(fake.calls.empty());
}

TEST_F(Cuda, FreesItsCopiesWhereMemoryRunsOut) {
    fake.body = attend;
    mock.bytes_left = 1300;  // query and key take 768 and 448 bytes, and value does not fit
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_OUT_OF_MEMORY);
    EXPECT_TRUE(fake.calls.empty());
    EXPECT_EQ(mock.freed.size(), 2u);
    mock.bytes_left = UINT64_MAX;
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, nullptr), ATTUNE_NULL_POINTER);
}

TEST_F(Cuda, CopiesTheTensorsOfParams) {
    struct Params {
        attune_tensor bias;
        float slope;
    } params{};
    fake.params = {{"bias", "f32[h]", offsetof(Params, bias), 2, 32, 1, 0, {ATTUNE_DIM_H}, {}},
                   {"slope", "f32", offsetof(Params, slope), 2, 32, 0, 0, {}, {}}};
    fake.kernel.params_size = sizeof params;
    fake.refresh();
    std::vector<float> bias = {1, 2, 3, 4}, seen;
    params.bias = {bias.data(), {4}, {}};
    params.slope = 0.25f;
    p.args.params = &params;
    fake.body = [&](void **arguments) {
        auto *there = static_cast<attune_buffer *>(arguments[7]);
        EXPECT_NE(there->device, uintptr_t(bias.data()));
        seen.assign(reinterpret_cast<float *>(there->device), reinterpret_cast<float *>(there->device) + 4);
        seen.push_back(*static_cast<float *>(arguments[8]));
        return 0;
    };
    ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(seen, (std::vector<float>{1, 2, 3, 4, 0.25f}));
    EXPECT_EQ(params.bias.data, bias.data());
}

/// Its own process each (gtest_discover_tests), so that the runtime has not loaded a driver before.
TEST(CudaDriver, IsNamedWhereItCannotBeLoaded) {
    setenv("ATTUNE_CUDA_LIBRARY", "/nowhere/libcuda.so", 1);
    attune_device device{};
    const attune_status status = attune_device_open(ATTUNE_API_CUDA, 0, &device);
    setenv("ATTUNE_CUDA_LIBRARY", ATTUNE_MOCK_CUDA, 1);
    if (status == ATTUNE_OK) {
        attune_device_close(&device);
        GTEST_SKIP() << "another test of this process has loaded the driver";
    }
    EXPECT_EQ(status, ATTUNE_DEVICE);
    const std::string message = attune_last_error();
    EXPECT_EQ(message.find("attune: ATTUNE_CUDA_LIBRARY is /nowhere/libcuda.so, which cannot be loaded: "), 0u) << message;
    EXPECT_EQ(attune_device_count(ATTUNE_API_CUDA), 1) << "it is tried again";
}

TEST(CudaDriver, IsRefusedWhereItIsAnotherLibrary) {
    setenv("ATTUNE_CUDA_LIBRARY", "libm.so.6", 1);
    attune_device device{};
    const attune_status status = attune_device_open(ATTUNE_API_CUDA, 0, &device);
    setenv("ATTUNE_CUDA_LIBRARY", ATTUNE_MOCK_CUDA, 1);
    if (status == ATTUNE_OK) {
        attune_device_close(&device);
        GTEST_SKIP() << "another test of this process has loaded the driver";
    }
    EXPECT_EQ(std::string(attune_last_error()), "attune: the CUDA driver has no cuInit; it is too old, or another library");
}

TEST(CudaDriver, MayBeThereWithoutADevice) {
    fresh_mock().devices = 0;
    attune_device device{};
    const attune_status status = attune_device_open(ATTUNE_API_CUDA, 0, &device);
    const std::string message = attune_last_error();
    fresh_mock();
    EXPECT_NE(status, ATTUNE_OK);
    if (status == ATTUNE_INVALID_ARGUMENT)
        GTEST_SKIP() << "another test of this process has started the driver";
    EXPECT_EQ(message, "attune: the CUDA driver finds no device");
    EXPECT_EQ(attune_device_count(ATTUNE_API_CUDA), 1) << "it is tried again";
}

}  // namespace
