#include "generator/spec/evaluate.h"
#include "generator/spec/field.h"
#include "generator/spec/nearest.h"
#include "generator/spec/reserved.h"
#include "generator/spec/validate_cache.h"
#include "generator/spec/validate_params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

namespace attune {
namespace {

using Type = RawValue::Type;

/// What people write for our names of types.
const char *type_alias(const std::string &word) {
    static const std::tuple<const char *, const char *> aliases[] = {
        {"float32", "f32"}, {"float", "f32"}, {"fp32", "f32"}, {"single", "f32"},     {"float16", "f16"},    {"fp16", "f16"},
        {"half", "f16"},    {"_Float16", "f16"}, {"bfloat16", "bf16"}, {"bfloat", "bf16"}, {"bf", "bf16"},
    };
    for (const auto &[alias, name] : aliases)
        if (word == alias) return name;
    return nullptr;
}

bool contains(const std::vector<std::string> &words, const std::string &word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// ---- one function a kind of key --------------------------------------------------------------------------------------------

/// `found` if it is one of the key's words; else the error says why not.
std::string check_word(const Field &field, const std::string &found, ErrorCode later_code = ErrorCode::usage) {
    const SpecKey &key = field.key;
    if (contains(key.allowed, found)) return found;
    const std::string word = found.empty() ? "\"\"" : found;
    if (contains(key.later, found))
        field.fail(word, "", fmt::format("{} {} is known, but not in this version", field.argument(), found), "", later_code);

    std::vector<std::string> candidates = key.allowed;
    candidates.insert(candidates.end(), key.later.begin(), key.later.end());
    const char *alias = type_alias(found);
    const std::string guess = nearest(found, candidates);
    const std::string cure = alias && contains(key.allowed, alias) ? fmt::format("write {}", alias)
                             : guess.empty()                       ? ""
                                                                   : fmt::format("did you mean {}", guess);
    field.fail(word, cure, key.kind == KeyKind::words ? fmt::format("{} has {}", field.argument(), word) : "");
}

std::string check_identifier(const Field &field) {
    const auto &[key, value] = field;
    if (value.type != Type::string) field.fail(shown(value));
    const std::string &name = value.text;
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (name.empty()) field.fail("\"\"", "choose a name, or leave the key out");
    if (name.size() > 63) field.fail(name, "choose a shorter name");
    if (!std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c) || c == '_'; }) || digit(name[0]))
        field.fail(shown(value, true));
    if (name[0] == '_' || name.find("__") != std::string::npos)
        field.fail(name, "", "", "a C identifier without leading or double underscores, which are reserved");
    if (is_reserved_in_c(name)) field.fail(name, "choose another name", "", "a C identifier that is no word of C or C++ or its library");
    return name;
}

int64_t check_integer(const Field &field) {
    const auto &[key, value] = field;
    int64_t number = 0;
    if (value.type == Type::string) {
        const auto [end, status] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
        const bool is_number = status == std::errc() && end == value.text.data() + value.text.size();
        field.fail(shown(value, value.flag.empty()), is_number && value.flag.empty() ? "remove the quotes" : "");
    }
    if (value.type != Type::integer) field.fail(shown(value));
    const auto [end, status] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    if (status != std::errc() || end != value.text.data() + value.text.size() || number < key.low || number > key.high) field.fail(value.text);
    return number;
}

/// The integer, or nothing where the word stands.
std::optional<int64_t> check_integer_or_word(const Field &field) {
    if (field.value.type == Type::string && contains(field.key.allowed, field.value.text)) return std::nullopt;
    return check_integer(field);
}

struct Scale {
    double value;
    std::string text;  ///< the expression, or the number in its shortest form
};

