#include "generator/spec/validate_params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>

namespace attune {
namespace {

using Type = RawValue::Type;

constexpr size_t most_params = 15;  // and a sink: ATTUNE_MAX_PARAMS of attune/kernel.h

/// Declarations as text "ids: i32[b, kv]; w: i32" (a flag) become those of a table, at their place in the text.
std::vector<std::pair<std::string, RawValue>> split_declarations(const Field &field) {
    std::vector<std::pair<std::string, RawValue>> out;
    const std::string &text = field.value.text;
    const auto trim = [&](size_t &begin, size_t &end) {
        while (begin < end && (text[begin] == ' ' || text[begin] == '\t')) begin++;
        while (begin < end && (text[end - 1] == ' ' || text[end - 1] == '\t')) end--;
    };
    for (size_t start = 0; start < text.size();) {
        size_t begin = start, end = std::min(text.find(';', start), text.size());
        start = end + 1;
        trim(begin, end);
        if (begin == end) continue;
        const size_t colon = text.find(':', begin);
        if (colon >= end) field.fail(text.substr(begin, end - begin), "write NAME: TYPE, such as w: i32, and ; between two of them");
        size_t name_end = colon, type_begin = colon + 1;
        trim(begin, name_end);
        trim(type_begin, end);
        RawValue value = field.value;
        value.text = text.substr(type_begin, end - type_begin);
        value.text_column = static_cast<int>(type_begin) + 1;
        out.emplace_back(text.substr(begin, name_end - begin), std::move(value));
    }
    if (out.empty()) field.fail(shown(field.value));
    return out;
}

/// The row of the table for one parameter: in messages it is "params.ids".
SpecKey param_key(const std::string &name) {
    SpecKey key = *find_spec_key("params");
    key.name = name.c_str();
    return key;
}

/// Every parameter that the tree names, as an argument of a helper too.
void collect_params(const ExprPtr &root, std::set<int> &used) {
    if (!root) return;
    std::unordered_set<const Node *> seen;
    std::vector<const Node *> open = {root.get()};
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!seen.insert(node).second) continue;
        if (node->op == Op::parameter || node->op == Op::element) used.insert(node->parameter);
        if (node->body) open.push_back(node->body.get());
        for (const ExprPtr &operand : node->operands) open.push_back(operand.get());
    }
}

}  // namespace

std::vector<DeclaredParam> declared_params(const RawSpec &raw) {
    const std::string prefix = "params.";
    std::vector<DeclaredParam> out;
    for (const auto &[key, value] : raw)
        if (key.starts_with(prefix)) out.push_back({key.substr(prefix.size()), value});
    std::stable_sort(out.begin(), out.end(), [](const auto &a, const auto &b) {
        return std::tie(a.value.line, a.value.column) < std::tie(b.value.line, b.value.column);
    });
    const auto flag = raw.find("params");
    if (flag == raw.end()) return out;
    std::set<std::string> seen;
    const Field field{*find_spec_key("params"), flag->second};
    for (auto &[name, value] : split_declarations(field)) {
        if (!seen.insert(name).second)
            field.fail(name, fmt::format("declare {} once", name), fmt::format("{} declares {} twice", field.argument(), name));
        const auto same = std::find_if(out.begin(), out.end(), [&](const DeclaredParam &p) { return p.name == name; });
        if (same == out.end())
            out.push_back({name, std::move(value)});
        else
            same->value = std::move(value);
    }
    return out;
}

std::vector<ParamDeclaration> check_params(const std::vector<DeclaredParam> &declared) {
    std::vector<ParamDeclaration> out;
    for (const DeclaredParam &param : declared) {
        const SpecKey key = param_key(param.name);
        const Field field{key, param.value};
        if (out.size() == most_params)
            field.fail(param.name, "join some of them into one tensor", fmt::format("more than {} parameters", most_params),
                       fmt::format("at most {}", most_params));
        if (param.value.type != Type::string)
            field.fail(shown(param.value), fmt::format("write {} = \"i32\", or another type in quotes", param.name));
        out.push_back(parse_param(param.name, param.value.text, field.expression_context(ExprType::integer, nullptr)));
    }
    return out;
}

void refuse_unused(const AttentionSpec &spec, const std::vector<DeclaredParam> &declared) {
    std::set<int> used;
    collect_params(spec.mask.root, used);
    collect_params(spec.score.root, used);
    for (size_t i = 0; i < declared.size(); i++) {
        const std::string &name = spec.params[i].name;
        if (used.contains(static_cast<int>(i)) || name == spec.sink || name == spec.decay || name == spec.beta) continue;
        const SpecKey key = param_key(declared[i].name);
        Field{key, declared[i].value}.fail(spec.params[i].text(), "remove it, or use it",
                                           fmt::format("parameter {} is declared, but nothing reads it", declared[i].name),
                                           "parameters that mask, score, sink, decay or beta read");
    }
}

std::string check_named_param(const Field &field, AttentionSpec &spec, const std::vector<std::string> &types) {
    if (field.value.type != Type::string) field.fail(shown(field.value));
    const std::string &name = field.value.text;
    const ParamDeclaration *declared = spec.find_param(name);
    if (declared && std::find(types.begin(), types.end(), declared->text()) == types.end())
        field.fail(name, fmt::format("declare {} = \"{}\"{}", name, types.back(), types.size() > 1 ? ", or give another head_dim" : ""), fmt::format("the {} {} is {}", field.key.name, name, declared->text()),
                   fmt::format("{}", fmt::join(types, " or ")));
    if (!declared) spec.params.push_back(parse_param(name, types[0], field.expression_context(ExprType::real, nullptr)));
    return name;
}

void check_sink(const Field &field, AttentionSpec &spec) {
    if (spec.normalizer != Normalizer::softmax)
        field.fail(shown(field.value), "remove the sink, or the normalizer",
                   fmt::format("{} is given with normalizer {}", field.argument(), normalizer_name(spec.normalizer)),
                   "it with softmax, whose sum it joins");
    spec.sink = check_named_param(field, spec, {"f32[h]"});
}

}  // namespace attune
