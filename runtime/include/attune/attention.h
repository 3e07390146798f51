/// Scaled dot-product attention, compiled ahead of time by Attune: the C interface that every generated kernel shares.
///   logits(q, kv)  = softmax_scale * sum_d query(d, q) * key(d, kv), or -inf where the mask hides kv from q
///   lse(q)         = log(sum_kv exp(logits(q, kv)))                             (natural log)
///   output(d, q)   = sum_kv exp(logits(q, kv) - lse(q)) * value(d, kv)
/// A row that sees no key has output +0 and lse -inf. seq_len_kv may be 0; batch or seq_len_q 0 does nothing.
/// A call neither allocates, prints nor aborts; it is thread-safe as long as no two calls share a workspace or an output.
/// Vaswani et al. 2017, section 3.2.1; grouped heads: Ainslie et al. 2023 (arXiv:2305.13245).
#ifndef ATTUNE_ATTENTION_H
#define ATTUNE_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATTUNE_VERSION "0.1.0"

/// What a call reports. attune_status_string gives the sentence, attune_last_error the details of the calling thread's last error.
typedef enum attune_status {
    ATTUNE_OK = 0,
    ATTUNE_INVALID_ARGUMENT = 1,
    ATTUNE_NULL_POINTER = 2,
    ATTUNE_STRUCT_SIZE = 3,
    ATTUNE_SHAPE_MISMATCH = 4,
    ATTUNE_MISALIGNED = 5,
    ATTUNE_WORKSPACE_TOO_SMALL = 6,
    ATTUNE_INDEX_RANGE = 7,
    ATTUNE_UNSUPPORTED_CPU = 8,
    ATTUNE_DEVICE = 9,
    ATTUNE_OUT_OF_MEMORY = 10,
    ATTUNE_INTERNAL = 11
} attune_status;

/// Runs body(data, i) once for each i in 0 .. count - 1, at most `count` at a time, on any threads, and returns when all have
/// returned. Returns 0, or nonzero when it could not; the call then reports ATTUNE_INTERNAL.
typedef int (*attune_parallel_for)(void *context, int32_t count, void (*body)(void *data, int32_t index), void *data);

/// A device's context and queue: attune/device.h.
typedef struct attune_device attune_device;

/// Where and how a call runs. Zero-initialise, then set `size`.
typedef struct attune_exec {
    uint32_t size;                     ///< sizeof(attune_exec)
    int32_t num_threads;               ///< threads of this call, 1024 at most are used; 0: attune_num_threads()
    attune_parallel_for parallel_for;  ///< the caller's own threads; null: Attune's
    void *parallel_context;            ///< handed to parallel_for
    void *stream;                      ///< the queue where device->queue is null; unused on CPUs
    const attune_device *device;       ///< where the tensors lie, and whose queue takes the call; null: this machine's memory and CPUs
} attune_exec;

/// A tensor parameter of a kernel, a member of <name>_params. Dimensions as declared, outermost first; those declared 1 are not looked at.
/// An extent of 1 serves every index of its dimension; indices are clamped into the array. Strides in elements; all 0: dense, C order.
#define ATTUNE_MAX_PARAM_DIMS 4
typedef struct attune_tensor {
    const void *data;
    int64_t extent[ATTUNE_MAX_PARAM_DIMS];
    int64_t stride[ATTUNE_MAX_PARAM_DIMS];
} attune_tensor;

/// Which blocks of keys each block of query rows visits (kernels with block_mask = "csr"): the first member of <name>_params.
/// Blocks have the kernel's block_size. Block row i of a sequence and head lists the columns
/// columns[row_offsets[i]] .. columns[row_offsets[i + 1] - 1], increasing; blocks that are not listed are hidden.
typedef struct attune_block_mask {
    const int32_t *row_offsets;  ///< (batch, num_heads, ceil(seq_len_q / block_size_q) + 1)
    const int32_t *columns;      ///< key blocks
    const uint8_t *full;  ///< beside columns: 1: every pair of the block is visible, whatever the mask; null: the mask decides in all
    int64_t stride_batch, stride_head;  ///< of row_offsets, in elements; 0: shared
} attune_block_mask;

