#pragma once
#include "generator/spec/error.h"
#include "generator/spec/spec.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace attune::test {

/// A file spec.toml in a folder of its own, while this lives.
class SpecFile {
public:
    explicit SpecFile(const std::string &text) {
        char folder[] = "/tmp/attune_spec_XXXXXX";
        if (!mkdtemp(folder)) throw std::runtime_error("no temporary folder");
        folder_ = folder;
        path_ = folder_ + "/spec.toml";
        std::ofstream(path_, std::ios::binary) << text;
    }
    SpecFile(const SpecFile &) = delete;
    SpecFile &operator=(const SpecFile &) = delete;
    ~SpecFile() {
        std::remove(path_.c_str());
        rmdir(folder_.c_str());
    }
    const std::string &path() const { return path_; }

private:
    std::string folder_, path_;
};

inline AttentionSpec parse_spec(const std::string &toml) { return validate_spec(read_spec_file(SpecFile(toml).path())); }

/// The error of a file with this text, its folder cut off; code internal where there is none.
inline ErrorDetails error_of(const std::string &toml, std::string *what = nullptr) {
    const SpecFile file(toml);
    try {
        validate_spec(read_spec_file(file.path()));
    } catch (const Error &error) {
        if (what) {
            *what = error.what();
            if (const size_t at = what->find(file.path()); at != std::string::npos) what->replace(at, file.path().size(), "spec.toml");
        }
        EXPECT_EQ(error.details().file, file.path());
        return error.details();
    }
    ADD_FAILURE() << "no error for: " << toml;
    return {.code = ErrorCode::internal};
}

}  // namespace attune::test
