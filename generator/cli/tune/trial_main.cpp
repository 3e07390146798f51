/// The executable that a runner's machine gets (runner_evaluator.h): kernels of one specification, what measures them, and no compiler. Its
/// arguments are the question, lines of JSON on its standard output the answer.
///
///   probe                                            {"cpu", "device", "features", "limits": {…}, or null where it does not run the target}
///   measure SECONDS TIMEOUT BEST,… KERNEL…           for each kernel, a number from 0: {"begin": 3}, then {"kernel": 3, "times_ms", "error_share"}
///   time ROUNDS TIMEOUT KERNEL…                      rounds of all kernels in turn: {"begin": 3}, then {"kernel": 3, "shape": 0, "ms": 4.2}
///
/// A call that fails gives {"kernel": 3, "error": "…"}; what cannot be begun at all {"error": "…"} and exit code 5. Where a kernel crashes or hangs,
/// its "begin" is the last line: TIMEOUT, in whole seconds, ends it here too, so that nothing is left running on a machine that nobody watches.
/// --remove before these words: the file of the program is removed at once.
#include "attune/kernel.h"
#include "generator/cli/machine.h"
#include "generator/cli/peak.h"
#include "generator/cli/tune/linked_kernel.h"
#include "generator/cli/tune/messages.h"
#include "generator/cli/tune/trial_job.h"
#include "schedules/tuned_db/device_class.h"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

extern "C" const char attune_trial_job[];  // JSON and a 0, linked in
extern "C" uint32_t attune_cpu_features(void);

namespace attune::cli {
namespace {

KernelPlan plan_of(const TuneJob &job, const TrialKernel &trial) {
    KernelPlan plan;
    plan.spec = job.spec;
    plan.target = job.target;
    plan.parameters = trial.parameters;
    plan.rounds_weights = trial.rounds_weights;
    return plan;
}

void say(const Json &answer) {
    std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

std::vector<double> numbers(const std::string &text) {
    std::vector<double> list;
    for (const char *at = text.c_str(); *at;) {
        char *end = nullptr;
        list.push_back(std::strtod(at, &end));
        if (end == at)
            break;
        at = *end == ',' ? end + 1 : end;
    }
    return list;
}

class Trials {
public:
    explicit Trials(const TrialJob &trial) : trial_(trial), measurer_(trial.job) {
        for (const TrialKernel &kernel : trial.kernels)
            kernels_.emplace_back(kernel.name, plan_of(trial.job, kernel));
    }

    void measure(double seconds, unsigned timeout, const std::vector<double> &best_ms, const std::vector<size_t> &which) {
        for (const size_t i : which)
            answer(i, timeout, [&] { return measured_json(measurer_.measure(kernels_.at(i), seconds, best_ms)); });
    }

    void time(int rounds, unsigned timeout, const std::vector<size_t> &which) {
        std::map<std::pair<size_t, size_t>, std::unique_ptr<KernelCall>> calls;
        for (int round = 0; round < rounds; round++)
            for (size_t shape = 0; shape < trial_.job.shapes.size(); shape++)
                for (const size_t i : which)
                    answer(i, timeout, [&]() -> Json {
                        auto &call = calls[{i, shape}];
                        if (!call)
                            call = measurer_.prepared_call(kernels_.at(i), shape);
                        return {{"shape", shape}, {"ms", one_sample_ms(*call)}};
                    });
    }

private:
    template <class Result>
    void answer(size_t kernel, unsigned timeout, Result result) {
        say({{"begin", kernel}});
        alarm(timeout);  // its signal ends the process
        Json line = {{"kernel", kernel}};
        try {
            line.update(result());
        } catch (const std::exception &error) {
            line["error"] = error.what();
        }
        alarm(0);
        say(line);
    }

    const TrialJob &trial_;
    Measurer measurer_;
    std::vector<LinkedKernel> kernels_;
};

void probe(const CpuTarget &target) {
    const uint32_t features = attune_cpu_features();
    const bool runs = (target.features & ~features) == 0;
    say({{"cpu", cpu_model()},
         {"device", device_class()},
         {"features", features},
         {"limits", runs ? limits_json(limits_now(target)) : Json()}});
}

int run(std::vector<std::string> words, const char *program) {
    if (!words.empty() && words.front() == "--remove") {
        unlink(program);
        words.erase(words.begin());
    }
    std::signal(SIGPIPE, SIG_DFL);    // with nobody left to answer, it ends
    unsetenv("ATTUNE_FORCE_TARGET");  // there is one target, and it was chosen elsewhere
    const TrialJob trial = trial_job_of(Json::parse(attune_trial_job));
    if (words.size() == 1 && words[0] == "probe") {
        probe(*trial.job.target);
        return 0;
    }
    const size_t first = words.empty() || words[0] == "time" ? 3 : 4;
    if (words.size() < first || (words[0] != "measure" && words[0] != "time"))
        throw internal_error("reading the question", "it is none that trial_main.cpp knows");
    std::vector<size_t> which;
    for (size_t i = first; i < words.size(); i++)
        which.push_back(std::stoul(words[i]));
    pin_to_cpus(trial.job.threads);
    Trials trials(trial);
    const auto timeout = static_cast<unsigned>(std::stoul(words[2]));
    if (words[0] == "measure")
        trials.measure(std::stod(words[1]), timeout, numbers(words[3]), which);
    else
        trials.time(std::stoi(words[1]), timeout, which);
    return 0;
}

}  // namespace
}  // namespace attune::cli

int main(int argc, char **argv) {
    try {
        return attune::cli::run({argv + 1, argv + argc}, argv[0]);
    } catch (const std::exception &error) {
        attune::cli::say({{"error", error.what()}});
        return 5;
    }
}
