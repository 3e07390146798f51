#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

namespace attune {

/// What a parameter means for the bits of a row: `kept`, they are the same for all its values (held by tests/schedules/row_bits_test.cpp on every
/// target), or `changed`, as sums have another order. A kernel may have several schedules that differ in parameters of the first kind only.
enum class RowBits { kept, changed };

/// One parameter of a schedule family, declared once: overrides name it, `attune list` documents it, the family's rules take its range, the tuner
/// its values.
template <class Parameters>
struct ScheduleParameter {
    const char *name;
    int Parameters::*member;
    int low, high;              ///< what is legal by itself; rules between parameters are the family's
    std::vector<int> values;    ///< worth trying, ascending; the legal ones depend on the machine and on each other
    const char *documentation;  ///< meaning, legality, pros and cons
    RowBits row_bits = RowBits::changed;  ///< whether a row's result depends on it
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
