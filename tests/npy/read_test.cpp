#include "tests/npy/npy_folder.h"

#include <sys/stat.h>

#include <cstring>
#include <thread>

namespace attune {
namespace {

using test::npy_dictionary;
using test::npy_text;

class NpyRead : public test::NpyFolder {
protected:
    /// what() without the folder, or "" where there is no error.
    std::string error_of(const std::string &text, const std::string &argument = "--query") const {
        const std::string file = write_text(text);
        try {
            read_npy(file, argument);
        } catch (const Error &error) {
            const ErrorDetails &d = error.details();
            EXPECT_EQ(d.code, ErrorCode::input);
            EXPECT_EQ(d.file, file);
            EXPECT_EQ(d.argument, argument.empty() ? file : argument);
            EXPECT_TRUE(!d.value.empty() && !d.expected.empty() && !d.cure.empty());
            std::string what = error.what();
            EXPECT_EQ(what.substr(0, file.size() + 2), file + ": ");
            return what.substr(file.size() + 2);
        }
        return "";
    }
};

const std::string four(4, '\x01');
#define TYPES "expected float32, float16, uint16 (bits of bf16), int32, int64, uint8 or bool"

TEST_F(NpyRead, EveryTypeAndVersion) {
    for (const int version : {1, 2, 3})
        for (const auto &[descr, size] : {std::pair{"<f4", 4}, {"<f2", 2}, {"<u2", 2}, {"<i4", 4}, {"<i8", 8}, {"|u1", 1}, {"|b1", 1}}) {
            const std::string data(static_cast<size_t>(6 * size), '\x05');
            const NpyArray a = read_npy(write_text(npy_text(npy_dictionary(descr, "(2, 3)"), data, version)));
            EXPECT_EQ(a.dtype, descr);
            EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 3}));
            EXPECT_EQ(a.size(), 6);
            EXPECT_EQ(std::string(a.bytes.begin(), a.bytes.end()), data);
        }
}

TEST_F(NpyRead, ScalarsEmptyArraysAndOneDimensionInFortranOrder) {
    EXPECT_EQ(read_npy(write_text(npy_text(npy_dictionary("<f4", "()"), four))).size(), 1);
    EXPECT_EQ(read_npy(write_text(npy_text(npy_dictionary("<f4", "(3, 0, 5)"), ""))).size(), 0);
    EXPECT_EQ(read_npy(write_text(npy_text(npy_dictionary("<f4", "(1,)", "True"), four))).size(), 1);
    EXPECT_EQ(read_npy(write_text(npy_text(npy_dictionary("<i4", "(1, 2, 1)", "True"), four + four))).size(), 2);
}

TEST_F(NpyRead, ThroughAPipe) {
    const std::string data(3000000, 'x'), pipe = path("pipe");
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << npy_text(npy_dictionary("|b1", "(3000000,)"), data); });
    const NpyArray a = read_npy(pipe);
    writer.join();
    EXPECT_EQ(a.bytes.size(), data.size());
}

TEST_F(NpyRead, AShortPipeIsAnErrorWithoutAHugeAllocation) {
    const std::string pipe = path("pipe");
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << npy_text(npy_dictionary("<f4", "(1000000000000000,)"), four); });
    try {
        read_npy(pipe);
        ADD_FAILURE();
    } catch (const Error &error) {
        EXPECT_EQ(error.details().value, "cut short: 4 bytes of data");
    }
    writer.join();
}

