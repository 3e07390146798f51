/// Every error of a cache, in attention and in append: its code, that its line names argument, value and cure, and that nothing is written.
#include "problem.h"

#include <gtest/gtest.h>

namespace {

int append_calls;
int append(void **) {
    return append_calls++, 0;
}

/// A fake kernel with a cache, and both calls on the same one: i8 with zero points in pages of 2 keys, of which each of two sequences has 4.
struct Calls {
    enum { page_size = 2, num_pages = 9, pages_per_sequence = 4, num_new = 3 };
    static constexpr int8_t byte_untouched = 77;
    static constexpr float untouched = -7777;

    FakeKernel fake;
    Problem p;
    std::vector<int8_t> key, value;
    std::vector<float> key_scale, value_scale, key_zero, value_zero, new_key, new_value;
    std::vector<int32_t> page_table = {3, 1, 4, 8, 5, 2, 6, 7}, lengths_kv = {7, 3}, lengths_before = {4, 0}, lengths_new = {3, 2}, positions = std::vector<int32_t>(20, 5);
    double frequency = 1;
    attune_kv_cache cache{};
    attune_append_args a{};

    Calls() {
        append_calls = 0;
        fake.variants[0].append = append;
        attune_cache_format &f = fake.kernel.cache;
        f.layout = ATTUNE_LAYOUT_PAGED;
        f.page_size = page_size;
        f.type_code = 0;
        f.type_bits = 8;
        f.key_scales = f.value_scales = 1;
        f.has_zero_points = 1;
        fake.refresh();
        p.build();

        const int64_t heads = p.kv_heads, slots = num_pages * heads * page_size;
        key.assign(slots * fake_head_dim, byte_untouched);
        value.assign(slots * fake_head_dim_v, byte_untouched);
        for (std::vector<float> *floats : {&key_scale, &value_scale, &key_zero, &value_zero})
            floats->assign(slots, untouched);
        cache.size = sizeof cache;
        cache.page_table = page_table.data();
        cache.stride_page_table = pages_per_sequence;
        cache.num_pages = num_pages;
        cache.key_scale = key_scale.data();
        cache.value_scale = value_scale.data();
        cache.key_zero = key_zero.data();
        cache.value_zero = value_zero.data();
        const auto dense = [&](int64_t *stride, int64_t rows, int64_t dim) { stride[2] = dim, stride[1] = rows * dim, stride[0] = heads * rows * dim; };
        for (int64_t *stride : {cache.stride_key_scale, cache.stride_value_scale})
            dense(stride, page_size, 1);

        a.size = sizeof a;
        a.version = ATTUNE_APPEND_ARGS_VERSION;
        a.batch = p.batch;
        a.num_kv_heads = heads;
        a.num_new = num_new;
        a.seq_len_kv = p.args.seq_len_kv = 7;
        a.lengths_kv = lengths_before.data();
        a.lengths_new = lengths_new.data();
        p.args.lengths_kv = lengths_kv.data();
        new_key.assign(p.batch * heads * num_new * fake_head_dim, 1);
        new_value.assign(p.batch * heads * num_new * fake_head_dim_v, 1);
        a.new_key = new_key.data();
        a.new_value = new_value.data();
        dense(a.stride_new_key, num_new, fake_head_dim);
        dense(a.stride_new_value, num_new, fake_head_dim_v);
        p.args.key = a.key = key.data();
        p.args.value = a.value = value.data();
        for (int64_t *stride : {p.args.stride_key, a.stride_key})
            dense(stride, page_size, fake_head_dim);
        for (int64_t *stride : {p.args.stride_value, a.stride_value})
            dense(stride, page_size, fake_head_dim_v);
        p.args.cache = a.cache = &cache;
        a.exec = &p.exec;
    }

