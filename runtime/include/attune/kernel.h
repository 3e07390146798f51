/// What generated objects and the runtime know of each other. Applications need attune/attention.h only.
/// A kernel is data (attune_kernel) and task functions: each handles one block of query rows. The runtime walks batch, heads and
/// query blocks and lists the chunks of keys that a block visits, so generated code needs no thread pool and no allocator of its own.
#ifndef ATTUNE_KERNEL_H
#define ATTUNE_KERNEL_H

#include "attune/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATTUNE_KERNEL_ABI 9

/// A dimension and a buffer as Halide 21 lays them out (halide_dimension_t, halide_buffer_t). The runtime fills host, type and dim;
/// minima are 0. Arrays of rows, of keys and of blocks have stride 1, start on a cache line, and are the runtime's own.
typedef struct attune_dimension {
    int32_t min, extent, stride;
    uint32_t flags;
} attune_dimension;

typedef struct attune_buffer {
    uint64_t device;
    const void *device_interface;
    uint8_t *host;
    uint64_t flags;
    uint8_t type_code, type_bits;  ///< code: 0 int, 1 uint, 2 float, 4 bfloat
    uint16_t type_lanes;
    int32_t dimensions;
    attune_dimension *dim;
    void *padding;
} attune_buffer;

/// Which algorithm a row takes; also its state after the fixed-reference function.
enum { ATTUNE_ROW_FIXED = 0, ATTUNE_ROW_ONLINE = 1 };

/// A task function. `arguments` are pointers, in Halide's argv form: to scalars, or attune_buffers themselves. Returns 0, or nonzero to
/// stop the call with ATTUNE_INTERNAL. Runs with denormals flushed and round to nearest.
/// The first is the address of a pointer to an attune_scratch, empty at each call. Then, except for key_norms, the scalars of the block
/// (i32): batch, head (the first of `fold`), kv_head, q_begin (position of its first row), seq_len_q, seq_len_kv, num_positions; then
/// the kernel's params in their order; then what stands below, results last. No buffer is passed twice; seq_len_kv, num_positions >= 1.
/// Row r of a block is position q_begin + r / fold of head + r % fold; there are fold * num_positions rows.
typedef int (*attune_task_fn)(void **arguments);

/// key_norms: key (head_dim, keys) -> norms (keys) f32: |key|^2, a NaN where it is one.
/// key_ranges: -> ranges (2 * num_ranges) i32: the block sees no key outside first .. last (inclusive) of these pairs.
/// block_states: strip_rows i32, block_keys i32, first_keys (n) i32 -> states (n, strips) u8: ATTUNE_BLOCK_... of strip_rows rows x
///   block_keys keys from first_keys on.
/// row_reference: full, partial (visit lists), query (head_dim, fold, num_positions), key (head_dim, seq_len_kv), norms (seq_len_kv)
///   -> reference (rows) f32: the fixed softmax reference of each row (the logit of its own key, in log2 units), and row_class (rows)
///   i32: ATTUNE_ROW_ONLINE where |query|^2 * norms says that weights may leave the range of f32.
/// fixed, exact: full, partial, query, key, value (head_dim_v, seq_len_kv), reference, row_class
///   -> output (head_dim_v, fold, num_positions), lse (rows) f32, row_state (rows) i32. `fixed` stores the rows whose row_class is
///   ATTUNE_ROW_FIXED and whose guard holds, and sets row_state to ATTUNE_ROW_ONLINE for the others; `exact` stores the rows whose
///   row_class is ATTUNE_ROW_ONLINE and copies row_class to row_state.
/// split: first_key i32, num_keys i32, masked i32 (0: all rows see all keys of the chunk, which is whole), query, then where the kernel has them
///   rotation; key; value; key_rows, value_rows; key_scale, value_scale; key_zero, value_zero -> part (part_columns, padded rows) f32: what keys
///   first_key .. first_key + num_keys - 1 give, relative to their maximum: weighted values, in the last vector the sum of weights and the
///   maximum (a NaN: call again with masked 1). Rows are padded to a multiple of ATTUNE_SPLIT_TILE_ROWS where fold is more than 1 and there are more than 2.
///   rotation (head_dim, 2, num_positions) f32: of each element of a row the cosine, and the sine with the sign its partner is taken with.
///   key, value: (row elements, seq_len_kv) as they lie; or with key_rows, value_rows (block_kv) i32, which say at which element the row of each of
///   the chunk's keys starts, (row elements, .) with stride 1. Elements of i4 are u8, two in a byte.
///   Scales and zero points are those of the chunk's keys, f32: (keys) of i8, (groups, keys) of i4.
/// split_rows: the same with the same bits, quicker where there are more than ATTUNE_SPLIT_FEW_ROWS rows; takes strips of ATTUNE_SPLIT_STRIP_ROWS.
/// append: new_key (head_dim, n), new_value (head_dim_v, n), rotation where there is rope -> key (row elements, n), value, then key_scale,
///   value_scale, key_zero, value_zero where the cache has them: (n) of i8, (groups, n) of i4. No scalars of a block.
/// linear_read: first_key i32, num_keys i32, query, key (head_dim, at least 1), value: of the chunk's num_keys keys; state (state_columns, state_rows) f32
///   of the keys before them, then key_sum (state_rows) f32 where rows are divided by their sum -> output, then with beta change (state_columns, 1) f32.
///   Key j of the chunk is visible to its positions j and later.
/// linear_update: first_key, num_keys, key, then value or with beta change -> state, key_sum as above, in place.
/// combine: parts (part_columns, padded rows, n) -> output, lse (rows).
/// pairs: query, key, lse (rows) -> pairs (seq_len_kv, fold, num_positions): the matrix that outputs names.

