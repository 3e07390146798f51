#include "gguf.h"

#include "gguf_writer.h"
#include "input_error.h"
#include "temporary_file.h"

#include <gtest/gtest.h>

#include <functional>

namespace {

GgufWriter small() {
    GgufWriter w;
    w.integer("a.integer", 7);
    w.number("a.number", 1.5f);
    w.text("a.text", "seven");
    w.texts("a.list", {"x", "", "yz"});
    w.floats("floats", {3}, {1, -2, 3});
    w.floats("matrix", {2, 3}, {1, 2, 3, 4, 5, 6});
    w.tensor("packed", {64, 2}, 8, std::string(4 * 34, '\0'));
    return w;
}

std::string message_of(const std::function<void()> &action) {
    try {
        action();
    } catch (const InputError &e) {
        return e.what();
    }
    return "no error";
}

TEST(Gguf, reads_values_and_tensors) {
    const TemporaryFile file(small().file());
    const Gguf gguf(file.path());
    EXPECT_EQ(gguf.integer("a.integer"), 7);
    EXPECT_EQ(gguf.number("a.number"), 1.5);
    EXPECT_EQ(gguf.text("a.text"), "seven");
    EXPECT_EQ(gguf.texts("a.list"), (std::vector<std::string>{"x", "", "yz"}));
    EXPECT_EQ(gguf.vector("floats", 3)[1], -2.0f);
    float row[2];
    unpack_row(gguf.matrix("matrix", 3, 2), 2, row);
    EXPECT_EQ(row[1], 6.0f);
    EXPECT_EQ(gguf.matrix("packed", 2, 64).type, WeightType::q8_0);
}

TEST(Gguf, names_what_differs_from_what_was_asked_for) {
    const TemporaryFile file(small().file());
    const Gguf gguf(file.path());
    const auto expect = [](const std::string &message, const char *part) { EXPECT_NE(message.find(part), std::string::npos) << message; };
    expect(message_of([&] { gguf.integer("none"); }), "no value none");
    expect(message_of([&] { gguf.integer("a.text"); }), "a.text is no integer");
    expect(message_of([&] { gguf.matrix("none", 1, 1); }), "no tensor none");
    expect(message_of([&] { gguf.matrix("matrix", 2, 3); }), "tensor matrix is (2, 3), expected (3, 2)");
    expect(message_of([&] { gguf.vector("matrix", 6); }), "tensor matrix is (2, 3), expected (6)");
}

struct Malformed {
    const char *name;
    std::function<std::string()> file;
    const char *message;  // a part of it
};
void PrintTo(const Malformed &c, std::ostream *out) {
    *out << c.name;
}
class MalformedGguf : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedGguf, is_refused_with_its_fault) {
    const TemporaryFile file(GetParam().file());
    const std::string message = message_of([&] { Gguf{file.path()}; });
    EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
}

std::string with_tensor(const std::vector<uint64_t> &shape, uint32_t type, size_t bytes) {
    GgufWriter w;
    w.tensor("t", shape, type, std::string(bytes, '\0'));
    return w.file();
}

INSTANTIATE_TEST_SUITE_P(
    Files, MalformedGguf,
    testing::Values(Malformed{"empty", [] { return ""; }, "cannot map"},  //
                    Malformed{"another_format", [] { return std::string(64, 'x'); }, "no GGUF file"},
                    Malformed{"another_version", [] { return GgufWriter().file(2); }, "GGUF version 2, expected 3"},
                    Malformed{"tensors_without_end",
                              [] { return std::string("GGUF\3\0\0\0", 8) + std::string(8, '\xff') + std::string(8, '\0'); }, "cut off"},
                    Malformed{"key_longer_than_the_file",
                              [] {
                                  return std::string("GGUF\3\0\0\0", 8) + std::string(8, '\0') + std::string("\1\0\0\0\0\0\0\0", 8) +
                                         std::string(8, '\xff');
                              },
                              "cut off: 18446744073709551615 bytes expected at byte 32 of 32"},
                    Malformed{"unknown_type", [] { return with_tensor({32}, 2, 18); },
                              "tensor t is of type 2, expected f32 (0), q4_1 (3) or q8_0 (8)"},
                    Malformed{"no_dimension", [] { return with_tensor({}, 0, 4); }, "tensor t has 0 dimensions"},
                    Malformed{"row_of_part_of_a_block",
                              [] {
                                  return with_tensor({33, 1}, 8, 68);
                              },
                              "no multiple of 32"},
                    Malformed{"no_element",
                              [] {
                                  return with_tensor({0, 4}, 0, 0);
                              },
                              "(0, 4) has no size"},
                    Malformed{"size_over_64_bits",
                              [] {
                                  return with_tensor({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 4);
                              },
                              "has no size"},  // 2^64: 0
                    Malformed{"bytes_over_64_bits", [] { return with_tensor({uint64_t{1} << 62}, 0, 4); }, "does not lie in the 32 bytes"},
                    Malformed{"data_cut_off",
                              [] {
                                  return with_tensor({64, 2}, 8, 2 * 34);
                              },
                              "does not lie in the 96 bytes of data"}),
    [](const auto &info) { return info.param.name; });

TEST(Gguf, a_missing_file_and_a_directory_are_refused) {
    EXPECT_THROW(Gguf("/nonexistent/model.gguf"), InputError);
    EXPECT_THROW(Gguf(testing::TempDir()), InputError);
}

// Every truncation of a good file is refused, but those of the padding after the last tensor; none is read past its end (sanitizers).
TEST(Gguf, every_truncation_is_refused) {
    const std::string whole = small().file();
    for (size_t size = 0; size + 32 < whole.size(); ++size) {
        const TemporaryFile file(whole.substr(0, size));
        EXPECT_THROW(Gguf(file.path()), InputError) << size;
    }
}

}  // namespace
