#pragma once
#include "generator/import/onnx_graph.h"

namespace attune {

/// A graph on scores, as keys of a specification; "": none is needed.
struct ScoreRule {
    std::string mask, score;
};

/// What a graph with one input and one output, both (batch, heads, queries, keys), makes of each score. A Where that gives -inf (or a number
/// below -1e29, which hides) by position alone becomes a condition of the mask, and so does one that is added to the score. Throws Refusal.
ScoreRule translate_score_graph(const OnnxGraph &graph);

}  // namespace attune