/// What both sides of split and append count on: keys of a masked chunk are computed, and starts of rows read, in steps; rows of several heads in
/// tiles; append keeps so many rows at most.
enum { ATTUNE_SPLIT_KEY_STEP = 16, ATTUNE_SPLIT_TILE_ROWS = 4, ATTUNE_SPLIT_FEW_ROWS = 8, ATTUNE_SPLIT_STRIP_ROWS = 16, ATTUNE_APPEND_ROWS = 4 };

/// What a block of rows x keys holds: no visible pair, maybe some, nothing else.
enum { ATTUNE_BLOCK_EMPTY = 0, ATTUNE_BLOCK_PARTIAL = 1, ATTUNE_BLOCK_FULL = 2 };

/// A visit list is a buffer (1 + strips, visits) i32: the chunk, then a state for each strip of rows. 0: the strip has no part in this
/// list. In the list `full`: 1. In `partial`: 1 | first << 8 | end << 16, the tiles of the chunk that hold visible pairs; | 2 where every
/// pair that exists is visible, whatever the mask.
enum { ATTUNE_VISIT_UNMASKED = 2, ATTUNE_VISIT_FIRST_SHIFT = 8, ATTUNE_VISIT_END_SHIFT = 16 };

/// CPU features a variant needs (bits of attune_kernel_variant::features).
enum {
    ATTUNE_CPU_SSE41 = 1u << 0,
    ATTUNE_CPU_AVX2 = 1u << 1,    ///< avx, avx2, fma, f16c, and the system saves ymm
    ATTUNE_CPU_AVX512 = 1u << 2,  ///< F BW CD DQ VL, and the system saves zmm
    ATTUNE_CPU_AVX512_BF16 = 1u << 3,
    ATTUNE_CPU_AMX = 1u << 4,  ///< AMX tiles and their products of bf16 and i8, and the system grants tiles to this process
    ATTUNE_CPU_AVX512_VNNI = 1u << 5,
    ATTUNE_CPU_AVX512_FP16 = 1u << 6,
    ATTUNE_CPU_NEON = 1u << 7  ///< Advanced SIMD; every aarch64 CPU that runs Linux has it
};