/// Lists the blocks of a dense bool block mask (rows, columns) of one head, 1 = visit: row_offsets (rows + 1) starting at `first`, and
/// columns, which may be null to count only. Returns the number of blocks.
int64_t attune_list_blocks(const uint8_t *block_mask, int64_t rows, int64_t columns_of_mask, int32_t first, int32_t *row_offsets,
                           int32_t *columns);

/// What a cache of keys and values has beside them: for decode kernels with kv_dtype or kv_layout paged. Zero-initialise, then set `size`.
///   key(d, slot) = key_scale(group, slot) * (n(d, slot) - key_zero(group, slot)),  group = 0 (i8) or d / 32 (i4); the same of values
/// n: i8, -128 .. 127, one byte each; i4, 0 .. 15, of 32 elements in 16 bytes: byte j has element j in its low half, j + 16 in its high one.
/// key and value then hold such bytes, and their strides count them. Without zero points key_zero stands for 0 (i8) or 8 (i4).
/// Pages: key and value hold a pool of pages, (head_dim, page_size, num_kv_heads, num_pages), strides (page, head, slot), scales likewise. Key kv
/// of sequence b is slot kv % page_size of page page_table[b * stride_page_table + kv / page_size]; entries after the last key are not looked at.
typedef struct attune_kv_cache {
    uint32_t size;                     ///< sizeof(attune_kv_cache)
    uint32_t reserved;                 ///< 0
    const int32_t *page_table;         ///< null where there are no pages
    int64_t stride_page_table;         ///< of a sequence, in elements
    int64_t num_pages;                 ///< of the pool
    float *key_scale, *value_scale;    ///< (1 or head_dim / 32, slots, num_kv_heads, batch or pages); null where there are none
    float *key_zero, *value_zero;      ///< the same of zero points; null where there are none
    int64_t stride_key_scale[3];       ///< (batch or page, head, slot), of key_zero too
    int64_t stride_value_scale[3];
} attune_kv_cache;

/// What linear attention remembers of keys: kernels with normalizer linear. Zero-initialise, then set `size`. All arrays are dense.
///   present(v, d) = past(v, d) + sum_kv feature(key(d, kv)) * value(v, kv)         (with decay and beta: the specification's recurrence)
/// A step of decoding takes the state of the step before as past: seq_len_q and seq_len_kv are then the new rows alone, and the work is the
/// same however many keys were before.
typedef struct attune_linear_state {
    uint32_t size;         ///< sizeof(attune_linear_state)
    uint32_t reserved;     ///< 0
    const float *past;     ///< (head_dim_v, head_dim, num_kv_heads, batch) of the keys before this call's; null: there are none
    const float *past_key_sum;  ///< (head_dim, num_kv_heads, batch) sum of their features, of kernels that divide rows by their sum; else null
    float *present;        ///< after this call's keys, shaped as past, and may be past itself; null: not wanted
    float *present_key_sum;
} attune_linear_state;

#define ATTUNE_ATTENTION_ARGS_VERSION 1

