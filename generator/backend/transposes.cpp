#include "generator/backend/transposes.h"

#include <llvm/ADT/STLExtras.h>
#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/ValueHandle.h>
#include <llvm/Transforms/Utils/Local.h>

#include <algorithm>
#include <bit>
#include <optional>

namespace attune {

namespace {

using namespace llvm;
using Vectors = std::vector<Value *>;

constexpr int quad = 4;  // elements of 128 bits, inside which the cheap shuffles stay

int lanes(const Value *vector) {
    const auto *type = dyn_cast<FixedVectorType>(vector->getType());
    return type ? static_cast<int>(type->getNumElements()) : 0;
}

/// Element `lane` of `vector`; followed through one shuffle or more to a vector of `length` elements.
struct Element {
    Value *vector;
    int lane;
    bool operator==(const Element &) const = default;
};

std::optional<Element> origin(Element element, int length) {
    do {
        auto *shuffle = dyn_cast<ShuffleVectorInst>(element.vector);
        const int lane = shuffle ? shuffle->getMaskValue(static_cast<unsigned>(element.lane)) : -1;
        if (lane < 0)
            return std::nullopt;
        const int first = lanes(shuffle->getOperand(0));
        element = {shuffle->getOperand(lane >= first), lane % first};
    } while (lanes(element.vector) != length);
    return element;
}

/// A vector that is a column of the matrix that rows of `columns` elements make.
struct Column {
    Vectors rows;
    int number = 0;
};

std::optional<Column> column_of(ShuffleVectorInst *vector, int columns) {
    Column column;
    for (int r = 0; r < lanes(vector); r++) {
        const auto element = origin({vector, r}, columns);
        if (!element || (r > 0 && element->lane != column.number) || is_contained(column.rows, element->vector))
            return std::nullopt;
        column.number = element->lane;
        column.rows.push_back(element->vector);
    }
    return column;
}

/// A network of shuffles. Which element a place holds is told by bits: those of a vector's number and those of a lane; a stage exchanges a bit of the one for a bit
/// of the other, until those of the row are in the lane, in order, and those of the column in the number.
class Network {
public:
    Network(IRBuilder<> &builder, Vectors rows) : builder_(builder), vectors_(std::move(rows)), columns_(lanes(vectors_[0])) {
        for (size_t bit = 0; bit < log2(vectors_.size()); bit++)
            number_.push_back(row_bit(bit));
        for (size_t bit = 0; bit < log2(static_cast<size_t>(columns_)); bit++)
            lane_.push_back(column_bit(bit));
    }

    /// The columns.
    Vectors transposed() {
        const size_t rows = vectors_.size(), row_bits = log2(rows);
        size_t next = 2;
        for (; lane_.size() < row_bits; next++)
            join(row_bit(next));
        exchange(row_bit(0), 0);
        exchange(row_bit(1), 1);
        for (; next < row_bits; next++)
            lane_.size() > row_bits ? exchange_quads(row_bit(next), next) : rotate_quads(row_bit(next));
        Vectors columns;
        for (int c = 0; c < columns_; c++)
            columns.push_back(column(c, static_cast<int>(rows)));
        return columns;
    }

private:
    static size_t log2(size_t n) { return static_cast<size_t>(std::countr_zero(n)); }
    static int row_bit(size_t bit) { return static_cast<int>(bit); }
    static int column_bit(size_t bit) { return -1 - static_cast<int>(bit); }

    size_t place_in_number(int bit) const { return static_cast<size_t>(find(number_, bit) - number_.begin()); }

    /// One shuffle of each pair of vectors that differ in `bit` of their numbers makes the vector that has 0 there, another that with 1. source(lane, half): the lane
    /// of the pair, of which the second vector's follow those of the first.
    template <class Source>
    void stage(int bit, Source source) {
        const size_t step = size_t{1} << place_in_number(bit);
        for (size_t low = 0; low < vectors_.size(); low++) {
            if (low & step)
                continue;
            Value *const pair[2] = {vectors_[low], vectors_[low + step]};
            for (int half : {0, 1}) {
                SmallVector<int> mask;
                for (int lane = 0; lane < lanes(pair[0]); lane++)
                    mask.push_back(source(lane, half));
                vectors_[low + step * static_cast<size_t>(half)] = builder_.CreateShuffleVector(pair[0], pair[1], mask);
            }
        }
    }

    /// Pairs of vectors that differ in `bit` become one each: the bit is the lane's highest.
    void join(int bit) {
        const size_t place = place_in_number(bit), step = size_t{1} << place;
        Vectors joined;
        for (size_t low = 0; low < vectors_.size(); low++) {
            if (low & step)
                continue;
            joined.push_back(concatenateVectors(builder_, {vectors_[low], vectors_[low + step]}));
        }
        vectors_ = joined;
        number_.erase(number_.begin() + static_cast<std::ptrdiff_t>(place));
        lane_.push_back(bit);
    }

