#include "generator/backend/matrix_tiles.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/backend/tile_contractions.h"
#include "generator/spec/error.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

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

/// A call of attune_ask_ahead to repeat once in so many products, or null.
struct Asks {
    llvm::CallInst *like;
    int products;
};

class TileWriter {
public:
    TileWriter(IRBuilder<> &builder, llvm::Intrinsic::ID dot, const Asks &asks) : b_(builder), dot_(dot), asks_(asks) {}

    void zero(int tile) { b_.CreateIntrinsic(llvm::Intrinsic::x86_tilezero, {number(tile)}); }
    void load(int tile, Value *address, Value *stride) {
        b_.CreateIntrinsic(llvm::Intrinsic::x86_tileloadd64, {number(tile), address, stride});
    }
    void store(int tile, Value *address, Value *stride) {
        b_.CreateIntrinsic(llvm::Intrinsic::x86_tilestored64, {number(tile), address, stride});
    }
    void dot(int c, int a, int b) {
        b_.CreateIntrinsic(dot_, {number(c), number(a), number(b)});
        if (asks_.like && ++dots_ % asks_.products == 0)
            b_.CreateCall(asks_.like->getFunctionType(), asks_.like->getCalledOperand(), {asks_.like->getArgOperand(0)});
    }

private:
    Value *number(int tile) { return b_.getInt8(static_cast<uint8_t>(tile)); }

    IRBuilder<> &b_;
    llvm::Intrinsic::ID dot_;
    Asks asks_;
    int dots_ = 0;
};

/// A matrix in memory: rows of `stride` bytes.
struct Matrix {
    Value *address, *stride;
};

/// Straight-line code, but for steps whose number is not known.
///
/// Chains, of few steps: a tile of c is the sum of up to four products one after the other, which a core adds up without a pause. The tiles of b for 16
/// columns stay in tiles 4 to 7, those of a come through the others, three accumulators take turns. A tile is stored, and its successor zeroed or
/// loaded, while the next chain runs: a store waits 52 cycles for a product, a product as long for a tile that was zeroed after use.
///
/// Blocks, of more: 2 x 2 tiles of c stay in tiles 0 to 3 for all steps, 4 and 5 hold a, 6 and 7 b: a load a product, and c is touched once. Of a single row of
/// tiles 1 x 4, five loads for 4 products: 1 x 2 add to either sum twice as often as a core adds (3 to 7 % of a projection).
class Contraction {
public:
    Contraction(IRBuilder<> &builder, llvm::Intrinsic::ID dot, const Asks &asks, Matrix c, Matrix a, Matrix b)
        : b_(builder), tiles_(builder, dot, asks), c_(c), a_(a), rhs_(b) {}

    void write(int rows, int columns, int steps, bool from_zero) {
        if (steps <= most_resident) {
            write_chains(rows, columns, steps, from_zero);
            return;
        }
        for_each_block(rows, columns, [&](const Block &block) {
            begin(block, from_zero);
            for (int i = 0; i < steps; i++)
                step(block, b_.getInt64(i));
            end(block);
        });
    }

    /// `steps` is 1 or more.
    void write_counted(int rows, int columns, Value *steps, bool from_zero) {
        for_each_block(rows, columns, [&](const Block &block) {
            begin(block, from_zero);
            llvm::Instruction *behind = &*b_.GetInsertPoint();
            const auto [body, index] = llvm::SplitBlockAndInsertSimpleForLoop(steps, behind->getIterator());
            b_.SetInsertPoint(body);
            step(block, index);
            b_.SetInsertPoint(behind);
            end(block);
        });
    }

    /// One of `parts` parts of the steps of a single block, which stays in its tiles from the first part to the last.
    void write_part(int rows, int columns, int steps, bool from_zero, int part, int parts) {
        if (rows > block_edge || columns > block_edge || steps % parts != 0)
            throw internal_error("matrix tiles", "parts of a contraction that is no single block");
        const Block block{0, 0, rows, columns};
        if (part == 0)
            begin(block, from_zero);
        for (int i = steps / parts * part; i < steps / parts * (part + 1); i++)
            step(block, b_.getInt64(i));
        if (part == parts - 1)
            end(block);
    }

