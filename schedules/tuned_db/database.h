#pragma once
#include "schedules/tuned_db/record.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace attune {

/// A record and where it stands: the file and the line, from 1 on.
struct TunedRow {
    TunedRecord record;
    std::string file;
    int line = 0;
};

/// A line that gave no record, and why; the details have its file and line.
struct TunedProblem {
    ErrorDetails details;
    bool foreign = false;      ///< of a newer schema: not wrong, but of no use here
    std::string text() const;  ///< one line: "tuned.jsonl:3: parameters.block_q is -1, expected …; …"
};

/// What lies in one or several files, as a set: records with the same content are one, and so are lines that are kept unread.
struct TunedDatabase {
    std::map<std::string, TunedRow> rows;  ///< by record_text, which begins with spec, target, device: the order of a file
    std::set<std::string> foreign;         ///< lines of a newer schema, as they are
    std::set<std::string> broken;          ///< lines that cannot be read, as they are: only prune_tuned drops them

    void add(TunedRow row);
    /// The record for a kernel on a target and a class of CPUs: of that class, else of "*" or "generic", the newest. device "any": of this
    /// machine's class, else for any CPU, else of any class. Of several with one date the one with the greatest text; null: there is none.
    const TunedRow *find(const std::string &spec, const std::string &target, const std::string &device) const;
    /// The lines of a file: records, then what was kept unread.
    std::string text() const;
    bool operator==(const TunedDatabase &other) const;  ///< the same content, wherever it stands
};

/// The union. Associative, commutative and idempotent.
TunedDatabase merge_tuned(const TunedDatabase &a, const TunedDatabase &b);

struct TunedReading {
    TunedDatabase database;
    std::vector<TunedProblem> problems;  ///< one for each line that gave no record, in order
    std::vector<std::string> files;      ///< that were read
};
/// Reads files, and every *.jsonl of folders. Throws Error(input) where one cannot be opened, and never for what is in it.
TunedReading read_tuned(const std::vector<std::string> &paths);
/// The same for a text; file: its name in problems.
TunedReading read_tuned_text(std::string_view text, const std::string &file);

struct PruneRules {
    bool best =
        false;  ///< of several records for one kernel, target, class and shapes keep the fastest, relative to its default, not the newest
    std::string attune, halide;  ///< where given, keep only records of this version
};
/// Drops broken lines, records that others replace, and those that the rules name. Lines of a newer schema stay.
TunedDatabase prune_tuned(const TunedDatabase &database, const PruneRules &rules);

/// What a kernel, target, class and shapes have before and after; a null pointer: nothing. Of several records the newest counts.
struct TunedDifference {
    const TunedRow *before = nullptr, *after = nullptr;
};
/// Keys whose parameters or times differ, in the order of the key. The databases must outlive it.
std::vector<TunedDifference> diff_tuned(const TunedDatabase &before, const TunedDatabase &after);

/// Reads `path` (no file: an empty database), lets `change` work on it and writes the result: with an exclusive lock on <path>.lock all along,
/// through <path>.tmp, fsync and rename, so that writers at the same time lose nothing and a reader sees the old file or the new one. Equal
/// content is not written. Returns the problems of what was read; those lines are written again as they are. Throws Error(input) where the
/// files cannot be read or written; the old file is then untouched.
std::vector<TunedProblem> update_tuned_file(const std::string &path, const std::function<void(TunedDatabase &)> &change);
/// Adds one record so; line ends in its command become blanks, and a very long command is cut. Throws Error(input) for a record that no reader would take.
void append_tuned(const std::string &path, TunedRecord record);

}  // namespace attune
