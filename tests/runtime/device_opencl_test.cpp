/// OpenCL for real: a kernel written by hand, launched as generated code does, on whatever device there is (PoCL's CPU will do).
#include "device_fake.h"
#include "problem.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <gtest/gtest.h>
#include <thread>

namespace {

/// A work item a row: the equation. Strides are (row, head, sequence). The last argument is local memory, as in Halide's kernels.
const char attend_source[] = R"(
#if MAX_CONSTANT_ARGS < 1 || MAX_CONSTANT_BUFFER_SIZE < 1
#error "Halide's kernels ask for these"
#endif
__kernel void attend(__global const float *query, __global const float *key, __global const float *value, __global float *lse,
                     __global float *output, __global const int *lengths_q, __global const int *lengths_kv, const int seq_len_q,
                     const int seq_len_kv, const int group, const int has_lengths_q, const int has_lengths_kv, const int writes_lse,
                     const int4 query_stride, const int4 key_stride, const int4 value_stride, const int4 lse_stride,
                     const int4 output_stride, __local float *shared) {
    const int q = get_group_id(0), h = get_group_id(1), b = get_group_id(2), d = get_local_id(0);
    const int rows = has_lengths_q ? lengths_q[b] : seq_len_q, keys = q < rows ? (has_lengths_kv ? lengths_kv[b] : seq_len_kv) : 0;
    __global const float *x = query + q * query_stride.x + h * query_stride.y + b * query_stride.z;
    float sum = 0, weighted = 0;
    for (int kv = 0; kv < keys; kv++) {
        __global const float *k = key + kv * key_stride.x + h / group * key_stride.y + b * key_stride.z;
        shared[d] = d < 4 ? x[d] * k[d] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        const float weight = exp(0.5f * (shared[0] + shared[1] + shared[2] + shared[3]));
        barrier(CLK_LOCAL_MEM_FENCE);
        sum += weight;
        if (d < 3)
            weighted += weight * value[d + kv * value_stride.x + h / group * value_stride.y + b * value_stride.z];
    }
    if (d < 3)
        output[d + q * output_stride.x + h * output_stride.y + b * output_stride.z] = sum > 0 ? weighted / sum : 0;
    if (d == 3 && writes_lse)
        lse[q * lse_stride.x + h * lse_stride.y + b * lse_stride.z] = sum > 0 ? log(sum) : -INFINITY;
}
)";

class OpenCl : public testing::Test {
protected:
    FakeDeviceKernel fake;
    Problem p;
    void *state = nullptr;  // of a generated object, which lives as long as the program
    std::string source = attend_source, entry = "attend";
    int threads = 4;
    attune_device device{};

    OpenCl() {
        fake.device_variants[0].target = "opencl";
        fake.device_variants[0].api = ATTUNE_API_OPENCL;
        fake.device_variants[0].needs = 0;
        fake.body = [this](void **arguments) { return launch(arguments); };
    }
    ~OpenCl() override { attune_device_close(&device); }

    void SetUp() override {
        if (attune_device_count(ATTUNE_API_OPENCL) == 0)
            GTEST_SKIP() << "no OpenCL device: " << attune_last_error();
        ASSERT_EQ(attune_device_open(ATTUNE_API_OPENCL, 0, &device), ATTUNE_OK) << attune_last_error();
    }

    int launch(void **arguments) {
        void *context = *static_cast<void **>(arguments[0]);
        const auto tensor = [&](int which) { return static_cast<attune_buffer *>(arguments[7 + which]); };
        attune_opencl_initialize_kernels(context, &state, source.c_str(), int(source.size() + 1));
        for (int i = 0; i < num_device_buffers; i++)
            attune_copy_to_device(context, tensor(i), attune_opencl_device_interface());
        int strides[5][4] = {};
        std::vector<size_t> sizes(7, 8);
        std::vector<void *> args;
        for (int which : {query_at, key_at, value_at, lse_at, output_at, lengths_q_at, lengths_kv_at})
            args.push_back(tensor(which));
        for (int i = 0; i < 6; i++)
            args.push_back(arguments[1 + i]), sizes.push_back(4);
        int *stride = strides[0];
        for (int which : {query_at, key_at, value_at, lse_at, output_at}) {
            const int first = which == query_at || which == output_at ? 2 : 1;
            for (int d = 0; d < 3; d++)
                stride[d] = tensor(which)->dim[first + d].stride;
            args.push_back(stride), sizes.push_back(16);
            stride += 4;
        }
        sizes.push_back(0), args.push_back(nullptr);
        std::vector<int8_t> is_buffer(args.size());
        std::fill(is_buffer.begin(), is_buffer.begin() + 7, 1);
        const attune_dimension *query = tensor(query_at)->dim;
        const int code = attune_opencl_run(context, state, entry.c_str(), query[2].extent, query[3].extent, query[4].extent, threads, 1, 1,
                                           16, sizes.data(), args.data(), is_buffer.data());
        attune_opencl_finalize_kernels(context, state);
        return code;
    }
};

