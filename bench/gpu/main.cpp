// attune_gpu_bench: the FlashAttention sweep on a GPU (Dao 2023: 16384 tokens, 2048 head dims in all heads), and steps of decoding.
#include "bench/gpu/sweep.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <stdexcept>

namespace attune::gpu_bench {
namespace {

struct Options {
    std::string api = "cuda", filter, json;
    int device = 0, repeats = 20;
    bool smoke = false;
};

const std::map<std::string, attune_api> apis = {{"cuda", ATTUNE_API_CUDA}, {"opencl", ATTUNE_API_OPENCL}};

/// What a kernel is measured on.
std::vector<SweepRow> rows_of(const attune_kernel *kernel, bool smoke) {
    const attune_kernel_info &info = *attune_kernel_describe(kernel);
    std::vector<SweepRow> rows;
    if (std::string(info.name).starts_with("decode")) {
        for (const auto &[batch, keys] : {std::pair(int64_t(1), int64_t(8192)), {1, 131072}, {16, 8192}})
            rows.push_back(smoke ? SweepRow{kernel, 2, info.group * 2, 2, 1, 300} : SweepRow{kernel, batch, info.group * 8, 8, 1, keys});
        return smoke ? std::vector{rows[0]} : rows;
    }
    constexpr int64_t tokens = 16384;
    for (const int64_t length : {512, 1024, 2048, 4096, 8192, 16384})
        rows.push_back({kernel, tokens / length, 2048 / info.head_dim, 2048 / info.head_dim, length, length});
    return smoke ? std::vector{SweepRow{kernel, 2, 2, 2, 65, 65}} : rows;
}

/// 77: there is no device, which tests take for a skip.
int run(const Options &options) {
    const attune_api api = apis.at(options.api);
    if (attune_device_count(api) <= options.device) {
        std::fprintf(stderr, "attune_gpu_bench: no device %d of %s here\n", options.device, options.api.c_str());
        return 77;
    }
    attune_device device;
    if (attune_device_open(api, options.device, &device)) {
        std::fprintf(stderr, "attune_gpu_bench: %s\n", attune_last_error());
        return 4;
    }
    char name[256];
    std::printf("%s\n%-24s %6s %6s %7s %7s %11s %11s %9s %9s %8s\n", attune_device_name(&device, name, sizeof name), "kernel", "batch",
                "heads", "queries", "keys", "median ms", "min ms", "TFLOP/s", "GB/s", "of bound");
    nlohmann::json rows = nlohmann::json::array();
    int wrong = 0, measured = 0;
    for (size_t i = 0; i < attune_kernel_count(); i++) {
        const attune_kernel *kernel = attune_kernel_at(i);
        const attune_kernel_info &info = *attune_kernel_describe(kernel);
        if (std::string(info.name).find(options.filter) == std::string::npos)
            continue;
        if (attune_kernel_prepare(kernel, &device)) {  // a target of another api, say
            std::fprintf(stderr, "attune_gpu_bench: %s is left out: %s\n", info.name, attune_last_error());
            continue;
        }
        for (const SweepRow &row : rows_of(kernel, options.smoke)) {
            const SweepResult r = measure(device, row, options.smoke ? 0 : 3, options.smoke ? 1 : options.repeats);
            const bool ok = r.error_share <= 1;
            measured++;
            wrong += !ok;
            std::printf("%-24s %6lld %6lld %7lld %7lld %11.4f %11.4f %9.2f %9.1f %8.3f%s\n", info.name, static_cast<long long>(row.batch),
                        static_cast<long long>(row.num_heads), static_cast<long long>(row.seq_len_q),
                        static_cast<long long>(row.seq_len_kv), r.median_ms, r.min_ms, r.tflops, r.gbs, r.error_share, ok ? "" : "  WRONG");
            std::fflush(stdout);
            rows.push_back({{"kernel", info.name},
                            {"dtype", info.dtype},
                            {"head_dim", info.head_dim},
                            {"mask", info.mask},
                            {"batch", row.batch},
                            {"num_heads", row.num_heads},
                            {"num_kv_heads", row.num_kv_heads},
                            {"seq_len_q", row.seq_len_q},
                            {"seq_len_kv", row.seq_len_kv},
                            {"median_ms", r.median_ms},
                            {"min_ms", r.min_ms},
                            {"tflops", r.tflops},
                            {"gbs", r.gbs},
                            {"error_share", r.error_share}});
        }
    }
    if (!options.json.empty())
        if (std::FILE *file = std::fopen(options.json.c_str(), "w")) {
            std::fputs(
                (nlohmann::json{{"device", name}, {"api", options.api}, {"attune", ATTUNE_VERSION}, {"rows", rows}}.dump(2) + "\n").c_str(),
                file);
            std::fclose(file);
        }
    attune_device_close(&device);
    if (measured == 0)
        std::fprintf(stderr, "attune_gpu_bench: no kernel of %s matches '%s'\n", options.api.c_str(), options.filter.c_str());
    return wrong || measured == 0;
}

}  // namespace
}  // namespace attune::gpu_bench

int main(int argc, char **argv) {
    attune::gpu_bench::Options options;
    CLI::App app{"The FlashAttention sweep and steps of decoding on a GPU, each result compared with attention in double.\nExample: "
                 "attune_gpu_bench --api cuda "
                 "--filter d128 --json rows.json"};
    app.add_option("--api", options.api, "cuda or opencl")->check(CLI::IsMember({"cuda", "opencl"}))->capture_default_str();
    app.add_option("--device", options.device, "which device of the api")->check(CLI::NonNegativeNumber)->capture_default_str();
    app.add_option("--filter", options.filter, "kernels whose name contains this");
    app.add_option("--repeats", options.repeats, "measured calls of a row")->check(CLI::Range(1, 10000))->capture_default_str();
    app.add_option("--json", options.json, "write the rows to a file, too");
    app.add_flag("--smoke", options.smoke, "one small shape a kernel: whether they run, not how fast");
    CLI11_PARSE(app, argc, argv);
    try {
        return attune::gpu_bench::run(options);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "attune_gpu_bench: %s\n", error.what());
        return 1;
    }
}
