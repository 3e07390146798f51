#include "generator/cli/flags.h"

#include "generator/spec/error.h"
#include "generator/spec/nearest.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace attune::cli {
namespace {

std::vector<std::string> split_names(const std::string &names) {
    std::vector<std::string> out;
    for (size_t begin = 0; begin <= names.size();) {
        const size_t end = std::min(names.find(',', begin), names.size());
        out.push_back(names.substr(begin, end - begin));
        begin = end + 1;
    }
    return out;
}

}  // namespace

Flags::Flags(const std::string &command, const std::string &description) : command_(command), app_(description, "attune " + command) {
    app_.set_help_flag();  // --help is a toggle like the others, so that it wins over every other mistake
    app_.allow_extras();   // they are reported below, with a suggestion
    app_.get_formatter()->column_width(34);
}

Flags::Entry &Flags::declare(const std::string &names) {
    const auto spellings = split_names(names);
    spellings_.insert(spellings_.end(), spellings.begin(), spellings.end());
    return entries_[spellings.back()];
}

void Flags::toggle(const std::string &names, const std::string &help) {
    Entry &entry = declare(names);
    entry.is_toggle = true;
    app_.add_flag(names, entry.given, help);
}

void Flags::value(const std::string &names, const std::string &type, const std::string &help) {
    Entry &entry = declare(names);
    entry.type = type;
    app_.add_option(names, entry.values, help)->option_text(type)->allow_extra_args(false);
}

void Flags::list(const std::string &names, const std::string &type, const std::string &help) {
    Entry &entry = declare(names);
    entry.is_list = true;
    entry.type = type;
    app_.add_option(names, entry.values, help + " (several allowed)")->option_text(type)->allow_extra_args(false);
}

void Flags::positional(const std::string &name, const std::string &help) {
    Entry &entry = declare(name);
    app_.add_option(name, entry.values, help)->option_text(" ")->expected(1)->allow_extra_args(false);  // a word too many is refused in parse()
}

void Flags::words(const std::string &name, const std::string &help) {
    Entry &entry = declare(name);
    entry.is_list = true;
    app_.add_option(name, entry.values, help)->option_text("...")->expected(0, CLI::detail::expected_max_vector_size);
}

void Flags::hidden(const std::string &name) {
    Entry &entry = declare(name);
    app_.add_option(name, entry.values)->allow_extra_args(false)->group("");
}

void Flags::footer(const std::string &text) {
    app_.footer(text);
}
std::string Flags::help() const {
    return app_.help();
}
std::string Flags::help_cure() const {
    return command_.empty() ? "see 'attune --help'" : "see 'attune " + command_ + " --help'";
}

void Flags::parse(const std::vector<std::string> &words) {
    for (const auto &word : words) {
        if (word == "--")
            break;
        if (word == "--help" || word == "-h") {  // wins over every mistake beside it
            entries_["--help"].given = true;
            return;
        }
        const size_t equals = word.find('=');
        if (!word.starts_with("--") || equals == std::string::npos)
            continue;
        // CLI11 would count "--json=3", and take the word after "--shape=" for its value.
        const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
        if (const auto entry = entries_.find(name); entry != entries_.end() && entry->second.is_toggle)
            throw Error(
                {.argument = name, .value = value.empty() ? "\"\"" : value, .expected = "no value", .cure = "give " + name + " alone"});
        if (value.empty())
            refuse_empty(name);
    }
    try {
        app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::ParseError &error) {
        // What is left to CLI11: "--out: 1 required FILE missing" and the like.
        std::string text = error.what(), argument;
        if (const size_t colon = text.find(": "); colon != std::string::npos && text.starts_with("-")) {
            argument = text.substr(0, colon);
            if (entries_.contains(argument) && !entries_[argument].is_toggle)
                throw Error({.argument = argument, .value = "without a value", .expected = "one after it", .cure = help_cure()});
        }
        for (char &c : text)
            if (c == '\n')
                c = ' ';
        throw Error({.argument = argument, .value = text, .expected = "what 'attune " + command_ + " --help' shows", .problem = text});
    }
    auto rest = app_.remaining();
    rest.erase(std::remove(rest.begin(), rest.end(), "--"), rest.end());  // CLI11 leaves the mark itself there
    if (!rest.empty()) {
        const std::string word = rest.front().substr(0, rest.front().find('='));
        if (!word.starts_with("-"))
            throw Error({.argument = "argument",
                         .value = word,
                         .expected = "nothing more",
                         .cure = help_cure(),
                         .problem = "unexpected argument \"" + word + "\""});
        const std::string guess = nearest(word, spellings_);
        throw Error({.argument = word,
                     .value = "unknown",
                     .expected = "a flag of 'attune " + command_ + "'",
                     .cure = guess.empty() ? help_cure() : "did you mean " + guess,
                     .problem = "unknown flag " + word});
    }
    for (auto &[name, entry] : entries_) {
        if (entry.is_toggle)
            continue;
        const CLI::Option *option = app_.get_option(name);
        entry.given = option->count() > 0;
        if (!entry.given)
            continue;
        if (!entry.is_list && entry.values.size() > 1)
            throw Error({.argument = name,
                         .value = fmt::format("\"{}\"", fmt::join(entry.values, "\" and \"")),
                         .expected = "one value",
                         .cure = "give it once"});
        for (const auto &value : entry.values) {
            if (value.empty())
                refuse_empty(name);
            if (name.starts_with("-") && value.starts_with("--") &&
                std::find(spellings_.begin(), spellings_.end(), value) != spellings_.end())
                throw Error(
                    {.argument = name, .value = value, .expected = "a value", .cure = "give one, " + value + " is a flag of its own"});
        }
    }
}

void Flags::refuse_empty(const std::string &name) const {
    throw Error({.argument = name, .value = "empty", .expected = "a value", .cure = help_cure()});
}

const Flags::Entry &Flags::at(const std::string &name) const {
    return entries_.at(name);
}
bool Flags::has(const std::string &name) const {
    const auto found = entries_.find(name);
    return found != entries_.end() && found->second.given;
}
std::string Flags::text(const std::string &name, const std::string &otherwise) const {
    return has(name) ? at(name).values.front() : otherwise;
}
const std::vector<std::string> &Flags::all(const std::string &name) const {
    return at(name).values;
}

int64_t Flags::integer(const std::string &name, int64_t low, int64_t high, int64_t otherwise) const {
    if (!has(name))
        return otherwise;
    const std::string text = at(name).values.front();
    int64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc() || end != text.data() + text.size() || number < low || number > high)
        throw Error({.argument = name, .value = text, .expected = fmt::format("an integer from {} to {}", low, high), .cure = help_cure()});
    return number;
}

std::string Flags::one_of(const std::string &name, const std::vector<std::string> &allowed, const std::string &otherwise) const {
    const std::string value = text(name, otherwise);
    if (has(name) && std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        const std::string guess = nearest(value, allowed);
        throw Error({.argument = name,
                     .value = "\"" + value + "\"",
                     .expected = fmt::format("one of {}", fmt::join(allowed, ", ")),
                     .cure = guess.empty() ? help_cure() : "did you mean " + guess});
    }
    return value;
}

std::string Flags::required(const std::string &name, const std::string &expected) const {
    if (!has(name))
        throw Error({.argument = name, .expected = expected, .cure = help_cure()});
    return at(name).values.front();
}

}  // namespace attune::cli
