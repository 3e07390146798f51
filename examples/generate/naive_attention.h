#pragma once
#include "attention.h"

/// The equation of attention.h as plain loops in float: what the kernels are timed against and compared with. The cache has to be of floats.
void naive_attention(const AttentionCall &call);
/// The same where the new tokens' keys and values are in the cache already.
void naive_attention_on_cache(const AttentionCall &call);
