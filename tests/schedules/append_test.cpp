/// What a decode kernel's append leaves in a cache, row by row, against the reference's rounding and turning in double; and attention over what it
/// left. New rows after the lengths are NaNs, everything in the cache is a sentinel until it is written.
#include "generator/reference/half.h"
#include "generator/reference/quantise.h"
#include "generator/reference/rope.h"
#include "tests/support/cache_formats.h"
#include "tests/support/cached_row.h"
#include "tests/support/guarded_array.h"
#include "tests/support/kernel_case.h"
#include "tests/support/stored_numbers.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <xmmintrin.h>

namespace attune::test {

namespace {

constexpr uint32_t sentinel = 0x5a5a5a5a;
constexpr int32_t no_page = std::numeric_limits<int32_t>::max();
constexpr int64_t batch = 3, kv_heads = 2, longest = 96;
constexpr double u = 0x1p-24;
constexpr double smallest = 0x1p-126;  // denormals of f32 count as 0

constexpr RopeSpec::Style half = RopeSpec::Style::half, interleaved = RopeSpec::Style::interleaved;

struct AppendCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v;
    KvCacheSpec cache;
    RopeSpec rope = {};
    friend void PrintTo(const AppendCase &row, std::ostream *out) { *out << row.name; }
};

const AppendCase cases[] = {
    // The types, at head dimensions that are whole vectors and that are not.
    {"f32_d64", DType::f32, 64, 64, plain},
    {"f32_d7x10", DType::f32, 7, 10, plain},  // shorter than a vector
    {"f16_d128", DType::f16, 128, 128, plain},
    {"bf16_d40x24", DType::bf16, 40, 24, plain},
    {"i8_f32_d64", DType::f32, 64, 64, i8},
    {"i8_bf16_d40x7", DType::bf16, 40, 7, i8},
    {"i8_zeros_f16_d128", DType::f16, 128, 128, i8_zeros},
    {"i8_zeros_f32_d10x40", DType::f32, 10, 40, i8_zeros},
    {"i4_f32_d64", DType::f32, 64, 64, i4},
    {"i4_f16_d32x96", DType::f16, 32, 96, i4},  // one group of key, three of value
    {"i4_zeros_bf16_d128", DType::bf16, 128, 128, i4_zeros},
    {"i4_zeros_f32_d96x32", DType::f32, 96, 32, i4_zeros},
    // Rings and pages.
    {"ring_f32_d64", DType::f32, 64, 64, ring(plain)},
    {"ring_i8_f16_d40", DType::f16, 40, 40, ring(i8)},
    {"ring_i4_zeros_bf16_d64", DType::bf16, 64, 64, ring(i4_zeros)},
    {"paged16_bf16_d128", DType::bf16, 128, 128, paged(plain, 16)},
    {"paged16_i8_zeros_f32_d40", DType::f32, 40, 40, paged(i8_zeros, 16)},
    {"paged64_i4_f16_d64", DType::f16, 64, 64, paged(i4, 64)},
    // Keys that are turned.
    {"rope_half_f32_d64", DType::f32, 64, 64, plain, rope(half, 64)},
    {"rope_half_f16_24_of_d40", DType::f16, 40, 40, plain, rope(half, 24)},
    {"rope_interleaved_f32_20_of_d80x16", DType::f32, 80, 16, plain, rope(interleaved, 20)},  // 10 pairs: no whole vector
    {"rope_interleaved_bf16_d128_i4_zeros", DType::bf16, 128, 128, i4_zeros, rope(interleaved, 128)},
    {"rope_interleaved_f16_d64_paged_i8_zeros", DType::f16, 64, 64, paged(i8_zeros, 16), rope(interleaved, 64)},
    {"rope_half_f32_32_of_d64_ring_i4", DType::f32, 64, 64, ring(i4), rope(half, 32)},
    {"rope_half_bf16_20_of_d40_i8", DType::bf16, 40, 40, i8, rope(half, 20)},
    // Values that lie in the keys.
    {"mla_f32_d96x64", DType::f32, 96, 64, in_key(plain)},
    {"mla_bf16_d96x64_i8", DType::bf16, 96, 64, in_key(i8)},
    {"mla_f16_d96x64_paged_i4_zeros", DType::f16, 96, 64, in_key(paged(i4_zeros, 16))},
    {"mla_bf16_d576x512_ring", DType::bf16, 576, 512, in_key(ring(plain))},
};

AttentionSpec spec_of(const AppendCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.cache.values_in_key ? 16 : 1, PairsText{.mask = "causal"});
    spec.decode = true;
    spec.cache = row.cache;
    spec.rope = row.rope;
    spec.name = spec.id();
    return spec;
}

