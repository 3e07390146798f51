// blocks("file.npy", size): the file beside the specification, and what can be wrong with it.
#include "generator/cli/npy/npy.h"
#include "generator/spec/evaluate.h"
#include "generator/spec/read_pattern.h"

#include "tests/spec/spec_file.h"

#include <cstring>
#include <filesystem>

namespace attune {
namespace {

class PatternFile : public testing::Test {
protected:
    void SetUp() override {
        char folder[] = "/tmp/attune_pattern_XXXXXX";
        ASSERT_NE(mkdtemp(folder), nullptr);
        folder_ = std::string(folder) + "/";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    template <class T>
    void write(const std::string &name, const std::string &dtype, const std::vector<int64_t> &shape, const std::vector<T> &elements) {
        NpyArray array;
        array.dtype = dtype;
        array.shape = shape;
        array.bytes.resize(elements.size() * sizeof(T));
        if (!elements.empty()) std::memcpy(array.bytes.data(), elements.data(), array.bytes.size());
        write_npy(folder_ + name, array);
    }
    AttentionSpec parse(const std::string &mask) {
        return validate_spec(read_spec_text("[kernel]\nmask = \"" + mask + "\"", folder_ + "spec.toml"));
    }
    std::string what(const std::string &mask) {
        try {
            parse(mask);
        } catch (const Error &error) {
            std::string text = error.what();
            for (size_t at; (at = text.find(folder_)) != std::string::npos;) text.erase(at, folder_.size());
            EXPECT_EQ(error.details().line, 2);
            return text;
        }
        return "no error";
    }

    std::string folder_;
};

TEST_F(PatternFile, IsFoundBesideTheSpecification) {
    write<uint8_t>("p.npy", "|b1", {2, 3}, {1, 0, 0, 1, 1, 0});
    const AttentionSpec spec = parse("causal && blocks('p.npy', 16)");
    EXPECT_EQ(spec.mask_text(), "causal && blocks(\"p.npy\", 16)");
    const Pattern &pattern = *without_helper(spec.mask.root->operands[1])->pattern;
    EXPECT_EQ(pattern.visible, (std::vector<uint8_t>{1, 0, 0, 1, 1, 0}));
    EXPECT_EQ(pattern.size, 16);
    EXPECT_EQ(pattern.heads, 1);
    EXPECT_EQ(pattern.rows, 2);
    EXPECT_EQ(pattern.columns, 3);
    EXPECT_EQ(validate_spec(read_spec_text(spec_to_toml(spec), folder_ + "other.toml")), spec);
    EXPECT_EQ(parse("blocks('" + folder_ + "p.npy', 16)").params.size(), 0u);  // an absolute name
}

TEST_F(PatternFile, ItsContentIsPartOfTheKernel) {
    write<uint8_t>("p.npy", "|b1", {1, 2}, {1, 0});
    const std::string first = parse("blocks('p.npy', 16)").id();
    write<uint8_t>("p.npy", "|b1", {1, 2}, {1, 1});
    EXPECT_NE(parse("blocks('p.npy', 16)").id(), first);
    write<uint8_t>("p.npy", "|b1", {2, 1}, {1, 0});
    EXPECT_NE(parse("blocks('p.npy', 16)").id(), first);
    write<int32_t>("p.npy", "<i4", {1, 2}, {-7, 0});  // any integer that is not 0 is visible
    EXPECT_EQ(parse("blocks('p.npy', 16)").id(), first);
    write<int64_t>("p.npy", "<i8", {1, 1, 2}, {int64_t(1) << 40, 0});
    EXPECT_EQ(parse("blocks('p.npy', 16)").id(), first);
}

TEST_F(PatternFile, MistakesAreErrors) {
    write<float>("floats.npy", "<f4", {1, 2}, {1, 0});
    write<uint8_t>("row.npy", "|b1", {2}, {1, 0});
    write<uint8_t>("empty.npy", "|b1", {0, 2}, {});
    std::ofstream(folder_ + "text.npy") << "no array";
    EXPECT_EQ(what("blocks('floats.npy', 16)"),
              "spec.toml:2:16: mask: floats.npy: the type is float32, expected bool, int32 or int64; save array.astype(bool)");
    EXPECT_EQ(what("blocks('row.npy', 16)"), "spec.toml:2:16: mask: row.npy: the shape is (2,), expected (rows, columns) or (heads, rows, "
                                             "columns), in blocks; save such an array");
    EXPECT_EQ(what("blocks('empty.npy', 16)"),
              "spec.toml:2:16: mask: empty.npy: the shape is (0, 2), expected 1 to 16777216 blocks; save an array that is not empty");
    EXPECT_TRUE(what("blocks('text.npy', 16)").starts_with("spec.toml:2:16: mask: ")) << what("blocks('text.npy', 16)");
    EXPECT_TRUE(what("blocks('nowhere.npy', 16)").starts_with("spec.toml:2:16: mask: ")) << what("blocks('nowhere.npy', 16)");
    EXPECT_EQ(what("blocks('row.npy', 0)"),
              "spec.toml:2:27: mask: size of blocks(\"file.npy\", size) is 0, expected a positive integer; write another number");
}

}  // namespace
}  // namespace attune
