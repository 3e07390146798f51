#include "schedules/autotune/t4.h"
#include "schedules/autotune/text_file.h"
#include "schedules/autotune/trial_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>

namespace attune::autotune {
namespace {

using nlohmann::json;

const char *invalidity(Outcome outcome) {
    switch (outcome) {
    case Outcome::ok:
        return "correct";
    case Outcome::compile_failed:
        return "compile";
    case Outcome::crashed:
        return "runtime";
    case Outcome::timed_out:
        return "timeout";
    case Outcome::wrong:
        return "correctness";
    }
    return "runtime";
}

json measurements(const Trial &trial, const T4Options &options) {
    json out = json::array();
    const auto add = [&](const std::string &name, double value, const char *unit) {
        out.push_back({{"name", name}, {"value", value}, {"unit", unit}});
    };
    const std::vector<double> medians = medians_of(trial.evaluation);
    double logs = 0;
    for (size_t i = 0; i < medians.size(); i++) {
        logs += std::log(medians[i]);
        if (medians.size() > 1)
            add("time " + (i < options.shapes.size() ? options.shapes[i] : fmt::format("shape {}", i)), medians[i], "ms");
    }
    add("time", std::exp(logs / static_cast<double>(medians.size())), "ms");  // of one shape its median
    add("score", trial.score, "");
    add("error_share", trial.evaluation.error_share, "");
    return out;
}

}  // namespace

std::string t4_text(const Space &space, const std::vector<Trial> &trials, const T4Options &options) {
    json results = json::array();
    for (const Trial &trial : trials) {
        const Evaluation &e = trial.evaluation;
        json runtimes = json::array();
        for (const std::vector<double> &times : e.times_ms)  // its readers expect numbers: shapes follow each other
            for (const double time : times)
                runtimes.push_back(time);
        const bool ok = e.outcome == Outcome::ok;
        const double compile_ms = 1000 * e.compile_s;
        json result = {{"configuration", point_json(space.parameters, trial.point)},
                       // The schema says compilation_time, Kernel Tuner 1.5 writes compilation: both.
                       {"times", {{"compilation_time", compile_ms}, {"compilation", compile_ms}, {"runtimes", runtimes}}},
                       {"invalidity", invalidity(e.outcome)},
                       {"correctness", ok ? 1 : 0},
                       {"measurements", ok ? measurements(trial, options) : json::array()},
                       {"objectives", {"time"}}};
        for (const char *unknown : {"framework", "search_algorithm", "validation"})
            result["times"][unknown] = 0;
        if (options.started_unix_s > 0)
            result["timestamp"] =
                fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(options.started_unix_s + trial.elapsed_s)));
        results.push_back(result);
    }
    const json file = {{"schema_version", "1.0.0"}, {"metadata", {{"timeunit", "milliseconds"}}}, {"results", results}};
    return file.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

void write_t4(const std::string &path, const Space &space, const std::vector<Trial> &trials, const T4Options &options) {
    write_text(path, t4_text(space, trials, options), "T4 file");
}

}  // namespace attune::autotune