/// Rows of heads of sequences (or of pages), in memory of their own; `fill` everywhere.
struct Tensor {
    std::unique_ptr<GuardedArray> array;
    int64_t row = 0, size = 0, base = 0, stride[3] = {};

    Tensor() = default;
    Tensor(Layout layout, int64_t blocks, int64_t rows, int64_t row, int element_bytes, uint32_t fill) : row(row) {
        const int64_t gap = layout == Layout::padded ? 1 : 0;
        base = gap;
        if (layout == Layout::bshd) {
            stride[1] = row;
            stride[2] = kv_heads * row;
            stride[0] = rows * stride[2];
        } else {
            stride[2] = row + 3 * gap;
            stride[1] = rows * stride[2] + 7 * gap;
            stride[0] = kv_heads * stride[1] + 11 * gap;
        }
        size = base + blocks * stride[0];
        array = std::make_unique<GuardedArray>(size, element_bytes, fill);
    }
    int64_t at(int64_t block, int64_t head, int64_t slot) const { return base + block * stride[0] + head * stride[1] + slot * stride[2]; }
    void *first() const { return array ? array->at(base) : nullptr; }
};

enum { keys, values, key_scales, value_scales, key_zeros, value_zeros, num_tensors };
using Bits = std::array<std::vector<uint32_t>, num_tensors>;

class CacheUnderTest {
public:
    /// slots: of a ring.
    CacheUnderTest(const AttentionSpec &spec, int64_t slots, Layout layout) : spec_(spec) {
        const KvCacheSpec &format = spec.cache;
        slots_ = format.layout == KvLayout::ring ? slots : longest;
        int64_t blocks = batch, rows = slots_;
        if (format.layout == KvLayout::paged) {
            rows = format.page_size;
            const int64_t pages = (longest + rows - 1) / rows;
            blocks = batch * pages + 2;
            page_stride_ = pages + 1;
            page_table_ = std::make_unique<GuardedArray>(batch * page_stride_, 4, no_page);
            if (blocks % 3 == 0) throw std::logic_error("pages that occur twice");
            for (int64_t b = 0; b < batch; b++)
                for (int64_t i = 0; i < pages; i++) page_table_->set(b * page_stride_ + i, static_cast<uint32_t>((b * pages + i) * 3 % blocks));
            page_table_->protect();
        }
        const bool integers = format.dtype != KvDType::same;
        for (int i = 0; i < (format.values_in_key ? 1 : 2); i++) {
            const int dim = i == keys ? spec.head_dim : spec.head_dim_v;
            tensors_[i] = Tensor(layout, blocks, rows, format.dtype == KvDType::i4 ? dim / 2 : dim, integers ? 1 : dtype_bytes(spec.dtype), sentinel);
            if (integers) tensors_[key_scales + i] = Tensor(layout, blocks, rows, cache_scales(format, dim), 4, sentinel);
            if (format.zero_points) tensors_[key_zeros + i] = Tensor(layout, blocks, rows, cache_scales(format, dim), 4, sentinel);
        }
        cache_.size = sizeof cache_;
        if (page_table_) cache_.page_table = static_cast<const int32_t *>(page_table_->at(0));
        cache_.stride_page_table = page_stride_;
        cache_.num_pages = blocks;
        cache_.key_scale = static_cast<float *>(tensors_[key_scales].first());
        cache_.value_scale = static_cast<float *>(tensors_[value_scales].first());
        cache_.key_zero = static_cast<float *>(tensors_[key_zeros].first());
        cache_.value_zero = static_cast<float *>(tensors_[value_zeros].first());
        std::copy_n(tensors_[key_scales].stride, 3, cache_.stride_key_scale);
        std::copy_n(tensors_[value_scales].stride, 3, cache_.stride_value_scale);
    }