/// The objects of one target, or of one schedule of it. Sizes in bytes.
typedef struct attune_kernel_variant {
    const char *target;             ///< "avx512"
    const char *schedule;           ///< "block_q=192 block_kv=64", for messages
    uint32_t features;              ///< all of them are needed
    int32_t most_seq_len_q;         ///< the call's seq_len_q that this schedule is for, at most; 0: any
    int32_t most_seq_len_kv;        ///< likewise
    int32_t block_q;                ///< positions of a task
    int32_t fold;                   ///< query heads of a task: its rows are all heads of a group, or of one head
    int32_t strip_rows, strips;     ///< rows of a strip; strips of a visit list
    int32_t block_kv, tile_kv;      ///< keys of a chunk, of a tile; at most 256 tiles a chunk
    int32_t num_ranges;             ///< of key_ranges
    int32_t exact_splits;           ///< 1: `exact` takes both lists; 0: all visits as partial
    int32_t part_columns;           ///< of split: floats of a row of a part; 0 without it
    int32_t asks;                   ///< calls of attune_ask_ahead: of split for a tile of rows, of linear_read for a chunk, of fixed and exact for a
                                    ///< partial visit of a strip beside the one that every visit begins with
    int32_t split_rows_asks;        ///< of split_rows for a strip of rows
    int32_t state_columns, state_rows;  ///< of linear: head_dim_v and head_dim in whole tiles; 0 without it
    int32_t corrects_state;         ///< of linear: 1: linear_read writes `change`, which linear_update takes for values
    attune_task_fn key_norms;       ///< null when there is no fixed-reference algorithm
    attune_task_fn key_ranges;      ///< null: the whole sequence
    attune_task_fn block_states;    ///< null: every pair is visible
    attune_task_fn row_reference;   ///< null when there is no fixed-reference algorithm
    attune_task_fn fixed;           ///< likewise
    attune_task_fn exact;           ///< online, full-row or sigmoid; null where there is split
    attune_task_fn pairs;           ///< null when outputs has no matrix of pairs
    attune_task_fn split, combine, append;  ///< of decode; else null
    attune_task_fn split_rows;      ///< null where `split` is as quick
    attune_task_fn linear_read, linear_update;  ///< of linear attention, whose other functions are null; else null
    int64_t scratch_bytes;          ///< per thread
    int64_t scratch_bytes_per_key;  ///< per thread and key, times seq_len_kv rounded up to block_kv
} attune_kernel_variant;

/// A member of <name>_params.
enum { ATTUNE_MAX_PARAMS = 16 };
enum { ATTUNE_DIM_ONE, ATTUNE_DIM_B, ATTUNE_DIM_H, ATTUNE_DIM_HKV, ATTUNE_DIM_Q, ATTUNE_DIM_KV, ATTUNE_DIM_EXTENT, ATTUNE_DIM_FREE };
typedef struct attune_param {
    const char *name;              ///< "ids"
    const char *declaration;       ///< "i32[b, kv] nondecreasing"
    uint32_t offset;               ///< in <name>_params
    uint8_t type_code, type_bits;  ///< as in attune_buffer; a bool has code 1 and 8 bits
    uint8_t dimensions;            ///< 0: a scalar stands at offset; else an attune_tensor
    uint8_t nondecreasing;
    uint8_t dim[ATTUNE_MAX_PARAM_DIMS];     ///< ATTUNE_DIM_..., outermost first
    int32_t extent[ATTUNE_MAX_PARAM_DIMS];  ///< of ATTUNE_DIM_EXTENT
} attune_param;

/// Where a cache has key kv of a sequence (attune_kv_cache).
enum { ATTUNE_LAYOUT_CONTIGUOUS, ATTUNE_LAYOUT_RING, ATTUNE_LAYOUT_PAGED };
typedef struct attune_cache_format {
    uint8_t layout;
    uint8_t type_code, type_bits;       ///< of an element of key and value, as in attune_buffer; i4 is u8, two elements in one
    uint8_t has_zero_points;
    int32_t page_size;                  ///< 0: no pages
    int32_t key_elements, value_elements;  ///< of a row; value_elements 0: values are in key
    int32_t key_scales, value_scales;   ///< of a row; 0: none
} attune_cache_format;

