#pragma once
#include "generator/spec/evaluate.h"
#include "generator/spec/expression.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::test {

/// Random numbers that are the same everywhere: splitmix64 (Steele et al. 2014).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    int64_t between(int64_t low, int64_t high) { return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1)); }
    bool chance(int64_t percent) { return between(1, 100) <= percent; }
    template <typename T>
    const T &pick(const std::vector<T> &of) {
        return of[static_cast<size_t>(between(0, static_cast<int64_t>(of.size()) - 1))];
    }

private:
    uint64_t next();
    uint64_t state_;
};

/// Expressions as users might write them, and some that nobody would: all variables, operators and helpers of masks, and these params:
///   n, m: i32    x: f32    ids: i32[b, kv] nondecreasing    left: i32[h]    keep: bool[b, kv]    grid: bool[h, r, c]
class RandomMasks {
public:
    explicit RandomMasks(Random &random) : random_(random) {}
    static const std::vector<ParamDeclaration> &params();

    std::string mask(int depth);
    std::string integer(int depth);
    /// One that the parser takes: a constant index below 0, say, is drawn anew.
    Expression parsed(int depth, ExprType wanted = ExprType::boolean);
    /// Of the params, for these extents. n and m are mostly small, sometimes 0, negative or at the ends of i32.
    std::vector<ParamValue> values(int64_t batch, int64_t heads, int64_t seq_len_kv);

private:
    std::string real(int depth);
    std::string helper();
    std::string constant(int64_t low, int64_t high);
    Random &random_;
};

/// Throws on a mistake; blocks("p.npy", size) is a random pattern of 3 heads.
Expression parse(const std::string &text, const std::vector<ParamDeclaration> &params, ExprType wanted = ExprType::boolean);
/// {"n", "i32"} …
std::vector<ParamDeclaration> declare(const std::vector<std::pair<std::string, std::string>> &params);

}  // namespace attune::test