    template <class Args>
    void bind(Args &args) const {
        args.key = tensors_[keys].first();
        args.value = tensors_[values].first();
        std::copy_n(tensors_[keys].stride, 3, args.stride_key);
        std::copy_n(tensors_[values].stride, 3, args.stride_value);
        args.batch = batch;
        args.num_kv_heads = kv_heads;
        args.seq_len_kv = slots_;
        args.cache = spec_.cache.dtype != KvDType::same || spec_.cache.layout == KvLayout::paged ? &cache_ : nullptr;
    }

    /// Where key kv of a sequence lies, in each of the tensors.
    int64_t at(int tensor, int64_t b, int64_t head, int64_t kv) const {
        if (spec_.cache.layout == KvLayout::ring) kv %= slots_;
        if (!page_table_) return tensors_[tensor].at(b, head, kv);
        return tensors_[tensor].at(page_table_->get(b * page_stride_ + kv / spec_.cache.page_size), head, kv % spec_.cache.page_size);
    }
    const Tensor &operator[](int tensor) const { return tensors_[tensor]; }
    int64_t first_kept(int64_t end) const { return spec_.cache.layout == KvLayout::ring ? std::max<int64_t>(end - slots_, 0) : 0; }

    Bits bits() const {
        Bits out;
        for (int t = 0; t < num_tensors; t++)
            for (int64_t i = 0; i < tensors_[t].size; i++) out[t].push_back(tensors_[t].array->get(i));
        return out;
    }
    bool guards_hold() const {
        return std::all_of(tensors_.begin(), tensors_.end(), [](const Tensor &t) { return !t.array || t.array->guards_hold(); });
    }

private:
    const AttentionSpec &spec_;
    int64_t slots_ = 0, page_stride_ = 0;
    std::unique_ptr<GuardedArray> page_table_;
    std::array<Tensor, num_tensors> tensors_;
    attune_kv_cache cache_{};
};

/// A call: how many rows, after how many.
struct Step {
    const char *name;
    int64_t num_new;
    std::vector<int32_t> lengths_new = {}, lengths_kv = {};

    int64_t new_rows(int64_t b) const { return lengths_new.empty() ? num_new : lengths_new[static_cast<size_t>(b)]; }
    int64_t before(int64_t b) const { return lengths_kv.empty() ? 0 : lengths_kv[static_cast<size_t>(b)]; }
};

/// What keys are turned by.
enum class Positions { by_default, given, shared };
constexpr int64_t position_stride = 50;
std::vector<int32_t> make_positions(Positions kind) {
    std::vector<int32_t> out;
    for (int64_t i = 0; kind != Positions::by_default && i < batch * position_stride; i++) out.push_back(static_cast<int32_t>(i * i * 7 - 300));
    return out;
}

enum class Content { normal, special };

