/// Transposes of 32-bit matrices in registers: right, and of as few shuffles as the network has.
#include "generator/backend/code_generator.h"
#include "tests/support/halide_function.h"
#include "tests/support/kernel_case.h"

#include <bit>
#include <numeric>
#include <regex>

namespace attune::test {

namespace {

using Halide::Float;
using Halide::Func;
using Halide::ImageParam;
using Halide::Var;

struct TransposeCase {
    int rows, columns;
    friend void PrintTo(const TransposeCase &matrix, std::ostream *out) { *out << matrix.rows << "x" << matrix.columns; }
};

using Parameters = std::tuple<const char *, TransposeCase>;

class Transposes : public testing::TestWithParam<Parameters> {
protected:
    void SetUp() override {
        if (!has_llvm_backend()) GTEST_SKIP() << "built without the LLVM back end";
        if (std::max(rows, columns) != target.vector) GTEST_SKIP() << target.name << " has registers of " << target.vector;
    }

    /// The transpose of a matrix: a tile whose rows are read as they lie and stored strided, as schedules do it.
    Func transpose() {
        const Var i("i"), r("r"), c("c"), to("to"), ti("ti");
        Func tile("tile"), result("result");
        tile(r, c) = x(r * columns + c);
        result(i) = tile(i % rows, i / rows);
        tile.compute_root().bound(r, 0, rows).bound(c, 0, columns).vectorize(c).reorder(c, r).unroll(r).store_in(Halide::MemoryType::Stack);
        result.bound(i, 0, rows * columns).split(i, to, ti, rows).vectorize(ti).unroll(to);
        return result;
    }

    const CpuTarget &target = cpu_target(std::get<0>(GetParam()));
    const int rows = std::get<1>(GetParam()).rows, columns = std::get<1>(GetParam()).columns;
    ImageParam x{Float(32), 1, "x"};
};

TEST_P(Transposes, are_right) {
    if (!available_target("avx2")) GTEST_SKIP() << "a CPU without AVX2";
    std::vector<float> matrix(static_cast<size_t>(rows * columns));
    std::iota(matrix.begin(), matrix.end(), 1.0f);
    const std::vector<float> got = run_function<float>(transpose(), {x}, {matrix}, target);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) EXPECT_EQ(got[static_cast<size_t>(c * rows + r)], matrix[static_cast<size_t>(r * columns + c)]) << r << ", " << c;
}

TEST_P(Transposes, take_a_shuffle_a_register_and_stage) {
    const Halide::Target halide(std::string(target.halide) + "-no_runtime-user_context-no_asserts-no_bounds_query");
    const Halide::Module module = Halide::Pipeline(transpose()).compile_to_module({x}, "transpose", halide);
    const std::vector<char> assembly = generate_code(module, target, CodeForm::assembly);
    const std::string text(assembly.begin(), assembly.end());
    const std::regex shuffle(R"(\n\s*v?(unpck|punpck|shuf|perm|pshuf|blend|pblend|insert|extract)\w*)"), table(R"(perm(t2|i2|d|ps)\w*\s)");
    const auto count = [&](const std::regex &what) { return std::distance(std::sregex_iterator(text.begin(), text.end(), what), std::sregex_iterator()); };
    const int longer = std::max(rows, columns), shorter = std::min(rows, columns), stages = std::bit_width(static_cast<unsigned>(shorter)) - 1;
    // A stage takes a shuffle a register; parts of one are put together or taken apart.
    EXPECT_LE(count(shuffle), shorter * stages + longer - shorter) << text;
    if (rows >= columns) {
        EXPECT_EQ(count(table), 0) << text;
    }
}

INSTANTIATE_TEST_SUITE_P(Matrices, Transposes,
                         testing::Combine(testing::Values("avx2", "avx512"),
                                          testing::Values(TransposeCase{8, 8}, TransposeCase{8, 4}, TransposeCase{4, 8}, TransposeCase{16, 16}, TransposeCase{16, 8},
                                                          TransposeCase{16, 4}, TransposeCase{8, 16}, TransposeCase{4, 16})),
                         [](const auto &info) {
                             const TransposeCase matrix = std::get<1>(info.param);
                             return std::get<0>(info.param) + ("_" + std::to_string(matrix.rows) + "x" + std::to_string(matrix.columns));
                         });

}  // namespace
}  // namespace attune::test