TEST_F(OpenCl, RunsOnCopiesOfTheHostsTensors) {
    for (const int pad : {0, 3}) {
        Problem host;
        host.pad = pad;
        host.lengths_q = {6, 4}, host.lengths_kv = {0, 5};
        host.build();
        ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &host.args, &device), ATTUNE_OK) << attune_last_error();
        host.expect_right();
    }
    Problem without_lengths;
    without_lengths.build();
    without_lengths.args.lse = nullptr;
    ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &without_lengths.args, &device), ATTUNE_OK) << attune_last_error();
    without_lengths.expect_right(false);
}

/// The application's own: made with OpenCL alone.
struct OwnQueue {
    cl_context context = nullptr;
    cl_command_queue queue = nullptr;

    explicit OwnQueue(const attune_device &like, cl_command_queue_properties properties = 0) {
        auto device = static_cast<cl_device_id>(like.device);
        context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
        queue = clCreateCommandQueue(context, device, properties, nullptr);
    }
    ~OwnQueue() {
        clReleaseCommandQueue(queue);
        clReleaseContext(context);
    }
    template <class T>
    cl_mem copy_of(std::vector<T> &values) const {
        return clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, values.size() * sizeof(T), values.data(), nullptr);
    }
};

TEST_F(OpenCl, EnqueuesOnTheApplicationsQueueAndCopiesNothing) {
    const OwnQueue own(device);
    p.build();
    const cl_mem memory[] = {own.copy_of(p.query), own.copy_of(p.key), own.copy_of(p.value), own.copy_of(p.output), own.copy_of(p.lse)};
    p.args.query = memory[0], p.args.key = memory[1], p.args.value = memory[2], p.args.output = memory[3];
    p.args.lse = reinterpret_cast<float *>(memory[4]);
    attune_device mine{};  // the queue tells the rest
    mine.size = sizeof mine, mine.api = ATTUNE_API_OPENCL, mine.queue = own.queue;
    p.exec.device = &mine;
    attune_device_counters before, after;
    attune_device_read_counters(&before);
    ASSERT_EQ(attune_kernel_prepare(&fake.kernel, &mine), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    attune_device_read_counters(&after);
    EXPECT_EQ(after.launches - before.launches, 2u);
    EXPECT_EQ(after.kernels_loaded - before.kernels_loaded, 1u);
    EXPECT_EQ(after.copies_to_device, before.copies_to_device);
    EXPECT_EQ(after.copies_from_device, before.copies_from_device);
    EXPECT_EQ(after.allocations, before.allocations);
    clEnqueueReadBuffer(own.queue, memory[3], CL_TRUE, 0, p.output.size() * 4, p.output.data(), 0, nullptr, nullptr);
    clEnqueueReadBuffer(own.queue, memory[4], CL_TRUE, 0, p.lse.size() * 4, p.lse.data(), 0, nullptr, nullptr);
    p.expect_right();

    // exec->stream serves where the device has no queue.
    mine.queue = nullptr;
    p.exec.stream = own.queue;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    p.exec.stream = nullptr;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: device.queue is null; set it to a cl_command_queue, or use attune_device_open");

    clFinish(own.queue);
    mine.context = own.context;
    attune_device_unload(&mine);
    for (cl_mem m : memory)
        clReleaseMemObject(m);
    cl_uint references = 0;
    for (int i = 0; i < 200 && (i == 0 || references > 2); i++) {  // the driver lets go of what has run in its own time
        std::this_thread::sleep_for(std::chrono::milliseconds(i ? 10 : 0));
        clGetContextInfo(own.context, CL_CONTEXT_REFERENCE_COUNT, sizeof references, &references, nullptr);
    }
    EXPECT_LE(references, 2u) << "unload leaves no program behind (the queue holds one)";
}

TEST_F(OpenCl, ServesManyThreadsOnOneQueue) {
    const OwnQueue own(device);
    attune_device mine{};
    mine.size = sizeof mine, mine.api = ATTUNE_API_OPENCL, mine.queue = own.queue;
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            Problem own_problem;
            own_problem.rows = 3 + t;  // sizes and strides of their own: kernel arguments must not mix
            own_problem.build();
            for (int i = 0; i < 5; i++)
                failures += attune_kernel_run_copied(&fake.kernel, &own_problem.args, &mine) != ATTUNE_OK;
            own_problem.expect_right();
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    attune_device_unload(&mine);
}

TEST_F(OpenCl, AllocatesAndCopies) {
    char name[100];
    EXPECT_NE(std::string(attune_device_name(&device, name, sizeof name)), "");
    EXPECT_EQ(std::string(attune_device_name(&device, name, 4)).size(), 3u);
    const std::vector<int> numbers = {3, 1, 4, 1, 5};
    std::vector<int> back(5);
    void *memory = nullptr, *smallest = nullptr, *nothing = nullptr;
    ASSERT_EQ(attune_device_allocate(&device, 20, &memory), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_write(&device, memory, numbers.data(), 20), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_read(&device, back.data(), memory, 20), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(back, numbers);
    EXPECT_EQ(attune_device_synchronize(&device), ATTUNE_OK);
    EXPECT_EQ(attune_device_write(&device, memory, numbers.data(), 21), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: clEnqueueWriteBuffer failed with CL_INVALID_VALUE (-30)");
    EXPECT_EQ(attune_device_allocate(&device, 0, &smallest), ATTUNE_OK) << attune_last_error();
    EXPECT_NE(attune_device_allocate(&device, size_t(1) << 60, &nothing), ATTUNE_OK);
    EXPECT_NE(std::string(attune_last_error()).find("clCreateBuffer failed with"), std::string::npos) << attune_last_error();
    attune_device_free_memory(&device, memory);
    attune_device_free_memory(&device, smallest);
}

TEST_F(OpenCl, ShowsTheLogOfSourceThatDoesNotCompile) {
    source = "__kernel void attend(__global float *x) { x[0] = no_such_name; }";
    p.build();
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_DEVICE);
    const std::string message = attune_last_error();
    EXPECT_NE(message.find("clBuildProgram failed with CL_BUILD_PROGRAM_FAILURE (-11)"), std::string::npos) << message;
    EXPECT_NE(message.find("no_such_name"), std::string::npos) << message;
    p.expect_untouched();
    source = attend_source;
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_OK) << "what failed is tried again: " << attune_last_error();
}

TEST_F(OpenCl, NamesAKernelFunctionThatIsMissing) {
    entry = "missing";
    p.build();
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: clCreateKernel failed with CL_INVALID_KERNEL_NAME (-46)");
}

TEST_F(OpenCl, DescribesALaunchThatFails) {
    threads = 1 << 20;
    p.build();
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_DEVICE);
    const std::string message = attune_last_error();
    EXPECT_NE(message.find("clEnqueueNDRangeKernel failed with CL_INVALID_WORK_"), std::string::npos) << message;
    EXPECT_NE(message.find("for attend: 6 x 4 x 2 groups of 1048576 x 1 x 1 work items, 16 bytes of local memory"), std::string::npos)
        << message;
}

