#include "tests/npy/npy_folder.h"

#include <cstdlib>
#include <random>

namespace attune {
namespace {

using test::npy_dictionary;
using test::npy_text;

std::string little(uint64_t x, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; i++) out += static_cast<char>(x >> (8 * i) & 255);
    return out;
}

struct Member {
    std::string name, data;
    int method = 0, flags = 0;
};

/// A ZIP archive as numpy.savez writes it: sizes of 64 bits in an extension of each local header.
std::string zip_text(const std::vector<Member> &members, const std::string &comment = "") {
    std::string out, directory;
    for (const Member &m : members) {
        const std::string size = little(m.data.size(), 4), extension = little(1, 2) + little(16, 2) + little(m.data.size(), 8) + little(m.data.size(), 8);
        const std::string common = little(m.flags, 2) + little(m.method, 2) + little(0, 4) + little(0, 4);  // time, checksum
        const size_t at = out.size();
        out += "PK\x03\x04" + little(45, 2) + common + little(0xffffffff, 4) + little(0xffffffff, 4) + little(m.name.size(), 2) + little(extension.size(), 2) + m.name + extension + m.data;
        directory += "PK\x01\x02" + little(45, 2) + little(45, 2) + common + size + size + little(m.name.size(), 2) + little(0, 2) + little(0, 2) + little(0, 8) + little(at, 4) + m.name;
    }
    const std::string count = little(members.size(), 2);
    return out + directory + "PK\x05\x06" + little(0, 4) + count + count + little(directory.size(), 4) + little(out.size(), 4) + little(comment.size(), 2) + comment;
}

const std::string three = npy_text(npy_dictionary("<i4", "(3,)"), std::string("\1\0\0\0\2\0\0\0\3\0\0\0", 12));
const std::string bools = npy_text(npy_dictionary("|b1", "(1, 2)"), std::string("\1\0", 2));

class Npz : public test::NpyFolder {
protected:
    std::string error_of(const std::string &text) const {
        const std::string file = write_text(text, "a.npz");
        try {
            read_npz(file, "--block-mask");
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            EXPECT_EQ(error.details().file, file);
            return std::string(error.what()).substr(file.size() + 2);
        }
        return "";
    }
};

TEST_F(Npz, HoldsArraysByName) {
    for (const std::string comment : {"", "a comment", "PK\x05\x06"}) {
        const auto arrays = read_npz(write_text(zip_text({{"columns.npy", three}, {"full.npy", bools}, {"other", three}}, comment), "a.npz"));
        ASSERT_EQ(arrays.size(), 3u);
        EXPECT_EQ(arrays.at("columns").dtype, "<i4");
        EXPECT_EQ(arrays.at("columns").bytes[8], 3);
        EXPECT_EQ(arrays.at("full").shape, (std::vector<int64_t>{1, 2}));
        EXPECT_EQ(arrays.at("other").size(), 3);
    }
    EXPECT_TRUE(read_npz(write_text(zip_text({}), "a.npz")).empty());
}

TEST_F(Npz, MessagesSayWhatIsWrong) {
    const std::string expected = ", expected an .npz archive of uncompressed arrays; ";
    EXPECT_EQ(error_of(zip_text({{"columns.npy", three, 8}})), "--block-mask is an archive whose columns is compressed" + expected + "save with numpy.savez, not savez_compressed");
    EXPECT_EQ(error_of(zip_text({{"columns.npy", three, 0, 1}})), "--block-mask is an archive whose columns is encrypted" + expected + "write it with numpy.savez");
    EXPECT_EQ(error_of(zip_text({{"a.npy", three}, {"a", bools}})), "--block-mask is an archive that holds a twice" + expected + "write it with numpy.savez");
    EXPECT_EQ(error_of(three), "--block-mask is an .npy file" + expected + "write it with numpy.savez");
    EXPECT_EQ(error_of("hello"), "--block-mask is no .npz archive" + expected + "write it with numpy.savez");
    EXPECT_EQ(error_of(""), "--block-mask is no .npz archive" + expected + "write it with numpy.savez");
    // A member is one array and nothing more, told by its name.
    EXPECT_EQ(error_of(zip_text({{"a.npy", three + "x"}})), "--block-mask a is too long: 13 bytes or more of data, expected 12 bytes for shape (3,) of int32; write it again");
    EXPECT_EQ(error_of(zip_text({{"a.npy", three.substr(0, three.size() - 1)}, {"b.npy", bools}})),
              "--block-mask a is cut short: 11 bytes of data, expected 12 bytes for shape (3,) of int32; write it again");
    EXPECT_THROW(read_npz("/nowhere/a.npz"), Error);
    EXPECT_THROW(read_npz("/tmp"), Error);
}

/// Random flips and cuts: arrays that agree with themselves, or an Error(input).
TEST_F(Npz, MutatedArchives) {
    const char *seed_text = std::getenv("ATTUNE_FUZZ_SEED"), *count_text = std::getenv("ATTUNE_FUZZ_COUNT");
    const unsigned seed = seed_text ? static_cast<unsigned>(std::atoi(seed_text)) : 1;
    const int count = count_text ? std::atoi(count_text) : 3000;
    std::mt19937 random(seed);
    const std::string good = zip_text({{"columns.npy", three}, {"full.npy", bools}});
    int accepted = 0;
    for (int i = 0; i < count; i++) {
        SCOPED_TRACE("ATTUNE_FUZZ_SEED=" + std::to_string(seed) + ", file " + std::to_string(i));
        std::string text = good;
        for (size_t n = 1 + random() % 3; n > 0 && !text.empty(); n--) {
            const size_t at = random() % 2 ? text.size() - 1 - random() % std::min<size_t>(text.size(), 150) : random() % text.size();  // mostly the directory
            if (random() % 4)
                text[at] = static_cast<char>(random());
            else
                text.resize(at);
        }
        try {
            for (const auto &[name, array] : read_npz(write_text(text, "a.npz"), "--block-mask"))
                EXPECT_EQ(array.bytes.size(), static_cast<size_t>(array.size()) * npy_element_size(array.dtype)) << name;
            accepted++;
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
        }
    }
    EXPECT_GT(accepted, 0);
    EXPECT_LT(accepted, count);
}

}  // namespace
}  // namespace attune
