#include "schedules/tuned_db/database.h"
#include "schedules/tuned_db/device_class.h"
#include "schedules/tuned_db/file_text.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t largest_file = 256 << 20;

bool is_any_cpu(const std::string &device) {
    return device == "*" || device == "generic";
}

/// (text of the record, row): which of two is newer.
using Entry = std::pair<const std::string, TunedRow>;
bool newer(const Entry &a, const Entry &b) {
    return std::tie(a.second.record.provenance.date, a.first) > std::tie(b.second.record.provenance.date, b.first);
}

/// What one record stands for, and another replaces.
std::string key_of(const TunedRecord &record) {
    std::string key = record.spec + "\n" + record.target + "\n" + record.device;
    for (const auto &[shape, times] : record.shapes)
        key += "\n" + shape;
    return key;
}

template <class Better>
std::map<std::string, const Entry *> chosen(const TunedDatabase &database, Better better) {
    std::map<std::string, const Entry *> out;
    for (const Entry &entry : database.rows) {
        const Entry *&best = out[key_of(entry.second.record)];
        if (!best || better(entry, *best))
            best = &entry;
    }
    return out;
}

bool is_conflict_mark(std::string_view line) {
    return line.starts_with("<<<<<<< ") || line.starts_with("||||||| ") || line.starts_with(">>>>>>> ") || line == "=======";
}

[[noreturn]] void cannot_read(const std::string &path, const std::string &reason) {
    throw Error({.code = ErrorCode::input,
                 .argument = "tuned database",
                 .value = path + " (" + reason + ")",
                 .expected = "a file of tuned rows, or a folder of *.jsonl",
                 .cure = "check the path"});
}

std::vector<std::string> files_at(const std::string &path) {
    std::error_code failure;
    if (!fs::is_directory(path, failure))
        return {path};
    std::vector<std::string> files;
    for (fs::directory_iterator it(path, failure), end; !failure && it != end; it.increment(failure))
        if (std::error_code gone; it->path().extension() == ".jsonl" && it->is_regular_file(gone))
            files.push_back(it->path().string());
    if (failure)
        cannot_read(path, errno_text(failure.value()));
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

std::string tuned_file_text(const std::string &path) {
    std::error_code failure;
    const uintmax_t size = fs::file_size(path, failure);
    if (failure)
        cannot_read(path, errno_text(failure.value()));
    if (size > largest_file)
        cannot_read(path, fmt::format("{} MiB, at most {} are read", size >> 20, largest_file >> 20));
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad())
        cannot_read(path, errno_text(errno));
    return text;
}

std::string TunedProblem::text() const {
    return Error(details).what();
}

void TunedDatabase::add(TunedRow row) {
    std::string text = record_text(row.record);
    const auto [found, is_new] = rows.try_emplace(std::move(text), row);
    if (!is_new && std::tie(row.file, row.line) < std::tie(found->second.file, found->second.line))
        found->second = std::move(row);
}

const TunedRow *TunedDatabase::find(const std::string &spec, const std::string &target, const std::string &device) const {
    const bool any = device == "any";
    const std::string wanted = any ? device_class() : device;
    const auto rank = [&](const TunedRecord &record) { return record.device == wanted ? 0 : is_any_cpu(record.device) ? 1 : any ? 2 : 3; };
    const Entry *best = nullptr;
    for (const Entry &entry : rows) {
        const TunedRecord &record = entry.second.record;
        if (record.spec != spec || record.target != target || rank(record) == 3)
            continue;
        const int order = best ? rank(record) - rank(best->second.record) : -1;
        if (order < 0 || (order == 0 && newer(entry, *best)))
            best = &entry;
    }
    return best ? &best->second : nullptr;
}

std::string TunedDatabase::text() const {
    std::string out;
    for (const auto &[text, row] : rows)
        out += text + "\n";
    for (const auto *lines : {&foreign, &broken})
        for (const std::string &line : *lines)
            out += line + "\n";
    return out;
}