TEST_F(OpenCl, RefusesAQueueThatKeepsNoOrder) {
    const OwnQueue own(device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    if (!own.queue)
        GTEST_SKIP() << "the device has no such queue";
    attune_device mine{};
    mine.size = sizeof mine, mine.api = ATTUNE_API_OPENCL, mine.queue = own.queue;
    EXPECT_EQ(attune_kernel_prepare(&fake.kernel, &mine), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(), "attune: device.queue is out of order but kernels need one that keeps the order of commands");
}

TEST_F(OpenCl, ChecksHandlesAsHandles) {
    p.build();
    p.exec.device = &device;
    void *memory[4];
    for (void *&m : memory)
        ASSERT_EQ(attune_device_allocate(&device, 4096, &m), ATTUNE_OK);
    p.args.query = memory[0], p.args.key = memory[1], p.args.value = memory[2], p.args.output = memory[0], p.args.lse = nullptr;
    fake.device_variants[0].alignment = 16;  // of strides alone: a handle has none
    p.args.seq_len_kv = 1, p.args.stride_value[0] = p.args.stride_value[1] = 4, p.args.stride_output[0] = 96, p.args.stride_output[1] = 24,
    p.args.stride_output[2] = 4;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(), "attune: output and query are the same memory object but must be apart; give each its own");
    p.args.output = memory[3];
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    p.args.stride_output[2] = 3;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_MISALIGNED) << attune_last_error();
    attune_device_synchronize(&device);
    for (void *m : memory)
        attune_device_free_memory(&device, m);
}

TEST_F(OpenCl, CountsDevicesFromZero) {
    attune_device other{};
    const int count = attune_device_count(ATTUNE_API_OPENCL);
    EXPECT_EQ(attune_device_open(ATTUNE_API_OPENCL, count, &other), ATTUNE_INVALID_ARGUMENT);
    EXPECT_EQ(attune_device_open(ATTUNE_API_OPENCL, -1, &other), ATTUNE_INVALID_ARGUMENT);
}

}  // namespace
