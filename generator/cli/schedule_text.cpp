#include "generator/cli/schedule_text.h"

#include <fmt/format.h>

namespace attune::cli {

std::string schedule_text(const std::string &family, const ScheduleParameters &parameters) {
    std::string text = family + "(";
    for (const auto &[name, value] : parameters)
        text += fmt::format("{}{}={}", text.ends_with("(") ? "" : ", ", name, value);
    return text + ")";
}

std::string schedule_text(const KernelPlan &plan) {
    return schedule_text(plan.schedule, plan.parameters);
}

Json parameters_json(const ScheduleParameters &named) {
    Json parameters = Json::object();
    for (const auto &[name, value] : named)
        parameters[name] = value;
    return parameters;
}

Json parameters_json(const KernelPlan &plan) {
    return parameters_json(plan.parameters);
}

int64_t parameter(const KernelPlan &plan, const std::string &name, int64_t otherwise) {
    for (const auto &[key, value] : plan.parameters)
        if (key == name)
            return value;
    return otherwise;
}

}  // namespace attune::cli
