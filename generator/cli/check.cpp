#include "generator/cli/awkward_shapes.h"
#include "generator/cli/check_shape.h"
#include "generator/cli/command.h"
#include "generator/cli/kernel_to_run.h"
#include "generator/cli/params.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/tuned.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune::cli {
namespace {

void declare(Flags &flags) {
    declare_params(flags);
    declare_block_lists(flags);
    declare_spec_flags(flags);
    declare_tuned_flags(flags);
    flags.list("--shape", "SHAPE", "b=,h=,hkv=,sq=,skv= [a table of awkward ones]");
    flags.value("--seed", "N", "of the random inputs, and of the parameters and block lists that are not given [1]");
    flags.value("--inputs", "KIND", "normal, wide (times 8, times 20) or spike (huge keys) [normal]");
    declare_target_flag(flags);
}

std::string repeat_command(const Flags &flags, const Shape &shape, uint64_t seed, const std::string &inputs, const char *target) {
    std::vector<std::string> words = {"attune", "check"};
    for (const auto &word : spec_words(flags))
        words.push_back(shell_quote(word));
    for (const auto &word : tuned_words(flags))
        words.push_back(shell_quote(word));
    for (const auto &param : flags.all("--param"))
        words.insert(words.end(), {"--param", shell_quote(param)});
    for (const std::string &word : {std::string("--shape"), shape_text(shape), std::string("--seed"), std::to_string(seed),
                                    std::string("--inputs"), inputs, std::string("--target"), std::string(target)})
        words.push_back(word);
    return fmt::format("{}", fmt::join(words, " "));
}

int run(const Flags &flags, Session &session) {
    const std::string inputs = flags.one_of("--inputs", {"normal", "wide", "spike"}, "normal");
    const uint64_t seed = flags.integer("--seed", 0, INT64_MAX / 4, 1);
    const AttentionSpec spec = validate_spec(raw_spec(flags));
    std::vector<AwkwardShape> shapes;
    if (flags.has("--shape"))
        for (const auto &text : flags.all("--shape")) {
            shapes.push_back({parse_shape(text, spec.group), ""});
            check_index_range(spec, shapes.back().shape, ErrorCode::usage);
        }
    const GivenParams given(flags, spec);
    const double full_share = spec.mask ? 0.25 : 0;  // so that some blocks do not ask the mask
    const auto params_of = [&](const Shape &shape) { return params_or_random(given, flags, spec, shape, seed, full_share); };
    for (const auto &row : shapes)
        params_of(row.shape);  // what does not fit is told before anything is compiled
    const auto kernel = load_kernel_to_run(flags, spec);
    if (shapes.empty())
        shapes = awkward_shapes(kernel->plan());

    Json result = Json::array();
    double largest = 0;
    std::string largest_at = "none";
    size_t failed = 0;
    if (!session.json) {
        session.print(fmt::format("{}: {} shape{}, inputs {}, seed {}\n", kernel->plan().variant_name(), shapes.size(),
                                  shapes.size() == 1 ? "" : "s", inputs, seed));
        if (spec.compute_dtype != ComputeDType::f32)
            session.print(fmt::format("the bound is that of products of {} (generator/reference/README.md)\n",
                                      compute_dtype_name(spec.compute_dtype)));
        if (spec.cache.layout == KvLayout::ring)
            session.print("each ring has two thirds of skv slots: of skv keys, the last so many are kept\n");
        if (spec.cache.dtype != KvDType::same)
            session.print(fmt::format("the keys and values compared are those that {} stands for\n", kv_dtype_name(spec.cache.dtype)));
    }
    for (const auto &[shape, reason] : shapes) {
        spdlog::debug("checking {}", shape_text(shape));
        const CallParams params = params_of(shape);
        Shares share;
        InputKind worst_kind = InputKind::normal;
        for (InputKind kind : input_kinds(inputs)) {
            const Shares found = check_shape(*kernel, shape, kind, seed, params);
            if (share.worst_index < 0 || found.worst() > share.worst())
                share = found, worst_kind = kind;
        }
        const bool ok = share.ok();
        failed += !ok;
        if (share.worst() >= largest) {
            largest = share.worst();
            largest_at = shape_text(shape);
        }
        const std::string repeat = "repeat with: " + repeat_command(flags, shape, seed, inputs, kernel->plan().target_name());
        if (session.json) {
            result.push_back({{"shape", shape_text(shape)},
                              {"target", kernel->plan().target_name()},
                              {"share_output", finite(share.output)},
                              {"share_lse", finite(share.lse)},
                              {"share_pairs", finite(share.pairs)},
                              {"r", finite(share.r)},
                              {"relative_rms", share.relative_rms},
                              {"worst_index", share.worst_index},
                              {"ok", ok}});
            if (spec.cache.layout == KvLayout::ring)
                result.back()["ring_slots"] = ring_slots(spec, shape);
            if (!ok)
                spdlog::error("{} is outside the bound; {}", shape_text(shape), repeat);
        } else {
            session.print(fmt::format("{}  {:<34} output {:.3f}  lse {:.3f}{}  r {:.2f}  rms {:.1e}{}{}\n",
                                      ok ? "ok  " : session.red("FAIL"), shape_text(shape), share.output, share.lse,
                                      spec.pairs_output == PairsOutput::none ? "" : fmt::format("  pairs {:.3f}", share.pairs), share.r,
                                      share.relative_rms, reason.empty() ? "" : "  " + reason,
                                      inputs == "wide" ? fmt::format(" ({})", input_kind_name(worst_kind)) : ""));
            if (!ok)
                session.print(fmt::format("      worst at output[{}]; {}\n", share.worst_index, repeat));
            session.flush();
        }
    }
    if (session.json)
        session.print_json(result);
    else
        session.print(fmt::format("{} of {} within the bound; largest share of it {:.3f}, at {}\n", shapes.size() - failed, shapes.size(),
                                  largest, largest_at));
    return failed == 0 ? 0 : static_cast<int>(ErrorCode::check_failed);
}

}  // namespace

const Command check_command = {"check", "compare a kernel with attention in double, within the derived error bound",
                               "  attune check --dtype bf16 --mask causal --head-dim 80\n"
                               "  attune check kernel.toml --shape b=2,h=8,hkv=2,sq=300,skv=300 --inputs spike --target avx2",
                               declare, run};

}  // namespace attune::cli
