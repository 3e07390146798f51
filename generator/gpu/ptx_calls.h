#pragma once
#include <map>
#include <string>

namespace attune {

/// What a call of an undefined function becomes in PTX: $0, $1, … are its arguments (registers or immediates), $r its result. The text stands in
/// braces of its own, so that its labels and registers may have the same names at every call.
using PtxCalls = std::map<std::string, std::string>;

/// What stands around them.
struct PtxDeclarations {
    std::string module = {};      ///< before the first entry: shared memory
    std::string directives = {};  ///< between an entry's parameters and its body: ".maxntid 128, 1, 1"
    std::string registers = {};   ///< at the top of each entry: its .reg lines
};

/// Puts the text of `calls` in the place of LLVM's call sequences, and takes the functions' declarations out. Throws where a call of a function
/// whose name starts with `prefix` has no text.
std::string inline_ptx_calls(const std::string &ptx, const PtxCalls &calls, const std::string &prefix, const PtxDeclarations &declarations);

/// Threads of a block: what the kernel's .maxntid says, 0 where it says nothing.
int threads_of_ptx(const std::string &ptx);

}  // namespace attune