Scale check_scale(const Field &field, int head_dim) {
    const RawValue &value = field.value;
    Scale scale;
    if (value.type == Type::string) {
        ExpressionContext context = field.expression_context(ExprType::real, nullptr);
        context.allow_head_dim = true;
        const Expression expression = parse_expression(value.text, context);
        Bindings bindings;
        bindings[Variable::head_dim] = head_dim;
        scale.value = evaluate(expression.root, bindings, {}).real;
        scale.text = mentions(expression.root, Variable::head_dim) ? expression.text : fmt::format("{}", scale.value);
    } else if (value.type == Type::integer || value.type == Type::real) {
        std::string text = value.text;
        text.erase(std::remove(text.begin(), text.end(), '_'), text.end());  // 1_000.5
        if (text.starts_with('+')) text.erase(0, 1);
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), scale.value);
        if (status != std::errc() || end != text.data() + text.size()) scale.value = std::numeric_limits<double>::quiet_NaN();
        scale.text = fmt::format("{}", scale.value);
    } else {
        field.fail(shown(value));
    }
    // Kernels hold it, times log2(e), in f32; written so that NaN fails.
    if (!(scale.value >= 1e-30 && scale.value <= 1e30)) field.fail(shown(value));
    return scale;
}

/// Nothing for "none", "true" and "s" (`nothing`): the kernel is then the same as without the key.
Expression check_expression(const Field &field, const std::vector<ParamDeclaration> &params, ExprType wanted, const char *nothing) {
    const RawValue &value = field.value;
    if (value.type == Type::boolean && wanted == ExprType::boolean)
        return value.text == "true" ? Expression() : Expression{make_boolean(false), "false"};
    if (value.type != Type::string) field.fail(shown(value));
    const size_t first = value.text.find_first_not_of(" \t\r\n"), last = value.text.find_last_not_of(" \t\r\n");
    if (first != std::string::npos && value.text.substr(first, last + 1 - first) == "none") return {};
    ExpressionContext context = field.expression_context(wanted, &params);
    context.allow_s = wanted == ExprType::real;
    Expression expression = parse_expression(value.text, context);
    return expression.text == nothing ? Expression() : expression;
}

std::vector<std::string> check_words(const Field &field, ErrorCode later_code = ErrorCode::usage) {
    const auto &[key, value] = field;
    if (value.type != Type::array) field.fail(shown(value, true), value.type == Type::string ? fmt::format("write [\"{}\"]", value.text) : "");
    std::set<std::string> seen;
    for (const std::string &item : value.items) {
        check_word(field, item, later_code);
        if (!seen.insert(item).second)
            field.fail(shown(value), fmt::format("write {} once", item), fmt::format("{} has {} twice", field.argument(), item));
    }
    return value.items;
}

/// [q, kv]
std::pair<int, int> check_sizes(const Field &field) {
    const auto &[key, value] = field;
    if (value.type != Type::array || value.items.size() != 2) field.fail(shown(value, true));
    int sizes[2] = {};
    for (size_t i = 0; i < 2; i++) {
        const std::string &item = value.items[i];
        const auto [end, status] = std::from_chars(item.data(), item.data() + item.size(), sizes[i]);
        if (status != std::errc() || end != item.data() + item.size() || sizes[i] < key.low || sizes[i] > key.high ||
            sizes[i] % key.low != 0)
            field.fail(shown(value), "", fmt::format("{} has {}", field.argument(), item.empty() ? "\"\"" : item));
    }
    return {sizes[0], sizes[1]};
}

// ---- keys that are not in the table, or not in this version ----------------------------------------------------------------

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
    const std::vector<std::string> tables = {"kernel", "params", "targets"};
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
                 "[kernel], [params] or [targets]", guess.empty() ? "remove it" : fmt::format("did you mean [{}]", guess));
    }
    std::vector<std::string> candidates;
    for (const SpecKey &k : spec_keys())
        if (k.table == table && k.name[0]) candidates.emplace_back(k.name);
    const std::string guess = nearest(name, candidates);
    fail_key(name, value, fmt::format("unknown key {} in [{}]", name.empty() ? "\"\"" : name, table),
             fmt::format("one of {}", fmt::join(spec_key_names(table), ", ")),
             guess.empty() ? "remove it" : fmt::format("did you mean {}", guess));
}

