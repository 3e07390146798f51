#pragma once
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

namespace attune {

/// An operation on registers of a fixed number of lanes, built from its arguments' registers.
using RegisterOperation = llvm::function_ref<llvm::Value *(llvm::IRBuilderBase &, llvm::ArrayRef<llvm::Value *>)>;

/// Halide calls an unknown function for each lane of a vector and gathers the results by a chain of insertelement. Replaces each whole chain
/// of calls of `function` by register operations, whose arguments are the vectors that the calls' arguments came from. Returns how many.
int vectorise_calls(llvm::Function &function, unsigned lanes, RegisterOperation operation);

/// The calls that are left, each as one lane of a register; unused ones are dropped. Afterwards `function` has no users.
int vectorise_single_calls(llvm::Function &function, unsigned lanes, RegisterOperation operation);

}  // namespace attune
