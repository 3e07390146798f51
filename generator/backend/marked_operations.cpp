#include "generator/backend/marked_operations.h"

#include "generator/algorithm/operations.h"
#include "generator/backend/vector_calls.h"
#include "generator/spec/error.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <bit>
#include <map>
#include <vector>

namespace attune {

namespace {

using llvm::ArrayRef;
using llvm::IRBuilderBase;
using llvm::Value;

constexpr unsigned lanes = 16, half_lanes = 32;  // every operation here is of zmm registers
constexpr unsigned current_rounding = 4;         // of the instructions that carry a rounding mode

llvm::Value *whole_register(IRBuilderBase &b, llvm::Intrinsic::ID id, std::vector<Value *> arguments, Value *passed_through) {
    llvm::Type *mask = b.getIntNTy(llvm::cast<llvm::FixedVectorType>(passed_through->getType())->getNumElements());
    arguments.insert(arguments.end(), {passed_through, llvm::ConstantInt::getAllOnesValue(mask), b.getInt32(current_rounding)});
    return b.CreateIntrinsic(id, arguments);
}

/// 2^x = p(f) 2^n, f = x - n by vreduceps, whose imm8 says how n is rounded. vscalefps floors the exponent that it is given, so that with n = floor(x)
/// it takes x itself. It gives 0 for -infinity and infinity where 2^n leaves the range.
constexpr unsigned nearest = 8, floored = 9;  // no bits of the fraction in n, no exception

template <size_t degree>
Value *exp2(IRBuilderBase &b, const double (&coefficients)[degree + 1], unsigned rounding, Value *x) {
    using namespace llvm::Intrinsic;  // x86_…
    llvm::Type *type = x->getType();
    const bool half = type->getScalarType()->isHalfTy();
    Value *zero = llvm::Constant::getNullValue(type);
    Value *f = whole_register(b, half ? x86_avx512fp16_mask_reduce_ph_512 : x86_avx512_mask_reduce_ps_512, {x, b.getInt32(rounding)}, zero);
    Value *sum = llvm::ConstantFP::get(type, coefficients[0]);
    for (size_t i = 1; i <= degree; i++)
        sum = b.CreateIntrinsic(llvm::Intrinsic::fma, {type}, {sum, f, llvm::ConstantFP::get(type, coefficients[i])});
    Value *exponent = rounding == floored ? x : b.CreateFSub(x, f);
    return whole_register(b, half ? x86_avx512fp16_mask_scalef_ph_512 : x86_avx512_mask_scalef_ps_512, {sum, exponent}, zero);
}

Value *exp2_f32(IRBuilderBase &b, ArrayRef<Value *> x) {
    return exp2<5>(b, exp2_degree_5_above, floored, x[0]);
}

Value *exp2_half(IRBuilderBase &b, ArrayRef<Value *> x) {
    return exp2<3>(b, exp2_degree_3_above, floored, x[0]);
}

Value *dot_bf16(IRBuilderBase &b, ArrayRef<Value *> arguments) {
    llvm::Type *pairs = llvm::FixedVectorType::get(b.getBFloatTy(), 2 * lanes);
    return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512,
                             {arguments[0], b.CreateBitCast(arguments[1], pairs), b.CreateBitCast(arguments[2], pairs)});
}

/// Four integer steps for two vectors, the last of which, high & 0xffff0000 | low, is said as such: LLVM makes a shuffle of words of it, which takes three.
/// Halide would see a rounding shift, for which it takes seven that cannot overflow; the machine's conversion gives 16 lanes of a 32-lane register,
/// which would have to be interleaved.
Value *round_pair_bf16(IRBuilderBase &b, ArrayRef<Value *> arguments) {
    llvm::Type *bits = llvm::FixedVectorType::get(b.getInt32Ty(), lanes);
    auto constant = [&](uint32_t value) { return llvm::ConstantInt::get(bits, value); };
    auto rounded = [&](Value *x) { return b.CreateAdd(b.CreateBitCast(x, bits), constant(0x8000)); };
    constexpr unsigned a_and_b_or_c = 0xea;
    return b.CreateIntrinsic(
        llvm::Intrinsic::x86_avx512_pternlog_d_512,
        {rounded(arguments[1]), constant(0xffff0000), b.CreateLShr(rounded(arguments[0]), constant(16)), b.getInt32(a_and_b_or_c)});
}

Value *bf16_of_f32(IRBuilderBase &b, ArrayRef<Value *> x) {
    Value *rounded = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512, {x[0]});
    return b.CreateBitCast(rounded, llvm::FixedVectorType::get(b.getInt16Ty(), lanes));
}

