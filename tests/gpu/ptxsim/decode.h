// Statements -> instructions: names become places in the register file, opcodes become handlers, called functions become part of the kernel.
#pragma once
#include <map>
#include <string>

#include "instruction.h"
#include "parse.h"

namespace ptxsim {

// The addresses of a module's .global and .const variables.
using Symbols = std::map<std::string, uint64_t>;

// Throws PtxError: an instruction that the simulator does not know, an operand of the wrong size, a name that is not declared, an
// instruction that the module's .target or .version does not have.
Kernel decode(const Module &module, const Function &entry, const Symbols &symbols);

}  // namespace ptxsim
