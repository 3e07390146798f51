/// A fake kernel with device variants, whose attention function notes its arguments, on the mock of CUDA's driver.
#pragma once
#include "attune/device.h"
#include "device_mock_cuda.h"
#include "fake_kernel.h"

/// A buffer as the attention function got it.
struct DeviceBuffer {
    const void *device, *device_interface, *host;
    uint64_t flags;
    int type_code, type_bits;
    std::vector<int> extent, stride, min;
};

struct DeviceCall {
    void *user_context;
    std::vector<int> scalars;           ///< seq_len_q, seq_len_kv, head_blocks_per_kv, has_lengths_q, has_lengths_kv, writes_lse
    std::vector<void *> params;         ///< as they came
    std::vector<DeviceBuffer> tensors;  ///< of the params that are tensors
    int has_full = -1;                  ///< of a kernel with a block mask
    std::vector<DeviceBuffer> lists;    ///< row_offsets, columns, full of one
    std::vector<DeviceBuffer> patterns; ///< one, of a kernel with patterns
    std::vector<DeviceBuffer> buffers;  ///< lengths_q, lengths_kv, query, key, value, lse, output
};
enum { lengths_q_at, lengths_kv_at, query_at, key_at, value_at, lse_at, output_at, num_device_buffers };

/// A FakeKernel that has one variant for CUDA too.
struct FakeDeviceKernel : FakeKernel {
    std::vector<attune_device_variant> device_variants;
    std::vector<DeviceCall> calls;
    std::vector<DeviceCall> combined;  ///< calls of combine, whose buffers have parts before lse
    std::function<int(void **)> body;  ///< runs inside the attention function, after the call is noted

    explicit FakeDeviceKernel(const FakeOptions &options = {});
    ~FakeDeviceKernel();
    void refresh();
    /// Makes it a kernel of decode.
    void split_keys(int keys);
    /// Takes the CPU's variants away.
    void leave_devices_only();
};

/// A function of the mock driver's.
void *mock_symbol(const char *name);
template <class Function>
Function *mock_function(const char *name) {
    return reinterpret_cast<Function *>(mock_symbol(name));
}
/// The mock driver, loaded by the runtime, with what it notes cleared and its answers those of a device of capability 8.0.
MockCuda &fresh_mock();
/// Of CUDA, with this context.
attune_device cuda_device(void *context = reinterpret_cast<void *>(0xc0));
