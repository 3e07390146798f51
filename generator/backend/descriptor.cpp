#include "generator/algorithm/device_patterns.h"
#include "generator/backend/cache_format.h"
#include "generator/backend/device_kernel.h"
#include "generator/backend/kernel_table.h"
#include "generator/backend/lowering.h"
#include "generator/backend/object.h"
#include "generator/backend/params_struct.h"
#include "generator/backend/rope_constant.h"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>

namespace attune {

namespace {

// The LLVM types below say what attune/kernel.h says; natural alignment makes the layouts equal.
static_assert(sizeof(attune_kernel_variant) == 208 && offsetof(attune_kernel_variant, features) == 16 &&
              offsetof(attune_kernel_variant, key_norms) == 88 && offsetof(attune_kernel_variant, scratch_bytes) == 192);
static_assert(sizeof(attune_kernel_info) == 80 && offsetof(attune_kernel_info, head_dim) == 32 &&
              offsetof(attune_kernel_info, softmax_scale) == 48);
static_assert(sizeof(attune_kernel) == 216 && offsetof(attune_kernel, info) == 16 && offsetof(attune_kernel, params) == 96 &&
              offsetof(attune_kernel, cache) == 124 && offsetof(attune_kernel, rope) == 152 &&
              offsetof(attune_kernel, device_variants) == 168 && offsetof(attune_kernel, pattern_words) == 184 &&
              offsetof(attune_kernel, variants) == 192);
static_assert(sizeof(attune_device_variant) == 56 && offsetof(attune_device_variant, attention) == 40);
static_assert(sizeof(attune_param) == 48 && offsetof(attune_param, offset) == 16 && offsetof(attune_param, extent) == 28);

/// A C string as an LLVM constant.
class Strings {
public:
    std::string add(const std::string &text) {
        const std::string name = fmt::format("@.text{}", count_++);
        std::string escaped;
        for (unsigned char c : text) {
            escaped += c >= 32 && c < 127 && c != '"' && c != '\\' ? std::string(1, static_cast<char>(c)) : fmt::format("\\{:02X}", c);
        }
        definitions += fmt::format("{} = private unnamed_addr constant [{} x i8] c\"{}\\00\"\n", name, text.size() + 1, escaped);
        return "ptr " + name;
    }
    std::string definitions;

private:
    int count_ = 0;
};

std::string type_code(DType dtype) {
    return dtype == DType::bf16 ? "4" : "2";
}  // halide_type_float, halide_type_bfloat

std::string cache_constant(const AttentionSpec &spec) {
    const attune_cache_format f = cache_format(spec);
    return fmt::format("%cache {{ i8 {}, i8 {}, i8 {}, i8 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {} }}", f.layout, f.type_code,
                       f.type_bits, f.has_zero_points, f.page_size, f.key_elements, f.value_elements, f.key_scales, f.value_scales);
}

/// The patterns of device variants, and a pointer to them.
struct PatternTable {
    size_t num_words = 0;
    std::string definition, pointer = "ptr null";
};
PatternTable pattern_table(const AttentionSpec &spec) {
    std::string numbers;
    const std::vector<int32_t> words = DevicePatterns(spec).words;
    for (const int32_t word : words)
        numbers += fmt::format("{}i32 {}", numbers.empty() ? "" : ", ", word);
    if (words.empty())
        return {};
    return {words.size(), fmt::format("@{}_pattern_words = internal constant [{} x i32] [{}]\n", spec.name, words.size(), numbers),
            fmt::format("ptr @{}_pattern_words", spec.name)};
}

std::string append_function(const AttentionSpec &spec) {
    if (!spec.decode)
        return "";
    return fmt::format(R"(define i32 @{0}_append(ptr %args) nounwind {{
  %status = tail call i32 @attune_kernel_append(ptr @{0}_kernel, ptr %args)
  ret i32 %status
}}
)",
                       spec.name);
}

}  // namespace

