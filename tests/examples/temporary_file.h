#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

/// A file that lives as long as this object.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view content) {
        static int count = 0;
        path_ = testing::TempDir() + "attune_examples_" + std::to_string(::getpid()) + "_" + std::to_string(count++);
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~TemporaryFile() { std::remove(path_.c_str()); }
    TemporaryFile(const TemporaryFile &) = delete;
    TemporaryFile &operator=(const TemporaryFile &) = delete;
    const std::string &path() const { return path_; }

private:
    std::string path_;
};
