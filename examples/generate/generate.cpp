#include "generate.h"

#include <chrono>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Generation generate(const Model &model, std::span<const int32_t> prompt, KvCache &cache, const Attention &attention,
                    const GenerateOptions &options, const std::function<void(int32_t token, const Eigen::VectorXf &logits)> &on_step) {
    double attention_seconds = 0;
    const Attention timed = [&](const AttentionCall &call) {
        const Clock::time_point start = Clock::now();
        attention(call);
        attention_seconds += seconds_since(start);
    };

    Generation result;
    std::vector<int32_t> text(prompt.begin(), prompt.end());
    const int64_t steps = options.given.empty() ? options.max_tokens : static_cast<int64_t>(options.given.size());
    cache.clear();
    for (int64_t step = 0; step < steps; ++step) {
        const Clock::time_point start = Clock::now();
        attention_seconds = 0;
        if (!options.cached)
            cache.clear();
        const Eigen::VectorXf logits = model.forward(std::span(text).subspan(cache.length()), cache, timed, options.threads);
        int32_t token = 0;
        logits.maxCoeff(&token);
        Times &times = step == 0 ? result.prompt : result.steps;
        times.tokens += step == 0 ? static_cast<int64_t>(prompt.size()) : 1;
        times.seconds += seconds_since(start);
        times.attention_seconds += attention_seconds;

        result.tokens.push_back(token);
        on_step(token, logits);
        if (options.given.empty() && token == options.stop)
            break;
        text.push_back(options.given.empty() ? token : options.given[step]);
    }
    return result;
}