TEST_F(NpyRead, MessagesOfTypeAndOrder) {
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f8", "(1,)"), four + four)), "--query is float64, " TYPES "; convert it with a.astype(np.float32)");
    EXPECT_EQ(error_of(npy_text(npy_dictionary(">f4", "(1,)"), four)), "--query is big-endian (>f4), expected little-endian; convert it with a.astype(\"<f4\")");
    EXPECT_EQ(error_of(npy_text(npy_dictionary(">f8", "(1,)"), four)), "--query is big-endian (>f8), expected little-endian; convert it with a.astype(\"<f4\")");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("|O", "(1,)"), four)), "--query is an array of Python objects, " TYPES "; convert it with np.array(a.tolist(), np.float32)");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<c8", "(1,)"), four)), "--query is of type '<c8', " TYPES "; convert it with astype, as in a.astype(np.float32)");
    EXPECT_EQ(error_of(npy_text("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", four)),
              "--query is an array of records, " TYPES "; save one of its fields, as in a[\"name\"]");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(2, 2)", "True"), four + four + four + four)),
              "--query is in Fortran order, expected C order; convert it with np.ascontiguousarray(a)");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f8", "(1,)"), four + four), ""), "the array is float64, " TYPES "; convert it with a.astype(np.float32)");
}

TEST_F(NpyRead, MessagesOfLength) {
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(2,)"), four)), "--query is cut short: 4 bytes of data, expected 8 bytes for shape (2,) of float32; write it again");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(1,)"), four + "x")), "--query is too long: 5 bytes or more of data, expected 4 bytes for shape (1,) of float32; write it again");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(4294967296, 4294967296)"), four)), "--query is of shape (4294967296, 4294967296), expected at most 2^63 - 1 bytes; check the header");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(9223372036854775807, 9223372036854775807, 0)"), "")),
              "--query is of shape (9223372036854775807, 9223372036854775807, 0), expected at most 2^63 - 1 bytes; check the header");
    EXPECT_EQ(error_of(npy_text(npy_dictionary("<f4", "(2305843009213693951,)"), four)),
              "--query is cut short: 4 bytes of data, expected 9223372036854775804 bytes for shape (2305843009213693951,) of float32; write it again");
}

TEST_F(NpyRead, MessagesOfFilesThatAreNoNpy) {
    const std::string rest = ", expected an .npy file of version 1, 2 or 3; write it with numpy.save";
    EXPECT_EQ(error_of(""), "--query is no .npy file" + rest);
    EXPECT_EQ(error_of("\x93NUMPY"), "--query is no .npy file" + rest);
    EXPECT_EQ(error_of("hello, world"), "--query is no .npy file" + rest);
    EXPECT_EQ(error_of("PK\x03\x04" + four + four), "--query is an .npz archive" + rest);
    EXPECT_EQ(error_of(npy_text("{}", "", 4)), "--query is an .npy file of version 4.0" + rest);
    EXPECT_EQ(error_of(std::string("\x93NUMPY\x01\x00\xff", 9)), "--query is cut short in its header" + rest);
    EXPECT_EQ(error_of(std::string("\x93NUMPY\x01\x00\xff\x00{", 11)), "--query is cut short in its header" + rest);
    EXPECT_EQ(error_of(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13)), "--query is an .npy file with a header of 4294967295 bytes" + rest);
    EXPECT_EQ(error_of(npy_text("{'descr': '<f4'}", four)), "--query is an .npy file whose header has no key 'fortran_order', expected a header as NumPy writes it; write it with numpy.save");
}

TEST_F(NpyRead, MessagesOfPaths) {
    const auto what = [](const std::string &path) -> std::string {
        try {
            read_npy(path, "--key");
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(what("/nowhere/k.npy"), "/nowhere/k.npy: --key is not readable: no such file or directory, expected an .npy file; check the path and its permissions");
    EXPECT_EQ(what("/tmp"), "/tmp: --key is not readable: is a directory, expected an .npy file; check the path and its permissions");
    EXPECT_EQ(what("/dev/zero"), "/dev/zero: --key is no .npy file, expected an .npy file of version 1, 2 or 3; write it with numpy.save");
    EXPECT_NE(what(""), "");
    EXPECT_NE(what(std::string("/tmp\0x", 6)), "");
}

}  // namespace
}  // namespace attune