/// One attention call. Zero-initialise, set `size` and `version`, then the rest. Strides are in elements; the innermost
/// dimension (head_dim) is contiguous. 0 is allowed on inputs (broadcast), negative is refused. seq_len_q and seq_len_kv are at most
/// 2^28, a tensor spans at most 2^31 - 1 elements, and kernels with a mask, a score or params take at most 2^20 sequences and heads.
typedef struct attune_attention_args {
    uint32_t size;            ///< sizeof(attune_attention_args)
    uint32_t version;         ///< ATTUNE_ATTENTION_ARGS_VERSION
    const void *query;        ///< (head_dim, seq_len_q, num_heads, batch), innermost first
    const void *key;          ///< (head_dim, seq_len_kv, num_kv_heads, batch)
    const void *value;        ///< (head_dim_v, seq_len_kv, num_kv_heads, batch); null where values are in key
    void *output;             ///< (head_dim_v, seq_len_q, num_heads, batch); overlaps no input, nor its rows each other
    float *lse;               ///< (seq_len_q, num_heads, batch), or null
    int64_t batch;            ///< sequences
    int64_t num_heads;        ///< query heads, a multiple of num_kv_heads
    int64_t num_kv_heads;     ///< key/value heads
    int64_t seq_len_q;        ///< rows of query; with cu_seqlens_q: of all sequences together
    int64_t seq_len_kv;       ///< rows of key and value; with cu_seqlens_kv: of all sequences together; of a ring its slots; of pages the most
                              ///< that a sequence can have
    int64_t stride_query[3];  ///< (batch, head, sequence)
    int64_t stride_key[3];
    int64_t stride_value[3];
    int64_t stride_output[3];
    int64_t stride_lse[3];
    const int32_t *lengths_q;      ///< (batch) rows in use of each sequence, or null: all. Rows after them are written as +0, lse -inf
    const int32_t *lengths_kv;     ///< (batch) keys in use of each sequence, or null: all. Of a ring: keys so far, of which the last seq_len_kv are
                                   ///< kept, key kv in slot kv % seq_len_kv; a row sees no other, and kv counts from the sequence's first key
    const int32_t *cu_seqlens_q;   ///< (batch + 1) packed sequences: rows cu_seqlens_q[b] .. cu_seqlens_q[b + 1] - 1; both or neither
    const int32_t *cu_seqlens_kv;  ///< (batch + 1); batch strides are then unused, and rows from cu_seqlens_q[batch] on untouched
    const void *params;            ///< the kernel's <name>_params, or null where it has none
    void *workspace;               ///< <name>_workspace_size(args) bytes, 64-byte aligned; null when that is 0
    size_t workspace_size;         ///< bytes of workspace
    const attune_exec *exec;       ///< null: the defaults
    void *pairs;              ///< (seq_len_kv, seq_len_q, num_heads, batch) of the element type, or null; kernels whose outputs name it.
                              ///< Rows and keys that are not in use are left alone; not for packed sequences
    int64_t stride_pairs[3];  ///< (batch, head, sequence)
    const attune_kv_cache *cache;  ///< of kernels that need one, else null
    const int32_t *positions;      ///< (seq_len_q, batch) of kernels with rope: what the rows are turned by; null: q + keys in use - rows in use
    int64_t stride_positions;      ///< of a sequence, in elements; 0: the same for all
    const attune_linear_state *state;  ///< of kernels with normalizer linear, or null: no keys before, and none asked for
} attune_attention_args;

#define ATTUNE_APPEND_ARGS_VERSION 1

/// New keys and values for the cache of a decode kernel: row i of sequence b becomes key lengths_kv[b] + i. What that row was is lost; of a ring,
/// the oldest. Zero-initialise, set `size` and `version`, then the rest; `lengths_kv` is the caller's to raise afterwards.
typedef struct attune_append_args {
    uint32_t size;             ///< sizeof(attune_append_args)
    uint32_t version;          ///< ATTUNE_APPEND_ARGS_VERSION
    const void *new_key;       ///< (head_dim, num_new, num_kv_heads, batch) of the kernel's element type
    const void *new_value;     ///< (head_dim_v, num_new, num_kv_heads, batch); null where values are in key
    void *key, *value;         ///< the cache, as in attune_attention_args; they and scales may interleave in one pool, but share no element
    int64_t batch, num_kv_heads;
    int64_t num_new;           ///< rows of new_key and new_value
    int64_t seq_len_kv;        ///< as in attune_attention_args
    int64_t stride_new_key[3];    ///< (batch, head, sequence)
    int64_t stride_new_value[3];
    int64_t stride_key[3];
    int64_t stride_value[3];
    const int32_t *lengths_new;  ///< (batch) new rows of each sequence, or null: all
    const int32_t *lengths_kv;   ///< (batch) keys before this call, or null: 0
    const attune_kv_cache *cache;  ///< of kernels that need one, else null
    const int32_t *positions;      ///< (num_new, batch) of kernels with rope: what keys are turned by; null: lengths_kv[b] + i
    int64_t stride_positions;
    const attune_exec *exec;  ///< null: the defaults
} attune_append_args;

