#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// The dictionary at the front of an .npy file.
struct NpyHeader {
    std::string descr;  ///< "<f4"; of a record type: the source text of its list
    bool is_record = false;
    bool fortran_order = false;
    std::vector<int64_t> shape;
};

/// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }". Returns "" or what is wrong: "no key 'shape'".
std::string parse_npy_header(std::string_view text, NpyHeader &header);
/// The dictionary as NumPy writes it, without padding.
std::string npy_header_text(const std::string &descr, const std::vector<int64_t> &shape);

}  // namespace attune
