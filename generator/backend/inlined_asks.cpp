#include "generator/backend/inlined_asks.h"

#include "attune/kernel.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <vector>

namespace attune {

namespace {

using llvm::BasicBlock;
using llvm::Value;

constexpr unsigned line = 64, rarely = 1, mostly = 1000;
constexpr uint32_t second_level = 2;  // of 3, the first

void inline_ask(llvm::CallInst &call) {
    llvm::IRBuilder<> b(&call);
    llvm::Type *pointer = b.getPtrTy(), *word = b.getInt64Ty();
    auto member = [&](Value *of, size_t offset) { return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), of, offset); };
    Value *ask = b.CreateLoad(pointer, member(call.getArgOperand(0), offsetof(attune_scratch, ahead)), "ask");
    Value *left_at = member(ask, offsetof(attune_ask, left)), *next_at = member(ask, offsetof(attune_ask, next));
    Value *left = b.CreateLoad(word, left_at), *bytes = b.CreateLoad(word, member(ask, offsetof(attune_ask, bytes)));
    llvm::MDBuilder metadata(b.getContext());
    llvm::Instruction *at_end = nullptr, *in_run = nullptr;
    llvm::SplitBlockAndInsertIfThenElse(b.CreateICmpSLT(left, bytes), &call, &at_end, &in_run,
                                        metadata.createBranchWeights(rarely, mostly));
    call.moveBefore(at_end->getIterator());

    b.SetInsertPoint(in_run);
    Value *first = b.CreateLoad(pointer, next_at), *end = b.CreateInBoundsGEP(b.getInt8Ty(), first, bytes);
    b.CreateStore(end, next_at);
    b.CreateStore(b.CreateSub(left, bytes), left_at);
    BasicBlock *before = in_run->getParent(), *after = llvm::SplitBlock(before, in_run);
    BasicBlock *loop = BasicBlock::Create(b.getContext(), "ask_lines", call.getFunction(), after);
    before->getTerminator()->setSuccessor(0, loop);
    b.SetInsertPoint(loop);
    llvm::PHINode *at = b.CreatePHI(pointer, 2);
    b.CreateIntrinsic(llvm::Intrinsic::prefetch, {pointer}, {at, b.getInt32(0), b.getInt32(second_level), b.getInt32(1)});
    Value *following = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), at, line);
    at->addIncoming(first, before);
    at->addIncoming(following, loop);
    b.CreateCondBr(b.CreateICmpULT(following, end), loop, after);
    llvm::MDNode *no_unrolling = llvm::MDNode::get(b.getContext(), {llvm::MDString::get(b.getContext(), "llvm.loop.unroll.disable")});
    llvm::MDNode *id = llvm::MDNode::getDistinct(b.getContext(), {nullptr, no_unrolling});
    id->replaceOperandWith(0, id);
    loop->getTerminator()->setMetadata(llvm::LLVMContext::MD_loop, id);
}

}  // namespace

void inline_asks(llvm::Module &module) {
    llvm::Function *ask = module.getFunction("attune_ask_ahead");
    if (!ask)
        return;
    ask->addFnAttr(llvm::Attribute::Cold);
    std::vector<llvm::CallInst *> calls;
    for (llvm::User *user : ask->users())
        if (auto *call = llvm::dyn_cast<llvm::CallInst>(user))
            calls.push_back(call);
    for (llvm::CallInst *call : calls)
        inline_ask(*call);
}

}  // namespace attune
