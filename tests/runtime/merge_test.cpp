/// attune_merge against the equation in double, within a derived bound, and what it promises about empty parts, bits and special numbers.
#include "attune/attention.hpp"
#include "generator/reference/half.h"
#include "problem.h"

#include <cfenv>
#include <cmath>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace {

constexpr float inf = INFINITY, nan = NAN, largest = std::numeric_limits<float>::max();

/// An element type: its size, conversions, and half a unit in the last place.
struct Type {
    const char *dtype;
    size_t bytes;
    double roundoff;
    double smallest;  ///< half of the smallest step
};
constexpr Type f32{"f32", 4, 0x1p-24, 0x1p-126}, f16{"f16", 2, 0x1p-11, 0x1p-25}, bf16{"bf16", 2, 0x1p-8, 0x1p-126};

/// Bytes that hold elements of a type.
struct Elements {
    Type type;
    std::vector<uint8_t> bytes;
    Elements(Type type, size_t count) : type(type), bytes(type.bytes * count) {}
    float get(size_t i) const {
        if (type.bytes == 4) {
            float x;
            return std::memcpy(&x, &bytes[4 * i], 4), x;
        }
        uint16_t half;
        std::memcpy(&half, &bytes[2 * i], 2);
        return type.dtype == f16.dtype ? attune::f16_to_float(half) : attune::bf16_to_float(half);
    }
    void set(size_t i, float x) {
        const uint16_t half = type.dtype == f16.dtype ? attune::float_to_f16(x) : attune::float_to_bf16(x);
        std::memcpy(&bytes[type.bytes * i], type.bytes == 4 ? static_cast<const void *>(&x) : &half, type.bytes);
    }
    friend bool operator==(const Elements &a, const Elements &b) { return a.bytes == b.bytes; }
};

struct Extents {
    int64_t batch = 2, heads = 3, rows = 5, columns = 8;
    int64_t pad = 0;  ///< elements after each row, head and sequence
    int64_t rows_in_all() const { return batch * heads * rows; }
};

/// Output and lse of one part, or of the result: elements between rows are sentinels.
struct Part {
    Extents extents;
    int64_t stride[3], stride_lse[3];
    Elements output;
    std::vector<float> lse;

    Part(const Type &type, const Extents &e)
        : extents(e), stride{e.heads * (e.rows * (e.columns + e.pad) + e.pad) + e.pad, e.rows * (e.columns + e.pad) + e.pad,
                             e.columns + e.pad},
          stride_lse{e.heads * (e.rows * (1 + e.pad) + e.pad) + e.pad, e.rows * (1 + e.pad) + e.pad, 1 + e.pad},
          output(type, size_t(e.batch * stride[0])), lse(size_t(e.batch * stride_lse[0]), sentinel) {
        for (size_t i = 0; i < output.bytes.size() / type.bytes; i++)
            output.set(i, sentinel);
    }
    static constexpr float sentinel = -3072;  // in each type

    /// Row number `row` of all, in the order (batch, head, row).
    size_t at(int64_t row, int64_t column = 0) const { return size_t(offset(stride, row) + column); }
    float &lse_of(int64_t row) { return lse[size_t(offset(stride_lse, row))]; }
    float lse_of(int64_t row) const { return lse[size_t(offset(stride_lse, row))]; }
    void fill(const std::function<float()> &element, const std::function<float()> &log_sum) {
        for (int64_t row = 0; row < extents.rows_in_all(); row++) {
            lse_of(row) = log_sum();
            for (int64_t column = 0; column < extents.columns; column++)
                output.set(at(row, column), element());
        }
    }

private:
    int64_t offset(const int64_t strides[3], int64_t row) const {
        const int64_t head = row / extents.rows;
        return head / extents.heads * strides[0] + head % extents.heads * strides[1] + row % extents.rows * strides[2];
    }
};

