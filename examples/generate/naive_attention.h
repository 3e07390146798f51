#pragma once
#include "attention.h"

/// The equation of attention.h as plain loops in float: what the kernels are timed against and compared with.
void naive_attention(const AttentionCall &call);
