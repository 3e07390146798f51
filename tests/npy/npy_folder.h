#pragma once
#include "generator/cli/npy/header.h"
#include "generator/cli/npy/npy.h"
#include "generator/spec/error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace attune::test {

/// A test in an empty folder of its own.
class NpyFolder : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/attune_npy_XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string &name = "a.npy") const { return folder_ + "/" + name; }
    std::string write_text(const std::string &text, const std::string &name = "a.npy") const {
        std::filesystem::remove(path(name));  // ext4 flushes a file that is truncated and written again: 10 times slower
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    std::string read_text(const std::string &name = "a.npy") const {
        std::ifstream file(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    size_t files() const {
        return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
    }

private:
    std::string folder_;
};

/// An .npy file of this header and data.
inline std::string npy_text(const std::string &header, const std::string &data, int version = 1) {
    std::string out = "\x93NUMPY";
    out += static_cast<char>(version);
    out += '\0';
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) out += static_cast<char>(header.size() >> (8 * i) & 255);
    return out + header + data;
}

inline std::string npy_dictionary(const std::string &descr, const std::string &shape, const std::string &fortran_order = "False") {
    return "{'descr': '" + descr + "', 'fortran_order': " + fortran_order + ", 'shape': " + shape + ", }          \n";
}

}  // namespace attune::test
