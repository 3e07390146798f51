// The rules of tuned.schema.json, by hand: an error names the key, its value and what was expected.
#include "schedules/tuned_db/record.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

namespace attune {
namespace {

using Json = nlohmann::json;

constexpr int64_t longest_sequence = 1 << 28;  // of attune_attention_args
constexpr int deepest = 16;          // levels of a line: dump() recurses
constexpr size_t most_entries = 64;  // parameters; shapes
constexpr double largest_ms = 1e9;   // eleven days
constexpr int largest_parameter = 1 << 20;
const char *const cure = "mend or delete the line; 'attune db prune' deletes it";

[[noreturn]] void refuse(const std::string &key, const std::string &value, const std::string &expected) {
    throw Error({.code = ErrorCode::input, .argument = key, .value = value, .expected = expected, .cure = cure});
}

/// The line as JSON. A key that comes twice would mean different things to different readers.
Json parse_json(std::string_view line) {
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, Json::parse_event_t event, Json &value) {
        if (depth > deepest)
            refuse("the line", "nested too deep", fmt::format("at most {} levels", deepest));
        if (event == Json::parse_event_t::object_start)
            keys.emplace_back();
        else if (event == Json::parse_event_t::object_end)
            keys.pop_back();
        else if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
            refuse(value.get<std::string>(), "given twice", "each key once");
        return true;
    };
    try {
        return Json::parse(line.begin(), line.end(), watch);
    } catch (const Json::parse_error &error) {
        throw Error({.code = ErrorCode::input,
                     .argument = "the line",
                     .value = fmt::format("no JSON from column {} on", error.byte),
                     .expected = "one JSON object",
                     .cure = cure});
    } catch (const Json::out_of_range &) {
        refuse("the line", "a number beyond all doubles", "numbers of ordinary size");
    }
}

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// [a-z][a-z0-9_]*
bool is_word(std::string_view text, size_t longest) {
    return !text.empty() && text.size() <= longest && is_lower(text[0]) &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}
bool is_device(std::string_view text) {
    return text == "*" || (is_word(text, 64) && text != "any");
}

bool is_spec_hash(std::string_view text) {
    return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

/// name=number, once or more, with commas between.
bool is_shape(std::string_view text) {
    if (text.empty() || text.size() > 200)
        return false;
    for (;;) {
        const size_t end = std::min(text.find(','), text.size()), equals = text.find('=');
        if (equals == std::string_view::npos || equals >= end || !is_word(text.substr(0, equals), 16))
            return false;
        const std::string_view number = text.substr(equals + 1, end - equals - 1);
        if (number.empty() || number.size() > 10 || !std::all_of(number.begin(), number.end(), is_digit))
            return false;
        if (end == text.size())
            return true;
        text.remove_prefix(end + 1);
    }
}

/// "2026-11-26T21:48:25Z"
bool is_date(std::string_view text) {
    constexpr std::string_view form = "dddd-dd-ddTdd:dd:ddZ";
    if (text.size() != form.size())
        return false;
    for (size_t i = 0; i < form.size(); i++)
        if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i])
            return false;
    const auto two = [&](size_t at) { return 10 * (text[at] - '0') + text[at + 1] - '0'; };
    return two(5) >= 1 && two(5) <= 12 && two(8) >= 1 && two(8) <= 31 && two(11) <= 23 && two(14) <= 59 && two(17) <= 59;
}

