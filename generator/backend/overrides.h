#pragma once
#include "generator/backend/kernel.h"
#include "generator/spec/error.h"
#include "schedules/parameter.h"

#include <algorithm>

namespace attune {

/// The values of `overrides` in place of a family's. Throws Error(usage) for a name that it does not have.
template <class Parameters>
void apply_overrides(Parameters &p, const ScheduleParameters &overrides, const std::vector<ScheduleParameter<Parameters>> &known) {
    for (const auto &[name, value] : overrides) {
        const auto found = std::find_if(known.begin(), known.end(), [&](const auto &k) { return name == k.name; });
        if (found == known.end()) {
            std::string names;
            for (const auto &k : known)
                names += (names.empty() ? "" : ", ") + std::string(k.name);
            throw Error(
                {ErrorCode::usage, name, std::to_string(value), "a schedule parameter: one of " + names, "see attune list", "", 0, 0});
        }
        p.*found->member = value;
    }
}

/// A family's values by name, in the order that it declares them.
template <class Parameters>
ScheduleParameters named(const Parameters &p, const std::vector<ScheduleParameter<Parameters>> &declared) {
    ScheduleParameters all;
    for (const auto &parameter : declared)
        all.emplace_back(parameter.name, p.*parameter.member);
    return all;
}

/// Throws Error(usage) where the rules of a family say what is not legal.
inline void refuse_schedule(const std::string &error) {
    if (!error.empty())
        throw Error({.argument = "schedule", .cure = "see attune list", .problem = error});
}

}  // namespace attune
