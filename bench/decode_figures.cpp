#include "decode_figures.h"

#include "generator/cli/check_shape.h"
#include "generator/cli/cost.h"
#include "generator/cli/peak.h"
#include "generator/cli/problem.h"
#include "measure.h"
#include "workload.h"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>

namespace attune::bench {
namespace {

using Keys = std::vector<std::pair<const char *, std::string>>;  // of the specification

/// head_dim 128, causal, one query row: Llama 3's.
AttentionSpec decode_spec(const char *dtype, int group, const Keys &more = {}) {
    RawSpec raw;
    const auto set = [&](const char *key, const std::string &text) { set_spec_flag(raw, key, text, "bench"); };
    set("kernel.dtype", dtype);
    set("kernel.head_dim", "128");
    set("kernel.group", std::to_string(group));
    set("kernel.mask", "causal");
    set("kernel.phases", "decode");
    for (const auto &[key, text] : more)
        set(key, text);
    return validate_spec(raw);
}

/// 16 query heads on one latent of 576, whose first 512 are the value.
AttentionSpec latent_spec() {
    return decode_spec("bf16", 16, {{"kernel.head_dim", "576"}, {"kernel.head_dim_v", "512"}, {"kernel.value", "key[0:512]"}});
}

class DecodeSides {
public:
    explicit DecodeSides(const CpuTarget &target) : target_(target) {}

    enum class Unit { gflops, gbs };
    /// The fastest call in a slot, on arrays of its own that the sides of one specification and shape share.
    Rate kernel(const AttentionSpec &spec, const cli::Shape &shape, Unit unit = Unit::gflops, int threads = 1) {
        return [this, spec, shape, unit, threads, clock = clock_] {
            cli::KernelCall &call = prepared(spec, shape, threads);
            call.run();  // the other side's arrays are in the cache
            const cli::Cost cost = cli::call_cost(spec, shape);
            return double(unit == Unit::gflops ? cost.flops : cost.bytes) / fastest_seconds(call, clock) * 1e-9;
        };
    }
    Rate peak() const {
        return [this] { return peak_gflops(target_, 1); };
    }
    /// Reading as many bytes as the cache has, plainly.
    static Rate stream(const AttentionSpec &spec, const cli::Shape &shape) {
        return [bytes = static_cast<size_t>(cli::call_cost(spec, shape).bytes)] { return cli::measure_cached_read_gbs(bytes, 0.05); };
    }
    void use_clock(int threads) { clock_ = threads; }
    int wrong = 0;

private:
    struct Prepared {
        std::unique_ptr<cli::Problem> problem;
        std::unique_ptr<cli::KernelCall> call;
    };

    cli::KernelCall &prepared(const AttentionSpec &spec, const cli::Shape &shape, int threads) {
        Prepared &made = prepared_[fmt::format("{} {} {}", spec.canonical(), cli::shape_text(shape), threads)];
        if (!made.call) {
            const LoadedKernel &kernel = kernel_for(spec, target_);
            const cli::Shape small = {1, shape.num_heads / shape.num_kv_heads, 1, shape.seq_len_q, 1000};
            if (const cli::Shares share = cli::check_shape(kernel, small, InputKind::normal, 1, {}); !share.ok()) {
                std::fprintf(stderr, "attune_bench: %s: %.3g times the error bound\n", kernel.plan().variant_name().c_str(), share.worst());
                wrong++;
            }
            made.problem = std::make_unique<cli::Problem>(spec, shape, InputKind::normal, 1);
            made.call = std::make_unique<cli::KernelCall>(kernel, made.problem->call(), threads, cli::CallOutputs{.lse = spec.lse});
        }
        return *made.call;
    }

    const CpuTarget &target_;
    int clock_ = 1;
    std::map<std::string, Prepared> prepared_;
};

}  // namespace

int add_decode_figures(RatioTable &table, const CpuTarget &target) {
    using Unit = DecodeSides::Unit;
    const cli::Shape grouped = {1, 32, 8, 1, 8192}, plain = {1, 32, 32, 1, 4096}, batch = {8, 32, 8, 1, 2048};
    const auto what = [&](const std::string &text) { return fmt::format("{}: decode {}", target.name, text); };

    {  // arrays of these alone: they go before those of the others come
        DecodeSides sides(target);
        for (const char *dtype : {"f32", "f16", "bf16"}) {
            table.add(what(fmt::format("{} 32 on 8, 8192 keys / stream", dtype)), sides.kernel(decode_spec(dtype, 4), grouped, Unit::gbs),
                      DecodeSides::stream(decode_spec(dtype, 4), grouped), 0.85);
            table.add(what(fmt::format("{} 32 on 32, 4096 keys / stream", dtype)), sides.kernel(decode_spec(dtype, 1), plain, Unit::gbs),
                      DecodeSides::stream(decode_spec(dtype, 1), plain), 0.85);
        }
        const cli::Shape latent = {1, 16, 1, 1, 8192};
        table.add(what("bf16 of latents, 16 heads, 8192 keys / peak"), sides.kernel(latent_spec(), latent), sides.peak(), 0.6);
        if (sides.wrong > 0)
            return sides.wrong;
    }
    DecodeSides sides(target);
    for (const auto &[name, group, shape] : {std::tuple("32 on 32, 4096 keys", 1, plain), std::tuple("32 on 8, 8192 keys", 4, grouped)}) {
        const AttentionSpec f16 = decode_spec("f16", group);
        for (const auto &[dtype, wanted] : {std::pair("i8", 1.6), std::pair("i4", 2.0)})
            table.add(what(fmt::format("{}, cache of {} / f16", name, dtype)),
                      sides.kernel(decode_spec("f16", group, {{"kernel.kv_dtype", dtype}}), shape), sides.kernel(f16, shape), wanted);
        for (const char *page : {"16", "64"})
            table.add(what(fmt::format("f16 {}, pages of {} / contiguous", name, page)),
                      sides.kernel(decode_spec("f16", group, {{"kernel.kv_layout", "paged"}, {"kernel.page_size", page}}), shape),
                      sides.kernel(f16, shape), 0.95);
    }
    for (const char *dtype : {"f32", "f16", "bf16"})
        for (int64_t rows : {4, 8}) {
            const cli::Shape drafted = {1, 32, 8, rows, 8192}, prefill = {1, 32, 8, 256, 8192};
            table.add(what(fmt::format("{} 32 on 8, {} rows / prefill's rate", dtype, rows)), sides.kernel(decode_spec(dtype, 4), drafted),
                      sides.kernel(decode_spec(dtype, 4, {{"kernel.phases", "prefill"}}), prefill), 0.6);
        }
    sides.use_clock(2);
    if (cli::usable_cpus().size() >= 2)
        for (const char *dtype : {"f32", "f16", "bf16"})
            for (const auto &[name, shape] : {std::pair("1 sequence, 8192 keys", grouped), std::pair("8 sequences, 2048 keys", batch)})
                table.add(what(fmt::format("{} 32 on 8, {}, 2 threads / 1", dtype, name)),
                          sides.kernel(decode_spec(dtype, 4), shape, Unit::gflops, 2), sides.kernel(decode_spec(dtype, 4), shape), 1.8);
    return sides.wrong;
}

}  // namespace attune::bench