/// Rotary embedding: elements d and d + half (or 2 i and 2 i + 1 where interleaved) of the first 2 * pairs are turned by position * frequency.
typedef struct attune_rope {
    const double *frequencies;  ///< (pairs) radians a position; null: there is none
    int32_t pairs, interleaved;
} attune_rope;

/// What lengths_q and lengths_kv of a device variant hold: nothing, lengths, or where each packed sequence begins and the last ends (cu_seqlens).
enum { ATTUNE_LENGTHS_NONE = 0, ATTUNE_LENGTHS_EACH = 1, ATTUNE_LENGTHS_CUMULATIVE = 2 };

/// One device target. `attention` is a host function that enqueues the kernels of a whole call, by the functions at the end of this header.
/// Its arguments, in argv form: the address of a pointer to the user context, which it hands on; the scalars (i32) seq_len_q, seq_len_kv,
/// head_blocks_per_kv (num_heads / fold / num_kv_heads), has_lengths_q and has_lengths_kv (ATTUNE_LENGTHS_...), writes_lse (0 or 1); the kernel's params
/// in their order; of kernels with a block mask has_full (i32, 0 or 1) and buffers row_offsets (ceil(seq_len_q / block_size_q) + 1, num_heads, batch),
/// columns (1) i32, full (1) u8, of which extents say nothing; of kernels with patterns a buffer of them (num_pattern_words) i32; then buffers:
/// lengths_q (batch), lengths_kv (batch) i32, of packed sequences (batch + 1); query (head_dim, fold, seq_len_q, num_heads / fold, batch);
/// key (head_dim, seq_len_kv, num_kv_heads, batch) and value (head_dim_v, likewise); lse (fold, seq_len_q, num_heads / fold, batch) f32;
/// output (as query, of head_dim_v). All of them, params' too, have `device` and device_interface, no host, flags 0. What the caller did
/// not give has the device handle of query, and strides 0; of packed sequences batch strides are 0. seq_len_kv may be 0. Returns 0, or what a
/// function that failed returned.
/// Of decode, keys are split: `attention` computes parts of split_keys keys each, num_parts = ceil(seq_len_kv / split_keys), at least 1. For it lse is
/// (2, part_rows, num_heads / fold, batch): a row's maximum in log2 units and its sum of 2^(logit - maximum); output (head_dim_v, part_rows, ...) f32 the
/// sum of weighted values, both dense and the workspace's. part_rows = blocks * num_parts * block_q with blocks = ceil(seq_len_q * fold / block_q): row i
/// of part p of block j is (j * num_parts + p) * block_q + i. `combine` then makes output and lse of them: its arguments are those of a variant without
/// parts, with both of these (maxima and sums, then values) between value and lse.
typedef struct attune_device_variant {
    const char *target;         ///< "cuda", "cuda_mma", "opencl", "vulkan", "metal", "d3d12", "webgpu"
    int32_t api;                ///< attune_api
    int32_t fold;               ///< query heads whose rows a block holds: 1, or all of a group
    int32_t block_q, block_kv;  ///< rows and keys of a block; keys for information
    int32_t needs;              ///< CUDA: the least compute capability, 10 * major + minor; else 0
    int32_t alignment;          ///< bytes that query, key, value and output, and their strides, must be multiples of; 0 or 1: none
    int32_t split_keys;         ///< of decode: keys of a part; 0: there are no parts
    int32_t reserved;           ///< 0
    attune_task_fn attention;
    attune_task_fn combine;     ///< null where there are no parts
} attune_device_variant;

/// Linear attention's running state: a sum of outer products, and one of keys where rows are divided by their sum.
enum { ATTUNE_STATE_NONE = 0, ATTUNE_STATE_OUTER = 1, ATTUNE_STATE_OUTER_AND_KEY_SUM = 2 };