// ---- keys that depend on others --------------------------------------------------------------------------------------------

void check_outputs(const Field &field, AttentionSpec &spec) {
    const auto outputs = check_words(field);
    if (!contains(outputs, "out")) field.fail(shown(field.value), "", "", "a list with \"out\", and \"lse\" where it is wanted");
    spec.lse = contains(outputs, "lse");
    for (const PairsOutput p : {PairsOutput::logits_raw, PairsOutput::logits_biased, PairsOutput::logits, PairsOutput::weights}) {
        if (!contains(outputs, pairs_output_name(p))) continue;
        if (spec.pairs_output != PairsOutput::none)
            field.fail(shown(field.value), "keep one of them, and make another kernel for the other",
                       fmt::format("{} has {} and {}", field.argument(), pairs_output_name(spec.pairs_output), pairs_output_name(p)),
                       "one matrix of all pairs");
        spec.pairs_output = p;
    }
    if (spec.lse && spec.normalizer == Normalizer::sigmoid)
        field.fail(shown(field.value), "remove lse", fmt::format("{} has lse with normalizer sigmoid", field.argument()),
                   "no lse, as sigmoid weights have no sum");
}

/// One phase a kernel; what decode cannot do is refused by the key that asks for it.
void check_phases(const Field &field, AttentionSpec &spec) {
    const auto phases = check_words(field);
    if (phases.empty()) field.fail(shown(field.value));
    if (phases.size() > 1) field.fail(shown(field.value), "make a kernel for each phase", "", "one of prefill, decode");
    spec.decode = phases[0] == "decode";
    if (!spec.decode) return;
    const auto refuse = [&](const char *what) {
        field.fail(shown(field.value), "leave it out, or write phases = [\"prefill\"]", fmt::format("phases is decode beside {}", what), "decode without it");
    };
    if (spec.block_mask) refuse("block_mask");
    if (spec.pairs_output != PairsOutput::none) refuse("a matrix of pairs in outputs");
    if (spec.normalizer == Normalizer::sigmoid) refuse("normalizer sigmoid");
}

}  // namespace

