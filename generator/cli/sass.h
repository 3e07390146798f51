#pragma once
#include "generator/gpu/sass_listing.h"

#include <string>
#include <vector>

namespace attune::cli {

/// A kernel's machine code for one card, and what it takes of it.
struct Sass {
    std::string listing;
    std::vector<SassLoop> loops;  ///< the innermost ones that multiply
    int registers = 0, spilled_bytes = 0;
    int static_shared_bytes = 0;
};

/// Assembles PTX with ptxas ($ATTUNE_PTXAS, else on PATH, else CUDA's in /usr/local/cuda) and disassembles it with nvdisasm ($ATTUNE_NVDISASM, else on PATH).
/// architecture: "sm_90". Throws Error(target) where a program is missing, Error(usage) where ptxas refuses the architecture.
Sass assemble_sass(const std::string &ptx, const std::string &architecture);

}  // namespace attune::cli
