#pragma once
#include "generator/import/imported_node.h"
#include "generator/import/onnx_tensor.h"

namespace attune::test {

/// -1 is an extent that the model does not say.
inline OnnxTensor tensor(const std::string &name, int type, std::vector<int64_t> shape) {
    OnnxTensor out{.name = name, .type = type};
    out.shape.emplace();
    for (const int64_t size : shape)
        out.shape->push_back({size, ""});
    return out;
}

/// The text of one key's value in the specification, "" where it is absent.
inline std::string key(const ImportedKernel &kernel, const std::string &name) {
    const std::string text = "\n" + kernel.keys, start = "\n" + name + " = ";
    const size_t at = text.find(start);
    return at == std::string::npos ? "" : text.substr(at + start.size(), text.find('\n', at + 1) - at - start.size());
}

}  // namespace attune::test
