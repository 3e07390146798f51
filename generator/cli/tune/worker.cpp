#include "generator/cli/tune/worker.h"

#include "generator/cli/peak.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/tune/measure.h"
#include "generator/cli/tune/messages.h"

#include <chrono>
#include <iostream>
#include <map>

namespace attune::cli {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Worker {
public:
    explicit Worker(const TuneJob &job) : job_(job), measurer_(job) {}

    Json answer(const Json &request) {
        if (request.contains("compile"))
            return compile(parameters_of(request["compile"]));
        if (request.contains("build"))
            return build(parameters_of(request["build"]), request.at("name").get<std::string>(), request.at("folder").get<std::string>());
        if (request.contains("measure"))
            return measure(parameters_of(request["measure"]), request.value("seconds", 0.1),
                           request.value("best_ms", std::vector<double>(job_.shapes.size(), 0.0)));
        return {{"ms", time(parameters_of(request.at("time")), request.at("shape").get<size_t>())}};
    }

private:
    Json compile(const ScheduleParameters &parameters) {
        const auto begin = Clock::now();
        load_kernel(job_.spec, *job_.target, {.overrides = parameters});
        return {{"compile_s", seconds_since(begin)}};
    }

    /// For a runner: a library in a file. A name of its own, so that an executable may hold several schedules of one specification.
    Json build(const ScheduleParameters &parameters, const std::string &name, const std::string &folder) {
        const auto begin = Clock::now();
        AttentionSpec spec = job_.spec;
        spec.name = name;
        spec.targets = {job_.target->name};
        build_kernel(spec, folder, {{job_.target->name, {parameters, {}}}});
        return {{"compile_s", seconds_since(begin)}};
    }

    Json measure(const ScheduleParameters &parameters, double seconds, const std::vector<double> &best_ms) {
        const auto kernel = load_kernel(job_.spec, *job_.target, {.overrides = parameters});
        return measured_json(measurer_.measure(*kernel, seconds, best_ms));
    }

    /// One sample; kernel and call are kept for the next.
    double time(const ScheduleParameters &parameters, size_t shape) {
        auto [entry, is_new] = prepared_.try_emplace({parameters, shape});
        Prepared &prepared = entry->second;
        if (is_new) {
            prepared.kernel = load_kernel(job_.spec, *job_.target, {.overrides = parameters});
            prepared.call = measurer_.prepared_call(*prepared.kernel, shape);
        }
        return one_sample_ms(*prepared.call);
    }

    struct Prepared {
        std::unique_ptr<LoadedKernel> kernel;
        std::unique_ptr<KernelCall> call;
    };
    const TuneJob &job_;
    Measurer measurer_;
    std::map<std::pair<ScheduleParameters, size_t>, Prepared> prepared_;
};

}  // namespace

int run_tune_worker(const TuneJob &job) {
    pin_to_cpus(job.threads);
    Worker worker(job);
    for (std::string line; std::getline(std::cin, line);) {
        Json answer;
        try {
            answer = worker.answer(Json::parse(line));
        } catch (const std::exception &error) {
            answer = {{"error", error.what()}};
        }
        std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    }
    return 0;
}

}  // namespace attune::cli