ObjectFile kernel_descriptor(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants,
                             const std::vector<CompiledDeviceVariant> &device_variants, const std::string &metadata) {
    Strings strings;
    std::string declarations, rows, device_rows;
    int num_device_variants = 0;
    for (const CompiledDeviceVariant &variant : device_variants) {
        if (variant.objects.empty())
            continue;
        const std::string symbol = "@" + device_symbol(variant.plan) + "_argv";
        declarations += "declare i32 " + symbol + "(ptr)\n";
        const attune_device_variant &sizes = variant.sizes;
        const std::string combine = sizes.split_keys ? "@" + combine_symbol(variant.plan) + "_argv" : "null";
        if (sizes.split_keys)
            declarations += "declare i32 " + combine + "(ptr)\n";
        device_rows += fmt::format("{}  %device {{ {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 {}, i32 0, ptr {}, ptr {} }}",
                                   device_rows.empty() ? "" : ",\n", strings.add(variant.plan.target->name), int(sizes.api), sizes.fold,
                                   sizes.block_q, sizes.block_kv, sizes.needs, sizes.alignment, sizes.split_keys, symbol, combine);
        num_device_variants++;
    }
    for (const CompiledVariant &variant : variants) {
        auto pointer = [&](TaskFunction function) {
            const std::vector<TaskFunction> functions = task_functions(variant.plan);
            if (std::find(functions.begin(), functions.end(), function) == functions.end())
                return std::string("ptr null");
            const std::string symbol = "@" + task_symbol(variant.plan, function) + "_argv";
            declarations += "declare i32 " + symbol + "(ptr)\n";
            return "ptr " + symbol;
        };
        const attune_kernel_variant &sizes = variant.sizes;
        rows += fmt::format("{}  %variant {{ {}, {}, i32 {}", rows.empty() ? "" : ",\n", strings.add(variant.plan.target->name),
                            strings.add(parameters_text(variant.plan)), sizes.features);
        for (int32_t size : {sizes.most_seq_len_q, sizes.most_seq_len_kv, sizes.block_q, sizes.fold, sizes.strip_rows, sizes.strips,
                             sizes.block_kv, sizes.tile_kv, sizes.num_ranges, sizes.exact_splits, sizes.part_columns, sizes.asks,
                             sizes.split_rows_asks, sizes.state_columns, sizes.state_rows, sizes.corrects_state})
            rows += fmt::format(", i32 {}", size);
        for (TaskFunction function :
             {TaskFunction::key_norms, TaskFunction::key_ranges, TaskFunction::block_states, TaskFunction::row_reference,
              TaskFunction::fixed, TaskFunction::exact, TaskFunction::pairs, TaskFunction::split, TaskFunction::combine,
              TaskFunction::append, TaskFunction::split_rows, TaskFunction::linear_read, TaskFunction::linear_update})
            rows += ", " + pointer(function);
        rows += fmt::format(", i64 {}, i64 {} }}", sizes.scratch_bytes, sizes.scratch_bytes_per_key);
    }
    std::string params;
    const ParamsStruct layout = params_struct(spec);
    for (size_t i = 0; i < layout.members.size(); i++) {
        const attune_param &m = layout.members[i];
        auto list = [&](const char *type, const auto &values) {
            std::string text;
            for (int value : values)
                text += fmt::format("{}{} {}", text.empty() ? "" : ", ", type, value);
            return text;
        };
        params += fmt::format("{}  %param {{ {}, {}, i32 {}, i8 {}, i8 {}, i8 {}, i8 {}, [{} x i8] [{}], [{} x i32] [{}] }}",
                              params.empty() ? "" : ",\n", strings.add(spec.params[i].name), strings.add(spec.params[i].text()), m.offset,
                              m.type_code, m.type_bits, m.dimensions, m.nondecreasing, ATTUNE_MAX_PARAM_DIMS, list("i8", m.dim),
                              ATTUNE_MAX_PARAM_DIMS, list("i32", m.extent));
    }
    const std::string info =
        fmt::format("%info {{ {}, {}, {}, {}, i32 {}, i32 {}, i32 {}, i32 {}, double {}, {}, {}, {} }}", strings.add(spec.name),
                    strings.add(spec.id()), strings.add(dtype_name(spec.dtype)), strings.add(spec.mask_text()), spec.head_dim,
                    spec.head_dim_v, spec.group, spec.lse ? 1 : 0, double_constant(spec.softmax_scale), strings.add(spec.score_text()),
                    strings.add(pairs_output_name(spec.pairs_output)), strings.add(metadata));
    const char *triple = variants.empty() ? x86_64_triple : variants.front().plan.target->triple;
    const PatternTable patterns = num_device_variants ? pattern_table(spec) : PatternTable{};
    const std::string text = fmt::format(
        R"(target triple = "{triple}"
%variant = type {{ ptr, ptr, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, i64, i64 }}
%info = type {{ ptr, ptr, ptr, ptr, i32, i32, i32, i32, double, ptr, ptr, ptr }}
%param = type {{ ptr, ptr, i32, i8, i8, i8, i8, [{dims} x i8], [{dims} x i32] }}
%cache = type {{ i8, i8, i8, i8, i32, i32, i32, i32, i32 }}
%rope = type {{ ptr, i32, i32 }}
%device = type {{ ptr, i32, i32, i32, i32, i32, i32, i32, i32, ptr, ptr }}
%kernel = type {{ i32, i32, i8, i8, i16, i32, %info, ptr, i32, i32, i32, i32, i32, %cache, %rope, ptr, i32, i32, ptr, ptr, ptr, ptr }}
{strings}{declarations}declare i32 @attune_kernel_run(ptr, ptr)
declare i64 @attune_kernel_workspace_size(ptr, ptr)
declare i32 @attune_kernel_append(ptr, ptr)
declare void @attune_register_kernel(ptr)
@{name}_variants = internal constant [{count} x %variant] [
{rows}
]
@{name}_device_variants = internal constant [{num_devices} x %device] [
{device_rows}
]
@{name}_param_table = internal constant [{num_params} x %param] [
{params}
]
{frequencies}{patterns}@{name}_kernel = global %kernel {{ i32 {abi}, i32 {count}, i8 {code}, i8 {bits}, i16 0, i32 {params_size}, {info}, ptr @{name}_param_table, i32 {num_params}, i32 {block_q}, i32 {block_kv}, i32 {state}, i32 {has_sink}, {cache}, {rope}, ptr @{name}_device_variants, i32 {num_devices}, i32 {num_patterns}, {pattern_words}, ptr @{name}_variants, ptr null, ptr null }}
define i32 @{name}(ptr %args) nounwind {{
  %status = tail call i32 @attune_kernel_run(ptr @{name}_kernel, ptr %args)
  ret i32 %status
}}
define i64 @{name}_workspace_size(ptr %args) nounwind {{
  %size = tail call i64 @attune_kernel_workspace_size(ptr @{name}_kernel, ptr %args)
  ret i64 %size
}}
{append}define ptr @{name}_info() nounwind {{
  ret ptr getelementptr inbounds (%kernel, ptr @{name}_kernel, i32 0, i32 6)
}}
define internal void @{name}_register() nounwind {{
  tail call void @attune_register_kernel(ptr @{name}_kernel)
  ret void
}}
@llvm.global_ctors = appending global [1 x {{ i32, ptr, ptr }}] [{{ i32, ptr, ptr }} {{ i32 65535, ptr @{name}_register, ptr null }}]
)",
        fmt::arg("triple", triple), fmt::arg("strings", strings.definitions), fmt::arg("declarations", declarations),
        fmt::arg("name", spec.name), fmt::arg("count", variants.size()), fmt::arg("cache", cache_constant(spec)),
        fmt::arg("rope", rope_constant(spec.name + "_frequencies", spec.rope)), fmt::arg("patterns", patterns.definition),
        fmt::arg("num_patterns", patterns.num_words), fmt::arg("pattern_words", patterns.pointer),
        fmt::arg("frequencies", frequency_table(spec.name + "_frequencies", spec.rope)), fmt::arg("append", append_function(spec)),
        fmt::arg("rows", rows), fmt::arg("device_rows", device_rows), fmt::arg("num_devices", num_device_variants),
        fmt::arg("abi", ATTUNE_KERNEL_ABI), fmt::arg("dims", ATTUNE_MAX_PARAM_DIMS), fmt::arg("params", params),
        fmt::arg("num_params", layout.members.size()), fmt::arg("params_size", layout.size), fmt::arg("has_sink", has_sink(spec) ? 1 : 0),
        fmt::arg("state", int(kernel_state(spec))), fmt::arg("block_q", spec.block_mask ? spec.block_size_q : 0),
        fmt::arg("block_kv", spec.block_mask ? spec.block_size_kv : 0), fmt::arg("code", type_code(spec.dtype)),
        fmt::arg("bits", 8 * dtype_bytes(spec.dtype)), fmt::arg("info", info));
    return assemble_llvm(text, spec.name + ".o", triple);
}

}  // namespace attune
