#pragma once
#include "generate.h"

#include <string>

/// How a run differs from the first one, of which it repeats the tokens.
struct Difference {
    int64_t steps = 0, other_tokens = 0;
    float largest = 0;  ///< of a logit, in magnitude; NaN where one is
};

struct Report {
    std::string model, prompt, text, target;
    ModelConfig config;
    int64_t prompt_tokens = 0, capacity = 0, cache_bytes = 0;
    CacheFormat format = CacheFormat::f32;
    bool stopped = false;  ///< the text ends by itself, not for --tokens
    int threads = 1;
    Generation cached;    ///< the text
    Generation naive;     ///< its tokens again, with plain loops
    Generation uncached;  ///< its first tokens again, without the cache
    Difference naive_difference, uncached_difference;
    float bound = 0;  ///< of both; infinite where the cache is rounded and they are told only
    bool ok = false;
};

/// What comes before and after the text, which is printed as it is made.
void print_start(const Report &report);
void print_end(const Report &report);
void print_json(const Report &report);
