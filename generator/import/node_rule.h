#pragma once
#include "generator/import/imported_node.h"
#include "generator/import/onnx_tensor.h"

#include <fmt/format.h>

#include <utility>

/// What the rules of all operators need.
namespace attune {

/// Why a node cannot be imported; a rule throws it to itself.
struct Refusal {
    std::string reason;
};
template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args &&...args) {
    throw Refusal{fmt::format(format, std::forward<Args>(args)...)};
}

/// "f16" of the types that kernels read, else "".
std::string float_type(int type);
/// Refuses a type that kernels do not read, and inputs of another type than the first.
void check_types(const std::vector<std::pair<const OnnxTensor *, const char *>> &inputs);

/// Of the attribute softmax_precision; 0: the model leaves it out.
void check_softmax_precision(int64_t type);
void note_softmax_precision(int64_t type, std::vector<std::string> &notes);

/// Refuses a tensor that is missing, and one whose rank is unknown.
const std::vector<OnnxDim> &shape_of(const OnnxTensor &tensor, const char *input);
/// What is stated first; a contradiction between two of them is refused.
OnnxDim agreed(const OnnxDim &a, const OnnxDim &b, const char *what);
/// The elements of a head: hidden / heads.
OnnxDim split(const OnnxDim &hidden, int64_t heads, const char *input);
/// A number, or "any" where the model does not say it.
std::string group_of(const OnnxDim &heads, const OnnxDim &kv_heads);

/// The lines of a specification below its name, without those that are empty.
struct KernelKeys {
    std::string dtype = {};
    int64_t head_dim = 0, head_dim_v = 0;
    std::string group = {};
    std::optional<float> scale = {};
    std::string score = {}, mask = {};
    std::vector<std::pair<std::string, std::string>> words = {};  ///< normalizer, "linear"
    std::string pairs = {};                                       ///< of outputs
};
std::string key_lines(const KernelKeys &keys, const std::vector<ImportedKernel::Param> &params);

/// Runs a rule: what it refuses becomes the node's refusal.
template <class Imported, class Node>
Imported import_by(void (*rule)(const Node &node, Imported &out), const Node &node) {
    Imported out;
    try {
        if (!node.problem.empty())
            refuse("{}", node.problem);
        rule(node, out);
    } catch (const Refusal &refusal) {
        out = {};
        out.refusal = refusal.reason;
    }
    out.node = node;
    return out;
}

}  // namespace attune