    /// A cache of another layout: bytes enough for all of them.
    void lie(uint8_t layout, int32_t page = 0) {
        fake.kernel.cache.layout = layout;
        fake.kernel.cache.page_size = page;
        cache.page_table = nullptr;
        const int64_t rows = 7;
        for (int64_t *stride : {p.args.stride_key, a.stride_key})
            stride[0] = 60, stride[1] = rows * fake_head_dim;
        for (int64_t *stride : {p.args.stride_value, a.stride_value})
            stride[0] = 50, stride[1] = rows * fake_head_dim_v;
        for (int64_t *stride : {cache.stride_key_scale, cache.stride_value_scale})
            stride[0] = 2 * rows, stride[1] = rows;
    }
    /// Of the query's type, without scales.
    void be_plain() {
        attune_cache_format &f = fake.kernel.cache;
        f.type_code = 2;
        f.type_bits = 32;
        f.key_scales = f.value_scales = f.has_zero_points = 0;
        cache.key_scale = cache.value_scale = cache.key_zero = cache.value_zero = nullptr;
        key.assign(4 * key.size(), byte_untouched);
        value.assign(4 * value.size(), byte_untouched);
        p.args.key = a.key = key.data();
        p.args.value = a.value = value.data();
    }
    void turn() { fake.kernel.rope = {&frequency, 1, 0}; }
    void set(int32_t lengths_q0, int32_t lengths_kv0) { lengths_new[0] = lengths_q0, lengths_before[0] = lengths_kv0; }

