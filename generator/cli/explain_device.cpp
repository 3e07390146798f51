#include "generator/cli/explain_device.h"

#include "generator/backend/device_kernel.h"
#include "generator/cli/schedule_text.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

namespace attune::cli {

int explain_device(const AttentionSpec &spec, const DeviceTarget &target, const std::string &stage, Session &session) {
    if (!stage.empty() && stage != "plan" && stage != "device")
        throw Error(
            {.argument = "--stage", .value = stage, .expected = "plan or device for a device target", .cure = "see attune explain --help"});
    const std::vector<DevicePlan> plans = plan_device_variants(spec, target);
    const DevicePlan &plan = plans.front();
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
