#include "generator/backend/matrix_tiles.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/spec/error.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

namespace attune {

namespace {

using llvm::IRBuilder;
using llvm::Value;

constexpr int edge = matrix_tile_edge;
constexpr int row_bytes = 64;
constexpr int most_accumulators = 4;  // tiles 0 to 3; 4 and 5 hold a, 6 and 7 b

class TileWriter {
public:
    TileWriter(IRBuilder<> &builder, llvm::Intrinsic::ID dot) : b_(builder), dot_(dot) {}

    void zero(int tile) { b_.CreateIntrinsic(llvm::Intrinsic::x86_tilezero, {number(tile)}); }
    void load(int tile, Value *address, Value *stride) {
        b_.CreateIntrinsic(llvm::Intrinsic::x86_tileloadd64, {number(tile), address, stride});
    }
    void store(int tile, Value *address, Value *stride) {
        b_.CreateIntrinsic(llvm::Intrinsic::x86_tilestored64, {number(tile), address, stride});
    }
    void dot(int c, int a, int b) { b_.CreateIntrinsic(dot_, {number(c), number(a), number(b)}); }

private:
    Value *number(int tile) { return b_.getInt8(static_cast<uint8_t>(tile)); }

    IRBuilder<> &b_;
    llvm::Intrinsic::ID dot_;
};

/// A matrix in memory: rows of `stride` bytes.
struct Matrix {
    Value *address, *stride;
};

/// Up to 2 x 2 or 1 x 4 tiles of c at a time: a tile of a or b serves as many products as the block is wide or high. Straight-line code:
/// the longest, 64 x 64 of depth 128, has 32 blocks of 8 steps.
class Contraction {
public:
    Contraction(IRBuilder<> &builder, llvm::Intrinsic::ID dot, Matrix c, Matrix a, Matrix b)
        : b_(builder), tiles_(builder, dot), c_(c), a_(a), rhs_(b) {}

    void write(int rows, int columns, int steps, bool from_zero) {
        const int high = rows % 2 == 0 ? 2 : 1, wide = most_accumulators / high;
        for (int row = 0; row < rows; row += high)
            for (int column = 0; column < columns; column += wide)
                block(row, column, high, std::min(wide, columns - column), steps, from_zero);
    }

private:
    Value *tile(const Matrix &m, int row, int column) {
        Value *rows = b_.CreateMul(m.stride, b_.getInt64(row * edge));
        return b_.CreateGEP(b_.getInt8Ty(), m.address, b_.CreateAdd(rows, b_.getInt64(column * row_bytes)));
    }

    void block(int row, int column, int high, int wide, int steps, bool from_zero) {
        auto accumulator = [&](int i, int j) { return i * wide + j; };
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++) {
                if (from_zero)
                    tiles_.zero(accumulator(i, j));
                else
                    tiles_.load(accumulator(i, j), tile(c_, row + i, column + j), c_.stride);
            }
        for (int step = 0; step < steps; step++) {
            for (int i = 0; i < high; i++)
                tiles_.load(4 + i, tile(a_, row + i, step), a_.stride);
            for (int j = 0; j < wide; j++) {
                const int b = 6 + j % 2;
                tiles_.load(b, tile(rhs_, step, column + j), rhs_.stride);
                for (int i = 0; i < high; i++)
                    tiles_.dot(accumulator(i, j), 4 + i, b);
            }
        }
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++)
                tiles_.store(accumulator(i, j), tile(c_, row + i, column + j), c_.stride);
    }

    IRBuilder<> &b_;
    TileWriter tiles_;
    Matrix c_, a_, rhs_;
};

int constant_multiple(llvm::CallInst &call, unsigned argument) {
    const auto *constant = llvm::dyn_cast<llvm::ConstantInt>(call.getArgOperand(argument));
    const int64_t value = constant ? constant->getSExtValue() : 0;
    if (value <= 0 || value % edge != 0)
        throw internal_error("matrix tiles", "an extent that is no constant multiple of 16");
    return static_cast<int>(value / edge);
}

void lower_call(llvm::CallInst &call, llvm::Intrinsic::ID dot) {
    IRBuilder<> b(&call);
    auto matrix = [&](unsigned argument) {
        Value *first =
            b.CreateGEP(b.getInt8Ty(), call.getArgOperand(argument), b.CreateSExt(call.getArgOperand(argument + 1), b.getInt64Ty()));
        return Matrix{first, b.CreateSExt(call.getArgOperand(argument + 2), b.getInt64Ty())};
    };
    const bool from_zero = !llvm::cast<llvm::ConstantInt>(call.getArgOperand(12))->isZero();
    Contraction contraction(b, dot, matrix(0), matrix(3), matrix(6));
    contraction.write(constant_multiple(call, 9), constant_multiple(call, 10), constant_multiple(call, 11), from_zero);
    call.replaceAllUsesWith(b.getInt32(0));
    call.eraseFromParent();
}

/// Palette 1, and of each tile its rows and the bytes of one. Intel SDM volume 1, 18.3.
llvm::GlobalVariable *configuration(llvm::Module &module) {
    std::array<uint8_t, 64> bytes{};
    bytes[0] = 1;
    for (int tile = 0; tile < 8; tile++) {
        bytes[16 + 2 * tile] = row_bytes;
        bytes[48 + tile] = edge;
    }
    llvm::Constant *value = llvm::ConstantDataArray::get(module.getContext(), llvm::ArrayRef<uint8_t>(bytes));
    auto *variable =
        new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value, "tile_configuration");
    variable->setAlignment(llvm::Align(64));
    return variable;
}

/// The products of each contraction; of i8 those of an unsigned left and a signed right.
const std::pair<const char *, llvm::Intrinsic::ID> contractions[] = {{contract_bf16_name, llvm::Intrinsic::x86_tdpbf16ps},
                                                                     {contract_i8_name, llvm::Intrinsic::x86_tdpbusd}};

}  // namespace

void lower_matrix_tiles(llvm::Module &module) {
    std::set<llvm::Function *> users;
    for (const auto &[name, dot] : contractions) {
        llvm::Function *contract = module.getFunction(name);
        if (!contract)
            continue;
        for (llvm::User *user : llvm::make_early_inc_range(contract->users())) {
            auto *call = llvm::cast<llvm::CallInst>(user);
            users.insert(call->getFunction());
            lower_call(*call, dot);
        }
        contract->eraseFromParent();
    }
    if (users.empty())
        return;
    llvm::GlobalVariable *tiles = configuration(module);
    for (llvm::Function *function : users) {
        IRBuilder<> entry(&*function->getEntryBlock().getFirstInsertionPt());
        entry.CreateIntrinsic(llvm::Intrinsic::x86_ldtilecfg, {tiles});
        for (llvm::BasicBlock &block : *function)
            if (auto *end = llvm::dyn_cast<llvm::ReturnInst>(block.getTerminator()))
                IRBuilder<>(end).CreateIntrinsic(llvm::Intrinsic::x86_tilerelease, {});
    }
}

}  // namespace attune
