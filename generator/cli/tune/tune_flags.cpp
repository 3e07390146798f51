#include "generator/cli/tune/tune_flags.h"

#include "generator/backend/cache.h"
#include "generator/backend/schedule_space.h"
#include "generator/cli/block_lists.h"
#include "generator/cli/machine.h"
#include "generator/cli/params.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/session.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/tuned.h"
#include "schedules/tuned_db/device_class.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

namespace attune::cli {

namespace {

constexpr double default_budget_s = 300;
constexpr int64_t default_trials = 100, unlimited_trials = 1'000'000;

/// "90s", "5m", "2h"; a bare number is seconds.
double seconds_of(const std::string &text) {
    char *end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    const std::string unit = end;
    const double factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    if (end == text.c_str() || factor == 0 || !(number > 0) || number > 1e6)
        throw Error({.code = ErrorCode::usage,
                     .argument = "--budget",
                     .value = text,
                     .expected = "a time such as 30s, 5m or 2h",
                     .cure = "write a number and a unit"});
    return number * factor;
}

/// Of a runner's machine, and of a worker, whose parent has looked at it.
const CpuTarget &target_elsewhere(const Flags &flags, const AttentionSpec &spec) {
    const std::string name = flags.text("--target", "auto");
    const CpuTarget *target = name == "auto" ? nullptr : &cpu_target(name);
    if (!target || !target->serves(spec.types()))
        throw Error({.argument = "--target",
                     .value = name,
                     .expected = "with --runner, a target that the other machine has and that is made for the specification's types",
                     .cure = "name one, such as avx2"});
    return *target;
}

}  // namespace

void declare_tune_flags(Flags &flags) {
    declare_params(flags);
    declare_block_lists(flags);
    declare_spec_flags(flags);
    flags.list("--shape", "SHAPE", "b=,h=,hkv=,sq=,skv= to be fast at; several: a compromise [b=1,h=1,hkv=h/group,sq=512,skv=512]");
    declare_target_flag(flags);
    flags.value("--threads", "N", "threads of a call [1]");
    flags.value("--seed", "N", "of the search and of the random inputs [1]");
    flags.value("--budget", "TIME", "30s, 5m, 2h: end the search then [5m]");
    flags.value("--trials", "N", "end the search after so many points, the default schedule included [100]");
    flags.value("--search", "KIND", "evolution, random, exhaustive or external [evolution]");
    flags.value("--external", "COMMAND",
                "with --search external: a program that asks and tells in lines of JSON, such as optuna_bridge.py");
    flags.list("--values", "NAME=A,B,…", "values of a parameter to try, instead of those of 'attune list'");
    flags.toggle("--by-shape", "also the best schedule for each shape, and where it is worth it a table of schedules by seq_lens");
    declare_determinism_flag(flags, "with --by-shape: D0 allows schedules in the table that give a row other bits [D1]");
    flags.toggle("--resume", "go on with the journal of an interrupted run");
    flags.value("--journal", "F", "where trials are written as they end [in the cache folder, named after what is tuned]");
    flags.value("--db", "F", "a tuned database (.jsonl) that takes the result");
    flags.value("--sweep", "F", "write the trials of an exhaustive search as a sweep, for --replay");
    flags.value("--replay", "F", "times from a recorded sweep instead of this machine");
    flags.value("--t4", "F", "write the trials in the JSON of Kernel Tuner's T4");
    flags.value("--report", "F", "write a page of curves and tables (HTML)");
    flags.value("--compilers", "N", "points compiled at once [one a CPU]");
    flags.value("--runner", "COMMAND",
                "measure on another machine: 'ssh board', 'adb shell', or with {} for a program's path 'qemu-x86_64 {}'; needs --target");
    flags.value("--runner-link-flags", "WORDS", "for the C++ driver ($CXX) that links its programs [$ATTUNE_RUNNER_LDFLAGS]");
    flags.value("--jobs", "F", "tune what each line of a file says: the words of one 'attune tune', beside those given here");
    flags.value("--shard", "I/N", "with --jobs: part I of N of its lines, for the tasks of a cluster");
    flags.hidden("--worker");
}

std::map<std::string, std::vector<int>> given_values(const Flags &flags) {
    std::map<std::string, std::vector<int>> values;
    for (const std::string &text : flags.all("--values")) {
        const auto refuse = [&] {
            throw Error({.code = ErrorCode::usage,
                         .argument = "--values",
                         .value = text,
                         .expected = "a parameter and its values, such as block_q=96,192",
                         .cure = "see 'attune list'"});
        };
        const size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
            refuse();
        std::vector<int> &list = values[text.substr(0, equals)];
        for (size_t at = equals + 1; at <= text.size();) {
            const size_t comma = std::min(text.find(',', at), text.size());
            const std::string word = text.substr(at, comma - at);
            char *end = nullptr;
            const long value = std::strtol(word.c_str(), &end, 10);
            if (word.empty() || *end != 0 || value < 1 || value > 1 << 20)
                refuse();
            list.push_back(static_cast<int>(value));
            at = comma + 1;
        }
    }
    return values;
}

TuneJob tune_job(const Flags &flags) {
    TuneJob job;
    job.threads = static_cast<int>(flags.integer("--threads", 1, 1024, 1));
    job.seed = flags.integer("--seed", 0, INT64_MAX, 1);
    job.spec = validate_spec(raw_spec(flags));
    const GivenParams given(flags, job.spec);
    for (const auto &text : flags.has("--shape") ? flags.all("--shape") : std::vector<std::string>{"b=1"}) {
        job.shapes.push_back(parse_shape(text, job.spec.group));
        check_index_range(job.spec, job.shapes.back(), ErrorCode::usage);
        job.params.push_back(params_or_random(given, flags, job.spec, job.shapes.back(), job.seed));
    }
    job.target = flags.has("--runner") || flags.has("--worker") ? &target_elsewhere(flags, job.spec) : &target_to_run(flags, job.spec);
    job.cpu = cpu_model();
    job.device = device_class();
    return job;
}

std::vector<std::string> worker_words(const Flags &flags, const TuneJob &job) {
    std::vector<std::string> words = {"/proc/self/exe", "tune"};
    const std::vector<std::string> spec = spec_words(flags);
    words.insert(words.end(), spec.begin(), spec.end());
    for (const char *flag : {"--param", "--shape"})
        for (const std::string &value : flags.all(flag))
            words.insert(words.end(), {flag, value});
    words.insert(words.end(), {"--target", job.target->name, "--threads", std::to_string(job.threads), "--seed", std::to_string(job.seed),
                               "--worker", "1"});
    return words;
}

std::string job_key(const TuneJob &job) {
    return fmt::format("{} on {} at {} with {} thread{}, seed {}; {}, build {}", job.spec.canonical(), job.target->name,
                       fmt::join(job.shape_names(), " "), job.threads, job.threads == 1 ? "" : "s", job.seed, job.cpu, build_id());
}

SearchFlags search_flags(const Flags &flags, const TuneJob &job) {
    SearchFlags out;
    out.search.kind = flags.one_of("--search", {"evolution", "random", "exhaustive", "external"}, "evolution");
    out.search.seed = job.seed;
    out.search.external_command = flags.text("--external");
    if ((out.search.kind == "external") != flags.has("--external"))
        throw Error({.code = ErrorCode::usage,
                     .argument = "--external",
                     .value = flags.text("--external", "absent"),
                     .expected = "a command, with --search external",
                     .cure = "give both or neither"});
    const bool timed = flags.has("--budget");
    const bool everything = out.search.kind == "exhaustive";
    out.tune.trials = flags.integer("--trials", 1, unlimited_trials, timed || everything ? unlimited_trials : default_trials);
    out.tune.seconds = timed ? seconds_of(flags.text("--budget")) : everything || flags.has("--trials") ? 0 : default_budget_s;
    out.search.trials = std::min(out.tune.trials, default_trials);
    out.tune.by_shape = flags.has("--by-shape");
    if (flags.has("--determinism") && !out.tune.by_shape)
        throw Error({.code = ErrorCode::usage,
                     .argument = "--determinism",
                     .value = flags.text("--determinism"),
                     .expected = "beside --by-shape, as one schedule alone is D1",
                     .cure = "leave it out, or give --by-shape"});
    for (const Shape &shape : job.shapes)
        out.tune.seq_lens.push_back({shape.seq_len_q, shape.seq_len_kv});
    if (!allows_any_bits(flags))
        out.tune.together = bits_are_kept(job.spec, *job.target);
    const size_t name = std::hash<std::string>{}(job_key(job));
    out.journal = flags.text("--journal", fmt::format("{}/tune/{}_{:08x}.jsonl", cache_directory(), job.spec.id(), uint32_t(name)));
    return out;
}

std::string command_text(const Flags &flags) {
    std::vector<std::string> words = {"attune", "tune"};
    for (const std::string &word : spec_words(flags))
        words.push_back(shell_quote(word));
    for (const char *flag : {"--param", "--shape", "--values"})
        for (const std::string &value : flags.all(flag))
            words.insert(words.end(), {flag, shell_quote(value)});
    for (const char *flag : {"--target", "--threads", "--seed", "--budget", "--trials", "--search", "--external", "--determinism", "--runner"})
        if (flags.has(flag))
            words.insert(words.end(), {flag, shell_quote(flags.text(flag))});
    if (flags.has("--by-shape"))
        words.emplace_back("--by-shape");
    return fmt::format("{}", fmt::join(words, " "));
}

}  // namespace attune::cli