/// New rows of keys or values, dense: (batch, heads, rows, dim).
std::vector<double> make_rows(DType dtype, int64_t rows, int dim, Content content, uint64_t seed) {
    std::vector<double> out;
    NormalGenerator normal(seed);
    for (int64_t row = 0; row < batch * kv_heads * rows; row++)
        for (int d = 0; d < dim; d++) {
            double x = normal();
            if (content == Content::special) switch (row % rows % 6) {
                case 0: x = std::copysign(0, x); break;
                case 1: x = d == dim - 1 ? std::nan("") : x; break;
                case 2: x = std::abs(x) + 3; break;                      // the lowest that counts is 0
                case 3: x = -std::abs(x) * (d == dim / 2 ? 5000 : 1); break;  // one element alone
                case 4: x *= 1e-37; break;                               // a scale below the normal floats
                case 5: x = d == 0 ? std::numeric_limits<double>::infinity() : x; break;
                }
            out.push_back(std::isfinite(x) ? round_to(dtype, x) : x);
        }
    return out;
}

/// A row as double has it, and how far from it f32 may be before it is stored: a cosine and a sine rounded to f32, two products and a sum.
struct Row {
    std::vector<double> x, error;
    std::vector<bool> turned;
};
Row expected_row(const AttentionSpec &spec, const double *from, int tensor, int64_t position) {
    const int dim = tensor == keys ? spec.head_dim : spec.head_dim_v;
    Row row{{from, from + dim}, {}, {}};
    std::vector<double> terms(static_cast<size_t>(dim), 0.0);
    if (tensor == keys) Rotation(spec.rope).turn(row.x.data(), position, terms.data());
    const int turned = tensor == keys && spec.rope.style != RopeSpec::Style::none ? spec.rope.dims : 0;
    for (int d = 0; d < dim; d++) {
        row.error.push_back(4 * u * terms[static_cast<size_t>(d)] + smallest);
        row.turned.push_back(d < turned);
    }
    return row;
}

/// Elements that are not turned are stored as they came.
void check_plain(const AttentionSpec &spec, const Row &row, const uint32_t *bits) {
    const Precision precision = precision_of(spec.types());
    for (size_t d = 0; d < row.x.size(); d++) {
        const double got = from_bits(spec.dtype, bits[d]), x = row.x[d];
        if (!std::isfinite(x)) {
            ASSERT_TRUE(std::isnan(x) ? std::isnan(got) : got == x) << "d " << d << ": " << got << ", expected " << x;
            continue;
        }
        const double half_ulp = std::ldexp(1, std::max(x == 0 ? precision.min_exponent : std::ilogb(x), precision.min_exponent) - precision.bits);
        ASSERT_LE(std::abs(got - x), row.error[d] + (row.turned[d] ? half_ulp : 0)) << "d " << d << ": " << got << ", expected " << x;
    }
}