attune_status merge_into(Part &result, const std::vector<const Part *> &parts) {
    std::vector<const void *> outputs;
    std::vector<const float *> lses;
    for (const Part *part : parts)
        outputs.push_back(part->output.bytes.data()), lses.push_back(part->lse.data());
    attune_merge_args a{};
    a.size = sizeof a;
    a.version = ATTUNE_MERGE_ARGS_VERSION;
    a.dtype = result.output.type.dtype;
    a.num_parts = int64_t(parts.size());
    a.part_output = outputs.data();
    a.part_lse = lses.data();
    a.output = result.output.bytes.data();
    a.lse = result.lse.data();
    a.batch = result.extents.batch, a.num_heads = result.extents.heads, a.seq_len_q = result.extents.rows;
    a.head_dim_v = result.extents.columns;
    for (int i = 0; i < 3; i++) {
        a.stride_part_output[i] = parts.empty() ? 0 : parts[0]->stride[i];
        a.stride_part_lse[i] = parts.empty() ? 0 : parts[0]->stride_lse[i];
        a.stride_output[i] = result.stride[i];
        a.stride_lse[i] = result.stride_lse[i];
    }
    return attune_merge(&a);
}
Part merge_of(const std::vector<const Part *> &parts) {
    Part result(parts[0]->output.type, parts[0]->extents);
    EXPECT_EQ(merge_into(result, parts), ATTUNE_OK) << attune_last_error();
    return result;
}
Part merge(const std::vector<Part> &parts) {
    std::vector<const Part *> pointers;
    for (const Part &part : parts)
        pointers.push_back(&part);
    return merge_of(pointers);
}

/// Parts of N(0, 1) with lse N(0, spread), some of them empty.
std::vector<Part> random_parts(const Type &type, const Extents &extents, int count, float spread, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<Part> parts(size_t(count), Part(type, extents));
    for (Part &part : parts)
        part.fill([&] { return normal(generator); }, [&] { return generator() % 8 == 0 ? -inf : spread * normal(generator); });
    return parts;
}

/// Compares with the equation in double. `merges`: how many made `found`, one upon another.
void expect_right(const std::vector<Part> &parts, const Part &found, int merges = 1) {
    const Type &type = found.output.type;
    for (int64_t row = 0; row < found.extents.rows_in_all(); row++) {
        double lse = -inf, largest_lse = 0;
        for (const Part &part : parts)
            if (part.lse_of(row) != -inf) {
                const double other = part.lse_of(row), high = std::max(lse, other);
                lse = high + std::log(std::exp(lse - high) + std::exp(other - high));
                largest_lse = std::max(largest_lse, std::abs(lse) + std::abs(other));
            }
        if (lse == -inf) {
            ASSERT_EQ(found.lse_of(row), -inf);
            for (int64_t column = 0; column < found.extents.columns; column++) {
                ASSERT_EQ(found.output.get(found.at(row, column)), 0);
                ASSERT_FALSE(std::signbit(found.output.get(found.at(row, column))));
            }
            continue;
        }
        // An lse that was stored is off by half a unit, which makes all weights of its parts off by as much, and the others' by no more.
        const double u = f32.roundoff, lse_error = merges * u * largest_lse;
        ASSERT_LE(std::abs(found.lse_of(row) - lse), 1.01 * lse_error + 1e-12) << "row " << row;
        for (int64_t column = 0; column < found.extents.columns; column++) {
            double want = 0, magnitude = 0;
            for (const Part &part : parts)
                if (part.lse_of(row) != -inf) {
                    const double term = std::exp(part.lse_of(row) - lse) * part.output.get(part.at(row, column));
                    want += term, magnitude += std::abs(term);
                }
            // u for a weight, u for its product, u for each sum; then the store. Of merges before the last, also their lse.
            const double sums = (double(parts.size()) + 2 * merges) * u * magnitude, stores = merges * (type.roundoff * magnitude + type.smallest);
            const double bound = sums + stores + (merges > 1 ? 2 * lse_error * magnitude : 0);
            ASSERT_LE(std::abs(found.output.get(found.at(row, column)) - want), 1.01 * bound)
                << type.dtype << " row " << row << " column " << column << " of " << parts.size() << " parts";
        }
    }
    // Nothing else was written.
    Part rest = found;
    rest.fill([] { return Part::sentinel; }, [] { return Part::sentinel; });
    const Part untouched(type, found.extents);
    ASSERT_TRUE(rest.output == untouched.output && rest.lse == untouched.lse);
}

// ---- the equation

