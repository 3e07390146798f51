#include "fake_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <xmmintrin.h>

Script *script = nullptr;

namespace {

const attune_kernel *current_kernel = nullptr;
const attune_kernel_variant *current_variant = nullptr;

float *f32(const attune_buffer *b) {
    return reinterpret_cast<float *>(b->host);
}
int32_t *i32(const attune_buffer *b) {
    return reinterpret_cast<int32_t *>(b->host);
}
float *row(const attune_buffer *b, int64_t i) {
    return f32(b) + i * b->dim[1].stride;
}
/// Row r of (elements, fold, positions).
float *folded_row(const attune_buffer *b, int64_t r) {
    const int fold = current_variant->fold;
    return f32(b) + r % fold * b->dim[1].stride + r / fold * b->dim[2].stride;
}

void expect(bool holds, const char *what, const char *how = "") {
    if (holds)
        return;
    std::lock_guard lock(script->mutex);
    if (script->problems.size() < 10)
        script->problems.push_back(std::string(what) + how);
}

int planned_failure(const char *function) {
    auto found = script->fail.find(function);
    return found == script->fail.end() ? 0 : found->second;
}

enum { type_int = 0, type_uint = 1, type_float = 2 };

void check_buffer(const attune_buffer *b, const std::vector<int> &extents, int type_code, int type_bits, const char *what) {
    bool good = b->dimensions == int(extents.size()) && b->type_code == type_code && b->type_bits == type_bits && b->type_lanes == 1 &&
                b->device == 0 && !b->device_interface && b->flags == 0;
    for (int d = 0; good && d < b->dimensions; d++)
        good = b->dim[d].min == 0 && b->dim[d].extent == extents[d] && (d > 0 || b->dim[d].stride == 1);
    expect(good, what);
}
/// An array or a matrix of the runtime's own.
void check_array(const attune_buffer *b, const std::vector<int> &extents, int type_code, int type_bits, const char *what) {
    check_buffer(b, extents, type_code, type_bits, what);
    expect(reinterpret_cast<uintptr_t>(b->host) % 64 == 0, what, " is not aligned");
    if (b->dimensions == 2)
        expect(b->dim[1].stride == extents[0], what, " has gaps");
}

/// Denormals flushed, round to nearest, exceptions masked.
void check_mode() {
    expect((_mm_getcsr() & ~0x3Fu) == (0x8040u | 0x1F80u), "mxcsr");
}

/// The arguments that all functions of a block start with, and where the others are.
struct Block {
    attune_scratch *scratch;
    int b, h, kv_head, q_begin, seq_len_q, seq_len_kv, num_positions;
    void **params;
    attune_buffer **others;

