#include "generator/spec/check_keys.h"
#include "generator/spec/check_value.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

namespace attune {
namespace {

using Type = RawValue::Type;

[[noreturn]] void fail_key(const std::string &key, const RawValue &value, const std::string &problem, const std::string &expected,
                           const std::string &cure) {
    throw Error({.code = ErrorCode::usage,
                 .argument = !value.flag.empty() ? value.flag : key.empty() ? "\"\"" : key,
                 .value = shown(value),
                 .expected = expected,
                 .cure = cure,
                 .file = value.file,
                 .line = value.line,
                 .column = value.key_column > 0 ? value.key_column : value.column,
                 .problem = problem});
}

void check_key(const std::string &key, const RawValue &value) {
    const size_t dot = key.find('.');
    const std::string table = dot == std::string::npos || key[0] == '"' ? "" : key.substr(0, dot);
    const std::string name = table.empty() ? key : key.substr(dot + 1);
    const std::vector<std::string> tables = {"kernel", "params", "targets", "layer", "projection"};
    if (table == "params" || (key == "params" && !value.flag.empty())) return;
    if (key == "kernel.params")
        fail_key(name, value, "key params stands in [kernel]", "a table [params]", "write [params], and NAME = \"TYPE\" below it");

    if (const SpecKey *known = find_spec_key(key); known && known->kind != KeyKind::declarations) {
        if (known->kind != KeyKind::later) return;
        const std::string what = value.flag.empty() ? (known->name[0] ? "key " + name : "table [" + name + "]") : "flag " + value.flag;
        const std::string where = known->name[0] ? table : "kernel";
        fail_key(name, value, fmt::format("{} is known, but not in this version", what),
                 fmt::format("only {}", fmt::join(spec_key_names(where), ", ")), "remove it");
    }
    if (table.empty() && contains(tables, name) && value.type == Type::table)
        fail_key(name, value, fmt::format("[{}] is empty", name), fmt::format("{}", fmt::join(spec_key_names(name), ", ")), "write its keys below it");
    if (table.empty() && contains(tables, name))
        fail_key(name, value, value.type == Type::array ? fmt::format("{} is a list", name) : "", fmt::format("a table [{}]", name),
                 fmt::format("write [{}], once, and its keys below it", name));
    if (table.empty()) {
        for (const std::string &t : tables)
            if (find_spec_key(t + "." + name))
                fail_key(name, value, fmt::format("key {} stands outside a table", name), fmt::format("it in [{}]", t),
                         fmt::format("put it under [{}]", t));
        const std::string guess = nearest(name, tables);
        fail_key(name, value, fmt::format("unknown {} {}", value.type == Type::table ? "table" : "key", name),
                 "[kernel], [params], [targets], [layer] or [projection]", guess.empty() ? "remove it" : fmt::format("did you mean [{}]", guess));
    }
    std::vector<std::string> candidates;
    for (const SpecKey &k : spec_keys())
        if (k.table == table && k.name[0]) candidates.emplace_back(k.name);
    const std::string guess = nearest(name, candidates);
    fail_key(name, value, fmt::format("unknown key {} in [{}]", name.empty() ? "\"\"" : name, table),
             fmt::format("one of {}", fmt::join(spec_key_names(table), ", ")),
             guess.empty() ? "remove it" : fmt::format("did you mean {}", guess));
}

}  // namespace

void check_keys(const RawSpec &raw) {
    std::vector<std::pair<std::string, const RawValue *>> by_position;
    for (const auto &[key, value] : raw) by_position.emplace_back(key, &value);
    std::stable_sort(by_position.begin(), by_position.end(), [](const auto &a, const auto &b) {
        return std::tie(a.second->line, a.second->column) < std::tie(b.second->line, b.second->column);
    });
    for (const auto &[key, value] : by_position) check_key(key, *value);
}

std::optional<Field> find_field(const RawSpec &raw, const std::string &key) {
    const auto found = raw.find(key);
    if (found == raw.end()) return std::nullopt;
    return Field{*find_spec_key(key), found->second};
}

}  // namespace attune
