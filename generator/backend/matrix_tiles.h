#pragma once
#include <llvm/IR/Module.h>

namespace attune {

/// Lowers calls of attune_op_contract_… (machine_operations.h) to AMX: eight tiles of 16 rows of 64 bytes, four of which accumulate.
/// Each function that contracts configures its tiles on entry and releases them on return, so that no state outlives a task.
/// One that asks memory ahead (ask_ahead.h) asks between its products too, as often as they say: they are most of its time.
void lower_matrix_tiles(llvm::Module &module);

}  // namespace attune