struct attune_kernel {
    uint32_t abi;  ///< ATTUNE_KERNEL_ABI
    uint32_t num_variants;
    uint8_t type_code, type_bits;  ///< of query, key, value and output, as in attune_buffer
    uint16_t reserved;
    uint32_t params_size;  ///< sizeof(<name>_params), 0 when there are none
    attune_kernel_info info;
    const attune_param *params;
    uint32_t num_params;
    int32_t block_size_q, block_size_kv;    ///< of the attune_block_mask that <name>_params starts with; 0: it has none
    int32_t state;                          ///< ATTUNE_STATE_...: what is kept from call to call
    int32_t has_sink;                       ///< rows have a logit without a key: also those that see nothing have an lse
    attune_cache_format cache;
    attune_rope rope;
    const attune_device_variant *device_variants;  ///< best first of each api
    uint32_t num_device_variants;
    uint32_t num_pattern_words;
    const int32_t *pattern_words;           ///< of device variants: bits of the constant patterns of mask and score
    const attune_kernel_variant *variants;  ///< best first; the last is the baseline. Several of one target stand together: the first whose
                                            ///< seq_lens hold a call's runs it, and the last has none. No variants: devices only
    struct attune_kernel *next;             ///< the registry's list
    const attune_kernel_variant *chosen;    ///< set once by the dispatcher
};

/// Adds a kernel to the registry; a constructor in the generated object calls it. A second call with the same kernel does nothing.
void attune_register_kernel(attune_kernel *kernel);

/// The allocator of generated code: `scratch` (its user context) is an attune_scratch. Blocks are 64-byte aligned and
/// take 64 bytes more than they give; they may be freed in any order. Null when the scratch is used up.
typedef struct attune_scratch {
    uint8_t *base;
    size_t size, used;
    struct attune_ahead *ahead;  ///< begins with an attune_ask
} attune_scratch;
void *attune_malloc(void *scratch, size_t bytes);
void attune_free(void *scratch, void *pointer);

/// Of attune_ask_ahead: what comes next of the present run of rows, bytes left of it, and bytes that an ask takes. Where as many are left generated code may ask by itself.
typedef struct attune_ask {
    const uint8_t *next;
    int64_t left, bytes;
} attune_ask;

/// Called by `fixed` and `exact` at each visit of a strip and `asks` times more in partial ones, by `split` and `linear_read` `asks` times: prefetches some of the rows that the worker reads
/// next. Returns 0.
int32_t attune_ask_ahead(void *scratch);

/// What device variants call, in the form of Halide 21's runtime. Each returns 0, or nonzero where it failed; attune_last_error tells why.
/// initialize_kernels loads `image` into the context of the call, once a context: PTX that ends with a 0, or `size` bytes of OpenCL C or SPIR-V.
/// *state is a word of the generated object, 0 at first, where the runtime keeps its own. run enqueues one kernel; arg_sizes ends with a
/// 0, and arguments that are buffers are attune_buffers.
int attune_cuda_initialize_kernels(void *user_context, void **state, const char *image, int size);
void attune_cuda_finalize_kernels(void *user_context, void *state);
int attune_cuda_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                    int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]);
const void *attune_cuda_device_interface(void);
int attune_opencl_initialize_kernels(void *user_context, void **state, const char *image, int size);
void attune_opencl_finalize_kernels(void *user_context, void *state);
int attune_opencl_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                      int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]);
const void *attune_opencl_device_interface(void);
int attune_vulkan_initialize_kernels(void *user_context, void **state, const char *image, int size);
void attune_vulkan_finalize_kernels(void *user_context, void *state);
int attune_vulkan_run(void *user_context, void *state, const char *entry, int blocks_x, int blocks_y, int blocks_z, int threads_x,
                      int threads_y, int threads_z, int shared_bytes, size_t arg_sizes[], void *args[], int8_t arg_is_buffer[]);
const void *attune_vulkan_device_interface(void);
/// Device memory is always the caller's: where `device` is set there is nothing to do, else these fail.
int attune_copy_to_device(void *user_context, attune_buffer *buffer, const void *device_interface);
int attune_copy_to_host(void *user_context, attune_buffer *buffer);
int attune_device_malloc(void *user_context, attune_buffer *buffer, const void *device_interface);
int attune_device_free(void *user_context, attune_buffer *buffer);

#ifdef __cplusplus
}
#endif
#endif
