#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

namespace attune {

/// One parameter of a schedule family, declared once: overrides name it, `attune list` documents it, the family's rules take its range, the tuner
/// its values.
template <class Parameters>
struct ScheduleParameter {
    const char *name;
    int Parameters::*member;
    int low, high;              ///< what is legal by itself; rules between parameters are the family's
    std::vector<int> values;    ///< worth trying, ascending; the legal ones depend on the machine and on each other
    const char *documentation;  ///< meaning, legality, pros and cons
};

/// The first parameter that is out of its range ("tile_q is 7, expected 1 to 6"); empty when none is.
template <class Parameters>
std::string parameter_range_error(const Parameters &values, const std::vector<ScheduleParameter<Parameters>> &declared) {
    for (const auto &parameter : declared)
        if (const int value = values.*parameter.member; value < parameter.low || value > parameter.high)
            return fmt::format("{} is {}, expected {} to {}", parameter.name, value, parameter.low, parameter.high);
    return "";
}

}  // namespace attune