/// A generated kernel: its description, and opaque to applications how it runs. Generated code defines it (attune/kernel.h).
typedef struct attune_kernel attune_kernel;

/// What a kernel was generated for. Strings live as long as the program.
typedef struct attune_kernel_info {
    const char *name;   ///< the C function's name
    const char *id;     ///< attune_prefill_f32_d64_g1_<hash8>
    const char *dtype;  ///< "f32", "f16" or "bf16"
    const char *mask;   ///< the mask as specified
    int32_t head_dim;
    int32_t head_dim_v;
    int32_t group;    ///< query heads per key/value head; 0: any
    int32_t has_lse;  ///< 1 when the kernel can write lse
    double softmax_scale;
    const char *score;     ///< the score as specified, "s" where there is none
    const char *pairs;     ///< "logits_raw", "logits_biased", "logits", "weights", or ""
    const char *metadata;  ///< JSON: spec, targets, schedule and parameters, flops and bytes formulas, workspace, provenance
} attune_kernel_info;

/// Runs `kernel`; generated functions <name>(args) call it. Errors leave the output untouched, except ATTUNE_INTERNAL, which is found
/// half way. A row of the output depends on that row's inputs only: any number of threads and any batch give the same bits.
attune_status attune_kernel_run(const attune_kernel *kernel, const attune_attention_args *args);
/// Writes new keys and values into a cache, in the kernel's element type and layout: rounded to integers with a scale and turned by rope where the
/// kernel has these. Scales are the largest magnitude of a row (or of 32 elements) over 127 (7 for i4); with zero points the range, 0 included,
/// over 255 (15). For decode kernels; generated functions <name>_append(args) call it. Needs no workspace. Errors leave the cache untouched.
attune_status attune_kernel_append(const attune_kernel *kernel, const attune_append_args *args);
/// Bytes of workspace that attune_kernel_run needs for these args, or for the same with other lengths_q and lengths_kv; more threads
/// need more. Tensor pointers, workspace and workspace_size are not read. 0 also where args are in error (attune_last_error tells).
size_t attune_kernel_workspace_size(const attune_kernel *kernel, const attune_attention_args *args);
/// Description of `kernel`.
const attune_kernel_info *attune_kernel_describe(const attune_kernel *kernel);
/// How `kernel` keeps keys and values: what attune_kv_cache and the rows of key and value have to be for it.
typedef struct attune_cache_info {
    const char *dtype;                     ///< of elements: "i8", "i4", or the kernel's own
    const char *layout;                    ///< "contiguous", "ring" or "paged"
    int32_t page_size;                     ///< keys; 0: there are no pages
    int32_t key_elements, value_elements;  ///< of a row, bytes of i4; value_elements 0: values are in key
    int32_t key_scales, value_scales;      ///< of a row; 0: there are none
    int32_t has_zero_points, has_rope;
} attune_cache_info;
attune_cache_info attune_kernel_cache(const attune_kernel *kernel);
/// The target ("avx512") that `kernel` runs with on this machine, or null where none of its targets fits.
const char *attune_kernel_target(const attune_kernel *kernel);
/// The schedule ("block_q=192 block_kv=64 …") that a call with these seq_lens (those of attune_attention_args) runs on this machine, or null where
/// no target fits. Kernels with several schedules for a target choose among them by nothing else.
const char *attune_kernel_schedule(const attune_kernel *kernel, int64_t seq_len_q, int64_t seq_len_kv);

/// Linked kernels, in the order of registration: index 0 .. attune_kernel_count() - 1.
size_t attune_kernel_count(void);
const attune_kernel *attune_kernel_at(size_t index);
/// The linked kernel of this name (attune_kernel_info::name or ::id), or null.
const attune_kernel *attune_kernel_find(const char *name);

