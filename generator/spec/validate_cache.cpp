#include "generator/spec/validate_cache.h"

#include "generator/spec/check_keys.h"
#include "generator/spec/check_rope.h"
#include "generator/spec/check_value.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace attune {
namespace {

using Type = RawValue::Type;

/// The word's place in the key's list.
size_t word_index(const Field &field) {
    const auto &allowed = field.key.allowed;
    const auto found = std::find(allowed.begin(), allowed.end(), field.value.text);
    if (field.value.type == Type::string && found != allowed.end()) return static_cast<size_t>(found - allowed.begin());
    const std::string guess = field.value.type == Type::string ? nearest(field.value.text, allowed) : "";
    field.fail(shown(field.value), guess.empty() ? "" : fmt::format("did you mean {}", guess));
}

int check_page_size(const Field &field) {
    int size = 0;
    if (field.value.type != Type::integer || !read_number(field.value.text, size) || size < field.key.low || size > field.key.high ||
        (size & (size - 1)) != 0)
        field.fail(shown(field.value), "", "", "16, 32, 64, 128 or 256");
    return size;
}

/// N of "key[0:N]".
int check_values_in_key(const Field &field, int head_dim) {
    const std::string &text = field.value.text;
    int columns = 0;
    const bool is_slice = text.starts_with("key[0:") && text.ends_with("]") && read_number(text.substr(6, text.size() - 7), columns);
    if (field.value.type != Type::string || !is_slice || columns < 1 || columns > head_dim)
        field.fail(shown(field.value), "", "", fmt::format("key[0:N], N from 1 to head_dim, which is {}", head_dim));
    return columns;
}

}  // namespace

void check_cache(const RawSpec &raw, AttentionSpec &spec) {
    for (const char *key : {"kernel.kv_dtype", "kernel.kv_quantization", "kernel.kv_layout", "kernel.page_size", "kernel.value", "kernel.rope"})
        if (const auto field = find_field(raw, key); field && !spec.decode)
            field->fail(shown(field->value), "write phases = [\"decode\"], or leave it out", fmt::format("{} is given with phases prefill", field->argument()),
                        "it beside phases decode");
    KvCacheSpec &cache = spec.cache;
    if (const auto field = find_field(raw, "kernel.kv_dtype")) {
        cache.dtype = word_index(*field) == 0 ? KvDType::i8 : KvDType::i4;
        for (const int dim : {spec.head_dim, spec.head_dim_v})
            if (cache.dtype == KvDType::i4 && dim % i4_group != 0)
                field->fail("i4", "use i8", fmt::format("kv_dtype is i4 with heads of {} elements", dim), "heads of a multiple of 32 elements, a group of one scale");
    }
    if (const auto field = find_field(raw, "kernel.kv_quantization")) {
        cache.zero_points = word_index(*field) == 1;
        if (cache.dtype == KvDType::same)
            field->fail(shown(field->value), "remove it, or write kv_dtype = \"i8\"", "kv_quantization is given without kv_dtype", "it beside kv_dtype");
    }
    if (const auto field = find_field(raw, "kernel.kv_layout")) {
        const size_t layout = word_index(*field);
        cache.layout = layout == 0 ? KvLayout::contiguous : layout == 1 ? KvLayout::ring : KvLayout::paged;
    }
    if (cache.layout == KvLayout::paged) cache.page_size = 16;
    if (const auto field = find_field(raw, "kernel.page_size")) {
        cache.page_size = check_page_size(*field);
        if (cache.layout != KvLayout::paged)
            field->fail(field->value.text, "remove it, or write kv_layout = \"paged\"", "page_size is given without pages", "it beside kv_layout paged");
    }
    if (const auto field = find_field(raw, "kernel.value")) {
        const int columns = check_values_in_key(*field, spec.head_dim);
        if (raw.contains("kernel.head_dim_v") && columns != spec.head_dim_v)
            field->fail(shown(field->value), "leave head_dim_v out", fmt::format("value is key[0:{}] with head_dim_v {}", columns, spec.head_dim_v), "equal numbers");
        spec.head_dim_v = columns;
        cache.values_in_key = true;
        if (cache.dtype == KvDType::i4 && columns % i4_group != 0) field->fail(shown(field->value), "", "", "a multiple of 32 elements with kv_dtype i4");
    }
    if (const auto field = find_field(raw, "kernel.rope")) spec.rope = check_rope(*field, spec.head_dim);
}

}  // namespace attune