    /// `bit` becomes the lane's bit 0 (unpcklps, unpckhps), what was there its bit 1; or its bit 1 (unpcklpd, unpckhpd). The lane's old bit 1 takes its place.
    void exchange(int bit, size_t place) {
        const int all = lanes(vectors_[0]);
        stage(bit, [&](int lane, int half) {
            const int in_quad = place == 0 ? half * 2 + lane % quad / 2 : half * 2 + lane % 2,
                      second = place == 0 ? lane % 2 : lane % quad / 2;
            return second * all + lane / quad * quad + in_quad;
        });
        std::swap(number_[place_in_number(bit)], lane_[1]);
        if (place == 0)
            std::swap(lane_[0], lane_[1]);
    }

    /// The lane's lowest bit of quads leaves, `bit` becomes the highest (vshuff32x4, vperm2f128).
    void rotate_quads(int bit) {
        const int all = lanes(vectors_[0]), quads = all / quad;
        stage(bit, [&](int lane, int half) {
            const int q = lane / quad;
            return q / (quads / 2) * all + (q % (quads / 2) * 2 + half) * quad + lane % quad;
        });
        std::swap(number_[place_in_number(bit)], lane_[2]);
        std::rotate(lane_.begin() + 2, lane_.begin() + 3, lane_.end());
    }

    /// `bit` for the lane's bit at `place`.
    void exchange_quads(int bit, size_t place) {
        const int all = lanes(vectors_[0]), weight = 1 << place;
        stage(bit, [&](int lane, int half) { return (lane & weight ? all : 0) + (lane & ~weight) + half * weight; });
        std::swap(number_[place_in_number(bit)], lane_[place]);
    }

    /// Column c, of which several may be one vector.
    Value *column(int c, int rows) {
        auto has = [&](int bit) { return (c >> (-1 - bit)) & 1; };
        size_t number = 0;
        for (size_t bit = 0; bit < number_.size(); bit++)
            number |= static_cast<size_t>(has(number_[bit])) << bit;
        if (lanes(vectors_[number]) == rows)
            return vectors_[number];
        int part = 0;
        for (size_t bit = log2(static_cast<size_t>(rows)); bit < lane_.size(); bit++)
            part |= has(lane_[bit]) << (bit - log2(static_cast<size_t>(rows)));
        return builder_.CreateShuffleVector(vectors_[number],
                                            createSequentialMask(static_cast<unsigned>(part * rows), static_cast<unsigned>(rows), 0));
    }

    IRBuilder<> &builder_;
    Vectors vectors_;
    const int columns_;
    std::vector<int> number_, lane_;  // what each bit of a vector's number and of a lane means, the lowest first
};

/// A matrix, and the vectors of a block that are its columns.
struct Transpose {
    Vectors rows;
    int width;                                    // elements of a row
    std::vector<std::pair<int, WeakVH>> columns;  // the column's number; in the block's order; null: gone with a tree that it was part of
};

/// Those of matrices of which a side has a register's length.
std::vector<Transpose> transposes_of(BasicBlock &block, int register_lanes) {
    std::vector<Transpose> found;
    for (Instruction &instruction : block) {
        auto *vector = dyn_cast<ShuffleVectorInst>(&instruction);
        const int rows = vector ? lanes(vector) : 0;
        if (rows < quad || rows > register_lanes || !std::has_single_bit(static_cast<unsigned>(rows)) ||
            vector->getType()->getScalarSizeInBits() != 32)
            continue;
        // The shortest rows first: interleaved halves of them look like longer ones.
        for (int columns = rows == register_lanes ? quad : register_lanes; columns <= register_lanes; columns *= 2)
            if (const auto column = column_of(vector, columns)) {
                auto transpose = find_if(found, [&](const Transpose &other) { return other.rows == column->rows; });
                if (transpose == found.end())
                    transpose = found.insert(found.end(), {column->rows, columns, {}});
                transpose->columns.emplace_back(column->number, vector);
                break;
            }
    }
    return found;
}

void build(Transpose &transpose) {
    erase_if(transpose.columns, [](const auto &column) { return !column.second; });
    if (static_cast<int>(transpose.columns.size()) * 2 <= transpose.width)
        return;
    IRBuilder<> builder(cast<Instruction>(transpose.columns[0].second));
    const Vectors columns = Network(builder, transpose.rows).transposed();
    for (const auto &[number, vector] : transpose.columns) {
        vector->replaceAllUsesWith(columns[static_cast<size_t>(number)]);
        RecursivelyDeleteTriviallyDeadInstructions(vector);
    }
}

}  // namespace

void build_transposes(Module &module, int register_lanes) {
    for (Function &function : module)
        for (BasicBlock &block : function) {
            std::vector<Transpose> found = transposes_of(block, register_lanes);
            for (Transpose &transpose : reverse(found))  // the rows of a later one may be columns of an earlier
                build(transpose);
        }
}

}  // namespace attune
