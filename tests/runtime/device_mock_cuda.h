/// A CUDA driver without a device: device memory is malloc's, launches are noted. A shared library that ATTUNE_CUDA_LIBRARY names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct MockLaunch {
    std::string entry;
    unsigned blocks[3], threads[3], shared_bytes;
    void *stream, *context;
    std::vector<uint64_t> arguments;  ///< the first 8 bytes of each
};

/// What the driver was asked and what it answers; its function mock_cuda returns the one that there is.
struct MockCuda {
    int devices = 1, major = 8, minor = 0, most_shared_bytes = 227 << 10;
    bool has_context_ids = true;
    int load_result = 0, launch_result = 0, synchronize_result = 0;  ///< CUresult
    std::string load_log;                                            ///< of a failing load
    uint64_t bytes_left = UINT64_MAX;
    size_t num_arguments = 0;  ///< of a launch, which the driver itself knows from the module

    std::vector<std::string> calls;  ///< those that change something, in order: "load PTX", "push 0xc0"
    std::vector<MockLaunch> launches;
    std::vector<std::pair<std::string, int>> shared_opt_ins;  ///< entry, bytes
    std::vector<void *> freed;
    int contexts_made = 0;
};
