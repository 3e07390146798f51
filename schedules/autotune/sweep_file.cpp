// The file of a sweep. A point is a line and a row of numbers, [value of each parameter …, median of each shape …], or of the values and
// an outcome's name: text that compresses and compares well.
#include "generator/spec/error.h"
#include "schedules/autotune/replay.h"
#include "schedules/autotune/text_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <stdexcept>

namespace attune::autotune {
namespace {

using nlohmann::json;
constexpr int format = 1;

std::string text_of(const json &value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Sweep::Row row_of(const json &row, size_t parameters, size_t shapes) {
    const size_t times = row.size() - std::min(row.size(), parameters);
    Sweep::Row out;
    for (size_t i = 0; i < parameters; i++)
        out.point.push_back(row.at(i).get<int>());
    if (times == 1 && row.at(parameters).is_string()) {
        const std::optional<Outcome> outcome = outcome_of(row.at(parameters).get<std::string>());
        if (!outcome || *outcome == Outcome::ok)
            throw std::invalid_argument("an unknown outcome");
        out.outcome = *outcome;
        return out;
    }
    for (size_t i = parameters; i < row.size(); i++) {
        out.median_ms.push_back(row.at(i).get<double>());
        if (!(out.median_ms.back() > 0))
            throw std::invalid_argument("a time that is not positive");
    }
    if (out.median_ms.size() != shapes)
        throw std::invalid_argument(fmt::format("{} times for {} shapes", out.median_ms.size(), shapes));
    return out;
}

}  // namespace

Sweep read_sweep(const std::string &path) {
    const std::string text = read_text(path, "sweep");
    const auto fail = [&](const std::string &problem, const std::string &expected) -> Error {
        return Error({.code = ErrorCode::input,
                      .argument = "sweep",
                      .value = path,
                      .expected = expected,
                      .cure = "write one with attune's exhaustive search",
                      .file = path,
                      .problem = problem});
    };
    std::string where = "the file";
    try {
        const json file = json::parse(text);
        if (!file.is_object() || file.value("attune_sweep", 0) != format)
            throw fail("this is no sweep of attune", fmt::format("an object with attune_sweep {}", format));
        Sweep sweep;
        where = "its head";
        sweep.key = file.at("key"), sweep.machine = file.at("machine"), sweep.family = file.at("family");
        sweep.fallback = file.at("fallback").get<Point>(), sweep.shapes = file.at("shapes").get<std::vector<std::string>>();
        for (const json &parameter : file.at("parameters"))
            sweep.parameters.push_back({parameter.at("name"), parameter.at("values").get<std::vector<int>>()});
        if (sweep.fallback.size() != sweep.parameters.size())
            throw std::invalid_argument("the fallback and the parameters differ in number");
        for (const json &row : file.at("points")) {
            where = fmt::format("point {}", sweep.rows.size());
            sweep.rows.push_back(row_of(row, sweep.parameters.size(), sweep.shapes.size()));
        }
        return sweep;
    } catch (const Error &) {
        throw;
    } catch (const std::exception &e) {
        throw fail(fmt::format("{} does not read: {}", where, e.what()), "what schedules/autotune/README.md says of sweeps");
    }
}

void write_sweep(const std::string &path, const Sweep &sweep) {
    std::string text = fmt::format("{{\"attune_sweep\": {},\n \"key\": {},\n \"machine\": {},\n \"family\": {},\n \"parameters\": [",
                                   format, text_of(sweep.key), text_of(sweep.machine), text_of(sweep.family));
    for (size_t i = 0; i < sweep.parameters.size(); i++)
        text += fmt::format("{}\n  {{\"name\": {}, \"values\": {}}}", i ? "," : "", text_of(sweep.parameters[i].name),
                            text_of(sweep.parameters[i].values));
    text += fmt::format("],\n \"fallback\": {},\n \"shapes\": {},\n \"points\": [", text_of(sweep.fallback), text_of(sweep.shapes));
    for (size_t i = 0; i < sweep.rows.size(); i++) {
        json row = sweep.rows[i].point;
        if (sweep.rows[i].outcome != Outcome::ok)
            row.push_back(outcome_name(sweep.rows[i].outcome));
        for (const double median : sweep.rows[i].median_ms)
            row.push_back(median);
        text += fmt::format("{}\n  {}", i ? "," : "", text_of(row));
    }
    write_text(path, text + "\n ]\n}\n", "sweep");
}

}  // namespace attune::autotune
