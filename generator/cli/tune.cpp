#include "generator/backend/files.h"
#include "generator/backend/schedule_space.h"
#include "generator/cli/command.h"
#include "generator/cli/machine.h"
#include "generator/cli/peak.h"
#include "generator/cli/text_file.h"
#include "generator/cli/tune/job.h"
#include "generator/cli/tune/job_list.h"
#include "generator/cli/tune/local_evaluator.h"
#include "generator/cli/tune/progress_line.h"
#include "generator/cli/tune/report.h"
#include "generator/cli/tune/runner_evaluator.h"
#include "generator/cli/tune/tune_flags.h"
#include "generator/cli/tune/tune_result.h"
#include "generator/cli/tune/worker.h"
#include "schedules/autotune/journal.h"
#include "schedules/autotune/replay.h"
#include "schedules/autotune/search.h"
#include "schedules/autotune/t4.h"
#include "schedules/autotune/tuner.h"
#include "schedules/tuned_db/database.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace attune::cli {
namespace {

std::atomic<bool> interrupted = false;

/// The first Ctrl-C ends the search, and its leaders are still measured; the second ends the program.
void stop_on_interrupt() {
    std::signal(SIGINT, [](int) {
        interrupted = true;
        std::signal(SIGINT, SIG_DFL);
    });
}

/// The folder for the journal, and no journal of an earlier run unless it is to be continued.
void prepare_journal(const std::string &path, bool resume) {
    std::error_code failure;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failure);
    if (!resume)
        std::filesystem::remove(path, failure);
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

/// The files that a run ends with can be written.
void check_outputs(const Flags &flags) {
    for (const char *flag : {"--db", "--sweep", "--t4", "--report"})
        if (flags.has(flag))
            check_output_path(flag, flags.text(flag));
}

/// What can be wrong with a line of --jobs before anything is compiled.
void check_line(const Flags &flags) {
    const TuneJob job = tune_job(flags);
    search_flags(flags, job);
    schedule_space(job.spec, *job.target, given_values(flags));
    check_outputs(flags);
}

int run_jobs(const Flags &flags, Session &session) {
    stop_on_interrupt();
    return run_job_list(flags, session, {.declare = declare_tune_flags, .check = check_line, .stop = &interrupted});
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
    check_outputs(flags);
    search_flags(flags, job);  // their mistakes, before a runner is asked
    const TemporaryFolder kernels;
    std::unique_ptr<FarSide> far;
    if (flags.has("--runner") && !flags.has("--replay")) {
        far = far_side(flags, job, kernels);
        job.cpu = far->machine.cpu;
        job.device = far->machine.device;
    }
    SearchFlags options = search_flags(flags, job);
    options.tune.stop = &interrupted;
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
                               fmt::format("{}, Halide {}, LLVM {}, {}", job.cpu, halide_version(), llvm_version(), utc_now())));
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
                              declare_tune_flags, run};

}  // namespace attune::cli
