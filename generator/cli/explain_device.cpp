#include "generator/cli/explain_device.h"

#include "generator/backend/device_kernel.h"
#include "generator/cli/sass.h"
#include "generator/cli/schedule_text.h"
#include "generator/gpu/occupancy.h"
#include "generator/gpu/ptx_calls.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <fmt/format.h>

namespace attune::cli {
namespace {

/// 90 of "sm_90", "sm_90a".
int compute_capability(const std::string &architecture, const DeviceTarget &target) {
    const size_t digits = std::string("sm_").size();
    const size_t end = architecture.find_first_not_of("0123456789", digits);
    const std::string number = architecture.starts_with("sm_") ? architecture.substr(digits, end - digits) : "";
    const int capability = number.size() == 2 || number.size() == 3 ? std::stoi(number) : 0;
    if (capability < target.needs)
        throw Error({.argument = "--arch",
                     .value = architecture,
                     .expected = fmt::format("sm_{} or a later one, for which kernels of {} are", target.needs, target.name),
                     .cure = "such as sm_80, sm_86 or sm_90"});
    return capability;
}

/// "72 x FFMA, 6 x LDS, …", the most frequent first.
std::string mix_text(const SassLoop &loop) {
    std::vector<std::pair<std::string, int>> opcodes(loop.opcodes.begin(), loop.opcodes.end());
    std::stable_sort(opcodes.begin(), opcodes.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
    std::string text;
    for (const auto &[opcode, count] : opcodes)
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, opcode);
    return text;
}

int explain_sass(const CompiledDeviceVariant &variant, const std::string &architecture, Session &session) {
    const int capability = compute_capability(architecture, *variant.plan.target);
    const Sass sass = assemble_sass(variant.device_code, architecture);
    const int64_t shared_bytes = variant.plan.shared_bytes + sass.static_shared_bytes;
    const int threads = threads_of_ptx(variant.device_code);
    Occupancy occupancy;
    const bool known = estimate_occupancy(capability, sass.registers, shared_bytes, threads, occupancy);
    if (session.json) {
        Json loops = Json::array();
        for (const SassLoop &loop : sass.loops)
            loops.push_back({{"label", loop.label},
                             {"instructions", loop.instructions},
                             {"product_share", loop.product_share()},
                             {"opcodes", loop.opcodes}});
        session.print_json(
            {{"kernel", variant.plan.variant_name()},
             {"target", variant.plan.target->name},
             {"stage", "sass"},
             {"architecture", architecture},
             {"registers", sass.registers},
             {"spilled_bytes", sass.spilled_bytes},
             {"shared_bytes", shared_bytes},
             {"threads", threads},
             {"occupancy",
              known
                  ? Json{{"blocks", occupancy.blocks}, {"warps", occupancy.warps}, {"share", occupancy.share()}, {"limit", occupancy.limit}}
                  : Json()},
             {"loops", loops},
             {"text", sass.listing}});
        return 0;
    }
    std::string text =
        fmt::format("// {} for {}\n// registers  {} a thread, {} bytes spilled\n// threads    {} a block\n// shared     {} bytes a block\n",
                    variant.plan.variant_name(), architecture, sass.registers, sass.spilled_bytes, threads, shared_bytes);
    if (known)
        text += fmt::format("// occupancy  {} blocks, {} of {} warps of a multiprocessor ({:.0f} %), estimated; limited by {}\n",
                            occupancy.blocks, occupancy.warps, occupancy.most_warps, 100 * occupancy.share(), occupancy.limit);
    for (const SassLoop &loop : sass.loops)
        text += fmt::format("// loop {:<8}{:.1f} % products of {} instructions: {}\n", loop.label, 100 * loop.product_share(),
                            loop.instructions, mix_text(loop));
    session.print(text + "\n" + sass.listing);
    return 0;
}

}  // namespace

int explain_device(const AttentionSpec &spec, const DeviceTarget &target, const std::string &stage, const std::string &architecture,
                   Session &session) {
    const bool is_cuda = target.api == ATTUNE_API_CUDA;
    if (!stage.empty() && stage != "plan" && stage != "device" && !(is_cuda && stage == "sass"))
        throw Error({.argument = "--stage",
                     .value = stage,
                     .expected = fmt::format("plan{} device for {}", is_cuda ? ", sass or" : " or", target.name),
                     .cure = "see attune explain --help"});
    const std::vector<DevicePlan> plans = plan_device_variants(spec, target);
    const DevicePlan &plan = plans.front();
    if (stage == "sass")
        return explain_sass(compile_device_variant(plan), architecture, session);
    if (stage == "device") {
        const std::string code = compile_device_variant(plan).device_code;
        if (session.json)
            session.print_json({{"kernel", plan.variant_name()}, {"target", target.name}, {"stage", stage}, {"text", code}});
        else
            session.print(code.ends_with("\n") ? code : code + "\n");
        return 0;
    }
    Json variants = Json::array();
    std::string text = spec_to_toml(spec) + "\n";
    for (const DevicePlan &p : plans) {
        variants.push_back({{"kernel", p.variant_name()},
                            {"schedule", {{"family", p.schedule()}, {"parameters", parameters_json(p.parameters)}}},
                            {"aligned", p.aligned},
                            {"fold", p.fold},
                            {"shared_bytes", p.shared_bytes},
                            {"reason", p.reason}});
        text += fmt::format("{}\nschedule   {}\nbecause    {}\narrays     {}\n\n", session.bold(p.variant_name()),
                            schedule_text(p.schedule(), p.parameters), p.reason, p.aligned ? "rows begin on 16 bytes" : "any");
    }
    if (session.json)
        session.print_json({{"target", target.name}, {"code", target.code}, {"variants", variants}});
    else
        session.print(text);
    return 0;
}

}  // namespace attune::cli
