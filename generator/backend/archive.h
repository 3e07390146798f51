#pragma once
#include "generator/backend/kernel.h"

namespace attune {

/// A static library without times, so that equal objects give equal bytes.
std::vector<char> archive_bytes(const std::vector<ObjectFile> &objects);
/// Throws Error(input) where it cannot be.
void make_output_folder(const std::string &directory);
/// <base>.a, .h and .json; a file keeps its time where its content is the same already. Returns the paths.
std::vector<std::string> write_library(const std::string &base, const std::string &header, const std::string &metadata,
                                       const std::vector<ObjectFile> &objects);
/// Variants for the CPU targets of a specification, best first. tuned: as of build_kernel.
std::vector<CompiledVariant> compile_cpu_variants(const AttentionSpec &spec, const std::map<std::string, TunedSchedule> &tuned = {});

}  // namespace attune
