#pragma once
#include "schedules/autotune/trial.h"

#include <optional>

namespace attune::autotune {

/// What a journal is of. A journal is continued only where all of it is the same.
struct JournalHeader {
    std::string key;     ///< whatever else times depend on, as one line of the caller's: specification, target, shapes, machine
    std::string family;  ///< these three are of the space
    std::vector<std::string> parameters;
    std::string space;   ///< fingerprint of the values and of the default
    std::string search;  ///< kind; of an external one also its command
    uint64_t seed = 0;
};
struct SearchOptions;
JournalHeader journal_header(const std::string &key, const Space &space, const SearchOptions &options);

struct RecordedTrials {
    JournalHeader header;
    std::vector<Trial> trials;  ///< in the order of the file, which within a batch is the order of their ends
};
/// Reads a journal for a report; a torn last line is left out. Throws Error(input) for a file that is missing or no journal.
RecordedTrials read_journal(const std::string &path);

/// An append-only file of JSON lines, a header and one line for each trial. Each line is one write() and an fsync, so that a process that is
/// killed loses the trial that it was at and no other.
class Journal {
public:
    /// Opens the journal of an earlier run, or makes an empty one. A torn last line is cut off. Throws Error(input) where the file cannot be
    /// written, is another process's at the moment, is no journal, or is the journal of something else: it says of what.
    Journal(const std::string &path, const JournalHeader &header);
    ~Journal();
    Journal(const Journal &) = delete;
    Journal &operator=(const Journal &) = delete;

    /// The trials of earlier runs, in the order of the file.
    const std::vector<Trial> &recorded() const { return recorded_; }
    /// Throws Error(input) where the disk refuses.
    void append(const Trial &trial);
    const std::string &path() const { return path_; }

private:
    std::string path_;
    int file_ = -1;
    std::vector<Trial> recorded_;
};

}  // namespace attune::autotune