struct MergeCase {
    const char *name;
    int parts;
    Extents extents;
    float spread;  ///< of lse
};
class Merge : public testing::TestWithParam<std::tuple<Type, MergeCase>> {};
INSTANTIATE_TEST_SUITE_P(
    Runtime, Merge,
    testing::Combine(testing::Values(f32, f16, bf16),
                     testing::Values(MergeCase{"two", 2, {}, 2},                                           //
                                     MergeCase{"one", 1, {}, 2},                                           // the part itself
                                     MergeCase{"many", 40, {1, 2, 3, 64}, 5},                              // sums of many roundings
                                     MergeCase{"far_apart", 5, {}, 300},                                   // weights that underflow
                                     MergeCase{"one_column", 3, {2, 3, 5, 1}, 2},                          // less than a vector
                                     MergeCase{"odd_columns", 3, {1, 2, 3, 67}, 2},                        // the rest of a vector
                                     MergeCase{"a_tile", 3, {1, 1, 2, 512}, 2},                            //
                                     MergeCase{"tiles", 3, {1, 1, 2, 1100}, 2},                            // more than one, and a rest
                                     MergeCase{"strides", 3, {.batch = 3, .heads = 2, .rows = 4, .columns = 21, .pad = 3}, 2})),
    [](const auto &info) { return std::string(std::get<0>(info.param).dtype) + "_" + std::get<1>(info.param).name; });

TEST_P(Merge, FollowsTheEquation) {
    const auto &[type, c] = GetParam();
    for (unsigned seed = 1; seed <= 20; seed++) {
        const std::vector<Part> parts = random_parts(type, c.extents, c.parts, c.spread, seed);
        ASSERT_NO_FATAL_FAILURE(expect_right(parts, merge(parts))) << "seed " << seed;
    }
}

TEST_P(Merge, IsAssociativeUpToRounding) {
    const auto &[type, c] = GetParam();
    for (unsigned seed = 1; seed <= 20; seed++) {
        const std::vector<Part> p = random_parts(type, c.extents, 3, c.spread, seed);
        const Part ab = merge_of({&p[0], &p[1]}), bc = merge_of({&p[1], &p[2]});
        ASSERT_NO_FATAL_FAILURE(expect_right(p, merge_of({&ab, &p[2]}), 2)) << "seed " << seed;
        ASSERT_NO_FATAL_FAILURE(expect_right(p, merge_of({&p[0], &bc}), 2)) << "seed " << seed;
        ASSERT_NO_FATAL_FAILURE(expect_right(p, merge(p))) << "seed " << seed;
    }
}

TEST_P(Merge, MayBeInPlaceOfAPart) {
    const auto &[type, c] = GetParam();
    const std::vector<Part> parts = random_parts(type, c.extents, c.parts, c.spread, 1);
    const Part apart = merge(parts);
    for (size_t place = 0; place < parts.size(); place++) {
        std::vector<Part> copy = parts;
        std::vector<const Part *> pointers;
        for (const Part &part : copy)
            pointers.push_back(&part);
        ASSERT_EQ(merge_into(copy[place], pointers), ATTUNE_OK) << attune_last_error();
        ASSERT_TRUE(copy[place].output == apart.output && copy[place].lse == apart.lse);
        for (size_t i = 0; i < parts.size(); i++)
            ASSERT_TRUE(i == place || (copy[i].output == parts[i].output && copy[i].lse == parts[i].lse)) << "a part was written";
    }
}

// ---- empty parts

TEST_P(Merge, EmptyPartsChangeNoBitWhateverTheyHold) {
    const auto &[type, c] = GetParam();
    const std::vector<Part> parts = random_parts(type, c.extents, c.parts, c.spread, 2);
    const Part without = merge(parts);
    std::vector<Part> with;
    for (const Part &part : parts) {
        with.push_back(Part(type, c.extents));
        with.back().fill([n = 0]() mutable { return n++ % 2 ? nan : inf; }, [] { return -inf; });
        with.push_back(part);
    }
    with.push_back(with[0]);
    const Part found = merge(with);
    EXPECT_TRUE(found.output == without.output);
    EXPECT_EQ(found.lse, without.lse);
}

TEST_P(Merge, OnePartComesOutBitForBit) {
    const auto &[type, c] = GetParam();
    std::vector<Part> parts = random_parts(type, c.extents, 1, c.spread, 3);
    const int64_t rows = parts[0].extents.rows_in_all();
    for (int64_t row = 0; row < rows; row++)
        if (parts[0].lse_of(row) == -inf)
            parts[0].lse_of(row) = 0.25f;
    parts[0].output.set(parts[0].at(0), -0.0f);
    const Part found = merge(parts);
    EXPECT_TRUE(found.output == parts[0].output);
    EXPECT_EQ(found.lse, parts[0].lse);
}