    explicit Block(void **arguments) {
        scratch = *static_cast<attune_scratch **>(arguments[0]);
        int *const scalars[] = {&b, &h, &kv_head, &q_begin, &seq_len_q, &seq_len_kv, &num_positions};
        for (int i = 0; i < 7; i++)
            *scalars[i] = *static_cast<int32_t *>(arguments[1 + i]);
        params = arguments + 8;
        others = reinterpret_cast<attune_buffer **>(params + current_kernel->num_params);
        expect(scratch->used == 0, "scratch is not empty");
        expect(num_positions >= 1 && num_positions <= current_variant->block_q && q_begin >= 0 && q_begin + num_positions <= seq_len_q,
               "positions");
        expect(seq_len_kv >= 1 && h % current_variant->fold == 0, "block");
    }
    int rows() const { return num_positions * current_variant->fold; }
    int head(int r) const { return h + r % current_variant->fold; }
    int position(int r) const { return q_begin + r / current_variant->fold; }
    bool visible(int r, int kv) const { return !script->visible || script->visible({b, head(r), position(r), kv, seq_len_q, seq_len_kv}); }
};

/// Uses up the scratch that the variant asked for, to show that it is there, and that it ends there.
void use_scratch(const Block &block) {
    const attune_kernel_variant &v = *current_variant;
    const size_t bytes = v.scratch_bytes + v.scratch_bytes_per_key * ((block.seq_len_kv + v.block_kv - 1) / v.block_kv * v.block_kv);
    const size_t block_bytes = bytes - 64;  // attune_malloc takes a line for itself
    auto *memory = static_cast<uint8_t *>(attune_malloc(block.scratch, block_bytes));
    expect(memory && reinterpret_cast<uintptr_t>(memory) % 64 == 0, "scratch");
    if (memory)
        std::fill_n(memory, block_bytes, uint8_t(1));
}

/// A visit list as vectors, its invariants checked.
Visits read_visits(const attune_buffer *b, bool is_full, const Block &block) {
    const attune_kernel_variant &v = *current_variant;
    const char *name = is_full ? "full: " : "partial: ";
    check_array(b, {1 + v.strips, b->dim[1].extent}, type_int, 32, name);
    Visits visits;
    const int tiles = v.block_kv / v.tile_kv;
    for (int i = 0; i < b->dim[1].extent; i++) {
        const int32_t *entry = i32(b) + i * b->dim[1].stride;
        visits.emplace_back(entry, entry + 1 + v.strips);
        const int chunk = entry[0], first_key = chunk * v.block_kv;
        expect(chunk >= 0 && first_key < block.seq_len_kv, name, "chunk outside the sequence");
        expect(i == 0 || chunk > visits[i - 1][0], name, "chunks do not increase");
        expect(std::any_of(entry + 1, entry + 1 + v.strips, [](int32_t state) { return state != 0; }), name, "a chunk for no strip");
        for (int s = 0; s < v.strips; s++) {
            const int32_t state = entry[1 + s];
            if (state == 0)
                continue;
            if (is_full) {
                expect(state == 1 && first_key + v.block_kv <= block.seq_len_kv, name, "state");
            } else {
                const int first = state >> ATTUNE_VISIT_FIRST_SHIFT & 255, end = state >> ATTUNE_VISIT_END_SHIFT;
                expect((state & 255) == 1 || (state & 255) == (1 | ATTUNE_VISIT_UNMASKED), name, "flags");
                expect(first < end && end <= tiles, name, "tiles");
            }
            const bool is_promise = is_full || (state & ATTUNE_VISIT_UNMASKED);
            for (int r = s * v.strip_rows; is_promise && !script->has_lists && r < std::min(block.rows(), (s + 1) * v.strip_rows); r++)
                for (int kv = first_key; kv < std::min(first_key + v.block_kv, block.seq_len_kv); kv++)
                    expect(block.visible(r, kv), name, "a hidden pair");
        }
    }
    return visits;
}

/// Calls see(kv) for each key that the lists show to row r, as often as they do.
template <class See>
void walk_row(const Block &block, const Visits &full, const Visits &partial, int r, See see) {
    const attune_kernel_variant &v = *current_variant;
    const int strip = r / v.strip_rows;
    for (const auto &visit : full)
        for (int k = 0; visit[1 + strip] && k < v.block_kv; k++)
            see(visit[0] * v.block_kv + k);
    for (const auto &visit : partial) {
        const int32_t state = visit[1 + strip];
        if (!state)
            continue;
        const int first = (state >> ATTUNE_VISIT_FIRST_SHIFT & 255) * v.tile_kv, end = (state >> ATTUNE_VISIT_END_SHIFT) * v.tile_kv;
        for (int kv = visit[0] * v.block_kv + first; kv < std::min(visit[0] * v.block_kv + end, block.seq_len_kv); kv++)
            if ((state & ATTUNE_VISIT_UNMASKED) || block.visible(r, kv))
                see(kv);
    }
}

float norm_of(const float *key) {
    float norm = 0;
    for (int d = 0; d < fake_head_dim; d++)
        norm += key[d] * key[d];
    return norm;
}

int key_norms(void **arguments) {
    if (int code = planned_failure("key_norms"))
        return code;
    check_mode();
    auto *scratch = *static_cast<attune_scratch **>(arguments[0]);
    auto *key = static_cast<attune_buffer *>(arguments[1]), *norms = static_cast<attune_buffer *>(arguments[2]);
    const int keys = key->dim[1].extent;
    expect(scratch->used == 0 && keys >= 1 && keys <= 4096, "key_norms");
    check_buffer(key, {fake_head_dim, keys}, type_float, 32, "key_norms key");
    check_array(norms, {keys}, type_float, 32, "key_norms norms");
    for (int kv = 0; kv < keys; kv++)
        f32(norms)[kv] = norm_of(row(key, kv));
    std::lock_guard lock(script->mutex);
    script->key_norm_calls++;
    return 0;
}

int key_ranges(void **arguments) {
    if (int code = planned_failure("key_ranges"))
        return code;
    const Block block(arguments);
    attune_buffer *ranges = block.others[0];
    check_array(ranges, {2 * current_variant->num_ranges}, type_int, 32, "ranges");
    std::vector<std::pair<int, int>> found = {{0, block.seq_len_kv - 1}};
    if (script->ranges)
        found = script->ranges({block.b, block.h, block.q_begin, block.num_positions, block.seq_len_q, block.seq_len_kv});
    found.resize(current_variant->num_ranges, {0, -1});
    for (size_t i = 0; i < found.size(); i++) {
        i32(ranges)[2 * i] = found[i].first;
        i32(ranges)[2 * i + 1] = found[i].second;
    }
    return 0;
}

int block_states(void **arguments) {
    if (int code = planned_failure("block_states"))
        return code;
    check_mode();
    const Block block(arguments);
    const int strip_rows = *reinterpret_cast<int32_t *>(block.others[0]), block_keys = *reinterpret_cast<int32_t *>(block.others[1]);
    attune_buffer *first_keys = block.others[2], *states = block.others[3];
    const int n = first_keys->dim[0].extent, strips = states->dim[1].extent;
    check_array(first_keys, {n}, type_int, 32, "first_keys");
    check_array(states, {n, strips}, type_uint, 8, "states");
    expect(n >= 1 && strips >= 1 && strip_rows * strips >= block.rows(), "block_states");
    for (int i = 0; i < n; i++)
        for (int s = 0; s < strips; s++) {
            const int first_key = i32(first_keys)[i];
            expect(first_key >= 0 && first_key % fake_tile_kv == 0, "first key");
            bool some = false, all = first_key + block_keys <= block.seq_len_kv;
            for (int r = s * strip_rows; r < std::min(block.rows(), (s + 1) * strip_rows); r++)
                for (int kv = first_key; kv < std::min(first_key + block_keys, block.seq_len_kv); kv++)
                    if (block.visible(r, kv))
                        some = true;
                    else
                        all = false;
            const bool is_partial = script->coarse || (some && !all);
            states->host[s * n + i] = is_partial ? ATTUNE_BLOCK_PARTIAL : some ? ATTUNE_BLOCK_FULL : ATTUNE_BLOCK_EMPTY;
        }
    std::lock_guard lock(script->mutex);
    script->states_asked.emplace_back(strips, block_keys, n);
    return 0;
}

float reference_of(const Block &block, int r) {
    return float(100 * block.head(r) + block.position(r));
}

int row_reference(void **arguments) {
    if (int code = planned_failure("row_reference"))
        return code;
    check_mode();
    const Block block(arguments);
    const auto [full_list, partial_list, query, key, norms, reference, row_class] =
        std::tie(block.others[0], block.others[1], block.others[2], block.others[3], block.others[4], block.others[5], block.others[6]);
    const Visits full = read_visits(full_list, true, block), partial = read_visits(partial_list, false, block);
    check_buffer(query, {fake_head_dim, current_variant->fold, block.num_positions}, type_float, 32, "row_reference query");
    check_buffer(key, {fake_head_dim, block.seq_len_kv}, type_float, 32, "row_reference key");
    check_array(norms, {block.seq_len_kv}, type_float, 32, "row_reference norms");
    check_array(reference, {block.rows()}, type_float, 32, "row_reference reference");
    check_array(row_class, {block.rows()}, type_int, 32, "row_reference row_class");
    for (int kv = 0; kv < block.seq_len_kv; kv++)
        expect(f32(norms)[kv] == norm_of(row(key, kv)), "key norms of another sequence or head");
    for (int r = 0; r < block.rows(); r++) {
        f32(reference)[r] = reference_of(block, r);
        i32(row_class)[r] = script->row_class ? script->row_class(block.b, block.head(r), block.position(r)) : ATTUNE_ROW_FIXED;
        std::vector<int> times(block.seq_len_kv);
        walk_row(block, full, partial, r, [&](int kv) { times[kv]++; });
        for (int kv = 0; !script->has_lists && kv < block.seq_len_kv; kv++)
            expect(times[kv] == (block.visible(r, kv) ? 1 : 0), "row_reference: visits are not what the mask shows");
    }
    return 0;
}

double logit_of(const float *query, const float *key) {
    double logit = 0;
    for (int d = 0; d < fake_head_dim; d++)
        logit += double(query[d]) * key[d];
    return fake_scale * logit;
}

int attend_rows(const char *name, int32_t wanted_class, void **arguments) {
    if (int code = planned_failure(name))
        return code;
    check_mode();
    const Block block(arguments);
    const int rows = block.rows(), fold = current_variant->fold;
    const auto [full_list, partial_list, query, key, value, reference, row_class, output, lse, row_state] =
        std::tie(block.others[0], block.others[1], block.others[2], block.others[3], block.others[4], block.others[5], block.others[6],
                 block.others[7], block.others[8], block.others[9]);
    check_buffer(query, {fake_head_dim, fold, block.num_positions}, type_float, 32, "query");
    check_buffer(key, {fake_head_dim, block.seq_len_kv}, type_float, 32, "key");
    check_buffer(value, {fake_head_dim_v, block.seq_len_kv}, type_float, 32, "value");
    check_buffer(output, {fake_head_dim_v, fold, block.num_positions}, type_float, 32, "output");
    check_array(reference, {rows}, type_float, 32, "reference");
    check_array(row_class, {rows}, type_int, 32, "row_class");
    check_array(row_state, {rows}, type_int, 32, "row_state");
    check_array(lse, {rows}, type_float, 32, "lse");
    expect(row_class->host != row_state->host, "row_class and row_state are the same");
    const Visits full = read_visits(full_list, true, block), partial = read_visits(partial_list, false, block);
    const bool is_fixed = wanted_class == ATTUNE_ROW_FIXED;
    expect(is_fixed || current_variant->exact_splits || full.empty(), "exact has full visits");
    use_scratch(block);
    for (int r = 0; r < rows; r++) {
        const int h = block.head(r), q = block.position(r);
        if (current_variant->fixed)
            expect(f32(reference)[r] == reference_of(block, r), "reference");
        i32(row_state)[r] = i32(row_class)[r];
        if (i32(row_class)[r] != wanted_class)
            continue;
        if (is_fixed && script->guard_holds && !script->guard_holds(block.b, h, q)) {
            i32(row_state)[r] = ATTUNE_ROW_ONLINE;
            continue;
        }
        // The equation, over the keys that the lists show.
        double sum = 0, acc[fake_head_dim_v] = {};
        walk_row(block, full, partial, r, [&](int kv) {
            const double weight = std::exp(logit_of(folded_row(query, r), row(key, kv)));
            sum += weight;
            for (int d = 0; d < fake_head_dim_v; d++)
                acc[d] += weight * row(value, kv)[d];
        });
        for (int d = 0; d < fake_head_dim_v; d++)
            folded_row(output, r)[d] = sum > 0 ? float(acc[d] / sum) : 0.f;
        f32(lse)[r] = sum > 0 ? float(std::log(sum)) : -INFINITY;
        std::lock_guard lock(script->mutex);
        script->stored[{block.b, h, q}] += name;
    }
    std::lock_guard lock(script->mutex);
    script->blocks.emplace_back(block.b, block.h, block.q_begin);
    script->kv_head_of[block.h] = block.kv_head;
    script->visits[{block.b, block.h, block.q_begin}] = {full, partial};
    return 0;
}

int fixed(void **arguments) {
    return attend_rows("fixed", ATTUNE_ROW_FIXED, arguments);
}

int exact(void **arguments) {
    if (script->in_exact)
        script->in_exact();
    if (script->see_params)
        script->see_params(Block(arguments).params);
    {
        std::lock_guard lock(script->mutex);
        script->exact_calls++;
    }
    return attend_rows("exact", ATTUNE_ROW_ONLINE, arguments);
}

/// The weights of all pairs, 0 where hidden.
int pairs(void **arguments) {
    if (int code = planned_failure("pairs"))
        return code;
    check_mode();
    const Block block(arguments);
    const auto [query, key, lse, pairs] = std::tie(block.others[0], block.others[1], block.others[2], block.others[3]);
    check_buffer(query, {fake_head_dim, current_variant->fold, block.num_positions}, type_float, 32, "pairs query");
    check_buffer(key, {fake_head_dim, block.seq_len_kv}, type_float, 32, "pairs key");
    check_array(lse, {block.rows()}, type_float, 32, "pairs lse");
    check_buffer(pairs, {block.seq_len_kv, current_variant->fold, block.num_positions}, type_float, 32, "pairs");
    for (int r = 0; r < block.rows(); r++)
        for (int kv = 0; kv < block.seq_len_kv; kv++) {
            const double weight = std::exp(logit_of(folded_row(query, r), row(key, kv)) - f32(lse)[r]);
            folded_row(pairs, r)[kv] = block.visible(r, kv) ? float(weight) : 0.f;
        }
    std::lock_guard lock(script->mutex);
    script->pairs_calls++;
    return 0;
}

}  // namespace