/// The same of integers with scales. s, z: the reference's scale and zero point; E: the largest error of an element.
///   |scale - s| <= 4 u s + 2 E / steps,  |zero - z| <= |lo / s| |scale - s| / s + E / s + 4 u (|lo / s| + 128)
/// and so x / scale + zero is within `far` of x / s + z, and n is what that rounds to: 1/2 and `far` from it at most.
void check_integers(const AttentionSpec &spec, const Row &row, const uint32_t *bytes, const uint32_t *scales, const uint32_t *zeros) {
    const bool is_i4 = spec.cache.dtype == KvDType::i4, has_zeros = spec.cache.zero_points;
    const int dim = static_cast<int>(row.x.size()), group_size = is_i4 ? 32 : dim;
    const double low = is_i4 ? 0 : -128, high = is_i4 ? 15 : 127, steps = has_zeros ? high - low : is_i4 ? 7 : 127;
    const QuantisedRow expected = quantise_row(row.x.data(), dim, spec.cache);
    for (int g = 0; g < dim / group_size; g++) {
        const double s = expected.scales[static_cast<size_t>(g)], z = has_zeros ? expected.zeros[static_cast<size_t>(g)] : is_i4 ? 8 : 0;
        const double scale = std::bit_cast<float>(scales[g]);
        if (std::isnan(s)) {
            ASSERT_TRUE(std::isnan(scale)) << "group " << g << ": scale " << scale;
            continue;
        }
        double largest_error = 0, lo = 0;
        for (int d = g * group_size; d < (g + 1) * group_size; d++) {
            largest_error = std::max(largest_error, row.error[static_cast<size_t>(d)]);
            lo = std::min(lo, row.x[static_cast<size_t>(d)]);
        }
        const bool is_zero = s == 0;
        const double scale_bound = is_zero ? 0 : 4 * u * s + 2 * largest_error / steps;
        ASSERT_LE(std::abs(scale - s), scale_bound) << "group " << g << ": scale " << scale << ", expected " << s;
        double zero_bound = 0;
        if (has_zeros) {
            const double ratio = is_zero ? 0 : std::abs(lo) / s, zero = std::bit_cast<float>(zeros[g]);
            zero_bound = is_zero ? 0 : ratio * scale_bound / s + largest_error / s + 4 * u * (ratio + 128);
            ASSERT_LE(std::abs(zero - z), zero_bound) << "group " << g << ": zero " << zero << ", expected " << z;
        }
        for (int i = 0; i < group_size; i++) {
            const size_t d = static_cast<size_t>(g * group_size + i);
            const uint32_t byte = bytes[is_i4 ? g * 16 + i % 16 : i];
            const int n = !is_i4 ? static_cast<int8_t>(byte) : static_cast<int>(i < 16 ? byte & 15 : byte >> 4);
            const double quotient = is_zero ? 0 : row.x[d] / s, exact = quotient + z;
            const double far = is_zero ? 0 : std::abs(quotient) * (scale_bound / s + 2 * u) + row.error[d] / s + zero_bound + 4 * u * std::abs(exact);
            ASSERT_LE(std::abs(n - std::clamp(exact, low, high)), 0.5 + far) << "d " << d << ": " << n << " for " << exact;
        }
    }
}

/// One kernel's append, and what it must do.
class Append {
public:
    explicit Append(const LoadedKernel &kernel) : kernel_(kernel), spec_(kernel.plan().spec), description_(describe(kernel)) {}

