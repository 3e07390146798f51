#include "generator/backend/cache.h"
#include "generator/backend/files.h"
#include "generator/backend/schedule_space.h"
#include "generator/cli/command.h"
#include "generator/cli/machine.h"
#include "generator/cli/peak.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/text_file.h"
#include "generator/cli/tune/job.h"
#include "generator/cli/tune/job_list.h"
#include "generator/cli/tune/local_evaluator.h"
#include "generator/cli/tune/progress_line.h"
#include "generator/cli/tune/report.h"
#include "generator/cli/tune/runner_evaluator.h"
#include "generator/cli/tune/tune_result.h"
#include "generator/cli/tune/worker.h"
#include "schedules/autotune/journal.h"
#include "schedules/autotune/replay.h"
#include "schedules/autotune/search.h"
#include "schedules/autotune/t4.h"
#include "schedules/autotune/tuner.h"
#include "schedules/tuned_db/database.h"
#include "schedules/tuned_db/device_class.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <thread>

namespace attune::cli {
namespace {

constexpr double default_budget_s = 300;
constexpr int64_t default_trials = 100, unlimited_trials = 1'000'000;

void declare(Flags &flags) {
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
    flags.toggle("--by-shape", "also the best schedule for each shape");
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

/// The words that start a worker with the same job.
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

/// One line of all that times depend on but the space: what a journal is of.
std::string job_key(const TuneJob &job) {
    return fmt::format("{} on {} at {} with {} thread{}, seed {}; {}, build {}", job.spec.canonical(), job.target->name,
                       fmt::join(job.shape_names(), " "), job.threads, job.threads == 1 ? "" : "s", job.seed, job.cpu, build_id());
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    return text;
}

std::atomic<bool> interrupted = false;

/// The first Ctrl-C ends the search, and its leaders are still measured; the second ends the program.
void stop_on_interrupt() {
    std::signal(SIGINT, [](int) {
        interrupted = true;
        std::signal(SIGINT, SIG_DFL);
    });
}

struct RunFlags {
    autotune::SearchOptions search;
    autotune::TuneOptions tune;
    std::string journal;
};

RunFlags run_flags(const Flags &flags, const TuneJob &job) {
    RunFlags out;
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
    out.tune.stop = &interrupted;
    const size_t name = std::hash<std::string>{}(job_key(job));
    out.journal = flags.text("--journal", fmt::format("{}/tune/{}_{:08x}.jsonl", cache_directory(), job.spec.id(), uint32_t(name)));
    return out;
}

/// The folder for the journal, and no journal of an earlier run unless it is to be continued.
void prepare_journal(const std::string &path, bool resume) {
    std::error_code failure;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failure);
    if (!resume)
        std::filesystem::remove(path, failure);
}

TunedRecord tuned_record(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result, const MachineLimits &machine,
                         const std::string &command) {
    TunedRecord record;
    record.spec = spec_hash(job.spec.canonical());
    record.target = job.target->name;
    record.device = job.device;
    record.family = space.family;
    for (size_t i = 0; i < result.chosen.size(); i++)
        record.parameters[space.parameters[i].name] = result.chosen[i];
    const auto leader = [&](const autotune::Point &point) {
        return std::find_if(result.leaders.begin(), result.leaders.end(), [&](const auto &l) { return l.point == point; });
    };
    const auto chosen = leader(result.chosen), fallback = leader(space.fallback);
    for (size_t i = 0; i < job.shapes.size(); i++) {
        record.shapes[shape_text(job.shapes[i])] = {chosen->median_ms(i), fallback->median_ms(i), chosen->spread(i), {}};
        record.share_of_limit = std::max(record.share_of_limit, share_of_limit(job, i, chosen->median_ms(i), machine));
    }
    record.provenance = {job.cpu, halide_version(), llvm_version(), ATTUNE_VERSION, command, utc_now(), {}};
    return record;
}

/// The command line again, for the record: what else would find it.
std::string command_text(const Flags &flags) {
    std::vector<std::string> words = {"attune", "tune"};
    for (const std::string &word : spec_words(flags))
        words.push_back(shell_quote(word));
    for (const char *flag : {"--param", "--shape", "--values"})
        for (const std::string &value : flags.all(flag))
            words.insert(words.end(), {flag, shell_quote(value)});
    for (const char *flag : {"--target", "--threads", "--seed", "--budget", "--trials", "--search", "--external", "--runner"})
        if (flags.has(flag))
            words.insert(words.end(), {flag, shell_quote(flags.text(flag))});
    return fmt::format("{}", fmt::join(words, " "));
}

/// Where --runner leads.
struct FarSide {
    Runner runner;
    TrialLinker linker;
    RunnerMachine machine;
};

std::unique_ptr<FarSide> far_side(const Flags &flags, const TuneJob &job, const TemporaryFolder &folder) {
    const char *words = std::getenv("ATTUNE_RUNNER_LDFLAGS");
    auto far = std::make_unique<FarSide>(
        FarSide{Runner(flags.text("--runner")), TrialLinker(folder.path, flags.text("--runner-link-flags", words ? words : "")), {}});
    far->machine = probe_runner(far->runner, far->linker, job);
    return far;
}

std::unique_ptr<autotune::Evaluator> make_evaluator(const Flags &flags, const TuneJob &job, const autotune::Space &space,
                                                    const TemporaryFolder &kernels, FarSide *far) {
    const auto cpus = static_cast<int64_t>(usable_cpus().size());
    const LocalOptions options = {.worker = worker_words(flags, job),
                                  .environment = {"ATTUNE_CACHE_DIR=" + kernels.path, "TMPDIR=" + kernels.path, "ATTUNE_FORCE_TARGET="},
                                  .shapes = job.shapes.size(),
                                  .compilers = static_cast<int>(flags.integer("--compilers", 1, 1024, cpus)),
                                  .stop = &interrupted};
    if (far)
        return std::make_unique<RunnerEvaluator>(job, space.parameters, far->runner, far->linker,
                                                 RunnerOptions{.local = options, .folder = kernels.path});
    return std::make_unique<LocalEvaluator>(space.parameters, options);
}

/// What can be wrong with a line of --jobs before anything is compiled.
void check_line(const Flags &flags) {
    const TuneJob job = tune_job(flags);
    run_flags(flags, job);
    schedule_space(job.spec, *job.target, given_values(flags));
    for (const char *flag : {"--db", "--sweep", "--t4", "--report"})
        if (flags.has(flag))
            check_output_path(flag, flags.text(flag));
}

int run_jobs(const Flags &flags, Session &session) {
    stop_on_interrupt();
    return run_job_list(flags, session, {.declare = declare, .check = check_line, .stop = &interrupted});
}

/// Times of a sweep: all points in turn, again and again, so that no point keeps the luck of the moment in which it was a trial.
void measure_again(std::vector<autotune::Trial> &trials, autotune::Evaluator &evaluator) {
    constexpr int rounds = 11;
    std::vector<autotune::Point> points;
    std::vector<autotune::Trial *> measured;
    for (autotune::Trial &trial : trials)
        if (trial.evaluation.outcome == autotune::Outcome::ok) {
            points.push_back(trial.point);
            measured.push_back(&trial);
        }
    const auto times = evaluator.remeasure(points, rounds);
    for (size_t i = 0; i < measured.size(); i++)
        measured[i]->evaluation.times_ms = times[i];
}

int run(const Flags &flags, Session &session) {
    if (flags.has("--jobs") || flags.has("--shard"))
        return run_jobs(flags, session);
    TuneJob job = tune_job(flags);
    if (flags.has("--worker"))
        return run_tune_worker(job);
    for (const char *flag : {"--db", "--sweep", "--t4", "--report"})
        if (flags.has(flag))
            check_output_path(flag, flags.text(flag));
    run_flags(flags, job);  // their mistakes, before a runner is asked
    const TemporaryFolder kernels;
    std::unique_ptr<FarSide> far;
    if (flags.has("--runner") && !flags.has("--replay")) {
        far = far_side(flags, job, kernels);
        job.cpu = far->machine.cpu;
        job.device = far->machine.device;
    }
    RunFlags options = run_flags(flags, job);
    const MachineLimits machine = far ? far->machine.limits : machine_limits(*job.target);
    autotune::Space space = tuning_space(job, given_values(flags), machine);

    std::unique_ptr<autotune::Evaluator> evaluator;
    if (flags.has("--replay")) {
        const autotune::Sweep sweep = autotune::read_sweep(flags.text("--replay"));
        const auto predicted = space.predicted_ms;
        space = sweep.space();
        space.predicted_ms = predicted;
        evaluator = std::make_unique<autotune::Replay>(sweep);
    } else {
        evaluator = make_evaluator(flags, job, space, kernels, far.get());
    }
    std::unique_ptr<autotune::Journal> journal;
    if (!flags.has("--replay") || flags.has("--journal")) {
        prepare_journal(options.journal, flags.has("--resume"));
        journal = std::make_unique<autotune::Journal>(options.journal, journal_header(job_key(job), space, options.search));
    }
    if (options.search.kind == "exhaustive")  // for the estimate of the time left
        options.tune.trials = std::min(options.tune.trials, static_cast<int64_t>(space.legal_points().size()));
    stop_on_interrupt();
    const auto search = make_search(space, options.search);
    autotune::TuneResult result;
    {
        ProgressLine line(space, !flags.has("--quiet"));
        options.tune.progress = [&](const autotune::Progress &progress) { line.show(progress); };
        result = tune(space, *search, *evaluator, journal.get(), options.tune);
    }
    if (result.leaders.empty()) {
        spdlog::warn("stopped before the default schedule was measured: nothing is known");
        return static_cast<int>(ErrorCode::check_failed);
    }
    if (flags.has("--sweep")) {
        measure_again(result.trials, *evaluator);
        write_sweep(flags.text("--sweep"),
                    make_sweep(space, result.trials, job.shape_names(), job.spec.canonical() + " on " + job.target->name,
                               fmt::format("{}, Halide {}, LLVM {}, {}", cpu_model(), halide_version(), llvm_version(), utc_now())));
    }
    if (flags.has("--t4"))
        write_t4(flags.text("--t4"), space, result.trials, {.shapes = job.shape_names()});
    if (flags.has("--db"))
        append_tuned(flags.text("--db"), tuned_record(job, space, result, machine, command_text(flags)));
    const Json found = session.json || flags.has("--report") ? tune_json(job, space, result, machine) : Json();
    if (flags.has("--report"))
        write_report(flags.text("--report"), found);
    if (session.json)
        session.print_json(found);
    else
        session.print(tune_text(job, space, result));
    return 0;
}

}  // namespace

const Command tune_command = {"tune", "find the fastest schedule of a kernel on this machine, beside the default",
                              "  attune tune llama3_8b --shape h=32,hkv=8,sq=2048,skv=2048 --budget 5m --db tuned.jsonl\n"
                              "  attune tune --mask causal --shape h=8,sq=512,skv=512 --shape h=8,sq=4096,skv=4096 --trials 60 --resume",
                              declare, run};

}  // namespace attune::cli
