#pragma once
#include "generator/import/onnx_graph.h"

#include "onnx_subset.pb.h"

/// Constants and graphs of a model.
namespace attune {

using Constants = std::map<std::string, OnnxConstant>;

/// The small constants of a graph: initializers, and what its Constant nodes give.
void add_constants(const onnx_subset::GraphProto &graph, Constants &constants);
/// around: the constants of the graphs that it stands in.
OnnxGraph read_graph(const onnx_subset::GraphProto &graph, const Constants &around);

}  // namespace attune
