#include "generator/cli/tune/messages.h"

#include <fmt/format.h>

namespace attune::cli {

Json parameters_object(const ScheduleParameters &parameters) {
    Json object = Json::object();
    for (const auto &[name, value] : parameters)
        object[name] = value;
    return object;
}

ScheduleParameters parameters_of(const Json &object) {
    ScheduleParameters parameters;
    for (const auto &[name, value] : object.items())
        parameters.emplace_back(name, value.get<int>());
    return parameters;
}

Json measured_json(const Measurer::Result &result) {
    return {{"times_ms", result.times_ms}, {"error_share", result.error_share}};
}

autotune::Evaluation failed_evaluation(autotune::Outcome outcome, std::string message) {
    autotune::Evaluation evaluation;
    evaluation.outcome = outcome;
    evaluation.message = std::move(message);
    return evaluation;
}

autotune::Evaluation measured_evaluation(const Json &answer) {
    if (answer.contains("error"))
        return failed_evaluation(autotune::Outcome::crashed, answer["error"].get<std::string>());
    autotune::Evaluation evaluation;
    evaluation.times_ms = answer.at("times_ms").get<std::vector<std::vector<double>>>();
    evaluation.error_share = answer.at("error_share").get<double>();
    if (!(evaluation.error_share <= 1)) {
        evaluation.outcome = autotune::Outcome::wrong;
        evaluation.message = fmt::format("the error is {:.3g} of the bound", evaluation.error_share);
    }
    return evaluation;
}

}  // namespace attune::cli
