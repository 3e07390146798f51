#include "tests/layer/projection_case.h"

namespace attune::test {
namespace {

struct ProjectionCase {
    const char *name;
    int in, out;
    int64_t rows;
    Activation activation = Activation::none;
    bool bias = true;
    int64_t batch = 1;
    int64_t gap = 0;  ///< elements between rows
    ScheduleParameters overrides = {};
    friend void PrintTo(const ProjectionCase &row, std::ostream *out) { *out << row.name; }
};

/// Rows, inputs and outputs around tiles, blocks and chunks, and far from them.
const ProjectionCase cases[] = {
    {"one", 1, 1, 1},
    {"one_row", 64, 48, 1, Activation::gelu},
    {"odd", 37, 29, 13, Activation::relu},
    {"tile_and_one", 64, 33, 7, Activation::silu, true, 1, 3},
    {"two_chunks", 300, 17, 25, Activation::none, false},
    {"chunk_and_one", 257, 96, 9},
    {"blocks_of_rows", 40, 64, 205, Activation::gelu, true, 1, 5},
    {"blocks_of_columns", 48, 601, 19},
    {"many_inputs", 2000, 24, 6},
    {"batches_with_gaps", 24, 40, 11, Activation::none, true, 3, 8},
    {"dense_batches", 24, 40, 11, Activation::relu, true, 3},
    {"minilm_up", 384, 1536, 33, Activation::gelu},
    {"small_blocks", 70, 50, 45, Activation::none, true, 1, 0, {{"tile_rows", 6}, {"tile_columns", 2}, {"block_rows", 12}, {"block_columns", 32}, {"block_inputs", 24}, {"unroll", 4}}},
};
/// Of matrix tiles, whose blocks are multiples of 16.
const ProjectionCase tile_cases[] = {
    {"two_tiles_high", 70, 50, 45, Activation::none, true, 1, 0, {{"tile_rows", 32}, {"tile_columns", 2}, {"block_rows", 32}, {"block_columns", 32}, {"block_inputs", 32}}},
    {"one_tile", 64, 40, 17, Activation::gelu, true, 1, 0, {{"tile_columns", 1}, {"block_rows", 16}, {"block_columns", 16}, {"block_inputs", 64}}},
};

/// A target's code: its own, with plain Halide in place of the machine's operations, or with emulated instructions, which every CPU with AVX2 runs.
struct Way {
    const char *name, *target;
    bool twins = false, emulate = false;
    const char *needed() const { return emulate ? "avx2" : target; }
};
const Way plain_ways[] = {{"sse41", "sse41"}, {"avx2", "avx2"}, {"avx512", "avx512"}};
const Way pair_ways[] = {{"pairs", "avx512_bf16"}, {"pairs_emulated", "avx512_bf16", false, true}, {"pairs_twins", "avx512_bf16", true, true},
                         {"tiles", "amx"},         {"tiles_emulated", "amx", false, true},         {"tiles_twins", "amx", true, true}};

using Parameters = std::tuple<Way, DType, ProjectionCase>;

class Projections : public testing::TestWithParam<Parameters> {};

struct Problem {
    ProjectionSpec spec;
    std::vector<double> input;
    ReferenceWeights weights;
};

Problem make_problem(DType dtype, const ProjectionCase &row) {
    Problem problem;
    problem.spec = {.name = "", .dtype = dtype, .in_features = row.in, .out_features = row.out, .bias = row.bias, .activation = row.activation, .targets = {}};
    problem.spec.name = problem.spec.id();
    problem.input = random_numbers(dtype, row.batch * row.rows * row.in, 1);
    problem.weights.weight = random_numbers(dtype, static_cast<int64_t>(row.out) * row.in, 2, 1 / std::sqrt(row.in));
    if (row.bias) problem.weights.bias = random_numbers(dtype, row.out, 3);
    return problem;
}

/// The output's bits, rows of each batch one after the other.
std::vector<uint32_t> run(const Projection &projection, const Problem &problem, const ProjectionCase &row, int threads, double *poison = nullptr) {
    const DType dtype = problem.spec.dtype;
    Rows weight(dtype, problem.weights.weight, row.in, row.in), bias(dtype, problem.weights.bias, row.out, row.out);
    PackedWeights packed;
    expect_ok(projection.pack({weight.elements(), bias.elements()}, packed));

    std::vector<double> input = problem.input;
    if (poison) input[0] = *poison;
    const int64_t stride_x = row.in + row.gap, stride_y = row.out + row.gap;
    Rows x(dtype, input, row.in, stride_x), y(dtype, std::vector<double>(static_cast<size_t>(row.batch * row.rows * row.out), -7.0), row.out, stride_y);
    ProjectionArgs args{.input = x.elements(), .output = y.elements(), .weights = packed, .batch = row.batch, .rows = row.rows, .num_threads = threads};
    if (row.gap) {
        args.stride_input = {row.rows * stride_x, stride_x};
        args.stride_output = {row.rows * stride_y, stride_y};
    } else {  // of the first rows
        args.input.size = static_cast<size_t>(row.batch * row.rows * row.in);
    }
    Workspace workspace;
    expect_ok(projection(args, workspace));
    EXPECT_TRUE(y.guards_hold());
    std::vector<uint32_t> bits;
    for (int64_t r = 0; r < row.batch * row.rows; r++) {
        for (int64_t n = 0; n < row.out; n++) bits.push_back(y.bits(r * (row.out + row.gap) + n));
        for (int64_t n = row.out; n < row.out + row.gap; n++) EXPECT_TRUE(std::isnan(y.at(r * (row.out + row.gap) + n))) << "written between rows";
    }
    return bits;
}

TEST_P(Projections, StayInsideTheBound) {
    const auto &[way, dtype, row] = GetParam();
    if (!machine_runs(cpu_target(way.needed()))) GTEST_SKIP() << "this CPU does not run " << way.needed();
    const Problem problem = make_problem(dtype, row);
    const auto loaded = load_projection(problem.spec, cpu_target(way.target), {.overrides = row.overrides, .twins = way.twins, .emulate = way.emulate});
    const Projection projection(loaded->projection());
    const std::vector<uint32_t> bits = run(projection, problem, row, 1);
    const Bounded expected = reference_projection(problem.spec, row.batch * row.rows, exactly(problem.input), problem.weights);
    const double share = largest_share(expected, [&](size_t i) { return number_of(dtype, bits[i]); });
    EXPECT_LE(share, 1.0);
    EXPECT_GT(share, 0.0) << "equal to the reference in every bit: is it the reference?";

    EXPECT_EQ(bits, run(projection, problem, row, 3)) << "threads change no bit";
    ProjectionCase first_rows = row;  // of the first batch: neighbours change no bit
    first_rows.batch = 1;
    for (const int64_t rows : {(row.rows + 1) / 2, int64_t{1}}) {
        first_rows.rows = rows;
        const std::vector<uint32_t> fewer = run(projection, problem, first_rows, 1);
        EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), bits.begin())) << rows << " rows";
    }

    double poison = NAN;
    const std::vector<uint32_t> poisoned = run(projection, problem, row, 1, &poison);
    for (size_t i = 0; i < bits.size(); i++)
        if (i < static_cast<size_t>(row.out))
            EXPECT_TRUE(std::isnan(number_of(dtype, poisoned[i]))) << i;
        else
            EXPECT_EQ(bits[i], poisoned[i]) << "a NaN of row 0 reached element " << i;
}

