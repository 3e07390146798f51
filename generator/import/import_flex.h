#pragma once
#include "generator/import/imported_node.h"
#include "generator/import/onnx_flex.h"

namespace attune {

struct ImportedFlex : ImportedNode {
    OnnxFlex node;
};

/// mask and score are what score_mod says (score_graph.h); a prob_mod is refused.
ImportedFlex import_flex(const OnnxFlex &node);

}  // namespace attune
