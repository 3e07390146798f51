#pragma once
#include "model.h"

#include <functional>
#include <span>
#include <vector>

/// How to continue a prompt.
struct GenerateOptions {
    int64_t max_tokens = 0;
    int32_t stop = -1;                    ///< the token that ends the text
    std::span<const int32_t> given = {};  ///< not empty: go on with these whatever the model says, to compare runs token by token
    bool cached = true;                   ///< false: forget keys and values before each step and compute those of all tokens anew
    int threads = 1;
};

struct Times {
    int64_t tokens = 0;  ///< prompt: its tokens; steps: the tokens that came of them
    double seconds = 0, attention_seconds = 0;
    double tokens_per_second() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

struct Generation {
    std::vector<int32_t> tokens;  ///< what the model says at each step, the most likely token
    Times prompt, steps;          ///< the first step, which runs the prompt; the others, one token each
};

/// Greedy generation: each step runs the model and takes the token of the largest logit. `on_step` sees each token with its logits.
/// The cache is cleared first; the prompt and max_tokens have to fit.
Generation generate(const Model &model, std::span<const int32_t> prompt, KvCache &cache, const Attention &attention,
                    const GenerateOptions &options, const std::function<void(int32_t token, const Eigen::VectorXf &logits)> &on_step);
