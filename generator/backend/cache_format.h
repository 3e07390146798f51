#pragma once
#include "attune/kernel.h"
#include "generator/spec/spec.h"

namespace attune {

/// How the runtime finds a kernel's keys and values: attune_kernel::cache.
attune_cache_format cache_format(const AttentionSpec &spec);

}  // namespace attune
