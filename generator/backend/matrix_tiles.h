#pragma once
#include <llvm/IR/Module.h>

namespace attune {

/// Lowers calls of attune_op_contract_bf16 (machine_operations.h) to AMX: eight tiles of 16 rows of 64 bytes, four of which accumulate.
/// Each function that contracts configures its tiles on entry and releases them on return, so that no state outlives a task.
/// With `emulated`, calls of attune_emulate_… stand for the instructions; tests define those.
void lower_matrix_tiles(llvm::Module &module, bool emulated);

}  // namespace attune
