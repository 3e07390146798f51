#include "generator/backend/emulation.h"

#include <llvm/IR/IRBuilder.h>

#include <algorithm>
#include <string>
#include <vector>

namespace attune {

namespace {

constexpr const char *machine_prefix = "llvm.x86.";

/// Instructions that every CPU with AVX2 has.
bool is_common(llvm::StringRef intrinsic) {
    const llvm::StringRef name = intrinsic.drop_front(std::string(machine_prefix).size());
    return name.starts_with("sse") || name.starts_with("ssse") || name.starts_with("avx.") || name.starts_with("avx2.");
}

std::string emulated_name(llvm::StringRef intrinsic) {
    std::string name = intrinsic.drop_front(std::string(machine_prefix).size()).str();
    std::replace(name.begin(), name.end(), '.', '_');
    return "attune_emulate_" + name;
}

/// A variable of the function, allocated once.
llvm::AllocaInst *variable(llvm::Function &function, llvm::Type *type) {
    llvm::IRBuilder<> entry(&*function.getEntryBlock().getFirstInsertionPt());
    return entry.CreateAlloca(type);
}

void emulate(llvm::CallInst &call) {
    llvm::Function &function = *call.getFunction();
    llvm::IRBuilder<> b(&call);
    std::vector<llvm::Value *> arguments;
    llvm::AllocaInst *result = nullptr;
    if (!call.getType()->isVoidTy())
        arguments.push_back(result = variable(function, call.getType()));
    for (llvm::Value *argument : call.args()) {
        if (argument->getType()->isVectorTy()) {
            llvm::AllocaInst *copy = variable(function, argument->getType());
            b.CreateStore(argument, copy);
            argument = copy;
        }
        arguments.push_back(argument);
    }
    std::vector<llvm::Type *> types;
    for (const llvm::Value *argument : arguments)
        types.push_back(argument->getType());
    b.CreateCall(function.getParent()->getOrInsertFunction(emulated_name(call.getCalledFunction()->getName()),
                                                           llvm::FunctionType::get(b.getVoidTy(), types, false)),
                 arguments);
    if (result)
        call.replaceAllUsesWith(b.CreateLoad(call.getType(), result));
    call.eraseFromParent();
}

}  // namespace

void emulate_instructions(llvm::Module &module) {
    for (llvm::Function &intrinsic : llvm::make_early_inc_range(module)) {
        if (!intrinsic.isIntrinsic() || !intrinsic.getName().starts_with(machine_prefix) || is_common(intrinsic.getName()))
            continue;
        for (llvm::User *user : llvm::make_early_inc_range(intrinsic.users()))
            emulate(*llvm::cast<llvm::CallInst>(user));
        intrinsic.eraseFromParent();
    }
}

}  // namespace attune
