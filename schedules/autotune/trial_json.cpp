#include "schedules/autotune/trial_json.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace attune::autotune {

using nlohmann::json;

json trial_json(const Trial &trial) {
    const Evaluation &e = trial.evaluation;
    json out = {{"trial", trial.index},        {"point", trial.point},         {"outcome", outcome_name(e.outcome)},
                {"times_ms", e.times_ms},      {"error_share", e.error_share}, {"compile_s", e.compile_s},
                {"score", trial.score},  // infinity is written as null
                {"elapsed_s", trial.elapsed_s}};
    if (!e.message.empty())
        out["message"] = e.message;
    return out;
}

Trial trial_of(const json &line, size_t parameters) {
    const auto number = [&](const char *key) {  // what JSON has no number for was written as null
        const json &value = line.at(key);
        return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
    };
    const std::optional<Outcome> outcome = outcome_of(line.at("outcome").get<std::string>());
    Trial trial;
    trial.index = line.at("trial").get<int64_t>();
    trial.point = line.at("point").get<Point>();
    if (!outcome || trial.point.size() != parameters)
        throw std::invalid_argument("no trial of this space");
    trial.evaluation = {*outcome, line.at("times_ms").get<std::vector<std::vector<double>>>(), number("error_share"), number("compile_s"),
                        line.value("message", "")};
    trial.score = number("score");
    trial.elapsed_s = number("elapsed_s");
    return trial;
}

json point_json(const std::vector<Parameter> &parameters, const Point &point) {
    json out = json::object();
    for (size_t i = 0; i < parameters.size(); i++)
        out[parameters[i].name] = point.at(i);
    return out;
}

}  // namespace attune::autotune
