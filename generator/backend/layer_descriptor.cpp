#include "generator/backend/object.h"
#include "generator/backend/projection_kernel.h"
#include "generator/backend/rope_constant.h"

#include <cstddef>
#include <fmt/format.h>

namespace attune {

namespace {

// The LLVM types below say what attune/layer_kernel.h says; natural alignment makes the layouts equal.
static_assert(sizeof(attune_projection_variant) == 64 && offsetof(attune_projection_variant, project) == 40);
static_assert(sizeof(attune_projection) == 72 && offsetof(attune_projection, in_features) == 12 &&
              offsetof(attune_projection, variants) == 56);
static_assert(sizeof(attune_layer) == 88 && offsetof(attune_layer, name) == 24 && offsetof(attune_layer, attention) == 48 &&
              offsetof(attune_layer, rope) == 64);

/// Names and words need no escapes.
std::string text_constant(const std::string &name, const std::string &text) {
    return fmt::format("@{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"\n", name, text.size() + 1, text);
}

/// define TYPE @<name>_<function>(ARGUMENTS) that hands its arguments to the runtime, behind the table.
std::string forward(const std::string &name, const std::string &function, const char *type, const std::string &to, const std::string &table,
                    const std::vector<std::string> &arguments) {
    std::string declared, passed = fmt::format("ptr @{}", table);
    for (size_t i = 0; i < arguments.size(); i++) {
        declared += fmt::format("{}{} %a{}", i ? ", " : "", arguments[i], i);
        passed += fmt::format(", {} %a{}", arguments[i], i);
    }
    return fmt::format("define {0} @{1}{2}({3}) nounwind {{\n  %r = tail call {0} @{4}({5})\n  ret {0} %r\n}}\n", type, name, function,
                       declared, to, passed);
}

}  // namespace

ObjectFile projection_descriptor(const ProjectionSpec &spec, const std::vector<CompiledProjection> &variants) {
    std::string texts = text_constant("name", spec.name) + text_constant("id", spec.id()) + text_constant("dtype", dtype_name(spec.dtype)) +
                        text_constant("activation", activation_name(spec.activation));
    std::string rows, declarations;
    for (const CompiledProjection &variant : variants) {
        const attune_projection_variant &s = variant.sizes;
        const std::string target = variant.plan.target->name;
        texts += text_constant("target." + target, target);
        std::string functions[2] = {"null", "null"};
        for (size_t i = 0; i < variant.objects.size(); i++) {
            functions[i] = fmt::format("@{}_argv", variant.plan.symbol(i == 1));
            declarations += fmt::format("declare i32 {}(ptr)\n", functions[i]);
        }
        rows += fmt::format(
            "{}  %variant {{ ptr @target.{}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, ptr {}, ptr {}, i64 {} }}",
            rows.empty() ? "" : ",\n", target, s.features, s.panel, s.block_inputs, s.chunks, s.step_inputs, s.block_rows, s.block_columns,
            s.tile_rows, functions[0], functions[1], s.scratch_bytes);
    }
    const std::string table = spec.name + "_kernel";
    const std::string text =
        fmt::format(R"(%variant = type {{ ptr, i32, i32, i32, i32, i32, i32, i32, i32, ptr, ptr, i64 }}
%projection = type {{ i32, i32, i8, i8, i16, i32, i32, i32, ptr, ptr, ptr, ptr, ptr, ptr }}
{}{}declare i32 @attune_projection_run(ptr, ptr)
declare i64 @attune_projection_workspace_size(ptr, ptr)
declare i64 @attune_projection_packed_size(ptr)
declare i32 @attune_projection_pack(ptr, ptr, i32, ptr, i64)
@variants = internal constant [{} x %variant] [
{}
]
@{} = global %projection {{ i32 {}, i32 {}, i8 {}, i8 {}, i16 0, i32 {}, i32 {}, i32 {}, ptr @name, ptr @id, ptr @dtype, ptr @activation, ptr @variants, ptr null }}
)",
                    texts, declarations, variants.size(), rows, table, ATTUNE_LAYER_ABI, variants.size(), spec.dtype == DType::bf16 ? 4 : 2,
                    8 * dtype_bytes(spec.dtype), spec.in_features, spec.out_features, spec.bias ? 1 : 0) +
        forward(spec.name, "", "i32", "attune_projection_run", table, {"ptr"}) +
        forward(spec.name, "_workspace_size", "i64", "attune_projection_workspace_size", table, {"ptr"}) +
        forward(spec.name, "_packed_size", "i64", "attune_projection_packed_size", table, {}) +
        forward(spec.name, "_pack", "i32", "attune_projection_pack", table, {"ptr", "i32", "ptr", "i64"});
    return assemble_llvm(text, spec.name + ".o", variants.front().plan.target->triple);
}

ObjectFile layer_descriptor(const LayerSpec &spec, const char *triple) {
    const std::string table = spec.name + "_layer";
    const std::string attention = spec.attention.name + "_kernel", tokens = spec.token_projection().name + "_kernel",
                      output = spec.output_projection().name + "_kernel";
    const std::string context = spec.is_cross() ? spec.context_projection().name + "_kernel" : "";
    std::string externals;
    for (const std::string &symbol : {attention, tokens, output, context})
        if (!symbol.empty())
            externals += fmt::format("@{} = external global i8\n", symbol);
    const std::string text =
        fmt::format(R"(%rope = type {{ ptr, i32, i32 }}
%layer = type {{ i32, i32, i32, i32, i32, i32, ptr, ptr, ptr, ptr, ptr, %rope, double }}
{}{}{}declare i32 @attune_layer_run(ptr, ptr)
declare i64 @attune_layer_workspace_size(ptr, ptr)
declare i64 @attune_layer_packed_size(ptr)
declare i32 @attune_layer_pack(ptr, ptr, ptr, i64)
@{} = constant %layer {{ i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 0, ptr @name, ptr @{}, ptr {}, ptr @{}, ptr @{}, {}, double {} }}
)",
                    text_constant("name", spec.name), externals, frequency_table("frequencies", spec.rope), table, ATTUNE_LAYER_ABI,
                    spec.d_model, spec.d_context, spec.heads, spec.kv_heads, tokens, context.empty() ? "null" : "@" + context, attention,
                    output, rope_constant("frequencies", spec.rope), double_constant(spec.qk_norm_eps)) +
        forward(spec.name, "", "i32", "attune_layer_run", table, {"ptr"}) +
        forward(spec.name, "_workspace_size", "i64", "attune_layer_workspace_size", table, {"ptr"}) +
        forward(spec.name, "_packed_size", "i64", "attune_layer_packed_size", table, {}) +
        forward(spec.name, "_pack", "i32", "attune_layer_pack", table, {"ptr", "ptr", "i64"});
    return assemble_llvm(text, spec.name + ".o", triple);
}

}  // namespace attune
