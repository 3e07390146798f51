#include "safetensors.h"

#include "input_error.h"
#include "temporary_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

namespace {

std::string file_of(std::string_view header, std::string_view data, uint64_t claimed_header_size) {
    std::string file(8, '\0');
    std::memcpy(file.data(), &claimed_header_size, 8);
    return file.append(header).append(data);
}

std::string file_of(std::string header, std::string_view data) {
    header.resize((header.size() + 7) / 8 * 8, ' ');  // as writers do, so that the data is aligned
    return file_of(header, data, header.size());
}

std::string bytes_of(std::initializer_list<float> values) {
    std::string bytes;
    for (float value : values)
        bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
    return bytes;
}

TEST(Safetensors, reads_tensors_in_place) {
    const TemporaryFile file(
        file_of(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
                R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[0,5],"data_offsets":[12,12]}})",
                bytes_of({1.5f, -2.0f, 3.0f})));
    const Safetensors tensors(file.path());
    EXPECT_EQ(tensors.tensors().size(), 3u);
    EXPECT_EQ(tensors.floats("a", {})[0], 1.5f);
    EXPECT_EQ(tensors.floats("b", {2})[1], 3.0f);
    EXPECT_TRUE(tensors.floats("none", {0, 5}).empty());
}

TEST(Safetensors, names_what_differs_from_the_expected_tensor) {
    const TemporaryFile file(
        file_of(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"i":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}})",
                bytes_of({1, 2, 3})));
    const Safetensors tensors(file.path());
    const auto message = [&](const std::string &name, const std::vector<int64_t> &shape) -> std::string {
        try {
            tensors.floats(name, shape);
        } catch (const InputError &e) {
            return e.what();
        }
        return "";
    };
    EXPECT_NE(message("missing", {1}).find("no tensor missing"), std::string::npos);
    EXPECT_NE(message("a", {1, 2}).find("tensor a is F32 (2, 1), expected F32 (1, 2)"), std::string::npos);
    EXPECT_NE(message("i", {1}).find("tensor i is I32 (1), expected F32 (1)"), std::string::npos);
}

TEST(Safetensors, refuses_data_that_is_not_aligned) {
    const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
    ASSERT_NE(header.size() % 4, 0u);
    const TemporaryFile file(file_of(header, bytes_of({1}), header.size()));
    const Safetensors tensors(file.path());
    EXPECT_THROW(tensors.floats("a", {1}), InputError);
}

struct Malformed {
    const char *name;
    std::string file;
    const char *message;  // a part of it
};
void PrintTo(const Malformed &c, std::ostream *out) {
    *out << c.name;
}

class MalformedSafetensors : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedSafetensors, is_refused_with_its_fault) {
    const TemporaryFile file(GetParam().file);
    try {
        Safetensors tensors(file.path());
        FAIL() << "accepted";
    } catch (const InputError &e) {
        const std::string what = e.what();
        EXPECT_EQ(what.rfind(file.path(), 0), 0u) << what;
        EXPECT_NE(what.find(GetParam().message), std::string::npos) << what;
        EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
}

const std::string eight = std::string(8, '\0');

INSTANTIATE_TEST_SUITE_P(
    Files, MalformedSafetensors,
    testing::Values(
        Malformed{"empty", "", "it has 0 bytes"}, Malformed{"shorter_than_a_size", "1234567", "it has 7 bytes"},
        Malformed{"cut_in_the_header", file_of(R"({"a":{"dtype")", "", 1000), "the header claims 1000 bytes"},
        Malformed{"header_size_wraps_around", file_of("{}", "", ~uint64_t{0}), "the header claims 18446744073709551615 bytes"},
        Malformed{"header_size_wraps_to_inside", file_of("{}", "", ~uint64_t{0} - 7), "the header claims"},
        Malformed{"no_json", file_of("hello", ""), "the header is no JSON"},
        Malformed{"cut_json", file_of(R"({"a":{)", ""), "the header is no JSON"},
        Malformed{"json_array", file_of("[]", ""), "no JSON object"},
        Malformed{"deep_json", file_of(std::string(100000, '['), ""), "the header is no JSON"},
        Malformed{"no_dtype", file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", eight), "tensor a needs a dtype"},
        Malformed{"entry_is_a_number", file_of(R"({"a":1})", ""), "tensor a needs a dtype"},
        Malformed{"one_offset", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", eight), "two data_offsets"},
        Malformed{"unknown_dtype", file_of(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", eight), "unknown dtype F31"},
        Malformed{"negative_extent", file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight), "extent -2"},
        Malformed{"fractional_extent", file_of(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", eight), "extent 2.0"},
        Malformed{"extent_over_63_bits", file_of(R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,8]}})", eight),
                  "extent 9223372036854775808"},
        // 2^62 * 4 bytes and 2^32 * 2^32 elements are 0 modulo 2^64.
        Malformed{"bytes_overflow", file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", ""),
                  "over 64 bits"},
        Malformed{"product_overflows", file_of(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", ""),
                  "over 64 bits"},
        Malformed{"negative_offset", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", eight), "no sizes"},
        Malformed{"end_before_begin", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight), "bytes 8 to 0 of 8"},
        Malformed{"cut_in_the_data", file_of(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", eight), "bytes 0 to 16 of 8"},
        Malformed{"offsets_and_shape_differ", file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight),
                  "has 8 bytes, but F32 (3) takes 12"},
        Malformed{"overlap",
                  file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          eight),
                  "starts at byte 4, expected 8"},
        Malformed{"gap", file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight), "starts at byte 4, expected 0"},
        Malformed{"name_twice",
                  file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          eight),
                  "starts at byte 4, expected 0"},
        Malformed{"rest", file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight), "4 bytes after the last tensor"}),
    [](const auto &info) { return info.param.name; });

TEST(Safetensors, a_missing_file_and_a_directory_are_refused) {
    EXPECT_THROW(Safetensors("/nonexistent/model.safetensors"), InputError);
    EXPECT_THROW(Safetensors(testing::TempDir()), InputError);
}

// Every truncation of a good file is refused, and none is read past its end (under the sanitizers).
TEST(Safetensors, every_truncation_is_refused) {
    const std::string whole = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", bytes_of({1, 2}));
    for (size_t size = 0; size < whole.size(); ++size) {
        const TemporaryFile file(whole.substr(0, size));
        EXPECT_THROW(Safetensors(file.path()), InputError) << size;
    }
}

}  // namespace