/// A table of 16 bf16, twice, as the instruction takes five bits of a number.
Value *bf16_of_nibble(IRBuilderBase &b, ArrayRef<Value *> bits) {
    std::vector<uint16_t> table;
    for (int i = 0; i < static_cast<int>(half_lanes); i++)
        table.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(i % 16 - 8)) >> 16));
    llvm::Value *numbers = llvm::ConstantDataVector::get(b.getContext(), table);
    return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_hi_512, {numbers, bits[0]});
}

Value *halves_of(IRBuilderBase &b, Value *bits) {
    return b.CreateBitCast(bits, llvm::FixedVectorType::get(b.getHalfTy(), half_lanes));
}

Value *bits_of(IRBuilderBase &b, Value *halves) {
    return b.CreateBitCast(halves, llvm::FixedVectorType::get(b.getInt16Ty(), half_lanes));
}

Value *exp2_f16(IRBuilderBase &b, ArrayRef<Value *> x) {
    return bits_of(b, exp2<3>(b, exp2_degree_3, nearest, halves_of(b, x[0])));
}

Value *fma_f16(IRBuilderBase &b, ArrayRef<Value *> arguments) {
    // The factor is a broadcast of 32 bits, a load alone; vpbroadcastw takes a shuffle too.
    Value *twice = llvm::getSplatValue(arguments[2]);
    Value *factor =
        twice ? b.CreateVectorSplat(lanes, twice) : b.CreateTrunc(arguments[2], llvm::FixedVectorType::get(b.getInt16Ty(), half_lanes));
    Value *a = halves_of(b, arguments[1]);
    return bits_of(b, b.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, halves_of(b, factor), halves_of(b, arguments[0])}));
}

Value *dot_i8(IRBuilderBase &b, ArrayRef<Value *> arguments) {
    llvm::Type *bytes = llvm::FixedVectorType::get(b.getInt8Ty(), 4 * lanes);
    Value *is_signed = b.CreateBitCast(arguments[1], bytes), *is_unsigned = b.CreateBitCast(arguments[2], bytes);
    return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpdpbusd_512, {arguments[0], is_unsigned, is_signed});
}

struct Lowering {
    Value *(*build)(IRBuilderBase &, ArrayRef<Value *>);
    unsigned lanes;
};
const std::map<std::string, Lowering> lowerings = {
    {exp2_f32_name, {exp2_f32, lanes}},
    {exp2_half_name, {exp2_half, lanes}},
    {dot_bf16_name, {dot_bf16, lanes}},
    {round_pair_bf16_name, {round_pair_bf16, lanes}},
    {bf16_of_nibble_name, {bf16_of_nibble, half_lanes}},
    {bf16_of_f32_name, {bf16_of_f32, lanes}},
    {dot_i8_name, {dot_i8, lanes}},
    {exp2_f16_name, {exp2_f16, half_lanes}},
    {fma_f16_name, {fma_f16, half_lanes}},
};

}  // namespace

int lower_marked_operations(llvm::Module &module) {
    int made = 0;
    // Calls that take each other's results show their vectors one after another, outermost first.
    for (bool again = true; again;) {
        again = false;
        for (const auto &[name, lowering] : lowerings) {
            llvm::Function *function = module.getFunction(name);
            if (!function)
                continue;
            const int vectors = vectorise_calls(*function, lowering.lanes, lowering.build);
            made += vectors;
            again |= vectors > 0;
        }
    }
    for (llvm::Function &function : llvm::make_early_inc_range(module)) {
        if (!function.isDeclaration() || !function.getName().starts_with(marked_prefix))
            continue;
        const auto lowering = lowerings.find(function.getName().str());
        if (lowering == lowerings.end())
            throw internal_error("code generation", "no lowering for " + function.getName().str());
        made += vectorise_single_calls(function, lowering->second.lanes, lowering->second.build);
        function.eraseFromParent();
    }
    return made;
}

}  // namespace attune
