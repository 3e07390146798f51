/// What generated objects and the runtime know of each other. Applications need attune/attention.h only.
/// A kernel is data (attune_kernel) and task functions: each handles one block of query rows of one head. The runtime walks
/// batch, heads and query blocks, so generated code needs no thread pool and no allocator of its own.
#ifndef ATTUNE_KERNEL_H
#define ATTUNE_KERNEL_H

#include "attune/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATTUNE_KERNEL_ABI 1

/// A dimension and a buffer as Halide 21 lays them out (halide_dimension_t, halide_buffer_t). The runtime fills host, type and dim;
/// minima are 0. key_bound, reference, row_class, row_state and lse have stride 1, start on a cache line, and are the runtime's own.
typedef struct attune_dimension {
    int32_t min, extent, stride;
    uint32_t flags;
} attune_dimension;

typedef struct attune_buffer {
    uint64_t device;
    const void *device_interface;
    uint8_t *host;
    uint64_t flags;
    uint8_t type_code, type_bits; ///< code: 0 int, 1 uint, 2 float, 4 bfloat
    uint16_t type_lanes;
    int32_t dimensions;
    attune_dimension *dim;
    void *padding;
} attune_buffer;

/// Which algorithm a row takes; also its state after the fixed-reference function.
enum { ATTUNE_ROW_FIXED = 0, ATTUNE_ROW_ONLINE = 1 };

/// Task functions return 0, or nonzero to stop the call with ATTUNE_INTERNAL. They run with denormals flushed and round to nearest.
/// `scratch` is an attune_scratch, empty at each call.

/// key_bound(kv) = max over kv' <= kv of |key(:, kv')|^2 (f32; a NaN stays one). One call a (batch, kv head).
///   key (head_dim, seq_len_kv) -> key_bound (seq_len_kv)
typedef int (*attune_key_bound_fn)(void *scratch, attune_buffer *key, attune_buffer *key_bound);

/// The fixed softmax reference of each row of a block (its own key's score, in log2 units) and its class: ATTUNE_ROW_ONLINE
/// where |query|^2 * key_bound says that weights may leave the range of f32.
///   query (head_dim, rows), key, key_bound -> reference (rows) f32, row_class (rows) i32
typedef int (*attune_row_reference_fn)(void *scratch, int32_t batch, int32_t head, int32_t kv_head, int32_t q_begin,
                                       int32_t seq_len_q, int32_t seq_len_kv, attune_buffer *query, attune_buffer *key,
                                       attune_buffer *key_bound, attune_buffer *reference, attune_buffer *row_class);

/// Attention of a block of rows: query (head_dim, rows) starts at row q_begin of its sequence, key (head_dim, seq_len_kv),
/// value (head_dim_v, seq_len_kv), output (head_dim_v, rows), lse (rows) f32. seq_len_kv >= 1, rows >= 1.
/// `fixed` stores the rows whose row_class is ATTUNE_ROW_FIXED and whose guard holds, and sets row_state to ATTUNE_ROW_ONLINE for
/// the others; `exact` (online or full-row) stores the rows whose row_class is ATTUNE_ROW_ONLINE and copies row_class to row_state.
/// No buffer is passed twice. `fixed` is called where a row is FIXED, `exact` where a row is (still) ONLINE; without `fixed` all are.
typedef int (*attune_rows_fn)(void *scratch, int32_t batch, int32_t head, int32_t kv_head, int32_t q_begin, int32_t seq_len_q,
                              int32_t seq_len_kv, attune_buffer *query, attune_buffer *key, attune_buffer *value,
                              attune_buffer *reference, attune_buffer *row_class, attune_buffer *output, attune_buffer *lse,
                              attune_buffer *row_state);

/// CPU features a variant needs (bits of attune_kernel_variant::features).
enum {
    ATTUNE_CPU_SSE41 = 1u << 0,
    ATTUNE_CPU_AVX2 = 1u << 1,   ///< avx, avx2, fma, f16c, and the system saves ymm
    ATTUNE_CPU_AVX512 = 1u << 2  ///< F BW CD DQ VL, and the system saves zmm
};

/// The objects of one target. Sizes in bytes; block_q in query rows.
typedef struct attune_kernel_variant {
    const char *target; ///< "avx512"
    uint32_t features;  ///< all of them are needed
    int32_t block_q;    ///< rows of a task
    attune_key_bound_fn key_bound;         ///< null when there is no fixed-reference algorithm
    attune_row_reference_fn row_reference; ///< likewise
    attune_rows_fn fixed;                  ///< likewise
    attune_rows_fn exact;                  ///< online or full-row softmax; never null
    int64_t scratch_bytes;                 ///< per thread
    int64_t scratch_bytes_per_key;         ///< per thread and key, times seq_len_kv rounded up to scratch_key_block
    int64_t scratch_key_block;
} attune_kernel_variant;

struct attune_kernel {
    uint32_t abi; ///< ATTUNE_KERNEL_ABI
    uint32_t num_variants;
    uint8_t type_code, type_bits; ///< of query, key, value and output, as in attune_buffer
    uint16_t reserved;
    uint32_t params_size; ///< sizeof(<name>_params), 0 when there are none
    attune_kernel_info info;
    const attune_kernel_variant *variants; ///< best first; the last is the baseline
    struct attune_kernel *next;            ///< the registry's list
    const attune_kernel_variant *chosen;   ///< set once by the dispatcher
};

/// Adds a kernel to the registry; a constructor in the generated object calls it. A second call with the same kernel does nothing.
void attune_register_kernel(attune_kernel *kernel);

/// The allocator of generated code: `scratch` (its user context) is an attune_scratch. Blocks are 64-byte aligned and
/// take 64 bytes more than they give; they may be freed in any order. Null when the scratch is used up.
typedef struct attune_scratch {
    uint8_t *base;
    size_t size, used;
} attune_scratch;
void *attune_malloc(void *scratch, size_t bytes);
void attune_free(void *scratch, void *pointer);

#ifdef __cplusplus
}
#endif
#endif
