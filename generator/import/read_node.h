#pragma once
#include "generator/import/read_graph.h"
#include "generator/import/read_onnx.h"

/// From messages of a model to the structs of its nodes.
namespace attune {

/// What stands around a node.
struct Surroundings {
    std::map<std::string, int64_t> opsets = {};      ///< of each domain that the model imports; ai.onnx is ""
    std::map<std::string, OnnxTensor> tensors = {};  ///< described by the node's graph and those around it
    Constants constants = {};                        ///< likewise
};

std::string domain_of(const std::string &written);  ///< "" for ai.onnx, which has two names

/// Whether the name of a node's operator says attention.
bool looks_like_attention(const onnx_subset::NodeProto &node);
/// Such a node. name: what to call it where it has no name.
OnnxNode read_node(const onnx_subset::NodeProto &node, const Surroundings &around, const std::string &name);

}  // namespace attune