FakeKernel::FakeKernel(const FakeOptions &o) {
    attune_kernel_variant v{};
    v.target = "sse41";
    v.block_q = o.block_q;
    v.fold = o.fold;
    v.strips = o.strips;
    // One row more than needed where there are several strips, so that the last is cut or empty.
    v.strip_rows = o.strips == 1 ? o.block_q * o.fold : o.block_q * o.fold / o.strips + 1;
    v.block_kv = fake_block_kv;
    v.tile_kv = fake_tile_kv;
    v.exact_splits = o.exact_splits;
    v.exact = exact;
    if (o.has_fixed) {
        v.key_norms = key_norms;
        v.row_reference = row_reference;
        v.fixed = fixed;
    }
    if (o.has_mask)
        v.block_states = block_states;
    if (o.num_ranges > 0) {
        v.key_ranges = key_ranges;
        v.num_ranges = o.num_ranges;
    }
    if (o.has_pairs)
        v.pairs = pairs;
    v.scratch_bytes = 100;
    v.scratch_bytes_per_key = 5;
    variants = {v};
    kernel.abi = ATTUNE_KERNEL_ABI;
    kernel.type_code = type_float;
    kernel.type_bits = 32;
    kernel.cache.type_code = type_float;
    kernel.cache.type_bits = 32;
    kernel.cache.key_elements = fake_head_dim;
    kernel.cache.value_elements = fake_head_dim_v;
    kernel.info = {.name = "fake",
                   .id = "attune_fake_f32_d4",
                   .dtype = "f32",
                   .mask = "true",
                   .head_dim = fake_head_dim,
                   .head_dim_v = fake_head_dim_v,
                   .group = o.fold > 1 ? o.fold : 0,
                   .has_lse = 1,
                   .softmax_scale = fake_scale,
                   .score = "s",
                   .pairs = o.has_pairs ? "weights" : "",
                   .metadata = "{}"};
    kernel.block_size_q = o.block_size_q;
    kernel.block_size_kv = o.block_size_kv;
    if (o.block_size_kv > 0)
        kernel.params_size = sizeof(attune_block_mask);
    script = &own_script;
    script->has_lists = o.block_size_kv > 0;
    refresh();
}

FakeKernel::~FakeKernel() {
    script = nullptr;
    current_kernel = nullptr;
    current_variant = nullptr;
}

void FakeKernel::refresh() {
    kernel.variants = variants.data();
    kernel.num_variants = uint32_t(variants.size());
    kernel.params = params.data();
    kernel.num_params = uint32_t(params.size());
    kernel.chosen = nullptr;
    current_kernel = &kernel;
    current_variant = variants.data();
}
