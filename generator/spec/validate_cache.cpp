#include "generator/spec/validate_cache.h"

#include "generator/spec/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace attune {
namespace {

using Type = RawValue::Type;

std::optional<Field> find(const RawSpec &raw, const char *key) {
    const auto found = raw.find(key);
    if (found == raw.end()) return std::nullopt;
    return Field{*find_spec_key(key), found->second};
}

/// The word's place in the key's list.
size_t check_word(const Field &field) {
    const auto &allowed = field.key.allowed;
    const auto found = std::find(allowed.begin(), allowed.end(), field.value.text);
    if (field.value.type == Type::string && found != allowed.end()) return static_cast<size_t>(found - allowed.begin());
    const std::string guess = field.value.type == Type::string ? nearest(field.value.text, allowed) : "";
    field.fail(shown(field.value), guess.empty() ? "" : fmt::format("did you mean {}", guess));
}

template <class Number>
bool read(const std::string &text, Number &number) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    return status == std::errc() && end == text.data() + text.size();
}

int check_page_size(const Field &field) {
    int size = 0;
    if (field.value.type != Type::integer || !read(field.value.text, size) || size < field.key.low || size > field.key.high ||
        (size & (size - 1)) != 0)
        field.fail(shown(field.value), "", "", "16, 32, 64, 128 or 256");
    return size;
}

/// N of "key[0:N]".
int check_values_in_key(const Field &field, int head_dim) {
    const std::string &text = field.value.text;
    int columns = 0;
    const bool is_slice = text.starts_with("key[0:") && text.ends_with("]") && read(text.substr(6, text.size() - 7), columns);
    if (field.value.type != Type::string || !is_slice || columns < 1 || columns > head_dim)
        field.fail(shown(field.value), "", "", fmt::format("key[0:N], N from 1 to head_dim, which is {}", head_dim));
    return columns;
}

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
            if (!read(text, rope_.dims) || rope_.dims < 2 || rope_.dims > head_dim_ || rope_.dims % 2 != 0)
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
            if (!read(text, *number) || !(*number >= 1e-3 && *number <= 1e12)) fail(given, "a number from 0.001 to 1e12");
        }
    }

    const Field &field_;
    const int head_dim_;
    RopeSpec rope_;
};

}  // namespace

void check_cache(const RawSpec &raw, AttentionSpec &spec) {
    for (const char *key : {"kernel.kv_dtype", "kernel.kv_quantization", "kernel.kv_layout", "kernel.page_size", "kernel.value", "kernel.rope"})
        if (const auto field = find(raw, key); field && !spec.decode)
            field->fail(shown(field->value), "write phases = [\"decode\"], or leave it out", fmt::format("{} is given with phases prefill", field->argument()),
                        "it beside phases decode");
    KvCacheSpec &cache = spec.cache;
    if (const auto field = find(raw, "kernel.kv_dtype")) {
        cache.dtype = check_word(*field) == 0 ? KvDType::i8 : KvDType::i4;
        for (const int dim : {spec.head_dim, spec.head_dim_v})
            if (cache.dtype == KvDType::i4 && dim % i4_group != 0)
                field->fail("i4", "use i8", fmt::format("kv_dtype is i4 with heads of {} elements", dim), "heads of a multiple of 32 elements, a group of one scale");
    }
    if (const auto field = find(raw, "kernel.kv_quantization")) {
        cache.zero_points = check_word(*field) == 1;
        if (cache.dtype == KvDType::same)
            field->fail(shown(field->value), "remove it, or write kv_dtype = \"i8\"", "kv_quantization is given without kv_dtype", "it beside kv_dtype");
    }
    if (const auto field = find(raw, "kernel.kv_layout")) {
        const size_t layout = check_word(*field);
        cache.layout = layout == 0 ? KvLayout::contiguous : layout == 1 ? KvLayout::ring : KvLayout::paged;
    }
    if (cache.layout == KvLayout::paged) cache.page_size = 16;
    if (const auto field = find(raw, "kernel.page_size")) {
        cache.page_size = check_page_size(*field);
        if (cache.layout != KvLayout::paged)
            field->fail(field->value.text, "remove it, or write kv_layout = \"paged\"", "page_size is given without pages", "it beside kv_layout paged");
    }
    if (const auto field = find(raw, "kernel.value")) {
        const int columns = check_values_in_key(*field, spec.head_dim);
        if (raw.contains("kernel.head_dim_v") && columns != spec.head_dim_v)
            field->fail(shown(field->value), "leave head_dim_v out", fmt::format("value is key[0:{}] with head_dim_v {}", columns, spec.head_dim_v), "equal numbers");
        spec.head_dim_v = columns;
        cache.values_in_key = true;
        if (cache.dtype == KvDType::i4 && columns % i4_group != 0) field->fail(shown(field->value), "", "", "a multiple of 32 elements with kv_dtype i4");
    }
    if (const auto field = find(raw, "kernel.rope")) spec.rope = RopeSettings(*field, spec.head_dim).read_all();
}

}  // namespace attune
