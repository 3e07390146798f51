#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace attune::test {

/// One object of a static library, as its ELF64 headers describe it.
struct ArchiveMember {
    std::string name;
    std::set<std::string> defined, undefined;  ///< global symbols
    int64_t code_bytes = 0;                     ///< text and constants: what is loaded and never written
};

/// Reads a GNU archive; throws std::runtime_error where it is none.
std::vector<ArchiveMember> read_archive(const std::string &path);

}  // namespace attune::test
