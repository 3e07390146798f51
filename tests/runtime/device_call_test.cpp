/// Calls on a device: the arguments that a variant gets, and what is refused. The device is the mock's, so its memory is this machine's.
#include "device_fake.h"
#include "problem.h"

#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>

namespace {

/// 2 sequences, 4 heads on 2 key/value heads, 6 rows, 7 keys, in padded tensors on a mock device.
struct CallOnDevice {
    MockCuda &mock = fresh_mock();
    FakeDeviceKernel fake;
    Problem p;
    attune_device device = cuda_device();

    explicit CallOnDevice(const FakeOptions &options = {}) : fake(options) {
        p.pad = 4;
        p.build();
        p.exec.device = &device;
    }
    attune_status run() { return attune_kernel_run(&fake.kernel, &p.args); }
    const DeviceBuffer &buffer(int which) const { return fake.calls.at(0).buffers.at(which); }
};

void expect_buffer(const DeviceBuffer &b, const void *device, int type_code, const std::vector<int> &extent, const std::vector<int> &stride,
                   int type_bits = 32) {
    EXPECT_EQ(b.device, device);
    EXPECT_EQ(b.host, nullptr);
    EXPECT_EQ(b.flags, 0u);
    EXPECT_EQ(b.device_interface, attune_cuda_device_interface());
    EXPECT_EQ(b.type_code, type_code);
    EXPECT_EQ(b.type_bits, type_bits);
    EXPECT_EQ(b.extent, extent);
    EXPECT_EQ(b.stride, stride);
    EXPECT_EQ(b.min, std::vector<int>(extent.size()));
}

enum { type_int = 0, type_uint = 1, type_float = 2 };

TEST(DeviceCall, GivesScalarsAndBuffersInTheirOrder) {
    CallOnDevice c;
    c.p.lengths_q = {6, 3}, c.p.lengths_kv = {7, 0};
    c.p.args.lengths_q = c.p.lengths_q.data(), c.p.args.lengths_kv = c.p.lengths_kv.data();
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(c.fake.calls.size(), 1u);
    EXPECT_EQ(c.fake.calls[0].scalars, (std::vector<int>{6, 7, 2, 1, 1, 1}));
    // Rows of 4 + 4 elements, 3 + 4 of value and output, 1 + 4 of lse, and 8 after each head.
    expect_buffer(c.buffer(lengths_q_at), c.p.lengths_q.data(), type_int, {2}, {1});
    expect_buffer(c.buffer(lengths_kv_at), c.p.lengths_kv.data(), type_int, {2}, {1});
    expect_buffer(c.buffer(query_at), c.p.args.query, type_float, {4, 1, 6, 4, 2}, {1, 0, 8, 56, 224});
    expect_buffer(c.buffer(key_at), c.p.args.key, type_float, {4, 7, 2, 2}, {1, 8, 64, 128});
    expect_buffer(c.buffer(value_at), c.p.args.value, type_float, {3, 7, 2, 2}, {1, 7, 57, 114});
    expect_buffer(c.buffer(lse_at), c.p.args.lse, type_float, {1, 6, 4, 2}, {0, 5, 38, 152});
    expect_buffer(c.buffer(output_at), c.p.args.output, type_float, {3, 1, 6, 4, 2}, {1, 0, 7, 50, 200});
}

TEST(DeviceCall, FoldsTheHeadsOfAGroup) {
    CallOnDevice c({.fold = 2});
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(c.fake.calls[0].scalars[2], 1);  // head blocks a key/value head
    expect_buffer(c.buffer(query_at), c.p.args.query, type_float, {4, 2, 6, 2, 2}, {1, 56, 8, 112, 224});
    expect_buffer(c.buffer(lse_at), c.p.args.lse, type_float, {2, 6, 2, 2}, {38, 5, 76, 152});
    expect_buffer(c.buffer(output_at), c.p.args.output, type_float, {3, 2, 6, 2, 2}, {1, 50, 7, 100, 200});
}

TEST(DeviceCall, GivesTheHandleOfQueryForWhatIsNotGiven) {
    CallOnDevice c;
    c.p.args.lse = nullptr;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(c.fake.calls[0].scalars, (std::vector<int>{6, 7, 2, 0, 0, 0}));
    expect_buffer(c.buffer(lengths_q_at), c.p.args.query, type_int, {2}, {0});
    expect_buffer(c.buffer(lengths_kv_at), c.p.args.query, type_int, {2}, {0});
    expect_buffer(c.buffer(lse_at), c.p.args.query, type_float, {1, 6, 4, 2}, {0, 0, 0, 0});
}

TEST(DeviceCall, GivesPackedSequencesWhereTheyBegin) {
    static const int32_t cu_q[] = {0, 2, 6}, cu_kv[] = {0, 7, 7};
    CallOnDevice c;
    c.p.args.cu_seqlens_q = cu_q, c.p.args.cu_seqlens_kv = cu_kv;
    c.p.args.stride_query[0] = c.p.args.stride_output[0] = int64_t{1} << 40;  // must not be looked at
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(c.fake.calls[0].scalars, (std::vector<int>{6, 7, 2, 2, 2, 1}));
    expect_buffer(c.buffer(lengths_q_at), cu_q, type_int, {3}, {1});
    expect_buffer(c.buffer(lengths_kv_at), cu_kv, type_int, {3}, {1});
    expect_buffer(c.buffer(query_at), c.p.args.query, type_float, {4, 1, 6, 4, 2}, {1, 0, 8, 56, 0});
    expect_buffer(c.buffer(key_at), c.p.args.key, type_float, {4, 7, 2, 2}, {1, 8, 64, 0});
    expect_buffer(c.buffer(lse_at), c.p.args.lse, type_float, {1, 6, 4, 2}, {0, 5, 38, 0});
    expect_buffer(c.buffer(output_at), c.p.args.output, type_float, {3, 1, 6, 4, 2}, {1, 0, 7, 50, 0});
}

TEST(DeviceCall, GivesBlockListsWhoseContentsItDoesNotRead) {
    CallOnDevice c({.block_size_q = 4, .block_size_kv = 4});
    attune_block_mask mask = {.row_offsets = reinterpret_cast<const int32_t *>(64), .columns = reinterpret_cast<const int32_t *>(128), .full = nullptr,
                              .stride_batch = 12, .stride_head = 3};
    c.p.args.params = &mask;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    mask.full = reinterpret_cast<const uint8_t *>(3);
    mask.stride_batch = mask.stride_head = 0;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(c.fake.calls.size(), 2u);
    const DeviceCall &own = c.fake.calls[0], &shared = c.fake.calls[1];
    EXPECT_EQ(own.has_full, 0);
    expect_buffer(own.lists.at(0), reinterpret_cast<const void *>(64), type_int, {3, 4, 2}, {1, 3, 12});
    expect_buffer(own.lists.at(1), reinterpret_cast<const void *>(128), type_int, {1}, {0});
    expect_buffer(own.lists.at(2), c.p.args.query, type_uint, {1}, {0}, 8);
    EXPECT_EQ(shared.has_full, 1);
    expect_buffer(shared.lists.at(0), mask.row_offsets, type_int, {3, 4, 2}, {1, 0, 0});
    expect_buffer(shared.lists.at(2), mask.full, type_uint, {1}, {0}, 8);
    EXPECT_EQ(shared.buffers.at(query_at).device, c.p.args.query);
}

TEST(DeviceCall, KeepsPartsOfDecodeInTheWorkspace) {
    CallOnDevice c;
    c.fake.split_keys(4);
    // 7 keys are 2 parts of a block of 64 rows; 3 values, padded to 4, with 4 more columns.
    const int columns = 8, rows = 128;
    ASSERT_EQ(attune_kernel_workspace_size(&c.fake.kernel, &c.p.args), size_t(columns * rows * 4 * 2) * sizeof(float));
    std::vector<float> memory(columns * rows * 4 * 2 + 16);
    c.p.args.workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64 / 4;
    c.p.args.workspace_size = size_t(columns * rows * 4 * 2) * sizeof(float);
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(c.fake.calls.size(), 1u);
    ASSERT_EQ(c.fake.combined.size(), 1u);
    const std::vector<int> strides = {1, columns, columns * rows, columns * rows * 4};
    expect_buffer(c.buffer(lse_at), c.p.args.workspace, type_float, {columns, rows, 4, 2}, strides);
    expect_buffer(c.buffer(output_at), c.p.args.workspace, type_float, {3, rows, 4, 2}, strides);
    const DeviceCall &combined = c.fake.combined[0];
    EXPECT_EQ(combined.scalars, c.fake.calls[0].scalars);
    EXPECT_EQ(combined.buffers.at(query_at).device, c.p.args.query);
    expect_buffer(combined.buffers.at(lse_at), c.p.args.workspace, type_float, {columns, rows, 4, 2}, strides);
    EXPECT_EQ(combined.buffers.at(lse_at + 1).device, c.p.args.lse);
    EXPECT_EQ(combined.buffers.at(output_at + 1).device, c.p.args.output);

    c.fake.body = [](void **) { return -3; };
    EXPECT_EQ(c.run(), ATTUNE_INTERNAL);
    EXPECT_EQ(c.fake.combined.size(), 1u) << "parts that are not there are not combined";
}

TEST(DeviceCall, CopiesPatternsOnceAContext) {
    static const int32_t words[] = {5, -1, 7}, others[] = {5, -1, 8};
    CallOnDevice c;
    c.fake.kernel.pattern_words = words;
    c.fake.kernel.num_pattern_words = 3;
    attune_device_counters before, after;
    attune_device_read_counters(&before);
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    attune_device_read_counters(&after);
    EXPECT_EQ(after.allocations - before.allocations, 1u);
    EXPECT_EQ(after.copies_to_device - before.copies_to_device, 1u);
    const void *memory = c.fake.calls[0].patterns.at(0).device;
    expect_buffer(c.fake.calls[1].patterns.at(0), memory, type_int, {3}, {1});
    EXPECT_EQ(std::memcmp(memory, words, sizeof words), 0);
    EXPECT_EQ(c.buffer(query_at).device, c.p.args.query);

    c.fake.kernel.pattern_words = others;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_NE(c.fake.calls[2].patterns.at(0).device, memory);
    attune_device elsewhere = cuda_device(reinterpret_cast<void *>(0xc1));
    c.p.exec.device = &elsewhere;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_NE(c.fake.calls[3].patterns.at(0).device, c.fake.calls[2].patterns.at(0).device);

    attune_device_unload(&c.device);
    attune_device_unload(&elsewhere);
    EXPECT_EQ(c.mock.freed.size(), 3u);
    c.p.exec.device = &c.device;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    attune_device_read_counters(&after);
    EXPECT_EQ(after.allocations - before.allocations, 4u) << "what was unloaded is copied anew";
    attune_device_unload(&c.device);

    c.mock.bytes_left = 0;
    EXPECT_EQ(c.run(), ATTUNE_OUT_OF_MEMORY);
    EXPECT_EQ(c.fake.calls.size(), 5u);
}

TEST(DeviceCall, RunsWithoutKeys) {
    CallOnDevice c;
    c.p.args.seq_len_kv = 0;
    c.p.args.key = c.p.args.value = nullptr;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    ASSERT_EQ(c.fake.calls.size(), 1u);
    EXPECT_EQ(c.fake.calls[0].scalars[1], 0);
    EXPECT_EQ(c.buffer(key_at).device, c.p.args.query);
    EXPECT_EQ(c.buffer(value_at).device, c.p.args.query);
    EXPECT_EQ(c.buffer(key_at).extent, (std::vector<int>{4, 0, 2, 2}));
}

TEST(DeviceCall, DoesNothingWithoutRowsOrSequences) {
    for (auto member : {&attune_attention_args::batch, &attune_attention_args::seq_len_q}) {
        CallOnDevice c;
        c.p.args.*member = 0;
        c.p.args.query = nullptr;
        EXPECT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
        EXPECT_TRUE(c.fake.calls.empty());
    }
}

TEST(DeviceCall, LooksAtNoStrideOfWhatIsOneLong) {
    CallOnDevice c;
    c.p.args.batch = 1;
    c.p.args.stride_query[0] = int64_t{1} << 40;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(c.buffer(query_at).stride[4], 0);
}

TEST(DeviceCall, NeedsNoWorkspaceAndReadsNoLengths) {
    CallOnDevice c;
    c.p.args.lengths_q = reinterpret_cast<const int32_t *>(8), c.p.args.lengths_kv = reinterpret_cast<const int32_t *>(16);
    EXPECT_EQ(attune_kernel_workspace_size(&c.fake.kernel, &c.p.args), 0u);
    EXPECT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(script->exact_calls, 0);
    c.p.expect_untouched();
}

/// A generated <name>_params.
struct Params {
    attune_tensor bias;
    float slope;
    attune_tensor ids;
};

struct CallWithParams : CallOnDevice {
    std::vector<float> bias = std::vector<float>(4 * 7);
    std::vector<int32_t> ids = {3, 2, 1, 0, 0, 0, 0};  // a broken promise, which only the CPU looks at
    Params params{};

