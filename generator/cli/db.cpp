#include "generator/backend/call_range.h"
#include "generator/backend/target.h"
#include "generator/cli/command.h"
#include "generator/cli/text_file.h"
#include "generator/cli/tuned.h"
#include "generator/spec/error.h"
#include "schedules/cpu_key_lanes.h"
#include "schedules/cpu_query_lanes.h"
#include "schedules/cpu_split_kv.h"
#include "schedules/tuned_db/database.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

namespace attune::cli {
namespace {

const std::vector<std::string> actions = {"show", "merge", "verify", "prune", "diff"};

void declare(Flags &flags) {
    flags.positional("ACTION",
                     "show: the rows; merge: all rows into -o; verify: what cannot be used, exit code 1; prune: one row a kernel, target, "
                     "class and shapes, in place or into -o; diff: what changed between two");
    flags.words("FILE", "tuned rows, files or folders of *.jsonl");
    flags.value("-o,--output", "F", "the file that takes the rows; of merge: beside those that it has");
    flags.value("--spec", "HASH", "show: only kernels whose spec hash begins so ('attune explain --json' tells a kernel's)");
    flags.value("--target", "T", "show: only this target");
    flags.value("--device", "CLASS", "show: only this class of CPUs");
    flags.value("--keep", "WHICH", "prune: of several rows the newest or the best, the fastest beside its default [newest]");
    flags.value("--attune", "VERSION", "prune: drop rows of other versions of attune");
    flags.value("--halide", "VERSION", "prune: drop rows of other versions of Halide");
}

const std::vector<std::string> &files_of(const Flags &flags, size_t least, size_t most, const std::string &expected) {
    const auto &files = flags.all("FILE");
    if (files.size() < least || files.size() > most)
        throw Error({.argument = "FILE",
                     .value = files.empty() ? "" : fmt::format("{}", fmt::join(files, " ")),
                     .expected = expected,
                     .cure = "see 'attune db --help'"});
    return files;
}

std::string assignments(const std::map<std::string, int> &parameters) {
    std::vector<std::string> words;
    for (const auto &[name, value] : parameters)
        words.push_back(fmt::format("{}={}", name, value));
    return fmt::format("{}", fmt::join(words, " "));
}

/// "cpu_query_lanes(block_q=192 tile_q=3)", after the schedules that rules give.
std::string schedules_text(const TunedRecord &record) {
    std::string text;
    for (const TunedRule &rule : record.rules)
        text += fmt::format("{}: ({}); ", CallRange{rule.most_seq_len_q, rule.most_seq_len_kv}.text(), assignments(rule.parameters));
    return text + fmt::format("{}({})", record.family, assignments(record.parameters));
}

/// "6 rows: 1.010 times as fast as the default in the median, 1.000 to 1.134". Empty where there is no row.
std::string gains_text(std::vector<double> gains) {
    if (gains.empty())
        return "";
    std::sort(gains.begin(), gains.end());
    const double median = (gains[(gains.size() - 1) / 2] + gains[gains.size() / 2]) / 2;
    return fmt::format("{} row{}: {:.3f} times as fast as the default in the median, {:.3f} to {:.3f}\n", gains.size(), gains.size() == 1 ? "" : "s",
                       median, gains.front(), gains.back());
}

Json row_json(const TunedRow &row) {
    Json json = Json::parse(record_text(row.record));
    json["file"] = row.file;
    json["line"] = row.line;
    return json;
}

int show(const Flags &flags, Session &session) {
    const TunedReading reading = read_tuned(files_of(flags, 1, SIZE_MAX, "files or folders of tuned rows"));
    warn_of_problems(reading);
    const auto wanted = [&](const char *flag, const std::string &value) { return !flags.has(flag) || flags.text(flag) == value; };
    Json json = Json::array();
    std::vector<double> gains;
    std::vector<std::vector<std::string>> table = {
        {"spec", "target", "device", "x default", "limit", "level", "date", "schedule", "shapes"}};
    for (const auto &[text, row] : reading.database.rows) {
        const TunedRecord &r = row.record;
        if (!r.spec.starts_with(flags.text("--spec")) || !wanted("--target", r.target) || !wanted("--device", r.device))
            continue;
        json.push_back(row_json(row));
        gains.push_back(1 / r.relative_time());
        std::vector<std::string> shapes;
        for (const auto &[shape, times] : r.shapes)
            shapes.push_back(shape);
        table.push_back({r.spec.substr(0, 8), r.target, r.device, fmt::format("{:.3f}", gains.back()),
                         fmt::format("{:.0f} %", 100 * r.share_of_limit), r.determinism, r.provenance.date,
                         schedules_text(r), fmt::format("{}", fmt::join(shapes, " "))});
    }
    if (session.json)
        session.print_json(json);
    else
        session.print(table.size() > 1 ? align_table(table, {false, false, false, true, true}) + gains_text(gains) : "no rows\n");
    return 0;
}

int merge(const Flags &flags, Session &session) {
    const std::string output = flags.required("--output", "the file that takes the rows");
    const TunedReading reading = read_tuned(files_of(flags, 1, SIZE_MAX, "files or folders of tuned rows"));
    warn_of_problems(reading);
    check_output_path("--output", output);
    size_t before = 0, after = 0;
    update_tuned_file(output, [&](TunedDatabase &database) {
        before = database.rows.size();
        database = merge_tuned(database, reading.database);
        after = database.rows.size();
    });
    if (session.json)
        session.print_json({{"file", output}, {"rows", after}, {"added", after - before}, {"unread", reading.problems.size()}});
    else
        session.print(fmt::format("{}: {} rows, {} of them new\n", output, after, after - before));
    return 0;
}

template <class Parameters>
std::string range_error(const TunedRecord &record, const std::map<std::string, int> &values, Parameters &parameters,
                        const std::vector<ScheduleParameter<Parameters>> &declared) {
    for (const auto &[name, value] : values) {
        const auto known = std::find_if(declared.begin(), declared.end(), [&](const auto &p) { return name == p.name; });
        if (known == declared.end())
            return fmt::format("{} is no parameter of {}", name, record.family);
        parameters.*known->member = value;
    }
    const std::string error = parameter_range_error(parameters, declared);
    // Rules between parameters need all of them: the others' defaults are the kernel's.
    return !error.empty() || values.size() == declared.size() ? error : "incomplete";
}

/// Why no kernel of this version would take these parameters of a row; empty: one may. The kernel itself is not known here.
std::string unusable(const TunedRecord &record, const std::map<std::string, int> &values) {
    const auto &targets = cpu_targets();
    const auto target = std::find_if(targets.begin(), targets.end(), [&](const CpuTarget &t) { return record.target == t.name; });
    if (target == targets.end())
        return "target is " + record.target + ", expected one of 'attune list'";
    std::string error;
    if (record.family == "cpu_query_lanes" || record.family == "cpu_full_row") {
        CpuScheduleParameters parameters;
        error = range_error(record, values, parameters, cpu_parameters());
        if (error.empty())
            error = cpu_parameters_error(parameters, target->vector, target->registers);
    } else if (record.family == "cpu_key_lanes") {
        CpuKeyLanesParameters parameters;
        error = range_error(record, values, parameters, cpu_key_lanes_parameters());
        if (error.empty())
            error = cpu_key_lanes_parameters_error(parameters, target->registers);
    } else if (record.family == "cpu_split_kv") {
        CpuSplitParameters parameters;
        error = range_error(record, values, parameters, cpu_split_parameters());
        if (error.empty())
            error = cpu_split_parameters_error(parameters, target->registers);
    } else {
        error = "family is " + record.family + ", expected one of 'attune list'";
    }
    return error == "incomplete" ? "" : error;
}

/// A parameter that rules may not change, and does: "block_kv is 64 and 128"; empty: none does, or the row says that bits may differ.
std::string change_of_bits(const TunedRecord &record, const std::map<std::string, int> &values) {
    const auto changed = [&](const auto &declared) -> std::string {
        for (const auto &parameter : declared) {
            const auto a = values.find(parameter.name), b = record.parameters.find(parameter.name);
            if (parameter.row_bits == RowBits::changed && a != values.end() && b != record.parameters.end() && a->second != b->second)
                return fmt::format("{} is {} and {}, expected one value, as a row's bits depend on it and determinism is {}",
                                   parameter.name, a->second, b->second, record.determinism);
        }
        return "";
    };
    if (record.determinism == "D0")
        return "";
    if (record.family == "cpu_key_lanes")
        return changed(cpu_key_lanes_parameters());
    return record.family == "cpu_split_kv" ? changed(cpu_split_parameters()) : changed(cpu_parameters());
}

std::string unusable(const TunedRecord &record) {
    for (size_t i = 0; i < record.rules.size(); i++) {
        const auto &values = record.rules[i].parameters;
        std::string why = unusable(record, values);
        if (why.empty())
            why = change_of_bits(record, values);
        if (!why.empty())
            return fmt::format("rules[{}]: {}", i, why);
    }
    return unusable(record, record.parameters);
}

int verify(const Flags &flags, Session &session) {
    const TunedReading reading = read_tuned(files_of(flags, 1, SIZE_MAX, "files or folders of tuned rows"));
    struct Finding {
        std::string file;
        int line;
        std::string text;
    };
    std::vector<Finding> findings;
    for (const TunedProblem &problem : reading.problems)
        findings.push_back({problem.details.file, problem.details.line, problem.text()});
    for (const auto &[text, row] : reading.database.rows)
        if (const std::string why = unusable(row.record); !why.empty())
            findings.push_back({row.file, row.line, fmt::format("{}:{}: {}; measure again with this version", row.file, row.line, why)});
    std::stable_sort(findings.begin(), findings.end(),
                     [](const Finding &a, const Finding &b) { return std::tie(a.file, a.line) < std::tie(b.file, b.line); });
    Json problems = Json::array();
    std::string text;
    for (const Finding &finding : findings) {
        problems.push_back({{"file", finding.file}, {"line", finding.line}, {"problem", finding.text}});
        text += finding.text + "\n";
    }
    const bool ok = findings.empty();
    if (session.json)
        session.print_json({{"ok", ok}, {"files", reading.files}, {"rows", reading.database.rows.size()}, {"problems", problems}});
    else
        session.print(text + fmt::format("{} rows, {} problems\n", reading.database.rows.size(), findings.size()));
    return ok ? 0 : static_cast<int>(ErrorCode::check_failed);
}

int prune(const Flags &flags, Session &session) {
    const PruneRules rules{.best = flags.one_of("--keep", {"newest", "best"}, "newest") == "best",
                           .attune = flags.text("--attune"),
                           .halide = flags.text("--halide")};
    const TunedReading reading = read_tuned(files_of(flags, 1, SIZE_MAX, "files or folders of tuned rows"));
    Json json = Json::array();
    std::string text;
    const auto write = [&](const std::string &file, auto change) {
        size_t before = 0, after = 0;
        update_tuned_file(file, [&](TunedDatabase &database) { change(database, before, after); });
        json.push_back({{"file", file}, {"rows", after}, {"dropped", before - after}});
        text += fmt::format("{}: {} rows, {} dropped\n", file, after, before - after);
    };
    if (flags.has("--output")) {
        check_output_path("--output", flags.text("--output"));
        write(flags.text("--output"), [&](TunedDatabase &database, size_t &before, size_t &after) {
            before = reading.database.rows.size();
            database = prune_tuned(reading.database, rules);
            after = database.rows.size();
        });
    } else {
        for (const std::string &file : reading.files)
            write(file, [&](TunedDatabase &database, size_t &before, size_t &after) {
                before = database.rows.size();
                database = prune_tuned(database, rules);
                after = database.rows.size();
            });
    }
    if (session.json)
        session.print_json(json);
    else
        session.print(text);
    return 0;
}

/// The parameters that differ: name -> {before, after}, null where one has none.
Json changed_parameters(const TunedRecord &before, const TunedRecord &after) {
    Json json = Json::object();
    std::map<std::string, int> names = before.parameters;
    names.insert(after.parameters.begin(), after.parameters.end());
    for (const auto &[name, value] : names) {
        const auto a = before.parameters.find(name), b = after.parameters.find(name);
        const Json from = a == before.parameters.end() ? Json() : Json(a->second),
                   to = b == after.parameters.end() ? Json() : Json(b->second);
        if (from != to)
            json[name] = Json::array({from, to});
    }
    return json;
}

Json changed_times(const TunedRecord &before, const TunedRecord &after) {
    Json json = Json::object();
    for (const auto &[shape, times] : before.shapes)
        if (const TunedTimes &later = after.shapes.at(shape); later != times)  // the shapes are part of the key
            json[shape] = Json::array({times.median_ms, later.median_ms});
    return json;
}

std::string change_text(const TunedRecord &before, const TunedRecord &after, const Json &parameters, const Json &times) {
    std::string text = fmt::format("~ {} {} {}:", before.spec.substr(0, 8), before.target, before.device);
    for (const auto &[name, pair] : parameters.items())
        text += fmt::format(" {} {} -> {}", name, pair[0].dump(), pair[1].dump());
    if (before.rules != after.rules)
        text += fmt::format("; {} -> {}", schedules_text(before), schedules_text(after));
    for (const auto &[shape, pair] : times.items())
        text += fmt::format("; {}: {:.4g} -> {:.4g} ms", shape, pair[0].get<double>(), pair[1].get<double>());
    return text + "\n";
}

int diff(const Flags &flags, Session &session) {
    const auto &files = files_of(flags, 2, 2, "two files or folders, before and after");
    const TunedReading before = read_tuned({files[0]}), after = read_tuned({files[1]});
    warn_of_problems(before);
    warn_of_problems(after);
    Json added = Json::array(), removed = Json::array(), changed = Json::array();
    std::string text;
    for (const TunedDifference &difference : diff_tuned(before.database, after.database)) {
        if (difference.before && difference.after) {
            const TunedRecord &a = difference.before->record, &b = difference.after->record;
            const Json parameters = changed_parameters(a, b), times = changed_times(a, b);
            changed.push_back({{"spec", a.spec},
                               {"target", a.target},
                               {"device", a.device},
                               {"parameters", parameters},
                               {"rules_changed", a.rules != b.rules},
                               {"median_ms", times}});
            text += change_text(a, b, parameters, times);
            continue;
        }
        const TunedRow &row = difference.after ? *difference.after : *difference.before;
        (difference.after ? added : removed).push_back(row_json(row));
        text += fmt::format("{} {} {} {}: {}, {:.3f} times as fast as the default\n", difference.after ? '+' : '-', row.record.spec.substr(0, 8),
                            row.record.target, row.record.device, schedules_text(row.record), 1 / row.record.relative_time());
    }
    if (session.json)
        session.print_json({{"added", added}, {"removed", removed}, {"changed", changed}});
    else
        session.print(text.empty() ? "no differences\n" : text);
    return 0;
}

int run(const Flags &flags, Session &session) {
    flags.required("ACTION", fmt::format("one of {}", fmt::join(actions, ", ")));
    const std::string action = flags.one_of("ACTION", actions, "");
    if (action == "show")
        return show(flags, session);
    if (action == "merge")
        return merge(flags, session);
    if (action == "verify")
        return verify(flags, session);
    return action == "prune" ? prune(flags, session) : diff(flags, session);
}

}  // namespace

const Command db_command = {"db", "tuned rows: show, merge, verify, prune, diff",
                            "  attune db merge results/ -o tuned.jsonl\n"
                            "  attune db verify tuned.jsonl\n"
                            "  attune db prune tuned.jsonl --keep best\n"
                            "  attune db diff tuned.old.jsonl tuned.jsonl",
                            declare, run};

}  // namespace attune::cli