    /// Calls append for random rows and fails the test where anything in the cache is not as it must be.
    void check(CacheUnderTest &cache, const Step &step, Layout layout, Positions positions = Positions::by_default, Content content = Content::normal,
               int threads = 1, uint64_t seed = 1) const {
        const std::vector<double> rows[] = {make_rows(spec_.dtype, step.num_new, spec_.head_dim, content, seed),
                                            make_rows(spec_.dtype, step.num_new, spec_.head_dim_v, content, seed + 1)};
        const std::vector<int32_t> turned_by = make_positions(positions);
        const int64_t stride_positions = positions == Positions::given ? position_stride : 0;
        const Bits before = cache.bits();
        call(cache, step, layout, rows, turned_by.empty() ? nullptr : turned_by.data(), stride_positions, threads);
        const Bits after = cache.bits();
        EXPECT_TRUE(cache.guards_hold()) << description_;

        std::array<std::vector<bool>, num_tensors> written;
        for (int t = 0; t < num_tensors; t++) written[t].resize(after[t].size());
        for (int64_t b = 0; b < batch; b++)
            for (int64_t h = 0; h < kv_heads; h++)
                for (int64_t i = 0; i < step.new_rows(b); i++) {
                    const int64_t kv = step.before(b) + i;
                    if (kv < cache.first_kept(step.before(b) + step.new_rows(b))) continue;
                    for (int t : {keys, values}) {
                        if (!cache[t].array) continue;
                        const int64_t dim = t == keys ? spec_.head_dim : spec_.head_dim_v;
                        const double *from = rows[t].data() + ((b * kv_heads + h) * step.num_new + i) * dim;
                        const int64_t position = turned_by.empty() ? kv : turned_by[static_cast<size_t>(b * stride_positions + i)];
                        const Row row = expected_row(spec_, from, t, position);
                        const uint32_t *stored[3] = {};
                        for (int part = 0; part < 3; part++) {
                            const int tensor = t + 2 * part;
                            if (!cache[tensor].array) continue;
                            const int64_t at = cache.at(tensor, b, h, kv);
                            stored[part] = after[tensor].data() + at;
                            std::fill_n(written[tensor].begin() + at, cache[tensor].row, true);
                        }
                        SCOPED_TRACE(testing::Message() << (t == keys ? "key " : "value ") << kv << " of head " << h << " of sequence " << b << ", row " << i << ", step " << step.name << ", seed " << seed << "\n  "
                                                        << description_);
                        if (spec_.cache.dtype == KvDType::same)
                            check_plain(spec_, row, stored[0]);
                        else
                            check_integers(spec_, row, stored[0], stored[1], stored[2]);
                        if (testing::Test::HasFatalFailure()) return;
                    }
                }
        for (int t = 0; t < num_tensors; t++)
            for (size_t i = 0; i < after[t].size(); i++)
                ASSERT_TRUE(written[t][i] || after[t][i] == before[t][i]) << "element " << i << " of tensor " << t << " was written, step " << step.name << "\n  " << description_;
    }

private:
    void call(CacheUnderTest &cache, const Step &step, Layout layout, const std::vector<double> (&rows)[2], const int32_t *positions,
              int64_t stride_positions, int threads) const {
        attune_append_args args{};
        args.size = sizeof args;
        args.version = ATTUNE_APPEND_ARGS_VERSION;
        cache.bind(args);
        args.num_new = step.num_new;
        const uint32_t nan = spec_.dtype == DType::f32 ? 0x7fc01234 : spec_.dtype == DType::f16 ? 0x7e12 : 0x7fc5;
        Tensor tensors[2];
        for (int t : {keys, values}) {
            if (t == values && spec_.cache.values_in_key) continue;
            const int64_t dim = t == keys ? spec_.head_dim : spec_.head_dim_v;
            Tensor &to = tensors[t] = Tensor(layout, batch, step.num_new, dim, dtype_bytes(spec_.dtype), nan);
            for (int64_t b = 0; b < batch; b++)
                for (int64_t h = 0; h < kv_heads; h++)
                    for (int64_t i = 0; i < step.new_rows(b); i++)
                        for (int64_t d = 0; d < dim; d++)
                            to.array->set(to.at(b, h, i) + d, to_bits(spec_.dtype, rows[t][static_cast<size_t>(((b * kv_heads + h) * step.num_new + i) * dim + d)]));
            to.array->protect();
        }
        args.new_key = tensors[keys].first();
        args.new_value = tensors[values].first();
        std::copy_n(tensors[keys].stride, 3, args.stride_new_key);
        std::copy_n(tensors[values].stride, 3, args.stride_new_value);
        if (!step.lengths_new.empty()) args.lengths_new = step.lengths_new.data();
        if (!step.lengths_kv.empty()) args.lengths_kv = step.lengths_kv.data();
        args.positions = positions;
        args.stride_positions = stride_positions;
        attune_exec exec{};
        exec.size = sizeof exec;
        exec.num_threads = threads;
        args.exec = &exec;
        const unsigned mode = _mm_getcsr();
        ASSERT_EQ(attune_kernel_append(kernel_.kernel(), &args), ATTUNE_OK) << attune_last_error() << "\n  " << description_;
        EXPECT_EQ(_mm_getcsr(), mode) << "floating-point mode changed by " << description_;
    }

    const LoadedKernel &kernel_;
    const AttentionSpec &spec_;
    const std::string description_;
};

class AppendRows : public testing::TestWithParam<std::tuple<std::string, AppendCase>> {
protected:
    void SetUp() override {
        const auto &[name, row] = GetParam();
        const bool emulate = must_emulate(name);
        if (!emulate && !available_target(name)) GTEST_SKIP() << "this CPU does not run " << name;
        spec = spec_of(row);
        kernel = &kernel_for(spec, cpu_target(name), {.overrides = {}, .emulate = emulate});
    }