bool TunedDatabase::operator==(const TunedDatabase &other) const {
    return foreign == other.foreign && broken == other.broken &&
           std::equal(rows.begin(), rows.end(), other.rows.begin(), other.rows.end(),
                      [](const Entry &a, const Entry &b) { return a.first == b.first; });
}

TunedDatabase merge_tuned(const TunedDatabase &a, const TunedDatabase &b) {
    TunedDatabase out = a;
    for (const auto &[text, row] : b.rows)
        out.add(row);
    out.foreign.insert(b.foreign.begin(), b.foreign.end());
    out.broken.insert(b.broken.begin(), b.broken.end());
    return out;
}

TunedReading read_tuned_text(std::string_view text, const std::string &file) {
    TunedReading out;
    out.files.push_back(file);
    for (int number = 1; !text.empty(); number++) {
        const size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.find_first_not_of(" \t") == std::string_view::npos)
            continue;
        TunedLine parsed = parse_tuned_line(line);
        if (parsed.kind == TunedLine::Kind::record) {
            out.database.add({std::move(parsed.record), file, number});
            continue;
        }
        const bool foreign = parsed.kind == TunedLine::Kind::foreign;
        if (foreign)
            out.database.foreign.emplace(line);
        else if (is_conflict_mark(line))  // its lines are read; the mark is of no use once they are in one set
            parsed.problem = {.code = ErrorCode::input,
                              .argument = "the line",
                              .value = "the mark of a merge conflict",
                              .expected = "one JSON object",
                              .cure = "'attune db merge' of the file into itself keeps both sides"};
        else
            out.database.broken.emplace(line);
        parsed.problem.file = file;
        parsed.problem.line = number;
        out.problems.push_back({std::move(parsed.problem), foreign});
    }
    return out;
}

TunedReading read_tuned(const std::vector<std::string> &paths) {
    TunedReading out;
    std::set<std::string> seen;
    for (const std::string &path : paths)
        for (const std::string &file : files_at(path)) {
            if (!seen.insert(file).second)
                continue;
            TunedReading part = read_tuned_text(tuned_file_text(file), file);
            out.database = out.files.empty() ? std::move(part.database) : merge_tuned(out.database, part.database);
            out.problems.insert(out.problems.end(), part.problems.begin(), part.problems.end());
            out.files.push_back(file);
        }
    return out;
}

TunedDatabase prune_tuned(const TunedDatabase &database, const PruneRules &rules) {
    TunedDatabase kept;
    kept.foreign = database.foreign;
    for (const Entry &entry : database.rows) {
        const TunedProvenance &from = entry.second.record.provenance;
        if ((rules.attune.empty() || from.attune == rules.attune) && (rules.halide.empty() || from.halide == rules.halide))
            kept.rows.insert(entry);
    }
    const auto better = [&](const Entry &a, const Entry &b) {
        const double x = a.second.record.relative_time(), y = b.second.record.relative_time();
        return rules.best && x != y ? x < y : newer(a, b);
    };
    TunedDatabase out;
    out.foreign = std::move(kept.foreign);
    for (const auto &[key, entry] : chosen(kept, better))
        out.rows.insert(*entry);
    return out;
}

std::vector<TunedDifference> diff_tuned(const TunedDatabase &before, const TunedDatabase &after) {
    std::map<std::string, TunedDifference> pairs;
    for (const auto &[key, entry] : chosen(before, newer))
        pairs[key].before = &entry->second;
    for (const auto &[key, entry] : chosen(after, newer))
        pairs[key].after = &entry->second;
    std::vector<TunedDifference> out;
    for (const auto &[key, pair] : pairs) {
        const bool equal = pair.before && pair.after && pair.before->record.family == pair.after->record.family &&
                           pair.before->record.parameters == pair.after->record.parameters &&
                           pair.before->record.rules == pair.after->record.rules &&
                           pair.before->record.shapes == pair.after->record.shapes;
        if (!equal)
            out.push_back(pair);
    }
    return out;
}

}  // namespace attune
