#pragma once
#include "generator/gpu/ptx_calls.h"

namespace attune {

/// The tiles of an attention kernel on tensor cores (FlashAttention-2, Dao 2023, arXiv:2307.08691). A warp owns 16 * row_tiles query rows; what
/// it keeps of them (accumulator, scores, row sums) stands in PTX registers with names, in the layout of mma.m16n8k16's results: lane t holds columns
/// 2 (t mod 4), + 1 of rows t / 4 and t / 4 + 8. Rows of query, key and value lie in shared memory at an odd number of 16-byte pieces from each
/// other, so that the eight rows of a matrix that ldmatrix reads start in different banks, at addresses that are constants apart.
struct TensorCoreShape {
    int head_dim = 128, head_dim_v = 128;  ///< multiples of 16
    bool bf16 = false;                     ///< else f16
    int warps = 4;
    int row_tiles = 2;  ///< of 16 rows, of a warp
    int block_kv = 64;  ///< keys of a chunk: a multiple of 16
    /// Buffers of keys and of values. 1: keys of the next chunk come in while values of this one are used, and the other way round. 2: both come in
    /// while this chunk is computed, with one barrier a chunk instead of two.
    int stages = 1;
    bool query_in_registers = false;  ///< else read from shared memory for each chunk
    int blocks_per_sm = 2;            ///< what registers are limited for
    float scale = 1;                  ///< > 0: times a score gives a logit in log2 units
    /// The accumulator is rescaled where a row's maximum grows by more than this (log2 units): weights are at most 2^lag. 0: at each growth.
    float lag = 8;
    bool sink = false;  ///< rows have a logit without a value

    int threads() const { return 32 * warps; }
    int block_q() const { return 16 * row_tiles * warps; }
    int key_tiles() const { return block_kv / 8; }
    int scores() const { return row_tiles * key_tiles() * 4; }  ///< of a thread and chunk
    int thread_rows() const { return 2 * row_tiles; }           ///< rows that a thread holds parts of
    /// How the threads of a block share the rows of an array: `across` of them take the 16-byte pieces of a row in turns, so rows_at_once rows are
    /// copied at once.
    struct Copy {
        int pieces, across, rows_at_once;
        int rounds(int rows) const { return (rows + rows_at_once - 1) / rows_at_once; }
        int pitch() const { return (pieces | 1) * 16; }  ///< bytes from row to row in shared memory
    };
    Copy copy(int dim) const;
    int shared_bytes() const;
};

/// The stages as calls, in the order in which a thread makes them. All take a token (i32) as $0 and give one: it keeps their order.
/// Addresses are of the calling thread's own piece of its own row, thread / across; `left` of store and `used` count rows from that row on.
///   setup(thread, key address, value address)   of the first chunk
///   fetch_query(token, address of each round …)
///   fetch_key(token, left, stride), fetch_value(token, left, stride)   of the next chunk: rows past `left` become zeros, none where left <= 0; stride
///                          of rows, in elements
///   query(token)           waits for the query, and takes it into registers (where it is kept there)
///   wait(token)            for all that was fetched, and for all threads
///   scores(token)          of a chunk
///   get_<e>(token), set_<e>(token, f32)   score e: row_tile = e / 4 / key_tiles, key_tile = e / 4 mod key_tiles, element e mod 4
///   opaque(x)              x
///   values(token)          weights of the scores, and their sum over values
///   late(thread, token)    thread, of which the compiler knows no more than the value
///   sum(token)             of the weights, over the lanes that share a row
///   sink_<i>(token, f32)   the logit of the sink of thread row i, log2 units
///   finish(token)          output into shared memory
///   store(token, left, used, address of each round …)      rows past `used` become zeros
///   lse_<i>(token, address, writes, used)                  of thread row i = 2 row_tile + half, where `writes` is not 0; -infinity where `used` is 0
PtxCalls tensor_core_calls(const TensorCoreShape &shape);
constexpr const char *tensor_core_prefix = "attune_mma_";

/// What an entry declares for them, and the module.
PtxDeclarations tensor_core_declarations(const TensorCoreShape &shape);

/// A score that hides its pair, in the units of scores; its weight is 0 in a row that sees nothing too, whose maximum starts above.
float hidden_score_of(const TensorCoreShape &shape);

}  // namespace attune
