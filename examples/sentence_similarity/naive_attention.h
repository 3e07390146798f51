#pragma once
#include "attention.h"

/// The equation as plain loops in float: what one writes first, and the baseline of the timing.
void naive_attention(const AttentionCall &call);

/// The same loops in double, rounded to float at the end: what the self check compares with.
void reference_attention(const AttentionCall &call);