#define ATTUNE_MERGE_ARGS_VERSION 1

/// Parts of one attention: the same queries against different keys, as kernels that write lse leave them. Zero-initialise, set `size` and
/// `version`, then the rest. Strides are in elements, (batch, head, sequence), the same for all parts; 0 is allowed on parts, negative is
/// refused. head_dim_v is contiguous. Limits of lengths and of a tensor's span are those of attune_attention_args.
typedef struct attune_merge_args {
    uint32_t size;                   ///< sizeof(attune_merge_args)
    uint32_t version;                ///< ATTUNE_MERGE_ARGS_VERSION
    const char *dtype;               ///< of part_output and output: "f32", "f16" or "bf16" (attune_kernel_info::dtype)
    int64_t num_parts;               ///< 0 or more
    const void *const *part_output;  ///< num_parts pointers to (head_dim_v, seq_len_q, num_heads, batch), innermost first
    const float *const *part_lse;    ///< num_parts pointers to (seq_len_q, num_heads, batch), natural log
    void *output;                    ///< (head_dim_v, seq_len_q, num_heads, batch); a part's own or apart from all of them
    float *lse;                      ///< (seq_len_q, num_heads, batch), a part's own or apart from all of them; or null
    int64_t batch;                   ///< sequences
    int64_t num_heads;               ///< query heads
    int64_t seq_len_q;               ///< rows of each
    int64_t head_dim_v;              ///< elements of a row
    int64_t stride_part_output[3];   ///< (batch, head, sequence)
    int64_t stride_part_lse[3];
    int64_t stride_output[3];
    int64_t stride_lse[3];
} attune_merge_args;

/// Attention over the keys of all parts together, from attention over each.
///   lse(q)       = log(sum_i exp(part_lse_i(q)))                                (natural log)
///   output(d, q) = sum_i exp(part_lse_i(q) - lse(q)) * part_output_i(d, q)
/// What keys a part holds is the caller's matter: a prefix that many sequences share, another machine's share of a context, what of a
/// cache is loaded by now. A shared prefix, computed once for the rows of all sequences and merged with what follows it in each:
///   attune_kernel_run(prefix_kernel, &over_prefix);    // batch 1, all sequences' rows as seq_len_q; writes part 0
///   attune_kernel_run(suffix_kernel, &over_suffixes);  // each sequence with its own keys; writes part 1
///   attune_merge(&both);
/// A part that sees no key for a row (lse -inf) adds nothing to it, whatever its output holds; where none does, output is +0, lse -inf.
/// A row with a lse of NaN or +inf is NaN, in output and lse; an infinite or NaN element of a part that is not empty enters its own column.
/// One part that is not empty comes out bit for bit. Merging merged parts changes rounding only. Sums are f32, in the order of the parts;
/// the result is rounded to nearest even once. Denormals count as 0, in f32 and bf16 (f16 keeps its own, which f32 has as normal numbers).
/// A kernel with a sink counts it in every part: use one without, and give the sink as a part, output 0 and lse the sink of the head.
/// Rows depend on their own inputs only. Runs on the calling thread; others may merge other rows or heads at the same time.
/// Errors: null_pointer, struct_size, invalid_argument, misaligned, index_range; nothing is then written.
/// Milakov & Gimelshein 2018 (arXiv:1805.02867), section 3.1, with lse in place of (max, sum).
attune_status attune_merge(const attune_merge_args *args);

/// Threads that calls use unless attune_exec says otherwise: ATTUNE_NUM_THREADS, else the CPUs this process may run on (asked once).
int32_t attune_num_threads(void);
/// Sets it; 0 restores the default.
void attune_set_num_threads(int32_t num_threads);

/// One sentence, lower case, no full stop. Any integer is accepted.
const char *attune_status_string(int status);
/// Details of the last error that a call on this thread returned: argument, value, expectation and cure in one line; "" after none.
const char *attune_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