    /// One of the contractions that add to sums in tiles `first` and up, or what comes before or after them.
    void write_kept(int rows, int columns, int steps, bool from_zero, KeptSums what, int first) {
        if (first + rows * columns > most_kept_tiles)
            throw internal_error("matrix tiles", "more sums than tiles");
        const Block block{0, 0, rows, columns, first};
        if (what == KeptSums::begin)
            begin(block, from_zero);
        if (what == KeptSums::end)
            end(block);
        constexpr int of_a = most_kept_tiles, of_b = of_a + 1;
        for (int i = 0; what == KeptSums::add && i < steps; i++)
            for (int column = 0; column < columns; column++) {
                tiles_.load(of_b, tile(rhs_, i, column), rhs_.stride);
                for (int row = 0; row < rows; row++) {
                    tiles_.load(of_a, tile(a_, row, i), a_.stride);
                    tiles_.dot(first + row * columns + column, of_a, of_b);
                }
            }
    }

private:
    static constexpr int block_edge = 2, block_tiles = 4, first_of_a = 4, first_of_b = 6;              // blocks
    static constexpr int accumulators = 3, streamed_first = 3, most_resident = 4, first_resident = 4;  // chains
    /// 64 rows of a, 16 KB at a depth of four steps, come from the first-level cache for all columns but the first.
    static constexpr int rows_of_slice = 4;

    struct Block {
        int row, column, rows, columns;
        int first = 0;  ///< tile of its sums
    };
    struct Chain {
        int row, column;
    };

    /// The tile that begins `row` and `column` tiles further.
    Value *tile(const Matrix &m, Value *row, Value *column) {
        Value *rows = b_.CreateMul(m.stride, b_.CreateMul(row, b_.getInt64(edge)));
        return b_.CreateGEP(b_.getInt8Ty(), m.address, b_.CreateAdd(rows, b_.CreateMul(column, b_.getInt64(row_bytes))));
    }
    Value *tile(const Matrix &m, int row, int column) { return tile(m, b_.getInt64(row), b_.getInt64(column)); }

    void begin(int sum, Chain at, bool from_zero) {
        if (from_zero)
            tiles_.zero(sum);
        else
            tiles_.load(sum, tile(c_, at.row, at.column), c_.stride);
    }
    void end(int sum, Chain at) { tiles_.store(sum, tile(c_, at.row, at.column), c_.stride); }

    template <class Write>
    void for_each_block(int rows, int columns, Write write) {
        const int across = rows == 1 ? block_tiles : block_edge;
        for (int row = 0; row < rows; row += block_edge)
            for (int column = 0; column < columns; column += across)
                write(Block{row, column, std::min(block_edge, rows - row), std::min(across, columns - column)});
    }
    template <class Action>
    static void for_each_tile(const Block &block, Action action) {
        for (int row = 0; row < block.rows; row++)
            for (int column = 0; column < block.columns; column++)
                action(block.first + row * block.columns + column, Chain{block.row + row, block.column + column});
    }
    void begin(const Block &block, bool from_zero) {
        for_each_tile(block, [&](int sum, Chain at) { begin(sum, at, from_zero); });
    }
    void end(const Block &block) {
        for_each_tile(block, [&](int sum, Chain at) { end(sum, at); });
    }
    void step(const Block &block, Value *step) {
        for (int row = 0; row < block.rows; row++) {
            tiles_.load(first_of_a + row, tile(a_, b_.getInt64(block.row + row), step), a_.stride);
            for (int column = 0; column < block.columns; column++) {
                const int b = first_of_b + column % block_edge;
                if (row == 0)
                    tiles_.load(b, tile(rhs_, step, b_.getInt64(block.column + column)), rhs_.stride);
                tiles_.dot(row * block.columns + column, first_of_a + row, b);
            }
        }
    }

