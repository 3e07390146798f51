#include "generator/cli/tune/tune_result.h"

#include "generator/backend/call_range.h"
#include "generator/backend/schedule_space.h"
#include "generator/cli/cost.h"
#include "generator/cli/machine.h"
#include "generator/cli/tune/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>

namespace attune::cli {

using autotune::Leader;
using autotune::Point;
using autotune::Trial;

namespace {

Json point_json(const autotune::Space &space, const Point &point) {
    return parameters_object(overrides_of(space.parameters, point));
}

Json machine_json(const TuneJob &job, const MachineLimits &machine) {
    Json levels = Json::array();
    for (const auto &[name, level] : named_levels(machine.levels))
        levels.push_back({{"level", name}, {"bytes", std::isinf(level.bytes) ? Json() : Json(level.bytes)}, {"gbs", level.gbs}});
    return {{"cpu", job.cpu}, {"peak_gflops", machine.peak_gflops}, {"levels", levels}};
}

Json trial_json(const autotune::Space &space, const Trial &trial, size_t shapes) {
    const autotune::Evaluation &e = trial.evaluation;
    Json json = {{"index", trial.index},
                 {"parameters", point_json(space, trial.point)},
                 {"outcome", outcome_name(e.outcome)},
                 {"compile_s", e.compile_s},
                 {"elapsed_s", trial.elapsed_s}};
    if (space.predicted_ms)
        json["predicted_ms"] = space.predicted_ms(trial.point);
    if (e.outcome == autotune::Outcome::ok) {
        json["score"] = trial.score;
        json["error_share"] = e.error_share;
        for (size_t i = 0; i < shapes; i++) {
            json["median_ms"].push_back(e.median_ms(i));
            json["spread"].push_back(e.spread(i));
        }
    } else {
        json["message"] = e.message;
    }
    return json;
}

CallRange calls_of(const autotune::ShapeRule &rule) {
    return {static_cast<int>(rule.most_seq_len_q), static_cast<int>(rule.most_seq_len_kv)};
}

/// Null where one schedule serves all shapes.
Json table_json(const autotune::Space &space, const autotune::TuneResult &result) {
    if (result.table.rules.empty())
        return nullptr;
    Json rules = Json::array();
    for (const autotune::ShapeRule &rule : result.table.rules)
        rules.push_back({{"calls", calls_of(rule).text()},
                         {"most_seq_len_q", rule.most_seq_len_q},
                         {"most_seq_len_kv", rule.most_seq_len_kv},
                         {"parameters", point_json(space, rule.point)}});
    return {{"rules", rules}, {"otherwise", point_json(space, result.table.otherwise)}, {"speed_up", result.table_speed_up}};
}

std::map<std::string, int> failures(const autotune::TuneResult &result) {
    std::map<std::string, int> counts;
    for (const Trial &trial : result.trials)
        if (trial.evaluation.outcome != autotune::Outcome::ok)
            counts[outcome_name(trial.evaluation.outcome)]++;
    return counts;
}

}  // namespace

double share_of_limit(const TuneJob &job, size_t shape, double ms, const MachineLimits &machine) {
    const Cost cost = call_cost(job.spec, job.shapes[shape], job.params[shape].values(), job.params[shape].lists());
    const double compute_ms = double(cost.flops) / machine.peak_gflops * 1e-6 / job.threads;
    const double memory_ms = machine.levels.empty() ? 0 : machine.read_ns(double(cost.bytes), double(cost.bytes)) * 1e-6 / job.threads;
    return std::clamp(std::max(compute_ms, memory_ms) / ms, 0.0, 1.0);
}

Json tune_json(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result, const MachineLimits &machine) {
    Json json;
    json["kernel"] = job.spec.id() + "__" + job.target->name;
    json["target"] = job.target->name;
    json["family"] = space.family;
    json["threads"] = job.threads;
    json["shapes"] = job.shape_names();
    json["machine"] = machine_json(job, machine);
    json["parameters"] = Json::array();
    for (const autotune::Parameter &parameter : space.parameters)
        json["parameters"].push_back({{"name", parameter.name}, {"values", parameter.values}});
    json["default"] = point_json(space, space.fallback);
    json["chosen"] = point_json(space, result.chosen);
    json["speed_up"] = result.speed_up;
    json["by_shape"] = Json::array();
    for (size_t i = 0; i < result.chosen_by_shape.size(); i++)
        json["by_shape"].push_back({{"shape", shape_text(job.shapes[i])},
                                    {"chosen", point_json(space, result.chosen_by_shape[i])},
                                    {"speed_up", result.speed_up_by_shape[i]}});
    json["table"] = table_json(space, result);
    json["leaders"] = Json::array();
    for (const Leader &leader : result.leaders) {
        Json row = {{"parameters", point_json(space, leader.point)}, {"trial", leader.trial}, {"score", leader.score}};
        for (size_t i = 0; i < job.shapes.size(); i++) {
            const Cost cost = call_cost(job.spec, job.shapes[i], job.params[i].values(), job.params[i].lists());
            row["median_ms"].push_back(leader.median_ms(i));
            row["spread"].push_back(leader.spread(i));
            row["gflops"].push_back(double(cost.flops) / leader.median_ms(i) * 1e-6);
            row["intensity"].push_back(cost.intensity());
            row["share_of_limit"].push_back(share_of_limit(job, i, leader.median_ms(i), machine));
        }
        json["leaders"].push_back(row);
    }
    json["stopped_by"] = stopped_by_name(result.stopped_by);
    json["resumed"] = result.resumed;
    json["seconds"] = result.elapsed_s;
    json["failed"] = failures(result);
    json["best_so_far"] = result.best_so_far;
    json["trials"] = Json::array();
    for (const Trial &trial : result.trials)
        json["trials"].push_back(trial_json(space, trial, job.shapes.size()));
    return json;
}

std::string tune_text(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result) {
    std::vector<std::vector<std::string>> rows = {{"trial", "x default", "spread"}};
    for (const std::string &shape : job.shape_names())
        rows.front().push_back("ms at " + shape);
    rows.front().push_back("schedule");
    for (const Leader &leader : result.leaders) {
        std::vector<std::string> row = {leader.trial == 0 ? "default" : std::to_string(leader.trial),
                                        fmt::format("{:.3f}", 1 / leader.score), fmt::format("{:.1f} %", 100 * leader.spread(0))};
        for (size_t i = 0; i < job.shapes.size(); i++)
            row.push_back(fmt::format("{:.4g}", leader.median_ms(i)));
        row.push_back(space.text(leader.point));
        rows.push_back(row);
    }
    std::string text = align_table(rows, {true, true, true, true}) + "\n";
    std::string failed;
    for (const auto &[outcome, count] : failures(result))
        failed += fmt::format(", {} {}", count, outcome);
    text += fmt::format("{} trials{} in {:.0f} s, ended by {}\n", result.trials.size(), failed, result.elapsed_s,
                        stopped_by_name(result.stopped_by));
    if (result.chosen == space.fallback)
        text += "the default schedule stays: no other was faster when measured beside it\n";
    else
        text += fmt::format("{:.3f} times as fast as the default: {}\n", result.speed_up, space.text(result.chosen));
    for (size_t i = 0; i < result.chosen_by_shape.size(); i++)
        text += fmt::format("  {}: {:.3f} times, {}\n", shape_text(job.shapes[i]), result.speed_up_by_shape[i],
                            space.text(result.chosen_by_shape[i]));
    if (result.table.rules.empty())
        return text;
    text += fmt::format("{:.3f} times as fast with a table of schedules, chosen at each call:\n", result.table_speed_up);
    for (const autotune::ShapeRule &rule : result.table.rules)
        text += fmt::format("  {}: {}\n", calls_of(rule).text(), space.text(rule.point));
    return text + fmt::format("  {}: {}\n", CallRange{}.text(), space.text(result.table.otherwise));
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    return text;
}

namespace {

std::map<std::string, int> named_point(const autotune::Space &space, const Point &point) {
    std::map<std::string, int> named;
    for (size_t i = 0; i < point.size(); i++)
        named[space.parameters[i].name] = point[i];
    return named;
}

/// Same bits whichever of the table's schedules runs.
bool keeps_bits(const TuneJob &job, const autotune::ShapeTable &table) {
    const autotune::MayStandTogether kept = bits_are_kept(job.spec, *job.target);
    return std::all_of(table.rules.begin(), table.rules.end(), [&](const auto &rule) { return kept(rule.point, table.otherwise); });
}

}  // namespace

TunedRecord tuned_record(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result, const MachineLimits &machine,
                         const std::string &command) {
    // Without rules, the compromise: a table may have kept the default for what a schedule saves less than its price.
    const autotune::ShapeTable table = result.table.rules.empty() ? autotune::ShapeTable{{}, result.chosen} : result.table;
    TunedRecord record;
    record.spec = spec_hash(job.spec.canonical());
    record.target = job.target->name;
    record.device = job.device;
    record.family = space.family;
    record.parameters = named_point(space, table.otherwise);
    for (const autotune::ShapeRule &rule : table.rules)
        record.rules.push_back(
            {static_cast<int>(rule.most_seq_len_q), static_cast<int>(rule.most_seq_len_kv), named_point(space, rule.point)});
    if (!keeps_bits(job, table))
        record.determinism = "D0";
    const auto leader = [&](const autotune::Point &point) {
        return std::find_if(result.leaders.begin(), result.leaders.end(), [&](const auto &l) { return l.point == point; });
    };
    const auto fallback = leader(space.fallback);
    for (size_t i = 0; i < job.shapes.size(); i++) {
        const auto chosen = leader(table.point_for({job.shapes[i].seq_len_q, job.shapes[i].seq_len_kv}));
        record.shapes[shape_text(job.shapes[i])] = {chosen->median_ms(i), fallback->median_ms(i), chosen->spread(i), {}};
        record.share_of_limit = std::max(record.share_of_limit, share_of_limit(job, i, chosen->median_ms(i), machine));
    }
    record.provenance = {job.cpu, halide_version(), llvm_version(), ATTUNE_VERSION, command, utc_now(), {}};
    return record;
}

}  // namespace attune::cli
