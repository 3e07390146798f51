#include "generator/cli/schedule_text.h"

#include <fmt/format.h>

namespace attune::cli {

std::string schedule_text(const KernelPlan &plan) {
    std::string text = plan.schedule + "(";
    for (const auto &[name, value] : plan.parameters)
        text += fmt::format("{}{}={}", text.ends_with("(") ? "" : ", ", name, value);
    return text + ")";
}

Json parameters_json(const KernelPlan &plan) {
    Json parameters = Json::object();
    for (const auto &[name, value] : plan.parameters)
        parameters[name] = value;
    return parameters;
}

int64_t parameter(const KernelPlan &plan, const std::string &name, int64_t otherwise) {
    for (const auto &[key, value] : plan.parameters)
        if (key == name)
            return value;
    return otherwise;
}

}  // namespace attune::cli
