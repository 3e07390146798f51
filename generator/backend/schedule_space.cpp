#include "generator/backend/schedule_space.h"

#include "generator/backend/lowering.h"
#include "generator/spec/error.h"
#include "schedules/cost_model.h"

#include <algorithm>

namespace attune {

namespace {

template <class Parameters>
std::vector<autotune::Parameter> declared_values(const std::vector<ScheduleParameter<Parameters>> &parameters) {
    std::vector<autotune::Parameter> declared;
    for (const auto &parameter : parameters)
        declared.push_back({parameter.name, parameter.values});
    return declared;
}

std::string names_of(const autotune::Space &space) {
    std::string names;
    for (const autotune::Parameter &parameter : space.parameters)
        names += (names.empty() ? "" : ", ") + parameter.name;
    return names;
}

}  // namespace

ScheduleParameters overrides_of(const std::vector<autotune::Parameter> &parameters, const autotune::Point &point) {
    ScheduleParameters overrides;
    for (size_t i = 0; i < point.size(); i++)
        overrides.emplace_back(parameters[i].name, point[i]);
    return overrides;
}

autotune::Space schedule_space(const AttentionSpec &spec, const CpuTarget &target, const std::map<std::string, std::vector<int>> &values) {
    const KernelPlan plan = plan_kernel(spec, target);
    autotune::Space space;
    space.family = plan.schedule;
    space.parameters = spec.decode                       ? declared_values(cpu_split_parameters())
                       : is_linear(spec)                 ? declared_values(cpu_linear_parameters())
                       : has_keys_in_lanes(spec, target) ? declared_values(cpu_key_lanes_parameters())
                                                         : declared_values(cpu_parameters());
    for (const auto &[name, value] : plan.parameters)
        space.fallback.push_back(value);
    for (const auto &[name, wanted] : values) {
        const auto found = std::find_if(space.parameters.begin(), space.parameters.end(), [&](const auto &p) { return p.name == name; });
        if (found == space.parameters.end())
            throw Error({.argument = "--values",
                         .value = name,
                         .expected = "a parameter of " + space.family + ": " + names_of(space),
                         .cure = "see attune list"});
        found->values = wanted;
        std::sort(found->values.begin(), found->values.end());
        found->values.erase(std::unique(found->values.begin(), found->values.end()), found->values.end());
    }
    space.error = [parameters = space.parameters, spec, &target](const autotune::Point &point) -> std::string {
        try {
            plan_kernel(spec, target, overrides_of(parameters, point));
            return "";
        } catch (const Error &error) {
            return error.what();
        }
    };
    return space;
}

autotune::MayStandTogether bits_are_kept(const AttentionSpec &spec, const CpuTarget &target) {
    const std::vector<autotune::Parameter> parameters = schedule_space(spec, target).parameters;
    return [parameters, spec, &target](const autotune::Point &a, const autotune::Point &b) {
        return difference_in_bits(plan_kernel(spec, target, overrides_of(parameters, a)),
                                  plan_kernel(spec, target, overrides_of(parameters, b)))
            .empty();
    };
}

double predicted_ms(const KernelPlan &plan, const MachineLimits &machine, const CallWork &work) {
    const int vector = plan.target->vector, registers = plan.target->registers;
    if (is_linear(plan.spec))
        return predicted_ms(plan.spec, linear_shape(plan), registers, machine, work);
    if (has_keys_in_lanes(plan.spec, *plan.target))
        return predicted_ms(plan.spec, key_lanes_schedule_parameters(plan), vector, registers, machine, work);
    return plan.spec.decode ? predicted_ms(plan.spec, split_schedule_parameters(plan), vector, registers, machine, work)
                            : predicted_ms(plan.spec, cpu_schedule_parameters(plan), vector, registers, machine, work);
}

}  // namespace attune
