#pragma once
#include "generator/cli/npy/npy.h"

#include <cstdint>
#include <string>

namespace attune {

/// Bytes offset … offset + size - 1 of a file.
struct FilePart {
    uint64_t offset = 0, size = 0;
};
/// read_npy of a part that lies inside the file: a member of an archive.
NpyArray read_npy_part(const std::string &path, const std::string &argument, const FilePart &part);

}  // namespace attune
