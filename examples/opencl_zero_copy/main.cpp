// Two attentions, one behind the other, on the application's own OpenCL queue: the second reads what the first wrote, where it lies.
#include "host_loops.h"
#include "own_queue.h"

#include <attune/device.hpp>

#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace {

constexpr Sizes self_sizes{.num_heads = 4, .num_kv_heads = 2, .seq_len_q = 100, .seq_len_kv = 100, .head_dim = 64};
constexpr Sizes cross_sizes{.num_heads = 4, .num_kv_heads = 2, .seq_len_q = 100, .seq_len_kv = 77, .head_dim = 64};

void check(const attune::Status &status) {
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

attune::Status run(const char *name, const Sizes &s, cl_mem query, cl_mem key, cl_mem value, cl_mem output, const attune::Device &device) {
    const attune::Shape rows{.heads = s.num_heads, .seq_len = s.seq_len_q, .head_dim = s.head_dim},
        keys{.heads = s.num_kv_heads, .seq_len = s.seq_len_kv, .head_dim = s.head_dim};
    using attune::on_device;  // handles stand where addresses do on CPUs
    attune::Workspace none;   // devices take none
    return attune::find(name)({.query = attune::bhsd(on_device<float>(query), rows),
                               .key = attune::bhsd(on_device<float>(key), keys),
                               .value = attune::bhsd(on_device<float>(value), keys),
                               .output = attune::bhsd(on_device<float>(output), rows),
                               .device = device.get()},
                              none);
}

std::vector<float> wave(size_t count, float frequency) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i)
        values[i] = std::sin(frequency * float(i));
    return values;
}
std::vector<double> wide(const std::vector<float> &values) {
    return {values.begin(), values.end()};
}

int run() {
    OwnQueue queue;
    std::printf("device: %s\n", queue.device_name().c_str());
    const size_t rows = 4 * 100 * 64, self_keys = 2 * 100 * 64, cross_keys = 2 * 77 * 64;
    const std::vector<float> query = wave(rows, 0.7f), key = wave(self_keys, 0.3f), value = wave(self_keys, 0.1f),
                             other_key = wave(cross_keys, 0.5f), other_value = wave(cross_keys, 0.2f);
    cl_mem query_mem = queue.put(query), key_mem = queue.put(key), value_mem = queue.put(value), other_key_mem = queue.put(other_key),
           other_value_mem = queue.put(other_value), between = queue.make(rows), output_mem = queue.make(rows);

    const attune::Device device = attune::Device::opencl(queue.get());                         // the queue tells its context and its device
    check(run("self_attention", self_sizes, query_mem, key_mem, value_mem, between, device));  // enqueues, and returns
    check(run("cross_attention", cross_sizes, between, other_key_mem, other_value_mem, output_mem, device));
    attune_device_counters counters;
    attune_device_read_counters(&counters);
    const std::vector<float> output = queue.get(output_mem, rows);
    device.unload();

    const std::vector<double> expected = host_attention(
        cross_sizes, false, host_attention(self_sizes, true, wide(query), wide(key), wide(value)), wide(other_key), wide(other_value));
    double largest_difference = 0;
    for (size_t i = 0; i < rows; ++i)
        if (const double difference = std::fabs(output[i] - expected[i]); !(difference <= largest_difference))
            largest_difference = difference;  // keeps a NaN
    std::printf("attune: %llu kernels loaded, %llu launches, %llu copies to the device, %llu from it, %llu allocations\n",
                (unsigned long long)counters.kernels_loaded, (unsigned long long)counters.launches,
                (unsigned long long)counters.copies_to_device, (unsigned long long)counters.copies_from_device,
                (unsigned long long)counters.allocations);
    std::printf("largest difference from loops in double: %.1e\n", largest_difference);
    const bool has_copied = counters.copies_to_device || counters.copies_from_device || counters.allocations;
    return largest_difference < 1e-5 && !has_copied && counters.launches >= 2 ? 0 : 1;
}

}  // namespace

int main() {
    try {
        if (attune::Device::count(ATTUNE_API_OPENCL) == 0) {
            std::fprintf(stderr,
                         "opencl_zero_copy: there is no OpenCL device on this machine (Debian: pocl-opencl-icd makes one of its CPU)\n");
            return 77;
        }
        return run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
