#include "generator/cli/npy/header.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace attune {
namespace {

constexpr size_t most_dimensions = 64;  // as NumPy 2

/// A reader of the few Python literals that a header holds. Each function returns false where the text is not what it reads.
class Parser {
public:
    explicit Parser(std::string_view text) : rest_(text) {}

    std::string header(NpyHeader &out) {
        std::set<std::string> keys;
        if (!take('{')) return "no dictionary";
        while (!take('}')) {
            std::string key;
            if (!string(key) || !take(':')) return "no dictionary of names";
            if (!keys.insert(key).second) return "key '" + key + "' twice";
            if (key == "descr") {
                if (!descr(out)) return "a 'descr' that is no type";
            } else if (key == "fortran_order") {
                if (!boolean(out.fortran_order)) return "a 'fortran_order' that is neither True nor False";
            } else if (key == "shape") {
                if (!tuple(out.shape)) return "a 'shape' that is no tuple of sizes";
            } else {
                return "unknown key '" + key + "'";
            }
            if (!take(',')) {
                if (!take('}')) return "a dictionary without its end";
                break;
            }
        }
        for (const char *key : {"descr", "fortran_order", "shape"})
            if (!keys.contains(key)) return std::string("no key '") + key + "'";
        skip_space();
        return rest_.empty() ? "" : "text after the dictionary";
    }

private:
    void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }

    bool take(char c) {
        skip_space();
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool word(std::string_view w) {
        skip_space();
        if (!rest_.starts_with(w)) return false;
        rest_.remove_prefix(w.size());
        return true;
    }

    bool string(std::string &out) {
        skip_space();
        if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return false;
        const size_t end = rest_.find(rest_[0], 1);
        if (end == std::string_view::npos) return false;
        out = rest_.substr(1, end - 1);
        if (out.find('\\') != std::string::npos) return false;
        rest_.remove_prefix(end + 1);
        return true;
    }

    bool boolean(bool &out) {
        out = word("True");
        return out || word("False");
    }

    /// A type's string, or the list of a record type up to its closing bracket.
    bool descr(NpyHeader &out) {
        skip_space();
        out.is_record = rest_.starts_with('[') || rest_.starts_with('(');
        if (!out.is_record) return string(out.descr);
        int depth = 0;
        for (size_t i = 0; i < rest_.size(); i++) {
            if (rest_[i] == '[' || rest_[i] == '(') depth++;
            if ((rest_[i] == ']' || rest_[i] == ')') && --depth == 0) {
                out.descr = rest_.substr(0, i + 1);
                rest_.remove_prefix(i + 1);
                return true;
            }
        }
        return false;
    }

    /// (), (3,), (3, 4); Python 2 wrote 3L.
    bool tuple(std::vector<int64_t> &out) {
        if (!take('(')) return false;
        while (!take(')')) {
            skip_space();
            int64_t size = 0;
            const auto [end, status] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
            if (status != std::errc() || size < 0 || rest_[0] == '-' || out.size() == most_dimensions) return false;
            rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
            if (rest_.starts_with('L')) rest_.remove_prefix(1);
            out.push_back(size);
            if (!take(',')) return out.size() > 1 && take(')');
        }
        return true;
    }

    std::string_view rest_;
};

}  // namespace

std::string parse_npy_header(std::string_view text, NpyHeader &header) {
    header = {};
    return Parser(text).header(header);
}

std::string npy_header_text(const std::string &descr, const std::vector<int64_t> &shape) {
    std::string sizes;
    for (const int64_t n : shape) sizes += std::to_string(n) + ", ";
    if (shape.size() > 1) sizes.resize(sizes.size() - 2);
    if (shape.size() == 1) sizes.pop_back();
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + sizes + "), }";
}

}  // namespace attune