AttentionSpec validate_spec(const RawSpec &raw) {
    // Unknown keys first, as they stand in the file: a misspelt key explains what follows from it.
    std::vector<std::pair<std::string, const RawValue *>> by_position;
    for (const auto &[key, value] : raw) by_position.emplace_back(key, &value);
    std::stable_sort(by_position.begin(), by_position.end(), [](const auto &a, const auto &b) {
        return std::tie(a.second->line, a.second->column) < std::tie(b.second->line, b.second->column);
    });
    for (const auto &[key, value] : by_position) check_key(key, *value);

    const auto find = [&](const char *key) -> std::optional<Field> {
        const auto found = raw.find(key);
        if (found == raw.end()) return std::nullopt;
        return Field{*find_spec_key(key), found->second};
    };
    const auto word = [](const Field &field) {
        if (field.value.type != Type::string) field.fail(shown(field.value));
        return check_word(field, field.value.text);
    };

    AttentionSpec spec;
    if (const auto field = find("kernel.dtype")) {
        const std::string name = word(*field);
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
            if (name == dtype_name(dtype)) spec.dtype = dtype;
    }
    if (const auto field = find("kernel.compute_dtype")) {
        const std::string name = word(*field);
        for (const ComputeDType compute : {ComputeDType::f32, ComputeDType::f16, ComputeDType::i8})
            if (name == compute_dtype_name(compute)) spec.compute_dtype = compute;
        if (spec.compute_dtype == ComputeDType::f16 && spec.dtype != DType::f16)
            field->fail(name, "write dtype = \"f16\", or leave compute_dtype out", fmt::format("compute_dtype is f16 with dtype {}", dtype_name(spec.dtype)),
                        "it beside dtype f16, whose range products in half precision have");
    }
    if (const auto field = find("kernel.head_dim")) spec.head_dim = static_cast<int>(check_integer(*field));
    spec.head_dim_v = spec.head_dim;
    if (const auto field = find("kernel.head_dim_v")) spec.head_dim_v = static_cast<int>(check_integer(*field));
    if (const auto field = find("kernel.group")) spec.group = static_cast<int>(check_integer_or_word(*field).value_or(0));

    spec.softmax_scale = 1 / std::sqrt(static_cast<double>(spec.head_dim));
    if (const auto field = find("kernel.scale")) {
        const Scale scale = check_scale(*field, spec.head_dim);
        spec.softmax_scale = scale.value;
        spec.scale = scale.text;
    }

    const std::vector<DeclaredParam> declared = declared_params(raw);
    spec.params = check_params(declared);
    if (const auto field = find("kernel.mask")) spec.mask = check_expression(*field, spec.params, ExprType::boolean, "true");
    if (const auto field = find("kernel.score")) spec.score = check_expression(*field, spec.params, ExprType::real, "s");
    if (const auto field = find("kernel.normalizer")) {
        const std::string name = word(*field);
        for (const Normalizer n : {Normalizer::softmax, Normalizer::softmax_plus_one, Normalizer::sigmoid})
            if (name == normalizer_name(n)) spec.normalizer = n;
    }
    if (const auto field = find("kernel.sink")) check_sink(*field, spec);
    refuse_unused(spec, declared);

    if (const auto field = find("kernel.outputs"))
        check_outputs(*field, spec);
    else
        spec.lse = spec.normalizer != Normalizer::sigmoid;
    if (const auto field = find("kernel.block_mask")) spec.block_mask = word(*field) == "csr";
    if (const auto field = find("kernel.block_size")) {
        std::tie(spec.block_size_q, spec.block_size_kv) = check_sizes(*field);
        if (!spec.block_mask)
            field->fail(shown(field->value), "remove it, or write block_mask = \"csr\"",
                        fmt::format("{} is given without a block mask", field->argument()), "it beside block_mask");
    }
    if (spec.block_mask && spec.pairs_output != PairsOutput::none && spec.pairs_output != PairsOutput::logits_raw)
        find("kernel.outputs")->fail(pairs_output_name(spec.pairs_output), "remove it, or the block mask",
                                     fmt::format("outputs has {} with a block mask", pairs_output_name(spec.pairs_output)),
                                     "logits_raw beside block_mask, as the lists are not looked at there");
    if (const auto field = find("kernel.phases"))
        check_phases(*field, spec);
    check_cache(raw, spec);
    if (const auto field = find("kernel.algorithm")) {
        const std::string name = word(*field);
        for (const Algorithm a : {Algorithm::automatic, Algorithm::fixed_reference, Algorithm::online, Algorithm::full_row})
            if (name == algorithm_name(a)) spec.algorithm = a;
    }

    if (const auto field = find("targets.cpu")) {
        const auto names = check_words(*field, ErrorCode::target);
        if (names.empty()) field->fail(shown(field->value));
        if (contains(names, "auto") && names.size() > 1) field->fail(shown(field->value), "auto is all of them, so it stands alone");
        if (contains(names, "neon")) {
            if (names.size() > 1)
                field->fail(shown(field->value), "make a kernel for each architecture", "", "targets of one architecture, as neon is of aarch64 and the others of x86-64");
            if (const auto devices = find("targets.gpu"))
                devices->fail(shown(devices->value), "leave out neon or the devices", "", "no devices beside the CPU target neon, as their host code is x86-64's");
            spec.targets = names;
        } else if (!contains(names, "auto")) std::erase_if(spec.targets, [&](const std::string &target) { return !contains(names, target); });
    }
    if (const auto field = find("targets.gpu")) {
        spec.device_targets = check_words(*field, ErrorCode::target);
    }

    spec.name = spec.id();
    if (const auto field = find("kernel.name")) spec.name = check_identifier(*field);
    return spec;
}

}  // namespace attune