    std::vector<int64_t> slots() const { return spec.cache.layout == KvLayout::ring ? std::vector<int64_t>{1, 3, 16, 40} : std::vector<int64_t>{0}; }

    AttentionSpec spec;
    const LoadedKernel *kernel = nullptr;
};

const Step steps[] = {
    {"one", 1},
    {"one_after_others", 1, {}, {5, 0, 95}},  // and into the last slot
    {"three", 3, {}, {14, 0, 31}},            // over the end of a page, and of a ring of 16 slots
    {"four", 4, {4, 0, 1}, {60, 3, 31}},
    {"five", 5, {}, {13, 31, 0}},
    {"thirty_seven", 37, {}, {0, 59, 7}},  // more than a ring of 16 slots has: the last ones stay
    {"thirty_seven_here_only", 37, {37, 2, 0}, {17, 15, 96}},
    {"none", 5, {0, 0, 0}, {96, 0, 1}},
};

TEST_P(AppendRows, AreThoseOfTheReference) {
    uint64_t seed = 1;
    for (const Step &step : steps)
        for (Layout layout : {Layout::bhsd, Layout::bshd, Layout::padded})
            for (int64_t count : slots()) {
                CacheUnderTest cache(spec, count, layout);
                Append(*kernel).check(cache, step, layout, Positions::by_default, Content::normal, 1, seed++);
                if (HasFatalFailure()) return;
            }
}

TEST_P(AppendRows, AreTurnedByTheGivenPositions) {
    if (spec.rope.style == RopeSpec::Style::none) GTEST_SKIP() << "no rope";
    for (const Step &step : steps)
        for (Positions positions : {Positions::given, Positions::shared}) {
            CacheUnderTest cache(spec, 16, Layout::padded);
            Append(*kernel).check(cache, step, Layout::padded, positions);
            if (HasFatalFailure()) return;
        }
}

/// Zeros of both signs, NaNs, infinities, one sign, what is below the normal floats: 0 has a scale of 0, what is not finite one of NaN.
TEST_P(AppendRows, OfSpecialNumbers) {
    if (spec.rope.style != RopeSpec::Style::none) GTEST_SKIP() << "a NaN is turned into two";
    CacheUnderTest cache(spec, 16, Layout::padded);
    Append(*kernel).check(cache, {"special", 12, {}, {0, 3, 9}}, Layout::padded, Positions::by_default, Content::special);
}

TEST_P(AppendRows, HaveTheSameBitsForAnyNumberOfThreads) {
    const Step step{"threads", 64, {64, 1, 33}, {0, 20, 5}};
    const auto run = [&](int threads) {
        CacheUnderTest cache(spec, 16, Layout::bshd);
        Append(*kernel).check(cache, step, Layout::bshd, Positions::by_default, Content::normal, threads);
        return cache.bits();
    };
    const Bits alone = run(1);
    for (int threads : {2, 3}) EXPECT_EQ(run(threads), alone) << threads << " threads";
}