    CallWithParams() {
        attune_param bias_param{"bias", "f32[h, kv]", offsetof(Params, bias), 2, 32, 2, 0, {ATTUNE_DIM_H, ATTUNE_DIM_KV}, {}};
        attune_param slope_param{"slope", "f32", offsetof(Params, slope), 2, 32, 0, 0, {}, {}};
        attune_param ids_param{"ids", "i32[kv] nondecreasing", offsetof(Params, ids), 0, 32, 1, 1, {ATTUNE_DIM_KV}, {}};
        fake.params = {bias_param, slope_param, ids_param};
        fake.kernel.params_size = sizeof(Params);
        fake.refresh();
        params.bias = {bias.data(), {4, 7}, {}};
        params.slope = 0.5f;
        params.ids = {ids.data(), {7}, {}};
        p.args.params = &params;
    }
};

TEST(DeviceCall, GivesParamsBetweenScalarsAndBuffers) {
    CallWithParams c;
    ASSERT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    const DeviceCall &call = c.fake.calls[0];
    ASSERT_EQ(call.tensors.size(), 2u);
    expect_buffer(call.tensors[0], c.bias.data(), type_float, {7, 4}, {1, 7});
    EXPECT_EQ(call.params[1], &c.params.slope);
    expect_buffer(call.tensors[1], c.ids.data(), type_int, {7}, {1});
    EXPECT_EQ(c.buffer(query_at).device, c.p.args.query);
}

TEST(DeviceCall, ChecksWhatASinkNeedsWithoutKeys) {
    CallWithParams c;
    c.fake.params = {{"sink", "f32[h]", offsetof(Params, bias), 2, 32, 1, 0, {ATTUNE_DIM_H}, {}}, c.fake.params[2]};
    c.fake.kernel.has_sink = 1;
    c.fake.refresh();
    c.params.bias = {};
    c.params.ids = {};  // of keys, which there are none of
    c.p.args.seq_len_kv = 0;
    EXPECT_EQ(c.run(), ATTUNE_SHAPE_MISMATCH);
    EXPECT_NE(std::string(attune_last_error()).find("params.sink.extent[0] is 0"), std::string::npos) << attune_last_error();
    c.params.bias = {c.bias.data(), {4}, {}};
    EXPECT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
}

TEST(DeviceCall, ReportsACodeOfTheKernel) {
    CallOnDevice c;
    c.fake.body = [](void **) { return -3; };
    EXPECT_EQ(c.run(), ATTUNE_INTERNAL);
    EXPECT_STREQ(attune_last_error(), "attune: kernel fake (cuda) failed with code -3; please report it");
}

TEST(DeviceCall, KeepsTheFirstErrorOfGeneratedCodeThatGoesOn) {
    CallOnDevice c;
    c.fake.body = [](void **arguments) {
        void *context = *static_cast<void **>(arguments[0]);
        attune_buffer nowhere{};
        EXPECT_NE(attune_copy_to_device(context, &nowhere, nullptr), 0);
        EXPECT_NE(attune_device_malloc(context, &nowhere, nullptr), 0);
        nowhere.device = 1;
        EXPECT_NE(attune_copy_to_device(context, &nowhere, nullptr), 0) << "the call has failed";
        EXPECT_EQ(attune_malloc(context, 64), nullptr);
        return 0;  // as code without asserts does
    };
    EXPECT_EQ(c.run(), ATTUNE_INTERNAL);
    EXPECT_STREQ(attune_last_error(), "attune: kernel fake (cuda) asked to copy a buffer that is not on the device; please report it");
}

TEST(DeviceCall, LetsGeneratedCodeAskForBuffersThatAreThere) {
    CallOnDevice c;
    c.fake.body = [](void **arguments) {
        void *context = *static_cast<void **>(arguments[0]);
        attune_buffer there{};
        there.device = 1;
        return attune_copy_to_device(context, &there, nullptr) || attune_device_malloc(context, &there, nullptr) ||
               attune_device_free(context, &there);
    };
    EXPECT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
}

TEST(DeviceCall, LeavesKernelsForDevicesOnlyToDevices) {
    CallOnDevice c;
    c.fake.leave_devices_only();
    EXPECT_EQ(c.run(), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_kernel_target(&c.fake.kernel), nullptr);
    c.p.exec.device = nullptr;
    EXPECT_EQ(c.run(), ATTUNE_UNSUPPORTED_CPU);
    EXPECT_STREQ(attune_last_error(), "attune: kernel fake has only device targets, cuda first; give exec->device, or add auto to TARGETS");
    attune_append_args append{};
    append.size = sizeof append, append.version = ATTUNE_APPEND_ARGS_VERSION;
    EXPECT_EQ(attune_kernel_append(&c.fake.kernel, &append), ATTUNE_INVALID_ARGUMENT);
}

TEST(DeviceCall, AppendsOnCpusOnly) {
    CallOnDevice c;
    c.fake.variants[0].append = [](void **) { return 0; };
    attune_append_args append{};
    append.size = sizeof append, append.version = ATTUNE_APPEND_ARGS_VERSION, append.exec = &c.p.exec;
    EXPECT_EQ(attune_kernel_append(&c.fake.kernel, &append), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(), "attune: exec.device is given but append writes this machine's memory only; pass null");
}

struct ErrorCase {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;
    std::function<void(CallOnDevice &)> spoil;
};

class DeviceErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(DeviceErrors, NamesArgumentValueAndCure) {
    const ErrorCase &error = GetParam();
    CallOnDevice c;
    error.spoil(c);
    EXPECT_EQ(c.run(), error.status);
    const std::string message = attune_last_error();
    for (const char *piece : error.pieces)
        EXPECT_NE(message.find(piece), std::string::npos) << message << "\n  lacks: " << piece;
    EXPECT_TRUE(c.fake.calls.empty());
    c.p.expect_untouched();
}

static const int32_t cu[] = {0, 3, 6};
static attune_block_mask lists;
void use_lists(CallOnDevice &c, const attune_block_mask &mask) {
    lists = mask;
    c.fake.kernel.block_size_q = c.fake.kernel.block_size_kv = 4;
    c.fake.kernel.params_size = sizeof lists;
    c.p.args.params = &lists;
}
static const double frequency = 1;
static attune_device old_device;

#define SPOIL(...) [](CallOnDevice &c) { (void)c, __VA_ARGS__; }

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, DeviceErrors,
    testing::Values(
        ErrorCase{"exec_size", ATTUNE_STRUCT_SIZE, {"exec.size is 8", "sizeof(attune_exec)"}, SPOIL(c.p.exec.size = 8)},
        ErrorCase{"device_size", ATTUNE_STRUCT_SIZE, {"exec.device.size is 0", "sizeof(attune_device)"}, SPOIL(c.p.exec.device = &old_device)},
        ErrorCase{"api", ATTUNE_INVALID_ARGUMENT, {"device.api is 17", "1 .. 6"}, SPOIL(c.device.api = 17)},
        ErrorCase{"api_zero", ATTUNE_INVALID_ARGUMENT, {"device.api is 0"}, SPOIL(c.device.api = 0)},
        ErrorCase{"metal", ATTUNE_DEVICE, {"device.api is Metal", "does not drive", "CUDA, OpenCL and Vulkan"}, SPOIL(c.device.api = ATTUNE_API_METAL)},
        ErrorCase{"no_context", ATTUNE_DEVICE, {"device.context is null", "no CUDA context is current", "attune_device_open"}, SPOIL(c.device.context = nullptr)},
        ErrorCase{"no_variant", ATTUNE_INVALID_ARGUMENT, {"kernel fake has opencl, vulkan but", "driven by CUDA", "add cuda to TARGETS"},
                  SPOIL(c.fake.device_variants[0].api = ATTUNE_API_OPENCL, c.fake.device_variants[0].target = "opencl", c.fake.device_variants.push_back({"vulkan", ATTUNE_API_VULKAN, 1, 0, 0, 0, 0, 0, 0, nullptr, nullptr}), c.fake.refresh())},
        ErrorCase{"no_device_variants", ATTUNE_INVALID_ARGUMENT, {"kernel fake has no device targets", "driven by CUDA"}, SPOIL(c.fake.kernel.num_device_variants = 0)},
        ErrorCase{"capability", ATTUNE_DEVICE, {"kernel fake has cuda, which needs compute capability 9.0, but the device has 8.0"}, SPOIL(c.fake.device_variants[0].needs = 90)},
        ErrorCase{"capability_of_mma", ATTUNE_DEVICE, {"kernel fake has cuda_mma, which needs", "the device has 8.0; add to TARGETS: cuda"}, SPOIL(c.fake.device_variants[0].needs = 90, c.fake.device_variants[0].target = "cuda_mma")},
        ErrorCase{"damaged_fold", ATTUNE_INTERNAL, {"damaged table for cuda"}, SPOIL(c.fake.device_variants[0].fold = 2)},
        ErrorCase{"damaged_function", ATTUNE_INTERNAL, {"damaged table for cuda"}, SPOIL(c.fake.device_variants[0].attention = nullptr)},
        ErrorCase{"table_is_null", ATTUNE_INTERNAL, {"damaged"}, SPOIL(c.fake.kernel.device_variants = nullptr)},
        ErrorCase{"cu_seqlens_alone", ATTUNE_INVALID_ARGUMENT, {"cu_seqlens_q is given without cu_seqlens_kv"}, SPOIL(c.p.args.cu_seqlens_q = cu)},
        ErrorCase{"cu_seqlens_misaligned", ATTUNE_MISALIGNED, {"cu_seqlens_kv is at 0x2", "4 bytes"}, SPOIL(c.p.args.cu_seqlens_q = cu, c.p.args.cu_seqlens_kv = reinterpret_cast<const int32_t *>(2))},
        ErrorCase{"pairs", ATTUNE_INVALID_ARGUMENT, {"pairs is given", "pass null"}, SPOIL(c.fake.kernel.info.pairs = "weights", c.p.ask_pairs())},
        ErrorCase{"rope", ATTUNE_INVALID_ARGUMENT, {"kernel fake has rope"}, SPOIL(c.fake.kernel.rope.frequencies = &frequency)},
        ErrorCase{"no_workspace", ATTUNE_WORKSPACE_TOO_SMALL, {"workspace is null but this call needs 32768 bytes"}, SPOIL(c.fake.split_keys(4))},
        ErrorCase{"small_workspace", ATTUNE_WORKSPACE_TOO_SMALL, {"workspace_size is 64 but this call needs 32768"}, SPOIL(c.fake.split_keys(4), c.p.args.workspace = (void *)64, c.p.args.workspace_size = 64)},
        ErrorCase{"workspace_misaligned", ATTUNE_MISALIGNED, {"workspace is at 0x60"}, SPOIL(c.fake.split_keys(4), c.p.args.workspace = (void *)0x60, c.p.args.workspace_size = 1 << 20)},
        ErrorCase{"workspace_is_output", ATTUNE_INVALID_ARGUMENT, {"workspace overlaps", "memory of its own"}, SPOIL(c.fake.split_keys(4), c.p.args.workspace = (void *)((uintptr_t)c.p.args.output / 64 * 64), c.p.args.workspace_size = 1 << 20)},
        ErrorCase{"many_parts", ATTUNE_INDEX_RANGE, {"parts of the keys take more than", "split the batch"}, SPOIL(c.fake.split_keys(1), c.p.args.seq_len_kv = 1 << 20, c.p.args.stride_key[0] = c.p.args.stride_key[1] = c.p.args.stride_value[0] = c.p.args.stride_value[1] = 0)},
        ErrorCase{"packed_decode", ATTUNE_INVALID_ARGUMENT, {"cu_seqlens is given but kernel fake is for decode", "lengths_q and lengths_kv"}, SPOIL(c.fake.split_keys(4), c.p.args.cu_seqlens_q = cu, c.p.args.cu_seqlens_kv = cu)},
        ErrorCase{"damaged_combine", ATTUNE_INTERNAL, {"damaged table for cuda"}, SPOIL(c.fake.split_keys(4), c.fake.device_variants[0].combine = nullptr)},
        ErrorCase{"lists_null", ATTUNE_NULL_POINTER, {"params.block_mask.columns is null", "attune_list_blocks"}, SPOIL(use_lists(c, {cu, nullptr, nullptr, 0, 0}))},
        ErrorCase{"lists_misaligned", ATTUNE_MISALIGNED, {"params.block_mask.row_offsets is at 0x2", "4 bytes"}, SPOIL(use_lists(c, {reinterpret_cast<const int32_t *>(2), cu, nullptr, 0, 0}))},
        ErrorCase{"damaged_lists", ATTUNE_INTERNAL, {"damaged table for cuda"}, SPOIL(use_lists(c, {cu, cu, nullptr, 0, 0}), c.fake.kernel.block_size_q = 0)},
        ErrorCase{"damaged_patterns", ATTUNE_INTERNAL, {"damaged table for cuda"}, SPOIL(c.fake.kernel.num_pattern_words = 3)},
        ErrorCase{"pages", ATTUNE_INVALID_ARGUMENT, {"kernel fake keeps its keys in pages"}, SPOIL(c.fake.kernel.cache.layout = ATTUNE_LAYOUT_PAGED)},
        ErrorCase{"ring", ATTUNE_INVALID_ARGUMENT, {"in a ring"}, SPOIL(c.fake.kernel.cache.layout = ATTUNE_LAYOUT_RING)},
        ErrorCase{"integers", ATTUNE_INVALID_ARGUMENT, {"as integers"}, SPOIL(c.fake.kernel.cache.key_scales = 1)},
        ErrorCase{"values_in_key", ATTUNE_INVALID_ARGUMENT, {"values in key"}, SPOIL(c.fake.kernel.cache.value_elements = 0)},
        ErrorCase{"heads", ATTUNE_INVALID_ARGUMENT, {"num_heads is 3 but must be a multiple"}, SPOIL(c.p.args.num_heads = 3)},
        ErrorCase{"rows", ATTUNE_INDEX_RANGE, {"seq_len_q is 536870912"}, SPOIL(c.p.args.seq_len_q = 1 << 29)},
        ErrorCase{"stride", ATTUNE_INVALID_ARGUMENT, {"stride_key[1] (head) is -1"}, SPOIL(c.p.args.stride_key[1] = -1)},
        ErrorCase{"span", ATTUNE_INDEX_RANGE, {"query spans"}, SPOIL(c.p.args.stride_query[0] = int64_t{1} << 32)},
        ErrorCase{"output_broadcast", ATTUNE_INVALID_ARGUMENT, {"rows of output overlap"}, SPOIL(c.p.args.stride_output[1] = 0)},
        ErrorCase{"query_null", ATTUNE_NULL_POINTER, {"query is null"}, SPOIL(c.p.args.query = nullptr)},
        ErrorCase{"value_null", ATTUNE_NULL_POINTER, {"value is null"}, SPOIL(c.p.args.value = nullptr)},
        ErrorCase{"output_null", ATTUNE_NULL_POINTER, {"output is null"}, SPOIL(c.p.args.output = nullptr)},
        ErrorCase{"lengths_misaligned", ATTUNE_MISALIGNED, {"lengths_kv is at 0x2", "4 bytes"}, SPOIL(c.p.args.lengths_kv = reinterpret_cast<const int32_t *>(2))},
        ErrorCase{"lse_misaligned", ATTUNE_MISALIGNED, {"lse is at"}, SPOIL(c.p.args.lse = (float *)((char *)c.p.args.lse + 2))},
        ErrorCase{"variant_alignment", ATTUNE_MISALIGNED, {"query is at", "aligned to 64 bytes"}, SPOIL(c.fake.device_variants[0].alignment = 64, c.p.args.query = (const void *)0x10010)},
        ErrorCase{"stride_alignment", ATTUNE_MISALIGNED, {"stride_value[0] (batch) is 114 elements but must be a multiple of 4, 16 bytes; pad the rows"}, SPOIL(c.fake.device_variants[0].alignment = 16, c.p.args.value = (const void *)0x10010)},
        ErrorCase{"output_is_query", ATTUNE_INVALID_ARGUMENT, {"output overlaps query", "memory of its own"}, SPOIL(c.p.args.query = c.p.args.output)}),
    [](const auto &info) { return std::string(info.param.name); });
// clang-format on

TEST(DeviceCall, RefusesTheOrderOfAHostOnlyWhereItIsTheHosts) {
    // The same call on this machine's memory: debug builds read the array and find the broken promise.
    CallWithParams c;
    c.p.exec.device = nullptr;
    c.p.give_workspace(&c.fake.kernel);
#ifndef NDEBUG
    EXPECT_EQ(c.run(), ATTUNE_INVALID_ARGUMENT);
#endif
}

}  // namespace
