#include "generator/spec/check_keys.h"
#include "generator/spec/check_value.h"
#include "generator/spec/evaluate.h"
#include "generator/spec/field.h"
#include "generator/spec/layer_spec.h"
#include "generator/spec/validate_cache.h"
#include "generator/spec/validate_linear.h"
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

/// A layer and a projection are no attention kernel.
void refuse_tables(const RawSpec &raw) {
    for (const auto &[key, value] : raw)
        for (const std::string table : {"layer", "projection"})
            if (key.starts_with(table + "."))
                throw Error({.argument = "SPEC",
                             .value = fmt::format("a [{}]", table),
                             .expected = "the specification of an attention kernel, [kernel]",
                             .cure = fmt::format("use attune build, which makes a {} of it", table),
                             .file = value.file,
                             .line = value.line});
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
    if (spec.pairs_output != PairsOutput::none && is_linear(spec))
        field.fail(pairs_output_name(spec.pairs_output), "leave it out", fmt::format("{} has {} with normalizer linear", field.argument(), pairs_output_name(spec.pairs_output)),
                   "no matrix of pairs, which a running state is there to avoid");
    if (spec.lse && !is_softmax(spec.normalizer))
        field.fail(shown(field.value), "remove lse", fmt::format("{} has lse with normalizer {}", field.argument(), normalizer_name(spec.normalizer)),
                   fmt::format("no lse, as {} weights have no sum of exponentials", normalizer_name(spec.normalizer)));
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
    if (!is_softmax(spec.normalizer)) refuse(fmt::format("normalizer {}", normalizer_name(spec.normalizer)).c_str());
}

}  // namespace

AttentionSpec validate_spec(const RawSpec &raw) {
    check_keys(raw);
    refuse_tables(raw);

    const auto find = [&](const char *key) { return find_field(raw, key); };
    const auto word = [](const Field &field) { return check_word(field); };

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
        for (const Normalizer n : {Normalizer::softmax, Normalizer::softmax_plus_one, Normalizer::sigmoid, Normalizer::relu, Normalizer::linear})
            if (name == normalizer_name(n)) spec.normalizer = n;
    }
    if (const auto field = find("kernel.sink")) check_sink(*field, spec);
    check_linear(raw, spec);
    refuse_unused(spec, declared);

    if (const auto field = find("kernel.outputs"))
        check_outputs(*field, spec);
    else
        spec.lse = is_softmax(spec.normalizer);
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