    void write_chains(int rows, int columns, int steps, bool from_zero) {
        std::vector<Chain> chains;
        for (int slice = 0; slice < rows; slice += rows_of_slice)
            for (int column = 0; column < columns; column++)
                for (int row = slice; row < std::min(slice + rows_of_slice, rows); row++)
                    chains.push_back({row, column});
        auto accumulator = [](size_t n) { return static_cast<int>(n % accumulators); };
        auto begin_chain = [&](size_t n) {
            if (n < chains.size())
                begin(accumulator(n), chains[n], from_zero);
        };
        begin_chain(0);
        begin_chain(1);
        for (size_t n = 0; n < chains.size(); n++) {
            if (n == 0 || chains[n].column != chains[n - 1].column)
                for (int step = 0; step < steps; step++)
                    tiles_.load(first_resident + step, tile(rhs_, step, chains[n].column), rhs_.stride);
            multiply(chains[n], accumulator(n), steps);
            if (n > 0)
                end(accumulator(n - 1), chains[n - 1]);
            begin_chain(n + 2);
        }
        end(accumulator(chains.size() - 1), chains.back());
    }

    void multiply(Chain chain, int sum, int steps) {
        const int streamed = 1 + most_resident - steps;  // tile 3, and those that hold nothing of b
        for (int step = 0; step < steps; step++) {
            const int other = next_++ % streamed, a = other == 0 ? streamed_first : first_resident + steps + other - 1;
            tiles_.load(a, tile(a_, chain.row, step), a_.stride);
            tiles_.dot(sum, a, first_resident + step);
        }
    }

    IRBuilder<> &b_;
    TileWriter tiles_;
    Matrix c_, a_, rhs_;
    int next_ = 0;
};

int constant(llvm::CallInst &call, unsigned argument) {
    const auto *constant = llvm::dyn_cast<llvm::ConstantInt>(call.getArgOperand(argument));
    if (!constant)
        throw internal_error("matrix tiles", "an extent that is no constant");
    return static_cast<int>(constant->getSExtValue());
}

int constant_multiple(llvm::CallInst &call, unsigned argument) {
    const int value = constant(call, argument);
    if (value <= 0 || value % edge != 0)
        throw internal_error("matrix tiles", "an extent that is no multiple of 16");
    return value / edge;
}

/// A call with which a function asks memory ahead, or null.
llvm::CallInst *ask_of(llvm::Function &function) {
    if (llvm::Function *ask = function.getParent()->getFunction("attune_ask_ahead"))
        for (llvm::User *user : ask->users())
            if (auto *call = llvm::dyn_cast<llvm::CallInst>(user); call && call->getFunction() == &function)
                return call;
    return nullptr;
}

void lower_call(llvm::CallInst &call, llvm::Intrinsic::ID dot) {
    IRBuilder<> b(&call);
    auto matrix = [&](unsigned argument) {
        Value *first =
            b.CreateGEP(b.getInt8Ty(), call.getArgOperand(argument), b.CreateSExt(call.getArgOperand(argument + 1), b.getInt64Ty()));
        return Matrix{first, b.CreateSExt(call.getArgOperand(argument + 2), b.getInt64Ty())};
    };
    const bool from_zero = constant(call, 12) != 0;
    const int products_of_ask = constant(call, 15);
    const Asks asks{products_of_ask > 0 ? ask_of(*call.getFunction()) : nullptr, products_of_ask};
    Contraction contraction(b, dot, asks, matrix(0), matrix(3), matrix(6));
    const int rows = constant_multiple(call, 9), columns = constant_multiple(call, 10), part = constant(call, 13),
              parts = constant(call, 14);
    Value *steps = call.getArgOperand(11);
    if (!llvm::isa<llvm::ConstantInt>(steps))
        contraction.write_counted(rows, columns, b.CreateZExt(b.CreateUDiv(steps, b.getInt32(edge)), b.getInt64Ty()), from_zero);
    else if (parts <= 0)
        contraction.write_kept(rows, columns, constant_multiple(call, 11), from_zero, static_cast<KeptSums>(part), -parts);
    else if (parts == 1)
        contraction.write(rows, columns, constant_multiple(call, 11), from_zero);
    else
        contraction.write_part(rows, columns, constant_multiple(call, 11), from_zero, part, parts);
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
                                                                     {contract_i8_name, llvm::Intrinsic::x86_tdpbusd},
                                                                     {contract_signed_i8_name, llvm::Intrinsic::x86_tdpbssd}};

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
