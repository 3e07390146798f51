#include "generator/import/node_rule.h"

namespace attune {

std::string float_type(int type) {
    return type == onnx_type::float32 ? "f32" : type == onnx_type::float16 ? "f16" : type == onnx_type::bfloat16 ? "bf16" : "";
}

void check_types(const std::vector<std::pair<const OnnxTensor *, const char *>> &inputs) {
    const auto &[first, first_name] = inputs.front();
    if (float_type(first->type).empty())
        refuse("{} is {}, and kernels are float, float16 or bfloat16{}", first_name, onnx_type_name(first->type),
               first->type == onnx_type::float64 ? "; cast it to float" : "");
    for (const auto &[tensor, name] : inputs)
        if (*tensor && tensor->type != first->type)
            refuse("{} is {} and {} is {}: kernels have one type for all", name, onnx_type_name(tensor->type), first_name,
                   onnx_type_name(first->type));
}

void check_softmax_precision(int64_t type) {
    if (type != 0 && type != onnx_type::float32 && type != onnx_type::float16 && type != onnx_type::float64 && type != onnx_type::bfloat16)
        refuse("softmax_precision is {}, expected 1, 10, 11 or 16", type);
}

void note_softmax_precision(int64_t type, std::vector<std::string> &notes) {
    if (type != 0 && type != onnx_type::float32)
        notes.push_back(
            fmt::format("softmax_precision is {}: kernels compute the softmax in float", onnx_type_name(static_cast<int>(type))));
}

const std::vector<OnnxDim> &shape_of(const OnnxTensor &tensor, const char *input) {
    if (!tensor)
        refuse("input {} is missing", input);
    if (tensor.type == 0 || !tensor.shape)
        refuse("the model states no type and rank for {} (\"{}\"): run onnx.shape_inference.infer_shapes first", input, tensor.name);
    return *tensor.shape;
}

OnnxDim agreed(const OnnxDim &a, const OnnxDim &b, const char *what) {
    if (a.is_number() && b.is_number() && a.size != b.size)
        refuse("{} is {} in one input and {} in another", what, a.size, b.size);
    return a.is_number() || (!b.is_number() && !a.symbol.empty()) ? a : b;
}

OnnxDim split(const OnnxDim &hidden, int64_t heads, const char *input) {
    if (!hidden.is_number())
        return {};
    if (hidden.size % heads != 0)
        refuse("{} has {} elements a position, no multiple of its {} heads", input, hidden.size, heads);
    return {hidden.size / heads, ""};
}

std::string group_of(const OnnxDim &heads, const OnnxDim &kv_heads) {
    if (heads.same(kv_heads))
        return "1";
    if (!heads.is_number() || !kv_heads.is_number())
        return "\"any\"";
    if (kv_heads.size == 0 || heads.size % kv_heads.size != 0)
        refuse("{} query heads are no multiple of {} key/value heads", heads.size, kv_heads.size);
    return fmt::to_string(heads.size / kv_heads.size);
}

std::string key_lines(const KernelKeys &keys, const std::vector<ImportedKernel::Param> &params) {
    std::string out = fmt::format("dtype = \"{}\"\nhead_dim = {}\n", keys.dtype, keys.head_dim);
    if (keys.head_dim_v != keys.head_dim)
        out += fmt::format("head_dim_v = {}\n", keys.head_dim_v);
    out += "group = " + keys.group + "\n";
    if (keys.scale)
        out += fmt::format("scale = {}\n", *keys.scale);
    if (!keys.score.empty())
        out += "score = \"" + keys.score + "\"\n";
    if (!keys.mask.empty())
        out += "mask = \"" + keys.mask + "\"\n";
    for (const auto &[key, word] : keys.words)
        out += fmt::format("{} = \"{}\"\n", key, word);
    out += keys.pairs.empty() ? "outputs = [\"out\"]\n" : "outputs = [\"out\", \"" + keys.pairs + "\"]\n";
    if (!params.empty())
        out += "\n[params]\n";
    for (const auto &param : params)
        out += fmt::format("{} = \"{}\"\n", param.name, param.type);
    return out;
}

std::string import_toml(const ImportedKernel &kernel, const std::string &name, const std::vector<std::string> &comment) {
    std::string out;
    for (const auto &line : comment)
        out += "# " + line + "\n";
    return out + "[kernel]\nname = \"" + name + "\"\n" + kernel.keys;
}

std::string onnx_type_name(int type) {
    static const char *const names[] = {"unknown", "float",   "uint8",  "int8",   "uint16", "int16",     "int32",      "int64",   "string",
                                        "bool",    "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"};
    return type >= 0 && type < static_cast<int>(std::size(names)) ? names[type] : fmt::format("type {}", type);
}

}  // namespace attune
