#pragma once

namespace attune {

/// What a target's machine does in a step that Halide cannot say. Where a member is set, algorithms mark the operation: they call a scalar
/// function of the name below, which the LLVM back end (generator/backend/marked_operations.cpp) turns into instructions. Where it is
/// not, the same operation is built in plain Halide, its twin (operations.cpp).
struct MachineOperations {
    bool exp2 = false;      ///< 2^x by the machine's range reduction and scaling
    bool dot_bf16 = false;  ///< accumulator + two products of bf16 pairs; two floats rounded to one
    bool fma_f16 = false;   ///< products and 2^x in half precision
    bool dot_i8 = false;    ///< accumulator + four products of 8-bit integers
    bool tiles = false;     ///< contractions of bf16 pairs and of i8 quads in matrix tiles
};

constexpr int matrix_tile_edge = 16;  ///< rows of a matrix tile, and its columns of 4 bytes: f32, i32, pairs or quads

constexpr const char *marked_prefix = "attune_op_";
constexpr const char *exp2_f32_name = "attune_op_exp2_f32";    ///< float(float x)
constexpr const char *exp2_half_name = "attune_op_exp2_half";  ///< the same, for weights that are rounded to a half type
constexpr const char *dot_bf16_name = "attune_op_dot_bf16";    ///< float(float accumulator, uint32 a, uint32 b)
constexpr const char *round_pair_bf16_name =
    "attune_op_round_pair_bf16";                                   ///< uint32(float low, float high): rounded, a half of a unit away from 0
constexpr const char *bf16_of_f32_name = "attune_op_bf16_of_f32";  ///< uint16(float x)
constexpr const char *bf16_of_nibble_name = "attune_op_bf16_of_nibble";  ///< uint16(uint16 bits): of the lowest four bits, less 8
constexpr const char *fma_f16_name = "attune_op_fma_f16";                ///< half(half accumulator, half a, uint32 b): b is a half twice
constexpr const char *exp2_f16_name = "attune_op_exp2_f16";              ///< half(half x); halves by their bits, as uint16
constexpr const char *dot_i8_name = "attune_op_dot_i8";  ///< int32(int32 accumulator, uint32 a, uint32 b): a signed, b unsigned
constexpr const char *dot_signed_i8_name = "attune_op_dot_signed_i8";  ///< the same, both signed: in matrix tiles alone

/// c[m][n] = (from_zero ? 0 : c[m][n]) + the sum over k of both products of the pairs a[m][k] and b[k][n]. A matrix is a pointer, the offset
/// of its first element and the stride of its rows, in bytes: int32(c, a, b, int32 m, n, k, from_zero, part, parts, asks); m, n, k multiples of
/// matrix_tile_edge, m and n constant. Of parts > 1 each sums its share of k, and c, of 2 x 2 tiles at most, is in registers from part 0 to the last, with no other call between. Of parts 0 part 0 begins such sums, calls of part 1 add to them, part 2 stores them.
/// Once in `asks` products memory is asked ahead; 0: not.
constexpr const char *contract_bf16_name = "attune_op_contract_bf16";
/// The same of quads of 8-bit integers, unsigned in a and signed in b; c is int32.
constexpr const char *contract_i8_name = "attune_op_contract_i8";
constexpr const char *contract_signed_i8_name = "attune_op_contract_signed_i8";  ///< signed in both

/// 2^f on [-1/2, 1/2]: minimax in relative error, 7.5e-8 and 7.5e-5; the highest power first.
constexpr double exp2_degree_5[] = {1.327647198e-3, 9.675541334e-3, 5.550713274e-2, 0.2402211972, 0.6931469671, 1.000000072};
constexpr double exp2_degree_3[] = {5.517166907e-2, 0.2426111222, 0.6932609855, 0.9999280735};
/// The same on [0, 1]; evaluated in f32 2.1e-7 (degree 5 on [-1/2, 1/2]) becomes 1.5e-7.
constexpr double exp2_degree_5_above[] = {1.877576675e-3, 8.989340091e-3, 5.582631805e-2, 0.240153617, 0.6931530732, 0.9999999251};
constexpr double exp2_degree_3_above[] = {7.802452264e-2, 0.2260671554, 0.6958335405, 0.9999252186};

}  // namespace attune
