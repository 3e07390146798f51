#include "generator/backend/vector_calls.h"

#include <llvm/Transforms/Utils/Local.h>

#include <numeric>
#include <vector>

namespace attune {

namespace {

using namespace llvm;

CallInst *call_of(Value *value, const Function &function) {
    auto *call = dyn_cast<CallInst>(value);
    return call && call->getCalledFunction() == &function ? call : nullptr;
}

/// `insert` puts the result of a call of `function` at a constant lane.
CallInst *inserted_call(const InsertElementInst *insert, const Function &function) {
    return insert && isa<ConstantInt>(insert->getOperand(2)) ? call_of(insert->getOperand(1), function) : nullptr;
}

/// The last links of all chains of calls.
std::vector<InsertElementInst *> chain_ends(Function &function) {
    std::vector<InsertElementInst *> ends;
    for (User *user : function.users()) {
        auto *call = dyn_cast<CallInst>(user);
        if (!call)
            continue;
        for (User *of_call : call->users()) {
            auto *insert = dyn_cast<InsertElementInst>(of_call);
            if (inserted_call(insert, function) != call)
                continue;
            const bool goes_on = any_of(insert->users(), [&](User *next) {
                auto *link = dyn_cast<InsertElementInst>(next);
                return link && link->getOperand(0) == insert && inserted_call(link, function);
            });
            if (!goes_on)
                ends.push_back(insert);
        }
    }
    return ends;
}

/// The call of each lane, in order; empty where a lane is not a call.
std::vector<CallInst *> calls_of_chain(InsertElementInst *end, const Function &function) {
    std::vector<CallInst *> calls(cast<FixedVectorType>(end->getType())->getNumElements(), nullptr);
    size_t found = 0;
    for (auto *link = end; link && inserted_call(link, function); link = dyn_cast<InsertElementInst>(link->getOperand(0))) {
        CallInst *&lane = calls[cast<ConstantInt>(link->getOperand(2))->getZExtValue()];
        if (!lane) {  // a later link overwrites an earlier one
            lane = inserted_call(link, function);
            found++;
        }
    }
    return found == calls.size() ? calls : std::vector<CallInst *>();
}

/// Neighbouring lanes of one vector.
struct Slice {
    Value *vector = nullptr;
    int first = 0;
};
Slice slice_of(ArrayRef<Value *> scalars) {
    Slice slice;
    for (size_t i = 0; i < scalars.size(); i++) {
        auto *extract = dyn_cast<ExtractElementInst>(scalars[i]);
        auto *index = extract ? dyn_cast<ConstantInt>(extract->getIndexOperand()) : nullptr;
        if (!index)
            return {};
        if (i == 0)
            slice = {extract->getVectorOperand(), static_cast<int>(index->getZExtValue())};
        if (extract->getVectorOperand() != slice.vector || index->getZExtValue() != slice.first + i)
            return {};
    }
    return slice;
}

/// A vector of these scalars: where they came from, if that was one.
Value *vector_of(IRBuilderBase &builder, ArrayRef<Value *> scalars) {
    const unsigned n = scalars.size();
    if (all_equal(scalars))
        return builder.CreateVectorSplat(n, scalars[0]);
    if (const Slice slice = slice_of(scalars); slice.vector) {
        if (slice.first == 0 && cast<FixedVectorType>(slice.vector->getType())->getNumElements() == n)
            return slice.vector;
        std::vector<int> mask(n);
        std::iota(mask.begin(), mask.end(), slice.first);
        return builder.CreateShuffleVector(slice.vector, mask);
    }
    Value *vector = PoisonValue::get(FixedVectorType::get(scalars[0]->getType(), n));
    for (unsigned i = 0; i < n; i++)
        vector = builder.CreateInsertElement(vector, scalars[i], uint64_t{i});
    return vector;
}

/// One register operation for up to `lanes` calls; lanes after the last repeat it.
Value *operate(IRBuilderBase &builder, ArrayRef<CallInst *> calls, unsigned lanes, RegisterOperation operation) {
    std::vector<Value *> arguments;
    for (unsigned a = 0; a < calls[0]->arg_size(); a++) {
        std::vector<Value *> scalars;
        for (unsigned i = 0; i < lanes; i++)
            scalars.push_back(calls[std::min<size_t>(i, calls.size() - 1)]->getArgOperand(a));
        arguments.push_back(vector_of(builder, scalars));
    }
    return operation(builder, arguments);
}

}  // namespace

int vectorise_calls(Function &function, unsigned lanes, RegisterOperation operation) {
    int made = 0;
    for (InsertElementInst *end : chain_ends(function)) {
        const std::vector<CallInst *> calls = calls_of_chain(end, function);
        if (calls.empty())
            continue;
        IRBuilder<> builder(end);
        builder.setFastMathFlags(calls[0]->getFastMathFlags());
        Value *whole = nullptr;
        for (size_t first = 0; first < calls.size(); first += lanes, made++) {
            const size_t count = std::min<size_t>(lanes, calls.size() - first);
            Value *part = operate(builder, ArrayRef(calls).slice(first, count), lanes, operation);
            if (calls.size() == lanes) {
                whole = part;
                continue;
            }
            if (!whole)
                whole = PoisonValue::get(end->getType());
            // Widened, then blended in.
            std::vector<int> widen(calls.size(), -1), blend(calls.size());
            std::iota(blend.begin(), blend.end(), 0);
            for (size_t i = 0; i < count; i++) {
                widen[first + i] = static_cast<int>(i);
                blend[first + i] = static_cast<int>(calls.size() + first + i);
            }
            whole = builder.CreateShuffleVector(whole, builder.CreateShuffleVector(part, widen), blend);
        }
        end->replaceAllUsesWith(whole);
        RecursivelyDeleteTriviallyDeadInstructions(end);
    }
    // Calls have no effects, but nothing in the module says that they return.
    for (User *user : make_early_inc_range(function.users()))
        if (auto *call = dyn_cast<CallInst>(user); call && call->use_empty())
            call->eraseFromParent();
    return made;
}

int vectorise_single_calls(Function &function, unsigned lanes, RegisterOperation operation) {
    int made = 0;
    for (User *user : make_early_inc_range(function.users())) {
        auto *call = cast<CallInst>(user);
        if (!call->use_empty()) {
            IRBuilder<> builder(call);
            builder.setFastMathFlags(call->getFastMathFlags());
            call->replaceAllUsesWith(builder.CreateExtractElement(operate(builder, call, lanes, operation), uint64_t{0}));
            made++;
        }
        call->eraseFromParent();
    }
    return made;
}

}  // namespace attune
