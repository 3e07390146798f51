#pragma once
#include "generator/reference/reference.h"
#include "generator/spec/evaluate.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace attune {

/// What random arrays look like. Values are N(0, 1), then:
enum class InputKind {
    normal,
    wide_8,   ///< query and key times 8: weights span many orders of magnitude
    wide_20,  ///< query and key times 20: most rows leave the range of a fixed reference
    spike,    ///< in each sequence and head one visible key times 100, and keys times 10000 that padding or the mask hides from (most) rows
};

const char *input_kind_name(InputKind kind);  ///< "normal", "wide_8", "wide_20", "spike"
/// The kinds behind the word of --inputs: "normal", "wide" (both), "spike"; empty for another word.
std::vector<InputKind> input_kinds(const std::string &word);

/// Rounds to the type, to nearest even, and back.
double round_to(DType dtype, double x);

/// Numbers from N(0, 1): the same sequence for the same seed on every machine. Marsaglia's polar method (1964) with a logarithm of
/// our own, as libraries differ in the last bits of theirs.
class NormalGenerator {
public:
    explicit NormalGenerator(uint64_t seed) : bits_(seed) {}
    double operator()();

private:
    std::mt19937_64 bits_;
    double spare_ = 0;
    bool has_spare_ = false;
};

/// A value for each of spec.params, rounded to its type: sorted arrays rise by 1 about eight times, other integers are positions
/// (0 … seq_len_kv - 1), bools true or false, reals N(0, 1), f32 scalars its magnitude plus 1/2. Free dims have `free_extent` places.
std::vector<ParamValue> random_params(const AttentionSpec &spec, int64_t batch, int64_t num_heads, int64_t num_kv_heads, int64_t seq_len_q,
                                      int64_t seq_len_kv, uint64_t seed, int64_t free_extent = 32);

/// Fills query, key and value of `problem` (its shape and lengths are set) with numbers of the type.
void fill_inputs(ReferenceProblem &problem, InputKind kind, DType dtype, uint64_t seed);

}  // namespace attune