INSTANTIATE_TEST_SUITE_P(Cpu, AppendRows, testing::Combine(testing::Values("sse41", "avx2", "avx512"), testing::ValuesIn(cases)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

/// A prompt, then tokens one by one, then attention: as the reference has it for what the cache then holds, read by its description.
class AppendThenAttention : public testing::TestWithParam<AppendCase> {};

TEST_P(AppendThenAttention, AgreesWithTheReference) {
    const AttentionSpec spec = spec_of(GetParam());
    const LoadedKernel &kernel = kernel_for(spec, *available_targets().front());
    CacheUnderTest cache(spec, 16, Layout::padded);
    std::vector<int32_t> lengths = {0, 0, 0};
    const auto append = [&](const Step &step, uint64_t seed) {
        Append(kernel).check(cache, step, Layout::padded, Positions::by_default, Content::normal, 2, seed);
        for (int64_t b = 0; b < batch; b++) lengths[static_cast<size_t>(b)] += static_cast<int32_t>(step.new_rows(b));
    };
    append({"prompt", 37, {37, 12, 0}, lengths}, 1);
    for (uint64_t token = 1; token <= 5; token++) append({"token", 1, {}, lengths}, 10 * token);
    if (HasFatalFailure()) return;

    const int64_t heads = kv_heads * std::max(spec.group, 1), rows = 2, most = *std::max_element(lengths.begin(), lengths.end());
    const ShapeCase shape{"after_append", batch, heads, kv_heads, rows, most, {}, lengths};
    ReferenceProblem p = make_problem(spec, shape);
    std::vector<uint32_t> query_bits;
    for (double x : p.query) query_bits.push_back(to_bits(spec.dtype, x));
    attune_attention_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    cache.bind(args);
    args.num_heads = heads;
    args.seq_len_q = rows;
    args.lengths_kv = lengths.data();
    const int bytes = dtype_bytes(spec.dtype);
    GuardedArray query(static_cast<int64_t>(query_bits.size()), bytes, 0), output(batch * heads * rows * spec.head_dim_v, bytes, sentinel);
    for (size_t i = 0; i < query_bits.size(); i++) query.set(static_cast<int64_t>(i), query_bits[i]);
    std::vector<float> lse(static_cast<size_t>(batch * heads * rows));
    args.query = query.at(0);
    args.output = output.at(0);
    args.lse = lse.data();
    const auto dense = [&](int64_t *stride, int64_t dim) { stride[2] = dim, stride[1] = rows * dim, stride[0] = heads * rows * dim; };
    dense(args.stride_query, spec.head_dim);
    dense(args.stride_output, spec.head_dim_v);
    dense(args.stride_lse, 1);
    args.workspace_size = attune_kernel_workspace_size(kernel.kernel(), &args);
    GuardedArray workspace(static_cast<int64_t>(args.workspace_size), 1, 0xff, GuardedArray::Ends::with_guard);
    args.workspace = workspace.at(0);
    ASSERT_EQ(attune_kernel_run(kernel.kernel(), &args), ATTUNE_OK) << attune_last_error();
    std::vector<double> got;
    for (int64_t i = 0; i < batch * heads * rows * spec.head_dim_v; i++) got.push_back(from_bits(spec.dtype, output.get(i)));

    for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < kv_heads; h++)
            for (int64_t kv = cache.first_kept(lengths[static_cast<size_t>(b)]); kv < lengths[static_cast<size_t>(b)]; kv++) {
                const std::vector<double> key = cached_row(spec, args, false, b, h, kv), value = cached_row(spec, args, true, b, h, kv);
                std::copy(key.begin(), key.end(), p.key.begin() + ((b * kv_heads + h) * most + kv) * spec.head_dim);
                std::copy(value.begin(), value.end(), p.value.begin() + ((b * kv_heads + h) * most + kv) * spec.head_dim_v);
            }
    p.visible = [&, visible = p.visible](int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv) {
        return kv >= cache.first_kept(seq_len_kv) && (!visible || visible(b, h, q, kv, seq_len_q, seq_len_kv));
    };
    rotate_query(p, spec.rope);
    const ErrorShare share = error_share(p, reference_attention(p), got, lse, precision_of(spec.types(), kernel.plan().rounds_weights));
    EXPECT_LE(share.output, 1) << describe(kernel) << ", worst at " << share.worst_index;
    EXPECT_LE(share.lse, 1) << describe(kernel);
}

INSTANTIATE_TEST_SUITE_P(Cpu, AppendThenAttention, testing::ValuesIn(cases), [](const auto &info) { return std::string(info.param.name); });

}  // namespace
}  // namespace attune::test
