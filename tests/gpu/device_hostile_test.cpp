// What lies on a device is not checked before a call: whatever lengths, cu_seqlens and block lists hold, kernels keep inside the arrays. On the simulator
// of CUDA, which knows where each array ends.
#include "generator/cli/run_kernel.h"
#include "tests/gpu/device_kernels.h"

#include <vector>

namespace attune::test {
namespace {

/// Arrays on a device, freed at the end.
class DeviceArrays {
public:
    explicit DeviceArrays(const attune_device &device) : device_(device) {}
    ~DeviceArrays() {
        for (void *memory : all_) attune_device_free_memory(&device_, memory);
    }
    template <class T>
    T *add(const std::vector<T> &host) {
        void *memory = nullptr;
        EXPECT_EQ(attune_device_allocate(&device_, host.size() * sizeof(T), &memory), ATTUNE_OK) << attune_last_error();
        EXPECT_EQ(attune_device_write(&device_, memory, host.data(), host.size() * sizeof(T)), ATTUNE_OK) << attune_last_error();
        all_.push_back(memory);
        return static_cast<T *>(memory);
    }

private:
    const attune_device device_;
    std::vector<void *> all_;
};

constexpr int64_t batch = 3, heads = 2, rows = 40, keys = 70, dim = 32;
const std::vector<int32_t> hostile = {-5, 1 << 30, 33, INT32_MIN, INT32_MAX, 7, -1, 40};

/// A call of these extents on device arrays without room to spare.
struct HostileCall {
    const attune_device &device = cli::opened_device(ATTUNE_API_CUDA);
    DeviceArrays arrays{device};
    attune_exec exec{};
    attune_attention_args args{};
    const int64_t sequences;

    const int64_t element_bytes;

    explicit HostileCall(int64_t sequences, int64_t element_bytes = 4) : sequences(sequences), element_bytes(element_bytes) {
        exec.size = sizeof exec;
        exec.device = &device;
        args.size = sizeof args;
        args.version = ATTUNE_ATTENTION_ARGS_VERSION;
        args.exec = &exec;
        args.query = tensor(heads * rows * dim), args.key = tensor(heads * keys * dim), args.value = tensor(heads * keys * dim);
        args.output = tensor(heads * rows * dim);
        args.lse = arrays.add(std::vector<float>(static_cast<size_t>(sequences * heads * rows)));
        args.batch = batch, args.num_heads = args.num_kv_heads = heads, args.seq_len_q = rows, args.seq_len_kv = keys;
        for (auto *stride : {args.stride_query, args.stride_output}) stride[0] = heads * rows * dim, stride[1] = rows * dim, stride[2] = dim;
        for (auto *stride : {args.stride_key, args.stride_value}) stride[0] = heads * keys * dim, stride[1] = keys * dim, stride[2] = dim;
        args.stride_lse[0] = heads * rows, args.stride_lse[1] = rows, args.stride_lse[2] = 1;
    }
    void *tensor(int64_t count) { return arrays.add(std::vector<uint8_t>(static_cast<size_t>(sequences * count * element_bytes), 0x30)); }  // small numbers
    void expect_it_runs(const LoadedKernel &kernel) {
        EXPECT_EQ(attune_kernel_run(kernel.kernel(), &args), ATTUNE_OK) << attune_last_error();
        EXPECT_EQ(attune_device_synchronize(&device), ATTUNE_OK) << attune_last_error();
    }
};

TEST(DeviceHostile, LengthsAreCutToTheTensors) {
    ATTUNE_REQUIRE_DEVICE(target, "cuda");
    HostileCall call(batch);
    call.args.lengths_q = call.arrays.add(std::vector(hostile.begin(), hostile.begin() + batch));
    call.args.lengths_kv = call.arrays.add(std::vector(hostile.begin() + 3, hostile.begin() + 3 + batch));
    call.expect_it_runs(device_kernel_for(make_spec(DType::f32, dim, dim, 1, {.mask = "causal"}), target));
}

TEST(DeviceHostile, CumulativeLengthsAreCutToTheTensors) {
    for (const char *name : {"cuda", "cuda_mma"}) {
        ATTUNE_REQUIRE_DEVICE(target, name);
        for (size_t first = 0; first + batch + 1 <= hostile.size(); first++) {
            HostileCall call(1, target.tensor_cores ? 2 : 4);
            call.args.cu_seqlens_q = call.arrays.add(std::vector<int32_t>(hostile.begin() + first, hostile.begin() + first + batch + 1));
            call.args.cu_seqlens_kv = call.arrays.add(std::vector<int32_t>(hostile.rbegin() + first, hostile.rbegin() + first + batch + 1));
            call.expect_it_runs(device_kernel_for(make_spec(target.tensor_cores ? DType::f16 : DType::f32, dim, dim, 1, {.mask = "causal"}), target));
        }
    }
}

TEST(DeviceHostile, ColumnsOfListsAreCutToTheKeys) {
    ATTUNE_REQUIRE_DEVICE(target, "cuda");
    HostileCall call(batch);
    // 3 blocks of 16 rows; lists that grow, shrink and are longer than there are blocks of keys, which are 5.
    attune_block_mask mask{};
    mask.row_offsets = call.arrays.add(std::vector<int32_t>{0, 8, 3, INT32_MAX});
    mask.columns = call.arrays.add(hostile);
    mask.full = call.arrays.add(std::vector<uint8_t>{0, 1, 0, 0, 1, 0, 255, 0});
    call.args.params = &mask;
    call.expect_it_runs(device_kernel_for(make_spec(DType::f32, dim, dim, 1, {.mask = "causal", .block_size = "16,16"}), target));
}

}  // namespace
}  // namespace attune::test
