#pragma once
#include "tests/support/kernel_case.h"

namespace attune::test {

/// The shapes that every schedule must get right; each row has its reason. Kernels of the table have run-time groups.
inline std::vector<ShapeCase> all_shapes() {
    return {
        // name            batch heads kv_heads seq_len_q seq_len_kv
        {"one_pair",           1,    1,       1,        1,         1},  // the smallest call; causal sees exactly itself
        {"one_query",          1,    2,       1,        1,        37},  // decode; keys no multiple of a vector
        {"one_key",            1,    2,       2,       37,         1},  // softmax of one logit: the value itself
        {"no_key",             2,    2,       1,        4,         0},  // every row is empty: output 0, lse -inf
        {"no_query",           2,    2,       1,        0,         9},  // nothing to do, nothing written
        {"no_batch",           0,    2,       1,        4,         9},  // likewise
        {"two",                1,    1,       1,        2,         2},  // the smallest triangle
        {"below_vector",       1,    1,       1,        3,         3},  // less than a vector of SSE4.1 both ways
        {"vector_4",           1,    1,       1,        4,         4},  // exactly one
        {"above_vector_4",     1,    1,       1,        5,         5},  // one and a bit
        {"vector_8",           1,    1,       1,        8,         8},  // exactly a vector of AVX2
        {"above_vector_8",     1,    1,       1,        9,         9},
        {"vector_16",          1,    1,       1,       16,        16},  // exactly a vector of AVX-512
        {"below_vector_16",    1,    1,       1,       15,        15},
        {"above_vector_16",    1,    1,       1,       17,        17},
        {"strip_48",           1,    1,       1,       48,        48},  // exactly a strip of AVX-512
        {"above_strip_48",     1,    1,       1,       49,        49},
        {"chunk_64",           1,    1,       1,       64,        64},  // exactly a chunk of keys
        {"below_chunk_64",     1,    1,       1,       63,        63},
        {"above_chunk_64",     1,    1,       1,       65,        65},
        {"two_chunks",         1,    1,       1,       20,       128},  // full chunks only
        {"odd_both",           2,    3,       1,       61,        93},  // tails both ways, a group of 3
        {"hidden_rows",        1,    2,       1,        8,         4},  // causal: the first four rows see nothing
        {"hidden_block",       1,    1,       1,      150,        30},  // causal: whole strips see nothing
        {"cross_short_q",      2,    2,       2,       11,       200},  // cross-attention, full chunks before the diagonal
        {"cross_short_kv",     2,    2,       2,      130,        23},  // more queries than keys
        {"two_blocks",         1,    1,       1,      401,       130},  // more rows than the largest task: a second block with a tail
        {"groups_1",           2,    4,       4,       19,        21},  // multi-head
        {"groups_3",           1,    6,       2,       19,        21},
        {"groups_7",           1,    7,       1,       19,        21},  // multi-query
        {"bshd",               2,    3,       3,       37,        41, {}, {}, false, Layout::bshd},        // heads beside each other
        {"packed_qkv",         2,    4,       2,       35,        35, {}, {}, false, Layout::packed_qkv},  // one array from a fused projection
        {"padded",             2,    4,       2,       35,        71, {}, {}, false, Layout::padded},      // gaps everywhere, element alignment, strided lse
        {"broadcast_kv",       3,    2,       1,       18,        70, {}, {}, false, Layout::broadcast_kv},  // batch stride 0
        {"lengths_kv",         3,    2,       1,       33,        80, {}, {80, 17, 64}},                   // padding after the keys
        {"lengths_both",       4,    2,       2,       50,        70, {50, 1, 0, 33}, {70, 3, 20, 0}},     // an empty sequence of each kind
        {"lengths_q_longer",   2,    1,       1,       60,        60, {60, 51}, {9, 33}},                  // causal: hidden rows by lengths
        {"lengths_padded",     2,    2,       1,       50,        70, {49, 31}, {69, 5}, false, Layout::padded},
        {"lengths_bshd",       2,    2,       1,       50,        70, {49, 31}, {69, 5}, false, Layout::bshd},
        {"packed_sequences",   4,    2,       1,       70,        90, {70, 0, 33, 1}, {90, 7, 0, 65}, true},  // cu_seqlens, empty ones of each kind
        {"packed_bshd",        3,    4,       2,       60,        60, {60, 17, 41}, {60, 17, 41}, true, Layout::bshd},  // (total, heads, dim), as trainers keep them
        {"packed_fused",       3,    4,       2,       60,        60, {60, 17, 41}, {60, 17, 41}, true, Layout::packed_qkv},
        {"packed_padded",      3,    2,       2,       60,        60, {3, 60, 41}, {60, 16, 41}, true, Layout::padded},
    };
}

}  // namespace attune::test