TEST(MergeEmpty, NoPartsAreAnEmptyResult) {
    for (const Type &type : {f32, f16, bf16}) {
        Part result(type, {});
        EXPECT_EQ(merge_into(result, {}), ATTUNE_OK) << attune_last_error();
        expect_right({}, result);
    }
}

// ---- special numbers

/// One row of two columns from parts (lse, first column, second column).
struct Row {
    float lse, x, y;
};
Row merge_rows(const std::vector<Row> &rows, const Type &type = f32) {
    std::vector<Part> parts;
    for (const Row &row : rows) {
        parts.push_back(Part(type, {1, 1, 1, 2}));
        parts.back().output.set(0, row.x), parts.back().output.set(1, row.y);
        parts.back().lse[0] = row.lse;
    }
    const Part found = merge(parts);
    return {found.lse[0], found.output.get(0), found.output.get(1)};
}

TEST(MergeSpecial, ALseOfNaNOrInfinityMakesItsRowNaN) {
    for (const Type &type : {f32, f16, bf16})
        for (float bad : {nan, -nan, inf})
            for (const std::vector<Row> &rows : {std::vector<Row>{{bad, 1, 2}}, {{bad, 1, 2}, {3, 1, 2}}, {{3, 1, 2}, {bad, 1, 2}},
                                                 {{bad, 1, 2}, {-inf, 1, 2}}, {{-inf, 1, 2}, {bad, 0, 0}}, {{inf, 1, 2}, {bad, 1, 2}}}) {
                const Row found = merge_rows(rows, type);
                EXPECT_TRUE(std::isnan(found.lse) && std::isnan(found.x) && std::isnan(found.y)) << type.dtype << " " << bad;
            }
}

TEST(MergeSpecial, ElementsThatAreNotFiniteStayInTheirColumn) {
    for (const Type &type : {f32, f16, bf16}) {
        Row found = merge_rows({{0, nan, 1}, {0, 3, 3}}, type);
        EXPECT_TRUE(std::isnan(found.x));
        EXPECT_EQ(found.y, 2);
        found = merge_rows({{0, -inf, 1}, {0, 3, 3}}, type);
        EXPECT_EQ(found.x, -inf);
        EXPECT_EQ(found.y, 2);
    }
}

TEST(MergeSpecial, ExtremesNeitherOverflowNorVanish) {
    Row found = merge_rows({{largest, 1, 2}, {-largest, 5, 5}});
    EXPECT_EQ(found.lse, largest);
    EXPECT_EQ(found.x, 1);
    found = merge_rows({{-largest, 1, 2}, {-inf, 5, 5}, {-largest, 3, 2}});
    EXPECT_EQ(found.lse, -largest);  // + log 2, far below its last place
    EXPECT_EQ(found.x, 2);
    found = merge_rows({{0, largest, -largest}, {0, largest, -largest}, {0, largest, largest}, {0, largest, largest}});
    EXPECT_EQ(found.x, largest);
    EXPECT_EQ(found.y, 0);
    found = merge_rows({{7, 65504, -65504}, {7, 65504, 65504}}, f16);
    EXPECT_EQ(found.x, 65504);
    EXPECT_EQ(found.lse, float(7 + std::log(2.0)));
    found = merge_rows({{-1, 0x1p-24f, 0x3p-24f}, {-1, 0x1p-24f, 0x1p-24f}}, f16);  // halves below 2^-14 are kept
    EXPECT_EQ(found.x, 0x1p-24f);
    EXPECT_EQ(found.y, 0x2p-24f);
    found = merge_rows({{0, 0x1p-140f, 1}});  // floats below 2^-126 are not
    EXPECT_EQ(found.x, 0);
}

// ---- bits

TEST_P(Merge, ARowHasTheBitsOfTheRowAlone) {
    const auto &[type, c] = GetParam();
    const std::vector<Part> parts = random_parts(type, c.extents, c.parts, c.spread, 4);
    const Part together = merge(parts);
    for (int64_t row = 0; row < together.extents.rows_in_all(); row++) {
        std::vector<Part> own;
        for (const Part &part : parts) {
            own.push_back(Part(type, {1, 1, 1, c.extents.columns, 7}));
            own.back().lse_of(0) = part.lse_of(row);
            std::memcpy(own.back().output.bytes.data(), &part.output.bytes[part.at(row) * type.bytes], size_t(c.extents.columns) * type.bytes);
        }
        const Part alone = merge(own);
        ASSERT_EQ(std::memcmp(alone.output.bytes.data(), &together.output.bytes[together.at(row) * type.bytes], size_t(c.extents.columns) * type.bytes), 0);
        ASSERT_EQ(alone.lse_of(0), together.lse_of(row));
    }
}

