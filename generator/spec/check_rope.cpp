#include "generator/spec/check_rope.h"

#include "generator/spec/check_value.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>


namespace attune {
namespace {

using Type = RawValue::Type;

class RopeSettings {
public:
    RopeSettings(const Field &field, int head_dim) : field_(field), head_dim_(head_dim) {}

    RopeSpec read_all() {
        rope_.dims = head_dim_;
        if (field_.value.type != Type::table) field_.fail(shown(field_.value, true));
        for (const std::string &item : field_.value.items) {
            const size_t equals = item.find('=');
            if (equals == std::string::npos) field_.fail(item, "", fmt::format("{} has {}", field_.argument(), item), "NAME=VALUE");
            set(item.substr(0, equals), item.substr(equals + 1));
        }
        if (rope_.style == RopeSpec::Style::none) fail("no style", "style = \"half\" or \"interleaved\"");
        if (rope_.scaling == RopeSpec::Scaling::none && rope_.factor != 1) fail("factor without scaling", "scaling = \"linear\" or \"llama3\" beside it");
        if (rope_.high_freq_factor <= rope_.low_freq_factor) fail("high_freq_factor up to low_freq_factor", "a larger one");
        return rope_;
    }

private:
    [[noreturn]] void fail(const std::string &found, const std::string &expected) const {
        field_.fail(found, "", fmt::format("{} has {}", field_.argument(), found), expected);
    }

    void set(const std::string &name, const std::string &text) {
        const std::string given = name + " = " + text;
        if (name == "style") {
            if (text != "half" && text != "interleaved") fail(given, "half or interleaved");
            rope_.style = text == "half" ? RopeSpec::Style::half : RopeSpec::Style::interleaved;
        } else if (name == "scaling") {
            if (text != "linear" && text != "llama3") fail(given, "linear or llama3");
            rope_.scaling = text == "linear" ? RopeSpec::Scaling::linear : RopeSpec::Scaling::llama3;
        } else if (name == "dims") {
            if (!read_number(text, rope_.dims) || rope_.dims < 2 || rope_.dims > head_dim_ || rope_.dims % 2 != 0)
                fail(given, fmt::format("an even number from 2 to head_dim, which is {}", head_dim_));
        } else {
            double *const number = name == "base"               ? &rope_.base
                                   : name == "factor"           ? &rope_.factor
                                   : name == "low_freq_factor"  ? &rope_.low_freq_factor
                                   : name == "high_freq_factor" ? &rope_.high_freq_factor
                                   : name == "original_context" ? &rope_.original_context
                                                                : nullptr;
            if (!number) {
                const std::string guess = nearest(name, field_.key.allowed);
                field_.fail(given, guess.empty() ? "remove it" : fmt::format("did you mean {}", guess), fmt::format("{} has {}", field_.argument(), name),
                            fmt::format("some of {}", fmt::join(field_.key.allowed, ", ")));
            }
            // Written so that NaN fails.
            if (!read_number(text, *number) || !(*number >= 1e-3 && *number <= 1e12)) fail(given, "a number from 0.001 to 1e12");
        }
    }

    const Field &field_;
    const int head_dim_;
    RopeSpec rope_;
};

}  // namespace

RopeSpec check_rope(const Field &field, int head_dim) { return RopeSettings(field, head_dim).read_all(); }

}  // namespace attune
