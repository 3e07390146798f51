#pragma once
#include "generator/spec/error.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// The newest that a reader of this version understands. A record without rules is written as 1, which older versions read too.
constexpr int tuned_schema = 2;
/// Bytes of a line. Longer ones are refused unread, so that a foreign file costs no memory.
constexpr size_t longest_tuned_line = 64 << 10;
constexpr size_t longest_tuned_command = 4096;  ///< characters of TunedProvenance::command

/// Keys that this version does not know, with their values as JSON text. They are written again as they were read, so that merging loses
/// nothing that a newer writer has added.
using UnknownKeys = std::map<std::string, std::string>;

/// Times of one shape, measured in turn with those of the default schedule.
struct TunedTimes {
    double median_ms = 0;   ///< of a call with the record's parameters; above 0
    double default_ms = 0;  ///< the same with the default ones
    double spread = 0;      ///< of the record's: (third quartile - first) / median
    UnknownKeys more;
    bool operator==(const TunedTimes &) const = default;
};

/// Parameters for some calls only: those with seq_lens of at most these; 0: any.
struct TunedRule {
    int most_seq_len_q = 0, most_seq_len_kv = 0;
    std::map<std::string, int> parameters;
    bool operator==(const TunedRule &) const = default;
};
constexpr size_t most_tuned_rules = 16;  ///< of a record

/// Where a record comes from.
struct TunedProvenance {
    std::string cpu;      ///< "AMD EPYC 9654 96-Core Processor"
    std::string halide;   ///< "21.0.0"
    std::string llvm;     ///< "22.1.8"
    std::string attune;   ///< "0.1.0"
    std::string command;  ///< that found it
    std::string date;     ///< "2026-11-26T21:48:25Z", UTC
    UnknownKeys more;
    bool operator==(const TunedProvenance &) const = default;
};

/// A line of a tuned database: for one kernel, one target and one class of CPUs, the schedule that was found best, and how good it is.
/// The rules for every field are in tuned.schema.json; parse_tuned_line holds records to the same.
struct TunedRecord {
    std::string spec;                          ///< spec_hash of the specification's canonical text
    std::string target;                        ///< "avx2"
    std::string device;                        ///< "zen4" as device_class() says; "generic" or "*": any CPU
    std::string family;                        ///< of schedules: "cpu_query_lanes"
    std::map<std::string, int> parameters;     ///< "block_q" -> 192; what is not named keeps its default
    std::vector<TunedRule> rules;              ///< before `parameters`: the first that holds a call's seq_lens is for it
    std::map<std::string, TunedTimes> shapes;  ///< that it was tuned for: "b=1,h=8,hkv=8,sq=1024,skv=1024"; at least one
    double share_of_limit = 0;                 ///< of what the machine could do at best, 0 … 1
    std::string determinism =
        "D1";  ///< D0: same bits for any number of threads; D1: a row's bits depend on nothing but its inputs; D2: equal in decode and prefill too
    TunedProvenance provenance;
    UnknownKeys more;
    bool operator==(const TunedRecord &) const = default;

    /// The geometric mean over shapes of the time relative to the default's: smaller is better.
    double relative_time() const;
};

/// 32 hex digits: the first half of the SHA-256 of AttentionSpec::canonical(), which has neither the kernel's name nor its targets. Equal on
/// every machine, and `printf %s "$canonical" | sha256sum` tells it too.
std::string spec_hash(std::string_view canonical);

/// One line of JSON without its end, keys in a fixed order: equal records have equal texts.
std::string record_text(const TunedRecord &record);

/// What a line turned out to be.
struct TunedLine {
    enum class Kind { record, foreign, broken } kind = Kind::broken;
    TunedRecord record;    ///< of Kind::record
    ErrorDetails problem;  ///< of the others; without file and line
};
/// foreign: a newer schema's, which this version cannot judge. Never throws on content.
TunedLine parse_tuned_line(std::string_view line);

/// Throws Error(input) for a record that no reader would take; for writers.
void check_record(const TunedRecord &record);

}  // namespace attune
