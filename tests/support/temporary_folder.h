#pragma once
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace attune::test {

/// An empty folder, removed with all it holds.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "attune-test-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
        path = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    TemporaryFolder(const TemporaryFolder &) = delete;
    std::filesystem::path path;
};

/// Sets an environment variable as long as it lives.
class ScopedVariable {
public:
    ScopedVariable(const char *name, const std::string &value) : name_(name) {
        if (const char *before = std::getenv(name)) before_ = before, had_ = true;
        setenv(name, value.c_str(), 1);
    }
    ~ScopedVariable() { had_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }
    ScopedVariable(const ScopedVariable &) = delete;

private:
    const char *name_;
    std::string before_;
    bool had_ = false;
};

}  // namespace attune::test
