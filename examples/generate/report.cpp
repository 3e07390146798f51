#include "report.h"

#include "attune_attention.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <iostream>

namespace {

void print_row(const char *name, const Times &prompt, const Times &steps) {
    const auto share = [](const Times &t) { return t.seconds > 0 ? 100 * t.attention_seconds / t.seconds : 0; };
    std::printf("  %-28s %8.1f %8.2f  %4.1f %%  %8.1f %9.3f  %4.1f %%\n", name, prompt.tokens_per_second(), 1e3 * prompt.attention_seconds,
                share(prompt), steps.tokens_per_second(),
                steps.tokens ? 1e3 * steps.attention_seconds / static_cast<double>(steps.tokens) : 0, share(steps));
}

void print_ratio(const char *of, const Times &naive, const Times &attune) {
    if (attune.tokens > 0 && attune.attention_seconds > 0)
        std::printf("  %s: %.1f times the time of Attune's kernel\n", of, naive.attention_seconds / attune.attention_seconds);
}

void print_difference(const char *run, const Difference &d, float bound) {
    if (std::isinf(bound)) {
        std::printf("  %-28s %lld of %lld tokens, largest difference of a logit %.1e\n", run,
                    static_cast<long long>(d.steps - d.other_tokens), static_cast<long long>(d.steps), d.largest);
        return;
    }
    std::printf("  %-28s %lld of %lld tokens, largest difference of a logit %.1e (bound %.0e): %s\n", run,
                static_cast<long long>(d.steps - d.other_tokens), static_cast<long long>(d.steps), d.largest, bound,
                d.largest <= bound ? "ok" : "FAILED");
}

nlohmann::ordered_json json_of(const Times &t) {
    return {{"tokens", t.tokens},
            {"seconds", t.seconds},
            {"attention_seconds", t.attention_seconds},
            {"tokens_per_second", t.tokens_per_second()}};
}
nlohmann::ordered_json json_of(const Generation &g) {
    return {{"tokens", g.tokens}, {"prompt", json_of(g.prompt)}, {"steps", json_of(g.steps)}};
}
nlohmann::ordered_json json_of(const Difference &d) {
    return {{"steps", d.steps}, {"other_tokens", d.other_tokens}, {"largest", d.largest}};
}

}  // namespace

void print_start(const Report &r) {
    std::printf("model      %s (%lld layers, %lld query heads on %lld key/value heads of %lld)\n", r.model.c_str(),
                static_cast<long long>(r.config.num_layers), static_cast<long long>(r.config.num_heads),
                static_cast<long long>(r.config.num_kv_heads), static_cast<long long>(r.config.head_dim()));
    std::printf("attention  smollm_prefill and %s on %s, %d thread%s\n", AttuneAttention::decode_name(r.format).c_str(), r.target.c_str(),
                r.threads, r.threads == 1 ? "" : "s");
    std::printf("cache      %lld positions of %s, %.1f MB; prompt of %lld tokens\n\n", static_cast<long long>(r.capacity),
                name_of(r.format), static_cast<double>(r.cache_bytes) / 1e6, static_cast<long long>(r.prompt_tokens));
    std::fflush(stdout);
}

void print_end(const Report &r) {
    const auto steps = static_cast<long long>(r.cached.steps.tokens);
    std::printf("%s\n\n", r.stopped ? "" : " …");
    std::printf("%-29s   prompt, %4lld tokens        %4lld tokens after it\n", "time", static_cast<long long>(r.prompt_tokens), steps);
    std::printf("%-29s tokens/s  attention, ms    tokens/s  attention, ms a token\n", "");
    const bool is_rounded = r.format != CacheFormat::f32;
    const std::string loops = is_rounded ? "f32 cache, plain loops" : "cache, plain loops";
    print_row(((is_rounded ? name_of(r.format) + std::string(" ") : "") + "cache, Attune's kernels").c_str(), r.cached.prompt,
              r.cached.steps);
    print_row(loops.c_str(), r.naive.prompt, r.naive.steps);
    if (r.uncached.steps.tokens > 0)
        print_row("no cache, Attune's kernel", r.uncached.prompt, r.uncached.steps);
    std::printf("attention by plain loops\n");
    print_ratio("prompt", r.naive.prompt, r.cached.prompt);
    print_ratio("tokens after it", r.naive.steps, r.cached.steps);

    std::printf(is_rounded
                    ? "\nthe text's tokens again, from a cache of floats: what the roundings change\n"
                    : "\nself check: the text's tokens again; a logit may differ by the bound, and two that are closer than twice that are "
                      "a tie\n");
    print_difference(loops.c_str(), r.naive_difference, r.bound);
    if (r.uncached_difference.steps > 0)
        print_difference("no cache, Attune's kernel", r.uncached_difference, r.bound);
}

void print_json(const Report &r) {
    const nlohmann::ordered_json json = {{"model", r.model},
                                         {"target", r.target},
                                         {"threads", r.threads},
                                         {"cache", name_of(r.format)},
                                         {"cache_bytes", r.cache_bytes},
                                         {"capacity", r.capacity},
                                         {"prompt", r.prompt},
                                         {"text", r.text},
                                         {"stopped", r.stopped},
                                         {"cached", json_of(r.cached)},
                                         {"naive", json_of(r.naive)},
                                         {"uncached", json_of(r.uncached)},
                                         {"check",
                                          {{"bound", std::isinf(r.bound) ? nlohmann::ordered_json() : nlohmann::ordered_json(r.bound)},
                                           {"naive", json_of(r.naive_difference)},
                                           {"uncached", json_of(r.uncached_difference)},
                                           {"ok", r.ok}}}};
    std::cout << json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}