std::vector<Parameters> table() {
    std::vector<Parameters> all;
    for (const Way &way : plain_ways)
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
            for (const ProjectionCase &row : cases)
                if (dtype == DType::f32 || row.rows < 30) all.emplace_back(way, dtype, row);
    for (const Way &way : pair_ways) {
        const bool in_tiles = way.target == std::string("amx");
        for (const ProjectionCase &row : cases)
            if (row.rows < 50 && !(in_tiles && !row.overrides.empty())) all.emplace_back(way, DType::bf16, row);
        for (const ProjectionCase &row : tile_cases)
            if (in_tiles) all.emplace_back(way, DType::bf16, row);
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, Projections, testing::ValuesIn(table()), [](const auto &info) {
    return std::string(std::get<0>(info.param).name) + "_" + dtype_name(std::get<1>(info.param)) + "_" + std::get<2>(info.param).name;
});

/// Halide gives stages other names in the second pipeline of a process; passes over loops must know them there too.
TEST(Projection, HasTheSameCodeEachTime) {
    const ProjectionPlan plan = plan_projection(make_problem(DType::f32, cases[2]).spec, cpu_target("avx2"));
    const std::vector<ObjectFile> first = compile_projection(plan).objects, second = compile_projection(plan).objects;
    ASSERT_EQ(first.size(), 2u);
    for (size_t i = 0; i < first.size(); i++) EXPECT_EQ(first[i].bytes, second[i].bytes) << first[i].name;
}

class ProjectionErrors : public testing::Test {
protected:
    void SetUp() override {
        problem = make_problem(DType::f32, {"errors", 300, 29, 13});
        loaded = load_projection(problem.spec, *machine_targets().back());
        projection = loaded->projection();
        packed_size = attune_projection_packed_size(projection);
        packed = aligned_memory(packed_size);
        weight.assign(problem.weights.weight.begin(), problem.weights.weight.end());
        bias.assign(problem.weights.bias.begin(), problem.weights.bias.end());
        part = {weight.data(), bias.data(), 29, 0};
        x.assign(13 * 300, 1.0f);
        y.assign(13 * 29, -7.0f);
        args.size = sizeof args;
        args.version = ATTUNE_PROJECTION_ARGS_VERSION;
        args.input = x.data();
        args.output = y.data();
        args.weights = packed.get();
        args.batch = 1;
        args.rows = 13;
        args.workspace_size = attune_projection_workspace_size(projection, &args);
        workspace = aligned_memory(args.workspace_size);
        args.workspace = workspace.get();
    }

    void expect_run(attune_status status, const std::string &text) {
        EXPECT_EQ(status, attune_projection_run(projection, &args));
        EXPECT_NE(std::string::npos, std::string(attune_last_error()).find(text)) << attune_last_error();
        EXPECT_TRUE(std::all_of(y.begin(), y.end(), [](float v) { return v == -7.0f; })) << "output was touched";
    }
    void expect_pack(attune_status status, const std::string &text) {
        EXPECT_EQ(status, attune_projection_pack(projection, &part, 1, packed.get(), packed_size));
        EXPECT_NE(std::string::npos, std::string(attune_last_error()).find(text)) << attune_last_error();
    }

    Problem problem;
    std::unique_ptr<LoadedProjection> loaded;
    const attune_projection *projection = nullptr;
    size_t packed_size = 0;
    Memory packed, workspace;
    std::vector<float> weight, bias, x, y;
    attune_weights part{};
    attune_projection_args args{};
};

TEST_F(ProjectionErrors, OfPacking) {
    part.outputs = 28;
    expect_pack(ATTUNE_SHAPE_MISMATCH, "weights have 28 outputs but " + problem.spec.name + " has 29");
    part.outputs = 0;
    expect_pack(ATTUNE_INVALID_ARGUMENT, "weights[0].outputs is 0");
    part = {weight.data(), bias.data(), 29, 299};
    expect_pack(ATTUNE_SHAPE_MISMATCH, "weights[0].stride is 299");
    part = {nullptr, bias.data(), 29, 0};
    expect_pack(ATTUNE_NULL_POINTER, "weights[0].weight is null");
    part = {weight.data(), nullptr, 29, 0};
    expect_pack(ATTUNE_NULL_POINTER, "weights[0].bias is null");
    part = {reinterpret_cast<char *>(weight.data()) + 1, bias.data(), 29, 0};
    expect_pack(ATTUNE_MISALIGNED, "must be aligned to 4 bytes");
    part = {weight.data(), bias.data(), 29, 0};
    packed_size--;
    expect_pack(ATTUNE_WORKSPACE_TOO_SMALL, "packed_size is");
}

TEST_F(ProjectionErrors, OfCalls) {
    args.size--;
    expect_run(ATTUNE_STRUCT_SIZE, "sizeof(attune_projection_args)");
    args.size++;
    args.rows = -1;
    expect_run(ATTUNE_INVALID_ARGUMENT, "rows is -1");
    args.rows = 13;
    args.stride_output[1] = 20;
    expect_run(ATTUNE_INVALID_ARGUMENT, "output");
    args.stride_output[1] = 0;
    args.input = nullptr;
    expect_run(ATTUNE_NULL_POINTER, "input is null");
    args.input = y.data() + 5;
    expect_run(ATTUNE_INVALID_ARGUMENT, "output overlaps input");
    args.input = x.data();
    args.weights = nullptr;
    expect_run(ATTUNE_NULL_POINTER, "weights is null");
    args.weights = static_cast<char *>(packed.get()) + 4;
    expect_run(ATTUNE_MISALIGNED, "must be aligned to 64 bytes");
    args.weights = packed.get();
    args.workspace_size--;
    expect_run(ATTUNE_WORKSPACE_TOO_SMALL, "workspace");
    args.workspace_size++;
    args.rows = 0;
    args.input = args.weights = args.workspace = nullptr;
    EXPECT_EQ(ATTUNE_OK, attune_projection_run(projection, &args)) << attune_last_error();
}


}  // namespace
}  // namespace attune::test
