#include "generator/spec/check_keys.h"
#include "generator/spec/check_rope.h"
#include "generator/spec/check_value.h"
#include "generator/spec/hash_text.h"
#include "generator/spec/layer_spec.h"

#include <fmt/format.h>

namespace attune {
namespace {

bool has_table(const RawSpec &raw, const std::string &table) {
    const auto first = raw.lower_bound(table + ".");
    return first != raw.end() && first->first.starts_with(table + ".");
}

/// A key that has no default.
int required(const RawSpec &raw, const std::string &key) {
    if (const auto field = find_field(raw, key)) return static_cast<int>(check_integer(*field));
    const RawValue &beside = raw.lower_bound(key.substr(0, key.find('.') + 1))->second;
    const SpecKey &known = *find_spec_key(key);
    throw Error({.argument = known.shown(),
                 .value = "missing",
                 .expected = known.expected(),
                 .cure = known.cure,
                 .file = beside.file,
                 .line = beside.line,
                 .problem = fmt::format("{} is missing", known.shown())});
}

bool boolean_or(const RawSpec &raw, const std::string &key, bool otherwise) {
    const auto field = find_field(raw, key);
    return field ? check_boolean(*field) : otherwise;
}

/// A key of [kernel] as the layer has it. One that stands there too must say the same.
void give(RawSpec &raw, const std::string &key, int value, const std::string &because) {
    if (const auto field = find_field(raw, key)) {
        if (field->value.text != std::to_string(value))
            field->fail(shown(field->value), "leave it out", fmt::format("{} is {} in a layer", field->argument(), shown(field->value)),
                        fmt::format("{}, {}", value, because));
        return;
    }
    set_spec_flag(raw, key, std::to_string(value), "");
}

/// eps of {eps = 1e-6}, the default.
double check_qk_norm(const Field &field) {
    if (field.value.type != RawValue::Type::table) field.fail(shown(field.value, true));
    double eps = 1e-6;
    for (const std::string &item : field.value.items) {
        const size_t equals = item.find('=');
        const std::string text = equals == std::string::npos ? "" : item.substr(equals + 1);
        if (item.substr(0, equals) != "eps" || !read_number(text, eps) || !(eps >= 1e-12 && eps <= 1))
            field.fail(item, "", fmt::format("{} has {}", field.argument(), item), "eps, a number from 1e-12 to 1");
    }
    return eps;
}

DType dtype_of(const std::string &name) { return name == "f16" ? DType::f16 : name == "bf16" ? DType::bf16 : DType::f32; }

}  // namespace

bool describes_projection(const RawSpec &raw) { return has_table(raw, "projection"); }
bool describes_layer(const RawSpec &raw) { return has_table(raw, "layer"); }

ProjectionSpec validate_projection(const RawSpec &raw) {
    check_keys(raw);
    for (const auto &[key, value] : raw)
        if (!key.starts_with("projection.") && key != "targets.cpu" && key != "kernel.name" && key != "kernel.dtype")
            throw Error({.argument = value.flag.empty() ? key : value.flag,
                         .value = shown(value),
                         .expected = "the keys of [projection] and targets.cpu",
                         .cure = "remove it",
                         .file = value.file,
                         .line = value.line,
                         .column = value.key_column});
    ProjectionSpec spec;
    // --name and --dtype of the command line stand under [kernel], and win over the file.
    for (const char *key : {"projection.dtype", "kernel.dtype"})
        if (const auto field = find_field(raw, key)) spec.dtype = dtype_of(check_word(*field));
    spec.in_features = required(raw, "projection.in_features");
    spec.out_features = required(raw, "projection.out_features");
    spec.bias = boolean_or(raw, "projection.bias", true);
    if (const auto field = find_field(raw, "projection.activation")) {
        const std::string name = check_word(*field);
        for (const Activation a : {Activation::none, Activation::relu, Activation::gelu, Activation::silu})
            if (name == activation_name(a)) spec.activation = a;
    }
    RawSpec of_targets;
    if (const auto found = raw.find("targets.cpu"); found != raw.end()) of_targets.insert(*found);
    spec.targets = validate_spec(of_targets).targets;
    spec.name = spec.id();
    for (const char *key : {"projection.name", "kernel.name"})
        if (const auto field = find_field(raw, key)) spec.name = check_identifier(*field);
    return spec;
}

LayerSpec validate_layer(const RawSpec &raw) {
    check_keys(raw);
    LayerSpec spec;
    spec.d_model = required(raw, "layer.d_model");
    spec.heads = required(raw, "layer.heads");
    spec.kv_heads = spec.heads;
    if (const auto field = find_field(raw, "layer.kv_heads")) {
        spec.kv_heads = static_cast<int>(check_integer(*field));
        if (spec.heads % spec.kv_heads != 0)
            field->fail(shown(field->value), "", fmt::format("layer.kv_heads is {} with {} heads", spec.kv_heads, spec.heads), "a divisor of heads");
    }
    if (const auto field = find_field(raw, "layer.d_context")) spec.d_context = static_cast<int>(check_integer(*field));
    spec.bias = boolean_or(raw, "layer.bias", true);
    spec.output_bias = boolean_or(raw, "layer.output_bias", true);

    RawSpec of_head;
    for (const auto &[key, value] : raw)
        if (!key.starts_with("layer.")) of_head.insert({key, value});
    if (!of_head.contains("kernel.head_dim")) {
        const Field heads = *find_field(raw, "layer.heads");
        if (spec.d_model % spec.heads != 0)
            heads.fail(shown(heads.value), "give head_dim in [kernel], or another number of heads",
                       fmt::format("layer.heads is {} with d_model {}", spec.heads, spec.d_model), "a divisor of d_model where head_dim is not given");
        set_spec_flag(of_head, "kernel.head_dim", std::to_string(spec.d_model / spec.heads), "");
    }
    give(of_head, "kernel.group", spec.heads / spec.kv_heads, "heads / kv_heads");
    spec.attention = validate_spec(of_head);
    const auto refuse = [&](const char *key, const std::string &value, const char *cure) {
        const auto found = raw.find(key);
        throw Error({.argument = find_spec_key(key)->shown(),
                     .value = value,
                     .expected = "what layers do",
                     .cure = cure,
                     .file = found->second.file,
                     .line = found->second.line,
                     .column = found->second.column});
    };
    if (spec.attention.decode) refuse("kernel.phases", "decode", "generate the parts: projections, and attention of that phase");
    if (spec.attention.pairs_output != PairsOutput::none)
        refuse("kernel.outputs", pairs_output_name(spec.attention.pairs_output), "leave it out, and generate another kernel for it");
    if (!spec.attention.device_targets.empty()) refuse("targets.gpu", spec.attention.device_targets[0], "leave it out: layers run on CPUs");
    spec.attention.lse = false;
    if (const auto field = find_field(raw, "layer.qk_norm")) spec.qk_norm_eps = check_qk_norm(*field);
    if (const auto field = find_field(raw, "layer.rope")) {
        if (spec.is_cross())
            field->fail(shown(field->value), "leave it out", "layer.rope is given with d_context", "it in a layer whose keys are of the tokens themselves");
        spec.rope = check_rope(*field, spec.attention.head_dim);
    }
    spec.name = fmt::format("attune_layer_{}", spec.attention.id().substr(std::string("attune_prefill_").size()));
    for (const char *key : {"layer.name", "kernel.name"})
        if (const auto field = find_field(raw, key)) spec.name = check_identifier(*field);
    spec.attention.name = spec.name + "_attention";
    return spec;
}

const char *activation_name(Activation activation) {
    switch (activation) {
    case Activation::none: return "none";
    case Activation::relu: return "relu";
    case Activation::gelu: return "gelu";
    case Activation::silu: return "silu";
    }
    return "none";
}

std::string ProjectionSpec::canonical() const {
    return fmt::format("projection 1 dtype={} in={} out={} bias={} activation={}", dtype_name(dtype), in_features, out_features, bias,
                       activation_name(activation));
}

std::string ProjectionSpec::id() const {
    return fmt::format("attune_projection_{}_{}x{}_{:08x}", dtype_name(dtype), in_features, out_features, hash_text(canonical()) >> 32);
}

namespace {

ProjectionSpec projection_of(const LayerSpec &layer, const char *part, int in_features, int out_features, bool bias) {
    return {.name = layer.name + part,
            .dtype = layer.attention.dtype,
            .in_features = in_features,
            .out_features = out_features,
            .bias = bias,
            .targets = layer.attention.targets};
}

}  // namespace

ProjectionSpec LayerSpec::token_projection() const {
    return projection_of(*this, "_projection", d_model, query_columns() + (is_cross() ? 0 : key_columns() + value_columns()), bias);
}

ProjectionSpec LayerSpec::context_projection() const {
    return projection_of(*this, "_context_projection", d_context, key_columns() + value_columns(), bias);
}

ProjectionSpec LayerSpec::output_projection() const {
    return projection_of(*this, "_output", heads * attention.head_dim_v, d_model, output_bias);
}

}  // namespace attune
