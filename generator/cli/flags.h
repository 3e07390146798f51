#pragma once
#include <CLI/App.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace attune::cli {

/// The flags of one command, on top of CLI11. Every value is kept as text and read here, so that each mistake (unknown flag, missing
/// value, wrong number) is an Error(usage) that names flag, value, expectation and cure.
class Flags {
public:
    Flags(const std::string &command, const std::string &description);

    /// Declarations. Names as typed, "--shape" or "-o,--directory"; the last one is the name to ask by. type: the word in the help.
    void toggle(const std::string &names, const std::string &help);
    void value(const std::string &names, const std::string &type, const std::string &help);
    void list(const std::string &names, const std::string &type, const std::string &help);  ///< may be given several times
    void positional(const std::string &name, const std::string &help);                      ///< optional; in the order of the words
    void words(const std::string &name, const std::string &help);  ///< all positional words that are left, perhaps none; all() has them
    void hidden(const std::string &name);  ///< a value that the help does not show
    void footer(const std::string &text);

    /// Reads the words after the command's name. Throws Error(usage).
    void parse(const std::vector<std::string> &words);

    bool declares(const std::string &name) const { return entries_.contains(name); }
    const std::string &type(const std::string &name) const { return at(name).type; }  ///< of a value or list: the word in the help
    bool is_toggle(const std::string &name) const { return at(name).is_toggle; }
    bool has(const std::string &name) const;
    /// The one value, or `otherwise` where the flag is absent.
    std::string text(const std::string &name, const std::string &otherwise = "") const;
    const std::vector<std::string> &all(const std::string &name) const;
    int64_t integer(const std::string &name, int64_t low, int64_t high, int64_t otherwise) const;
    /// The value if it is one of `allowed`. Throws Error(usage) that lists them.
    std::string one_of(const std::string &name, const std::vector<std::string> &allowed, const std::string &otherwise) const;
    /// Throws Error(usage) where the flag is absent.
    std::string required(const std::string &name, const std::string &expected) const;

    std::string help() const;
    const std::string &command() const { return command_; }

private:
    struct Entry {
        bool is_toggle = false, is_list = false;
        std::string type;
        std::vector<std::string> values;  ///< of a toggle: unused
        bool given = false;
    };
    std::string help_cure() const;
    [[noreturn]] void refuse_empty(const std::string &name) const;
    Entry &declare(const std::string &names);
    const Entry &at(const std::string &name) const;

    std::string command_;
    CLI::App app_;
    std::map<std::string, Entry> entries_;  ///< by the last of the names; map: CLI11 keeps addresses of the values
    std::vector<std::string> spellings_;    ///< every name, for "did you mean"
};

}  // namespace attune::cli
