#pragma once
#include <string>
#include <vector>

namespace attune {

/// Writes through a temporary file in the same folder, fsync and rename: the file is old or new, never half.
/// Throws Error(input) where it cannot.
void write_file(const std::string &path, const std::vector<char> &bytes);
/// The same, but an equal file keeps its time stamp.
void write_file_if_changed(const std::string &path, const std::vector<char> &bytes);
/// The file's bytes; false where it cannot be read.
bool read_file(const std::string &path, std::vector<char> &bytes);

/// A folder of our own for files that Halide writes, removed with all of them.
class TemporaryFolder {
public:
    TemporaryFolder();  ///< Throws Error(input) where $TMPDIR, else /tmp, cannot be written.
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder &) = delete;
    TemporaryFolder &operator=(const TemporaryFolder &) = delete;
    std::string path;
};

}  // namespace attune
