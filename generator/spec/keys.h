#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace attune {

/// What a key's value must be.
enum class KeyKind {
    identifier,       ///< a C identifier
    boolean,          ///< true or false
    word,             ///< a string, one of SpecKey::allowed
    words,            ///< a list of them, each once
    integer,          ///< from low to high
    integer_or_word,  ///< that, or one of allowed
    scale,            ///< a positive number, or an expression over head_dim
    expression,       ///< one of allowed, or an expression
    parameter,        ///< the name of a parameter
    sizes,            ///< a list of two multiples of `low`, up to high
    settings,         ///< a table of names and values: {style = "half"}, of a flag style=half,base=10000
    declarations,     ///< "NAME: TYPE; …", or a table
    later,            ///< the design has it, this version does not
};

/// A key of a specification: one row of the table that reading, checking, the command line's flags and CMake's arguments share.
struct SpecKey {
    const char *table;                    ///< "kernel"
    const char *name;                     ///< "head_dim"; "" for a whole table
    KeyKind kind;
    std::vector<std::string> allowed = {};  ///< words
    std::vector<std::string> later = {};    ///< words that the design has and this version does not
    int64_t low = 0, high = 0;            ///< of an integer
    bool flag = false;                    ///< the command line has a flag of its name
    const char *type = "";                ///< for the help: "N|any"
    const char *otherwise = "";           ///< the default, for the help
    const char *help = "";
    const char *cure = "";                ///< after an error

    std::string key() const;             ///< "kernel.head_dim"
    std::string shown() const;           ///< in messages: "head_dim", "targets.cpu"
    std::string flag_name() const;       ///< "--head-dim", or "" where flag is false
    std::string cmake_argument() const;  ///< "HEAD_DIM"; "TARGETS" for targets.cpu; "" where CMake has none
    std::string expected() const;        ///< "an integer from 1 to 1024"
};

/// Every key that the design has, in the order of a specification.
const std::vector<SpecKey> &spec_keys();
/// By its name with the table, or null.
const SpecKey *find_spec_key(const std::string &key);
/// The names of a table's keys that this version has: "name, dtype, …".
std::vector<std::string> spec_key_names(const std::string &table);

}  // namespace attune
