#pragma once
#include "generator/backend/device_kernel.h"
#include "generator/backend/kernel.h"

namespace attune {

/// $ATTUNE_CACHE_DIR, else $XDG_CACHE_HOME/attune, else ~/.cache/attune.
std::string cache_directory();
/// A name for what compile_variant would make: specification, schedule, target, options and this build of the generator.
std::string cache_key(const KernelPlan &plan, const CompileOptions &options);
/// The variant of that key; false where there is none, or an unreadable one. Safe with several processes: entries appear whole.
bool read_cached_variant(const std::string &key, CompiledVariant &variant);
/// Keeps it. A cache that cannot be written is no error.
void write_cached_variant(const std::string &key, const CompiledVariant &variant);
/// The same of device variants, whose plan stands in `variant` when it is read; their device code is in the object.
std::string cache_key(const DevicePlan &plan);
bool read_cached_variant(const std::string &key, CompiledDeviceVariant &variant);
void write_cached_variant(const std::string &key, const CompiledDeviceVariant &variant);

}  // namespace attune