TEST_P(Merge, TheCallersRoundingModeNeitherMattersNorChanges) {
    const auto &[type, c] = GetParam();
    const std::vector<Part> parts = random_parts(type, c.extents, c.parts, c.spread, 5);
    const Part nearest = merge(parts);
    std::fesetround(FE_UPWARD);
    const Part upward = merge(parts);
    const int mode = std::fegetround();
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(mode, FE_UPWARD);
    EXPECT_TRUE(upward.output == nearest.output);
    EXPECT_EQ(upward.lse, nearest.lse);
}

// ---- parts of an attention

TEST(MergeAttention, PrefixAndSuffixMakeTheWhole) {
    for (int64_t prefix : {0, 1, 5, 7}) {
        FakeKernel fake;
        Problem whole, first, second;
        for (Problem *p : {&whole, &first, &second})
            p->build();
        ASSERT_EQ(whole.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        first.args.seq_len_kv = prefix;
        second.args.key = second.key.data() + prefix * second.args.stride_key[2];
        second.args.value = second.value.data() + prefix * second.args.stride_value[2];
        second.args.seq_len_kv = second.keys - prefix;
        ASSERT_EQ(first.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        ASSERT_EQ(second.run(&fake.kernel), ATTUNE_OK) << attune_last_error();

        const attune::Shape out{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = fake_head_dim_v};
        const std::vector<float> &first_lse = first.lse;  // read only
        const attune::MergePart parts[] = {{attune::bhsd(first.output.data(), out), attune::bhs(first_lse.data(), out)},
                                           {attune::bhsd(second.output.data(), out), attune::bhs(second.lse.data(), out)}};
        whole.output.assign(whole.output.size(), Problem::untouched), whole.lse.assign(whole.lse.size(), Problem::untouched);
        const attune::Status status =
            attune::merge({.parts = parts, .output = attune::bhsd(whole.output.data(), out), .lse = attune::bhs(whole.lse.data(), out)});
        ASSERT_TRUE(status) << status.message();
        whole.expect_right();
    }
}

TEST(MergeAttention, MistakesOfTheCppCallAreNamed) {
    std::vector<float> x(1000);
    std::vector<uint16_t> half(1000);
    const attune::Shape q{.batch = 1, .heads = 2, .seq_len = 3, .head_dim = 4};
    const attune::MergePart part{attune::bhsd(x.data(), q), attune::bhs(x.data() + 100, q)};
    const auto message = [&](std::vector<attune::MergePart> parts, attune::OutputView output, std::string_view dtype = "f32") {
        return std::string(attune::merge({.dtype = dtype, .parts = parts, .output = output}).message());
    };
    const attune::OutputView output = attune::bhsd(x.data() + 200, q);
    EXPECT_EQ(message({part, part}, output), "success");
    EXPECT_EQ(message({}, output), "success");
    EXPECT_EQ(message({part}, {}), "attune: output is not given; pass a view such as attune::bhsd(data, shape)");
    EXPECT_EQ(message({part}, attune::bhsd(half.data(), q)),
              "attune: output has elements of 2 bytes, but dtype is f32; give that of the kernel");
    EXPECT_EQ(message({part}, attune::bhsd(half.data(), q), "f16"),
              "attune: parts[0].output has elements of 4 bytes, but dtype is f16; give that of the kernel");
    attune::MergePart other = part;
    other.output.shape.seq_len = 2;
    EXPECT_EQ(message({part, other}, output), "attune: parts[1].output has the shape (1, 2, 2, 4) but must have that of output, (1, 2, 3, 4)");
    other = part, other.lse.stride_seq = 2;
    EXPECT_EQ(message({part, other}, output), "attune: parts[1] has other strides than parts[0]; copy it into the same layout");
    other = part, other.lse.data = nullptr;  // found by the C function
    EXPECT_EQ(message({part, other}, output), "attune: part_lse[1] is null but has 3 rows of each head; pass its first element");
    EXPECT_EQ(message({}, attune::bhsd(half.data(), q), "f64"), "attune: dtype is \"f64\" but must be \"f32\", \"f16\" or \"bf16\"; pass the kernel's");
}

}  // namespace
