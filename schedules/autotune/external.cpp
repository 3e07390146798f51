#include "schedules/autotune/external.h"
#include "generator/spec/error.h"
#include "schedules/autotune/candidates.h"
#include "schedules/autotune/line_process.h"
#include "schedules/autotune/trial_json.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::autotune {
namespace {

using nlohmann::json;
constexpr int protocol = 1;
constexpr int most_refusals = 50;  // answers in a row without a point that is legal and new

class External : public Search {
public:
    External(const Space &space, const SearchOptions &options)
        : space_(space), options_(options), candidates_(space), random_(options.seed), program_(options.external_command) {
        json parameters = json::array();
        for (const Parameter &parameter : space.parameters)
            parameters.push_back({{"name", parameter.name}, {"values", parameter.values}});
        send({{"space", {{"family", space.family}, {"parameters", parameters}, {"default", point_json(space.parameters, space.fallback)}}},
              {"protocol", protocol},
              {"seed", options.seed},
              {"trials", options.trials}});
    }

    std::vector<Point> ask(size_t most) override {
        std::vector<Point> out;
        for (int refused = 0; out.size() < most && refused < most_refusals; refused++) {
            send({{"ask", most - out.size()}});
            const std::vector<json> points = answer();
            if (points.empty())
                return out;  // it has nothing left
            for (const json &point : points)
                if (out.size() < most && accept(point, out))
                    refused = -1;
        }
        // A program that does not find the legal points gets on by chance: it is told of these too.
        while (out.size() < most) {
            const std::optional<Point> point = candidates_.random(random_);
            if (!point)
                break;
            candidates_.take(*point);
            out.push_back(*point);
        }
        return out;
    }

    void tell(const Point &point, std::optional<double> score) override {
        candidates_.take(point);
        send({{"tell", point_json(space_.parameters, point)}, {"score", score ? json(*score) : json()}});
    }

private:
    [[noreturn]] void fail(const std::string &problem) {
        throw Error({.code = ErrorCode::input,
                     .argument = "external command",
                     .value = options_.external_command,
                     .expected = "a line {\"points\": [{\"name\": value, …}, …]} after each {\"ask\": n}",
                     .cure = "see its own messages above, and schedules/autotune/README.md for the protocol; without it: another search",
                     .problem = "the external command " + problem});
    }

    void send(const json &message) {
        if (!program_.send(message.dump(), options_.external_patience_s))
            fail(program_.end());
    }

    std::vector<json> answer() {
        std::string line;
        switch (program_.receive(line, options_.external_patience_s)) {
        case LineProcess::Answer::line:
            break;
        case LineProcess::Answer::closed:
            fail(program_.end());
        case LineProcess::Answer::late:
            fail(fmt::format("did not answer within {} s", options_.external_patience_s));
        case LineProcess::Answer::too_long:
            fail("wrote a line of more than a megabyte");
        }
        const json message = json::parse(line, nullptr, false);
        if (!message.is_object() || !message.contains("points") || !message["points"].is_array())
            fail(fmt::format("answered \"{}\"", line.size() > 120 ? line.substr(0, 120) + "…" : line));
        return message["points"].get<std::vector<json>>();
    }

    /// Adds a point that is legal and new; tells of any other why it is refused.
    bool accept(const json &named, std::vector<Point> &out) {
        Point point;
        std::string reason;
        for (const Parameter &parameter : space_.parameters) {
            const bool there = named.is_object() && named.contains(parameter.name) && named[parameter.name].is_number_integer();
            const int64_t value = there ? named[parameter.name].get<int64_t>() : 0;
            if (!reason.empty())
                break;
            if (!there)
                reason = parameter.name + " is missing or no integer";
            else if (std::find(parameter.values.begin(), parameter.values.end(), value) == parameter.values.end())
                reason = fmt::format("{} is {}, expected one of {}", parameter.name, value, fmt::join(parameter.values, ", "));
            point.push_back(static_cast<int>(value));
        }
        if (reason.empty() && space_.error)
            reason = space_.error(point);
        if (reason.empty() && !candidates_.take(point))
            reason = "it was asked for before";
        if (reason.empty()) {
            out.push_back(point);
            return true;
        }
        send({{"tell", named}, {"score", nullptr}, {"reason", reason}});
        return false;
    }

    const Space space_;
    const SearchOptions options_;
    Candidates candidates_;
    Random random_;
    LineProcess program_;
};

}  // namespace

std::unique_ptr<Search> make_external(const Space &space, const SearchOptions &options) {
    if (options.external_command.empty())
        throw Error({.code = ErrorCode::usage,
                     .argument = "external command",
                     .expected = "a program that proposes points",
                     .cure = "python3 schedules/autotune/bridges/optuna_bridge.py is one"});
    return std::make_unique<External>(space, options);
}

}  // namespace attune::autotune
