#include "generator/backend/rope_constant.h"

#include <bit>
#include <fmt/format.h>

namespace attune {

std::string double_constant(double x) {
    return fmt::format("0x{:016X}", std::bit_cast<uint64_t>(x));
}

std::string frequency_table(const std::string &name, const RopeSpec &rope) {
    std::string numbers;
    for (const double frequency : rope.frequencies())
        numbers += fmt::format("{}double {}", numbers.empty() ? "" : ", ", double_constant(frequency));
    return numbers.empty() ? "" : fmt::format("@{} = internal constant [{} x double] [{}]\n", name, rope.dims / 2, numbers);
}

std::string rope_constant(const std::string &name, const RopeSpec &rope) {
    if (rope.style == RopeSpec::Style::none)
        return "%rope zeroinitializer";
    return fmt::format("%rope {{ ptr @{}, i32 {}, i32 {} }}", name, rope.dims / 2, rope.style == RopeSpec::Style::interleaved ? 1 : 0);
}

}  // namespace attune
