#pragma once
#include "generator/import/onnx_tensor.h"

#include <map>

namespace attune {

/// A constant of a model that has few elements, with all of them.
struct OnnxConstant {
    int type = 0;  ///< TensorProto.DataType
    std::vector<int64_t> dims = {};
    std::vector<double> reals = {};      ///< of a float type
    std::vector<int64_t> integers = {};  ///< of an integer type or bool

    bool is_real() const { return !reals.empty(); }
};

struct OnnxOperation {
    std::string op = {};  ///< "Add"; with the domain where that is not ai.onnx
    std::vector<std::string> inputs = {}, outputs = {};
    std::map<std::string, int64_t> attributes = {};  ///< those that are integers
    std::string unread = {};                         ///< an attribute that is none; "": all are
};

/// A graph that is an attribute of a node: what an operator is told to compute.
struct OnnxGraph {
    std::vector<std::string> inputs = {}, outputs = {};
    std::vector<OnnxOperation> operations = {};
    std::map<std::string, OnnxConstant> constants = {};  ///< its own and those of the graphs around it
};

}  // namespace attune