    Calls(const Calls &) = delete;
    void expect_untouched() const {
        p.expect_untouched();
        EXPECT_EQ(append_calls, 0);
        EXPECT_EQ(script->blocks.size(), 0u);
        EXPECT_EQ(key, std::vector<int8_t>(key.size(), byte_untouched));
        EXPECT_EQ(value, std::vector<int8_t>(value.size(), byte_untouched));
        for (const std::vector<float> *floats : {&key_scale, &value_scale, &key_zero, &value_zero})
            EXPECT_EQ(*floats, std::vector<float>(floats->size(), untouched));
    }
};

enum Which { ATTENTION = 1, APPEND = 2, BOTH = 3 };
struct ErrorCase {
    const char *name;
    Which which;
    attune_status status;
    std::vector<const char *> pieces;  ///< of the message
    std::function<void(Calls &)> spoil;
};
class CacheErrors : public testing::TestWithParam<ErrorCase> {};

void expect_message(const ErrorCase &c) {
    const std::string message = attune_last_error();
    EXPECT_EQ(message.rfind("attune: ", 0), 0u) << message;
    for (const char *piece : c.pieces)
        EXPECT_NE(message.find(piece), std::string::npos) << message << "\n  lacks: " << piece;
}

TEST_P(CacheErrors, NameArgumentValueAndCure) {
    const ErrorCase &c = GetParam();
    if (c.which & ATTENTION) {
        Calls calls;
        calls.p.give_workspace(&calls.fake.kernel);
        c.spoil(calls);
        EXPECT_EQ(attune_kernel_run(&calls.fake.kernel, &calls.p.args), c.status);
        expect_message(c);
        calls.expect_untouched();
    }
    if (c.which & APPEND) {
        Calls calls;
        c.spoil(calls);
        EXPECT_EQ(attune_kernel_append(&calls.fake.kernel, &calls.a), c.status);
        expect_message(c);
        calls.expect_untouched();
    }
}

#define SPOIL(...) [](Calls &c) { __VA_ARGS__; }
#define OF_BOTH(member) c.a.member = c.p.args.member
const int64_t big = int64_t{1} << 31;
const int32_t cu_q[] = {0, 2, 6}, cu_kv[] = {0, 3, 7};

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, CacheErrors,
    testing::Values(
        // The struct.
        ErrorCase{"cache_null", BOTH, ATTUNE_NULL_POINTER, {"cache is null but kernel fake needs its scales", "attune_kv_cache"}, SPOIL(OF_BOTH(cache) = nullptr)},
        ErrorCase{"cache_null_of_pages", BOTH, ATTUNE_NULL_POINTER, {"cache is null but kernel fake needs its pages"}, SPOIL(c.be_plain(), OF_BOTH(cache) = nullptr)},
        ErrorCase{"cache_unwanted", BOTH, ATTUNE_INVALID_ARGUMENT, {"cache is given but kernel fake has neither pages nor scales", "pass null"}, SPOIL(c.lie(ATTUNE_LAYOUT_CONTIGUOUS), c.be_plain())},
        ErrorCase{"cache_unwanted_of_a_ring", BOTH, ATTUNE_INVALID_ARGUMENT, {"cache is given but kernel fake has neither"}, SPOIL(c.lie(ATTUNE_LAYOUT_RING), c.be_plain())},
        ErrorCase{"cache_size", BOTH, ATTUNE_STRUCT_SIZE, {"cache.size is 8", "must be sizeof(attune_kv_cache)", "header"}, SPOIL(c.cache.size = 8)},
        // Pages.
        ErrorCase{"page_negative", BOTH, ATTUNE_INDEX_RANGE, {"cache.page_table[1] of sequence 0 is -1 but must be within 0 .. 8", "allocate"}, SPOIL(c.page_table[1] = -1, c.set(3, 3))},
        ErrorCase{"page_too_large", BOTH, ATTUNE_INDEX_RANGE, {"cache.page_table[1] of sequence 1 is 9 but must be within 0 .. 8"}, SPOIL(c.page_table[5] = 9, c.lengths_new[1] = 3)},
        ErrorCase{"no_page_in_the_pool", BOTH, ATTUNE_INDEX_RANGE, {"cache.page_table[", "must be within 0 .. -1"}, SPOIL(c.cache.num_pages = 0)},
        ErrorCase{"page_table_null", BOTH, ATTUNE_NULL_POINTER, {"cache.page_table is null but sequence 0 has 4 pages of 2 keys"}, SPOIL(c.cache.page_table = nullptr)},
        ErrorCase{"page_table_misaligned", BOTH, ATTUNE_MISALIGNED, {"cache.page_table is at", "4 bytes"}, SPOIL(c.cache.page_table = (const int32_t *)((const char *)c.page_table.data() + 2))},
        ErrorCase{"page_table_stride", BOTH, ATTUNE_INVALID_ARGUMENT, {"cache.stride_page_table is -4 but must not be negative"}, SPOIL(c.cache.stride_page_table = -4)},
        ErrorCase{"num_pages_negative", BOTH, ATTUNE_INVALID_ARGUMENT, {"cache.num_pages is -1 but must be within 0 .. 2147483647"}, SPOIL(c.cache.num_pages = -1)},
        ErrorCase{"num_pages_too_many", BOTH, ATTUNE_INVALID_ARGUMENT, {"cache.num_pages is 2147483648"}, SPOIL(c.cache.num_pages = big)},
        ErrorCase{"cu_seqlens_of_pages", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"cu_seqlens is given but kernel fake keeps its keys in pages", "pass lengths_q and lengths_kv"},
                  SPOIL(c.p.args.lengths_kv = nullptr, c.p.args.cu_seqlens_q = cu_q, c.p.args.cu_seqlens_kv = cu_kv)},
        // Rings.
        ErrorCase{"cu_seqlens_of_a_ring", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"cu_seqlens is given but kernel fake keeps its keys in rings"},
                  SPOIL(c.lie(ATTUNE_LAYOUT_RING), c.p.args.lengths_kv = nullptr, c.p.args.cu_seqlens_q = cu_q, c.p.args.cu_seqlens_kv = cu_kv)},
        ErrorCase{"ring_without_slots", BOTH, ATTUNE_INVALID_ARGUMENT, {"seq_len_kv is 0 but must be at least 1"}, SPOIL(c.lie(ATTUNE_LAYOUT_RING), OF_BOTH(seq_len_kv) = 0)},
        ErrorCase{"ring_length", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"lengths_kv[0] is 268435457 but must be within 0 .. 268435456", "the longest sequence"}, SPOIL(c.lie(ATTUNE_LAYOUT_RING), c.lengths_kv[0] = (1 << 28) + 1)},
        ErrorCase{"ring_length_after_append", APPEND, ATTUNE_INVALID_ARGUMENT, {"sequence 0 has 268435456 keys and 1 new ones but its cache holds 268435456, which is the longest sequence"}, SPOIL(c.lie(ATTUNE_LAYOUT_RING), c.set(1, 1 << 28))},
        // Lengths.
        ErrorCase{"length", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"lengths_kv[1] is 8 but must be within 0 .. 7, which is seq_len_kv"}, SPOIL(c.lengths_kv[1] = 8)},
        ErrorCase{"length_negative", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"lengths_kv[0] is -1"}, SPOIL(c.lengths_kv[0] = -1)},
        ErrorCase{"length_after_append", APPEND, ATTUNE_INVALID_ARGUMENT, {"sequence 0 has 5 keys and 3 new ones but its cache holds 7, which is seq_len_kv", "longer cache"}, SPOIL(c.lengths_before[0] = 5)},
        ErrorCase{"length_after_all_rows", APPEND, ATTUNE_INVALID_ARGUMENT, {"sequence 1 has 5 keys and 3 new ones"}, SPOIL(c.a.lengths_new = nullptr, c.lengths_before[1] = 5)},
        ErrorCase{"length_before_negative", APPEND, ATTUNE_INVALID_ARGUMENT, {"lengths_kv[1] is -2 but must be at least 0"}, SPOIL(c.lengths_before[1] = -2)},
        ErrorCase{"length_new_negative", APPEND, ATTUNE_INVALID_ARGUMENT, {"lengths_new[0] is -1 but must be within 0 .. 3, which is num_new"}, SPOIL(c.lengths_new[0] = -1)},
        ErrorCase{"length_new_too_long", APPEND, ATTUNE_INVALID_ARGUMENT, {"lengths_new[1] is 4 but must be within 0 .. 3"}, SPOIL(c.lengths_new[1] = 4)},
        // Scales and zero points.
        ErrorCase{"key_scale_null", BOTH, ATTUNE_NULL_POINTER, {"key_scale is null"}, SPOIL(c.cache.key_scale = nullptr)},
        ErrorCase{"value_scale_null", BOTH, ATTUNE_NULL_POINTER, {"value_scale is null"}, SPOIL(c.cache.value_scale = nullptr)},
        ErrorCase{"key_zero_null", BOTH, ATTUNE_NULL_POINTER, {"key_zero is null"}, SPOIL(c.cache.key_zero = nullptr)},
        ErrorCase{"value_zero_null", BOTH, ATTUNE_NULL_POINTER, {"value_zero is null"}, SPOIL(c.cache.value_zero = nullptr)},
        ErrorCase{"key_scale_misaligned", BOTH, ATTUNE_MISALIGNED, {"key_scale is at", "4 bytes"}, SPOIL(c.cache.key_scale = (float *)((char *)c.key_scale.data() + 2))},
        ErrorCase{"key_scale_stride", BOTH, ATTUNE_INVALID_ARGUMENT, {"stride_key_scale[1] (head) is -2", "not be negative"}, SPOIL(c.cache.stride_key_scale[1] = -2)},
        ErrorCase{"value_scale_span", BOTH, ATTUNE_INDEX_RANGE, {"value_scale spans", "2147483647"}, SPOIL(c.cache.stride_value_scale[0] = big)},
        ErrorCase{"output_in_key_scale", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"output overlaps key_scale", "memory of its own"}, SPOIL(c.cache.key_scale = (float *)c.p.args.output + 3)},
        ErrorCase{"lse_in_value_zero", ATTENTION, ATTUNE_INVALID_ARGUMENT, {"lse overlaps value_zero"}, SPOIL(c.cache.value_zero = c.p.args.lse)},
        // Rope.
        ErrorCase{"positions_unwanted", BOTH, ATTUNE_INVALID_ARGUMENT, {"positions is given but kernel fake has no rope; pass null"}, SPOIL(OF_BOTH(positions) = c.positions.data())},
        ErrorCase{"positions_stride", BOTH, ATTUNE_INVALID_ARGUMENT, {"stride_positions is -1 but must not be negative"}, SPOIL(c.turn(), OF_BOTH(positions) = c.positions.data(), OF_BOTH(stride_positions) = -1)},
        ErrorCase{"positions_misaligned", BOTH, ATTUNE_MISALIGNED, {"positions is at", "4 bytes"}, SPOIL(c.turn(), OF_BOTH(positions) = (const int32_t *)((const char *)c.positions.data() + 1))},
        // Append's own.
        ErrorCase{"append_of_prefill", APPEND, ATTUNE_INVALID_ARGUMENT, {"kernel fake has no cache", "phases decode"}, SPOIL(c.fake.variants[0].append = nullptr)},
        ErrorCase{"kernel_abi", APPEND, ATTUNE_STRUCT_SIZE, {"kernel abi is 77"}, SPOIL(c.fake.kernel.abi = 77)},
        ErrorCase{"args_size", APPEND, ATTUNE_STRUCT_SIZE, {"args.size is 8", "must be sizeof(attune_append_args)", "header"}, SPOIL(c.a.size = 8)},
        ErrorCase{"args_version", APPEND, ATTUNE_STRUCT_SIZE, {"args.version is 9", "ATTUNE_APPEND_ARGS_VERSION, here 1"}, SPOIL(c.a.version = 9)},
        ErrorCase{"exec_size", APPEND, ATTUNE_STRUCT_SIZE, {"exec.size is 0", "sizeof(attune_exec)"}, SPOIL(c.p.exec.size = 0)},
        ErrorCase{"exec_threads", APPEND, ATTUNE_INVALID_ARGUMENT, {"exec.num_threads is -2"}, SPOIL(c.p.exec.num_threads = -2)},
        ErrorCase{"batch", APPEND, ATTUNE_INVALID_ARGUMENT, {"batch is -1 but must be at least 0"}, SPOIL(c.a.batch = -1)},
        ErrorCase{"heads", APPEND, ATTUNE_INVALID_ARGUMENT, {"num_kv_heads is 0 but must be at least 1"}, SPOIL(c.a.num_kv_heads = 0)},
        ErrorCase{"rows", APPEND, ATTUNE_INVALID_ARGUMENT, {"num_new is -3"}, SPOIL(c.a.num_new = -3)},
        ErrorCase{"slots", APPEND, ATTUNE_INVALID_ARGUMENT, {"seq_len_kv is -7"}, SPOIL(c.a.seq_len_kv = -7)},
        ErrorCase{"batch_range", APPEND, ATTUNE_INDEX_RANGE, {"batch is 2147483648", "split"}, SPOIL(c.a.batch = big)},
        ErrorCase{"rows_range", APPEND, ATTUNE_INDEX_RANGE, {"num_new is 268435457 but must be at most 268435456"}, SPOIL(c.a.num_new = (1 << 28) + 1)},
        ErrorCase{"new_key_null", APPEND, ATTUNE_NULL_POINTER, {"new_key is null but has 3 rows of each head"}, SPOIL(c.a.new_key = nullptr)},
        ErrorCase{"new_value_null", APPEND, ATTUNE_NULL_POINTER, {"new_value is null"}, SPOIL(c.a.new_value = nullptr)},
        ErrorCase{"key_null", APPEND, ATTUNE_NULL_POINTER, {"key is null"}, SPOIL(c.a.key = nullptr)},
        ErrorCase{"value_null", APPEND, ATTUNE_NULL_POINTER, {"value is null"}, SPOIL(c.a.value = nullptr)},
        ErrorCase{"new_key_misaligned", APPEND, ATTUNE_MISALIGNED, {"new_key is at", "4 bytes"}, SPOIL(c.a.new_key = (const char *)c.a.new_key + 2)},
        ErrorCase{"new_key_stride", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_new_key[2] (sequence) is -4", "not be negative"}, SPOIL(c.a.stride_new_key[2] = -4)},
        ErrorCase{"new_value_stride", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_new_value[0] (batch) is -1"}, SPOIL(c.a.stride_new_value[0] = -1)},
        ErrorCase{"key_stride", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_key[1] (head) is -8"}, SPOIL(c.a.stride_key[1] = -8)},
        ErrorCase{"value_stride", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_value[2] (sequence) is -3"}, SPOIL(c.a.stride_value[2] = -3)},
        ErrorCase{"key_broadcast", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_key[1] (head) is 0 but must be at least", "rows of key overlap"}, SPOIL(c.a.stride_key[1] = 0)},
        ErrorCase{"key_scale_broadcast", APPEND, ATTUNE_INVALID_ARGUMENT, {"stride_key_scale[2] (sequence) is 0 but must be at least 1", "rows of key_scale overlap"}, SPOIL(c.cache.stride_key_scale[2] = 0)},
        ErrorCase{"new_key_span", APPEND, ATTUNE_INDEX_RANGE, {"new_key spans"}, SPOIL(c.a.stride_new_key[0] = big)},
        ErrorCase{"key_span", APPEND, ATTUNE_INDEX_RANGE, {"key spans"}, SPOIL(c.a.stride_key[0] = big)},
        ErrorCase{"key_is_new_key", APPEND, ATTUNE_INVALID_ARGUMENT, {"key overlaps new_key", "memory of its own"}, SPOIL(c.a.new_key = c.key_scale.data(), c.a.key = c.key_scale.data())},
        ErrorCase{"value_is_key", APPEND, ATTUNE_INVALID_ARGUMENT, {"value overlaps key"}, SPOIL(c.a.value = c.key.data() + 10)},
        ErrorCase{"scales_in_new_value", APPEND, ATTUNE_INVALID_ARGUMENT, {"value_scale overlaps new_value"}, SPOIL(c.a.new_value = c.value_scale.data())},
        ErrorCase{"zeros_are_scales", APPEND, ATTUNE_INVALID_ARGUMENT, {"key_zero overlaps key_scale"}, SPOIL(c.cache.key_zero = c.cache.key_scale)}),
    [](const auto &info) { return info.param.name; });
// clang-format on

TEST(CacheErrorsWithoutOutput, NullArgsAndNullKernel) {
    Calls calls;
    EXPECT_EQ(attune_kernel_append(&calls.fake.kernel, nullptr), ATTUNE_NULL_POINTER);
    EXPECT_STREQ(attune_last_error(), "attune: args is null; pass an attune_append_args");
    EXPECT_EQ(attune_kernel_append(nullptr, &calls.a), ATTUNE_NULL_POINTER);
    EXPECT_NE(std::string(attune_last_error()).find("kernel is null"), std::string::npos);
}

TEST(CacheErrorsWithoutOutput, AFailingAppendIsNamed) {
    Calls calls;
    calls.fake.variants[0].append = [](void **) { return -11; };
    EXPECT_EQ(attune_kernel_append(&calls.fake.kernel, &calls.a), ATTUNE_INTERNAL);
    EXPECT_STREQ(attune_last_error(), "attune: kernel fake (sse41) failed in its append function with code -11; please report it");
}

/// As they were made, the calls are right: what the table spoils is all that is wrong.
TEST(CacheErrorsWithoutOutput, CallsAreRightUntilSpoilt) {
    Calls calls;
    EXPECT_EQ(attune_kernel_append(&calls.fake.kernel, &calls.a), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(append_calls, 2 * (2 + 1));  // two heads of rows 4, 5 and 6, over the end of a page, and of rows 0 and 1
    for (uint8_t layout : {ATTUNE_LAYOUT_CONTIGUOUS, ATTUNE_LAYOUT_RING}) {
        calls.lie(layout);
        EXPECT_EQ(attune_kernel_append(&calls.fake.kernel, &calls.a), ATTUNE_OK) << attune_last_error();
    }
    // A pool of pages that hold keys, then values; one byte nearer they touch.
    Calls pool;
    const int64_t key_page = 2 * Calls::page_size * fake_head_dim, page = key_page + 2 * Calls::page_size * fake_head_dim_v;
    std::vector<uint8_t> both(Calls::num_pages * page);
    pool.a.key = both.data();
    pool.a.value = both.data() + key_page;
    pool.a.stride_key[0] = pool.a.stride_value[0] = page;
    EXPECT_EQ(pool.p.kv_heads, 2);
    EXPECT_EQ(attune_kernel_append(&pool.fake.kernel, &pool.a), ATTUNE_OK) << attune_last_error();
    pool.a.value = both.data() + key_page - 1;
    EXPECT_EQ(attune_kernel_append(&pool.fake.kernel, &pool.a), ATTUNE_INVALID_ARGUMENT);
    // Pages after the last key, of what is appended and of what was there before it, are not looked at.
    Calls pages;
    pages.page_table = {-1, -1, 4, 8, 5, -1, -1, -1};
    EXPECT_EQ(attune_kernel_append(&pages.fake.kernel, &pages.a), ATTUNE_OK) << attune_last_error();
    // Nothing new: pointers are not looked at.
    for (int64_t attune_append_args::*count : {&attune_append_args::batch, &attune_append_args::num_new}) {
        Calls nothing;
        nothing.a.*count = 0, nothing.a.lengths_new = nothing.a.lengths_kv = nullptr, nothing.a.new_key = nullptr, nothing.a.key = nullptr;
        append_calls = 0;
        EXPECT_EQ(attune_kernel_append(&nothing.fake.kernel, &nothing.a), ATTUNE_OK) << attune_last_error();
        EXPECT_EQ(append_calls, 0);
    }
}

}  // namespace