/// Printable: a table shows it on a terminal. The length is in characters.
bool is_plain(std::string_view text, size_t longest) {
    const auto characters = std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; });
    return characters >= 1 && static_cast<size_t>(characters) <= longest &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string shown(const Json &value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Reads the keys of one object; what nobody asked for is unknown.
class ObjectReader {
public:
    ObjectReader(const Json &object, std::string name) : object_(object), name_(std::move(name)) {
        if (!object.is_object())
            refuse(name_.empty() ? "the line" : name_, shown(object), "a JSON object");
    }

    const Json &value(const std::string &key, const std::string &expected) {
        asked_.insert(key);
        const auto found = object_.find(key);
        if (found == object_.end())
            refuse(full(key), "", expected);
        return *found;
    }
    template <class Rule>
    std::string text(const std::string &key, const std::string &expected, Rule rule) {
        const Json &found = value(key, expected);
        if (!found.is_string() || !rule(found.get_ref<const std::string &>()))
            refuse(full(key), shown(found), expected);
        return found;
    }
    /// low < or <= x <= high
    double number(const std::string &key, double low, bool open, double high) {
        const std::string expected = fmt::format("a number {} {} to {}", open ? "above" : "from", low, high);
        const Json &found = value(key, expected);
        const double x = found.is_number() ? found.get<double>() : -1;
        if (!found.is_number() || !(open ? x > low : x >= low) || !(x <= high))
            refuse(full(key), shown(found), expected);
        return x == 0 ? 0 : x;  // -0
    }
    std::string full(const std::string &key) const { return name_.empty() ? key : name_ + "." + key; }

    UnknownKeys unknown() const {
        UnknownKeys more;
        for (const auto &[key, found] : object_.items())
            if (!asked_.contains(key))
                more[key] = shown(found);
        return more;
    }

private:
    const Json &object_;
    std::string name_;
    std::set<std::string> asked_;
};

/// As JSON Schema has it, 64.0 is an integer.
bool read_integer(const Json &value, int64_t low, int64_t high, int64_t &out) {
    if (!value.is_number())
        return false;
    const double x = value.get<double>();  // exact where it matters: far beyond `high` below 2^53
    if (!(x >= static_cast<double>(low) && x <= static_cast<double>(high)) || x != std::floor(x))
        return false;
    out = static_cast<int64_t>(x);
    return true;
}

std::map<std::string, int> read_parameters(const Json &object, const std::string &key) {
    const std::string expected = fmt::format("an object of 1 to {} parameters", most_entries);
    if (!object.is_object() || object.empty() || object.size() > most_entries)
        refuse(key, shown(object), expected);
    std::map<std::string, int> out;
    for (const auto &[name, value] : object.items()) {
        int64_t number = 0;
        if (!is_word(name, 64))
            refuse(key, shown(Json(name)), "names of lower-case letters, digits and _");
        if (!read_integer(value, 0, largest_parameter, number))
            refuse(key + "." + name, shown(value), fmt::format("an integer from 0 to {}", largest_parameter));
        out[name] = static_cast<int>(number);
    }
    return out;
}

/// A key that is unknown here might narrow the rule: it cannot be left out.
std::vector<TunedRule> read_rules(const Json &list) {
    if (!list.is_array() || list.empty() || list.size() > most_tuned_rules)
        refuse("rules", shown(list), fmt::format("a list of 1 to {} rules", most_tuned_rules));
    std::vector<TunedRule> out;
    for (const Json &object : list) {
        const std::string name = fmt::format("rules[{}]", out.size());
        ObjectReader reader(object, name);
        TunedRule &rule = out.emplace_back();
        for (const auto &[key, most] : {std::pair("most_seq_len_q", &rule.most_seq_len_q), {"most_seq_len_kv", &rule.most_seq_len_kv}}) {
            if (!object.contains(key))
                continue;
            const std::string expected = fmt::format("an integer from 1 to {}", longest_sequence);
            int64_t number = 0;
            const Json &value = reader.value(key, expected);
            if (!read_integer(value, 1, longest_sequence, number))
                refuse(reader.full(key), shown(value), expected);
            *most = static_cast<int>(number);
        }
        rule.parameters = read_parameters(reader.value("parameters", "an object of parameters"), name + ".parameters");
        if (const UnknownKeys more = reader.unknown(); !more.empty() || (!rule.most_seq_len_q && !rule.most_seq_len_kv))
            refuse(name, shown(object), "most_seq_len_q, most_seq_len_kv or both, parameters, and nothing else");
    }
    return out;
}

std::map<std::string, TunedTimes> read_shapes(const Json &object) {
    if (!object.is_object() || object.empty() || object.size() > most_entries)
        refuse("shapes", shown(object), fmt::format("an object of 1 to {} shapes", most_entries));
    std::map<std::string, TunedTimes> out;
    for (const auto &[shape, value] : object.items()) {
        if (!is_shape(shape))
            refuse("shapes", shown(Json(shape)), "shapes such as \"b=1,h=8,hkv=8,sq=1024,skv=1024\"");
        ObjectReader times(value, "shapes." + shape);
        TunedTimes &row = out[shape];
        row.median_ms = times.number("median_ms", 0, true, largest_ms);
        row.default_ms = times.number("default_ms", 0, true, largest_ms);
        row.spread = times.number("spread", 0, false, 1000);
        row.more = times.unknown();
    }
    return out;
}

TunedProvenance read_provenance(const Json &object) {
    ObjectReader from(object, "provenance");
    const auto words = [&](const char *key, size_t longest) {
        return from.text(key, fmt::format("1 to {} printable characters", longest),
                         [&](const std::string &t) { return is_plain(t, longest); });
    };
    TunedProvenance out;
    out.cpu = words("cpu", 200);
    out.halide = words("halide", 64);
    out.llvm = words("llvm", 64);
    out.attune = words("attune", 64);
    out.command = words("command", longest_tuned_command);
    out.date = from.text("date", "a time in UTC such as \"2026-11-26T21:48:25Z\"", is_date);
    out.more = from.unknown();
    return out;
}

TunedRecord read_record(const Json &json, int64_t schema) {
    ObjectReader line(json, "");
    line.value("schema", "1");  // looked at already
    TunedRecord out;
    out.spec = line.text("spec", "32 hex digits, the hash of a specification", is_spec_hash);
    out.target = line.text("target", "a target such as \"avx2\"", [](const std::string &t) { return is_word(t, 32); });
    out.device = line.text("device", "a class of CPUs such as \"zen4\", \"generic\" or \"*\"", is_device);
    out.family = line.text("family", "a schedule family such as \"cpu_query_lanes\"", [](const std::string &t) { return is_word(t, 64); });
    out.parameters = read_parameters(line.value("parameters", "an object of parameters"), "parameters");
    if (schema > 1)
        out.rules = read_rules(line.value("rules", "a list of rules, which are what schema 2 is for"));
    out.shapes = read_shapes(line.value("shapes", "an object of shapes and their times"));
    out.share_of_limit = line.number("share_of_limit", 0, false, 1);
    out.determinism = line.text("determinism", "D0, D1 or D2", [](const std::string &t) { return t == "D0" || t == "D1" || t == "D2"; });
    out.provenance = read_provenance(line.value("provenance", "an object"));
    out.more = line.unknown();
    return out;
}

}  // namespace

TunedLine parse_tuned_line(std::string_view line) {
    TunedLine out;
    try {
        if (line.size() > longest_tuned_line)
            refuse("the line", fmt::format("of {} bytes", line.size()), fmt::format("at most {}", longest_tuned_line));
        const Json json = parse_json(line);
        ObjectReader reader(json, "");
        const char *numbers = "1 or 2, the numbers of this format";
        const Json &schema = reader.value("schema", numbers);
        int64_t number = 0;
        if (!read_integer(schema, 1, INT32_MAX, number))
            refuse("schema", shown(schema), numbers);
        if (number > tuned_schema) {
            out.kind = TunedLine::Kind::foreign;
            out.problem = {.code = ErrorCode::input,
                           .argument = "schema",
                           .value = std::to_string(number),
                           .expected = std::to_string(tuned_schema),
                           .cure = "a newer attune wrote the line: update this one to use it"};
            return out;
        }
        out.record = read_record(json, number);
        out.kind = TunedLine::Kind::record;
    } catch (const Error &error) {
        out.problem = error.details();
    }
    return out;
}

}  // namespace attune
