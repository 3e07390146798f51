#include "fake_kernel.h"

#include <cmath>
#include <cstdint>
#include <xmmintrin.h>

Script *script = nullptr;

namespace {

float *row(const attune_buffer *b, int64_t i) {
    return reinterpret_cast<float *>(b->host) + i * b->dim[1].stride;
}
float *f32(const attune_buffer *b) {
    return reinterpret_cast<float *>(b->host);
}
int32_t *i32(const attune_buffer *b) {
    return reinterpret_cast<int32_t *>(b->host);
}

void expect(bool holds, const char *what) {
    if (holds)
        return;
    std::lock_guard lock(script->mutex);
    script->problems.push_back(what);
}

int planned_failure(const char *function) {
    auto found = script->fail.find(function);
    return found == script->fail.end() ? 0 : found->second;
}

void check_rows(const attune_buffer *b, int dim, int rows, const char *what) {
    expect(b->dimensions == 2 && b->dim[0].extent == dim && b->dim[0].stride == 1 && b->dim[1].extent == rows && b->dim[0].min == 0 &&
               b->dim[1].min == 0 && b->type_code == 2 && b->type_bits == 32 && b->type_lanes == 1,
           what);
}

void check_array(const attune_buffer *b, int count, int type_code, const char *what) {
    expect(b->dimensions == 1 && b->dim[0].extent == count && b->dim[0].stride == 1 && b->dim[0].min == 0 && b->type_code == type_code &&
               b->type_bits == 32 && reinterpret_cast<uintptr_t>(b->host) % 64 == 0,
           what);
}

/// Denormals flushed, round to nearest, exceptions masked.
void check_mode() {
    expect((_mm_getcsr() & ~0x3Fu) == (0x8040u | 0x1F80u), "mxcsr");
}

/// Uses up the scratch that the variant asked for, to show that it is there, and that it ends there.
void use_scratch(void *scratch, const attune_kernel_variant &v, int keys) {
    auto *s = static_cast<attune_scratch *>(scratch);
    expect(s->used == 0, "scratch is not empty");
    const int64_t per = v.scratch_key_block > 0 ? v.scratch_key_block : 1;
    const size_t bytes = v.scratch_bytes + v.scratch_bytes_per_key * ((keys + per - 1) / per * per);
    if (bytes == 0)
        return;
    const size_t block_bytes = bytes - 64;  // attune_malloc takes a line for itself
    auto *block = static_cast<uint8_t *>(attune_malloc(scratch, block_bytes));
    expect(block && reinterpret_cast<uintptr_t>(block) % 64 == 0, "scratch");
    if (block)
        for (size_t i = 0; i < block_bytes; i++)
            block[i] = uint8_t(i);
}

const attune_kernel_variant *current_variant = nullptr;

int key_bound(void *, attune_buffer *key, attune_buffer *bound) {
    if (int code = planned_failure("key_bound"))
        return code;
    check_mode();
    const int keys = key->dim[1].extent;
    check_rows(key, fake_head_dim, keys, "key_bound key");
    check_array(bound, keys, 2, "key_bound bound");
    float longest = 0;
    for (int kv = 0; kv < keys; kv++) {
        float norm = 0;
        for (int d = 0; d < fake_head_dim; d++)
            norm += row(key, kv)[d] * row(key, kv)[d];
        f32(bound)[kv] = longest = std::max(longest, norm);
    }
    std::lock_guard lock(script->mutex);
    script->key_bound_calls++;
    return 0;
}

int row_reference(void *, int32_t b, int32_t h, int32_t, int32_t q_begin, int32_t, int32_t keys, attune_buffer *query, attune_buffer *key,
                  attune_buffer *bound, attune_buffer *reference, attune_buffer *row_class) {
    if (int code = planned_failure("row_reference"))
        return code;
    const int rows = query->dim[1].extent;
    check_array(bound, keys, 2, "row_reference bound");
    check_array(reference, rows, 2, "row_reference reference");
    check_array(row_class, rows, 0, "row_reference row_class");
    float longest = 0;
    for (int kv = 0; kv < keys; kv++) {
        float norm = 0;
        for (int d = 0; d < fake_head_dim; d++)
            norm += row(key, kv)[d] * row(key, kv)[d];
        longest = std::max(longest, norm);
        expect(f32(bound)[kv] == longest, "key bounds of another sequence or head");
    }
    for (int i = 0; i < rows; i++) {
        f32(reference)[i] = float(100 * h + q_begin + i);
        i32(row_class)[i] = script->row_class ? script->row_class(b, h, q_begin + i) : ATTUNE_ROW_FIXED;
    }
    return 0;
}

/// The equation, for row i of the block.
void attend(int32_t q, int32_t seq_len_q, int32_t seq_len_kv, const float *query, attune_buffer *key, attune_buffer *value, float *output,
            float *lse) {
    const int visible = script->causal ? std::min(seq_len_kv, std::max(0, q + seq_len_kv - seq_len_q + 1)) : seq_len_kv;
    double sum = 0, acc[fake_head_dim_v] = {};
    for (int kv = 0; kv < visible; kv++) {
        double logit = 0;
        for (int d = 0; d < fake_head_dim; d++)
            logit += double(query[d]) * row(key, kv)[d];
        const double weight = std::exp(fake_scale * logit);
        sum += weight;
        for (int d = 0; d < fake_head_dim_v; d++)
            acc[d] += weight * row(value, kv)[d];
    }
    for (int d = 0; d < fake_head_dim_v; d++)
        output[d] = sum > 0 ? float(acc[d] / sum) : 0.f;
    *lse = sum > 0 ? float(std::log(sum)) : -INFINITY;
}

int attend_rows(const char *name, int32_t wanted_class, void *scratch, int32_t b, int32_t h, int32_t q_begin, int32_t seq_len_q,
                int32_t seq_len_kv, attune_buffer *query, attune_buffer *key, attune_buffer *value, attune_buffer *reference,
                attune_buffer *row_class, attune_buffer *output, attune_buffer *lse, attune_buffer *row_state) {
    if (int code = planned_failure(name))
        return code;
    check_mode();
    const int rows = query->dim[1].extent;
    expect(rows >= 1 && seq_len_kv >= 1 && q_begin + rows <= seq_len_q, "rows");
    check_rows(query, fake_head_dim, rows, "query");
    check_rows(key, fake_head_dim, seq_len_kv, "key");
    check_rows(value, fake_head_dim_v, seq_len_kv, "value");
    check_rows(output, fake_head_dim_v, rows, "output");
    check_array(reference, rows, 2, "reference");
    check_array(row_class, rows, 0, "row_class");
    check_array(row_state, rows, 0, "row_state");
    check_array(lse, rows, 2, "lse");
    expect(row_class->host != row_state->host, "row_class and row_state are the same");
    use_scratch(scratch, *current_variant, seq_len_kv);
    for (int i = 0; i < rows; i++) {
        const int q = q_begin + i;
        const bool is_fixed = wanted_class == ATTUNE_ROW_FIXED;
        if (current_variant->fixed)
            expect(f32(reference)[i] == float(100 * h + q), "reference");
        i32(row_state)[i] = i32(row_class)[i];
        if (i32(row_class)[i] != wanted_class)
            continue;
        if (is_fixed && script->guard_holds && !script->guard_holds(b, h, q)) {
            i32(row_state)[i] = ATTUNE_ROW_ONLINE;
            continue;
        }
        attend(q, seq_len_q, seq_len_kv, row(query, i), key, value, row(output, i), f32(lse) + i);
        std::lock_guard lock(script->mutex);
        script->stored[{b, h, q}] += name;
    }
    std::lock_guard lock(script->mutex);
    script->blocks.emplace_back(b, h, q_begin);
    return 0;
}

int fixed(void *scratch, int32_t b, int32_t h, int32_t, int32_t q_begin, int32_t seq_len_q, int32_t seq_len_kv, attune_buffer *query,
          attune_buffer *key, attune_buffer *value, attune_buffer *reference, attune_buffer *row_class, attune_buffer *output,
          attune_buffer *lse, attune_buffer *row_state) {
    return attend_rows("fixed", ATTUNE_ROW_FIXED, scratch, b, h, q_begin, seq_len_q, seq_len_kv, query, key, value, reference, row_class,
                       output, lse, row_state);
}

int exact(void *scratch, int32_t b, int32_t h, int32_t, int32_t q_begin, int32_t seq_len_q, int32_t seq_len_kv, attune_buffer *query,
          attune_buffer *key, attune_buffer *value, attune_buffer *reference, attune_buffer *row_class, attune_buffer *output,
          attune_buffer *lse, attune_buffer *row_state) {
    if (script->in_exact)
        script->in_exact();
    {
        std::lock_guard lock(script->mutex);
        script->exact_calls++;
    }
    return attend_rows("exact", ATTUNE_ROW_ONLINE, scratch, b, h, q_begin, seq_len_q, seq_len_kv, query, key, value, reference, row_class,
                       output, lse, row_state);
}

}  // namespace

FakeKernel::FakeKernel(bool has_fixed, int block_q) {
    attune_kernel_variant v{};
    v.target = "sse41";
    v.block_q = block_q;
    v.exact = exact;
    if (has_fixed) {
        v.key_bound = key_bound;
        v.row_reference = row_reference;
        v.fixed = fixed;
    }
    v.scratch_bytes = 100;
    v.scratch_bytes_per_key = 5;
    v.scratch_key_block = 8;
    variants = {v};
    kernel.abi = ATTUNE_KERNEL_ABI;
    kernel.type_code = 2;
    kernel.type_bits = 32;
    kernel.info = {"fake", "attune_fake_f32_d4", "f32", "true", fake_head_dim, fake_head_dim_v, 0, 1, fake_scale, "{}"};
    script = &own_script;
    refresh();
}

FakeKernel::~FakeKernel() {
    script = nullptr;
    current_variant = nullptr;
}

void FakeKernel::refresh() {
    kernel.variants = variants.data();
    kernel.num_variants = uint32_t(variants.size());
    kernel.chosen = nullptr;
    current_variant = variants.data();
}
