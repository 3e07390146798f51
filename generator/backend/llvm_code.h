#pragma once
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>
#include <vector>

namespace attune {

/// LLVM's targets, this machine's and aarch64, made ready at the first call.
void initialise_llvm();

/// Position-independent code for the module's triple, whose data layout is set too. Throws internal_error.
std::unique_ptr<llvm::TargetMachine> target_machine(llvm::Module &module, const std::string &cpu, const std::string &features,
                                                    llvm::CodeGenOptLevel level);

/// The module as an object or as assembly; it is of no further use.
std::vector<char> emit_code(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type);

}  // namespace attune
