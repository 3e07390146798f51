#include "generator/cli/tuned.h"

#include "generator/spec/error.h"
#include "schedules/tuned_db/database.h"
#include "schedules/tuned_db/device_class.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

namespace attune::cli {
namespace {

const char *const fallback = "using the default schedule";

std::string device_of(const Flags &flags) {
    const std::string device = flags.text("--device", device_class());
    const bool legal = std::all_of(device.begin(), device.end(),
                                   [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '*'; });
    if (!legal)
        throw Error({.argument = "--device",
                     .value = device,
                     .expected = "a class of CPUs such as zen4, or any",
                     .cure = "leave it out for this machine's, which is " + device_class()});
    return device;
}

/// Why a row could come out with other bits under one of the schedules than under another; empty: it cannot.
std::string difference_in_bits(const std::vector<KernelPlan> &plans) {
    for (const KernelPlan &plan : plans)
        if (const std::string difference = difference_in_bits(plan, plans.back()); !difference.empty())
            return fmt::format("the schedule {} gives other bits than that of other calls: {}", plan.calls.text(), difference);
    return "";
}

/// The row's schedules, or why they are of no use for this kernel.
std::optional<TunedSchedule> usable(const TunedRow &row, const AttentionSpec &spec, const CpuTarget &target, bool any_bits,
                                    std::string &why) {
    const TunedRecord &record = row.record;
    TunedSchedule schedule{{record.parameters.begin(), record.parameters.end()},
                           {std::filesystem::path(row.file).filename().string(), record.provenance.date, record.device}};
    for (const TunedRule &rule : record.rules)
        schedule.rules.push_back({{rule.most_seq_len_q, rule.most_seq_len_kv}, {rule.parameters.begin(), rule.parameters.end()}});
    try {
        const std::string family = plan_kernel(spec, target).schedule;
        if (record.family != family)
            why = "family is " + record.family + ", expected " + family + " for this kernel";
        else if (record.determinism == "D0" && !any_bits)
            why = "determinism is D0, expected D1 or D2, as a row's bits would depend on the rows beside it, or --determinism D0";
        else if (const auto plans = plan_schedules(spec, target, schedule.parameters, schedule.rules);  // throws where one is illegal
                 record.determinism != "D0")
            why = difference_in_bits(plans);
    } catch (const Error &error) {
        why = error.what();
    }
    if (!why.empty())
        return std::nullopt;
    return schedule;
}

}  // namespace

void declare_tuned_flags(Flags &flags) {
    flags.list("--tuned", "F", "tuned rows, a file or a folder of *.jsonl: of each target the schedule that was measured to be best");
    flags.value("--device", "CLASS", "class of CPUs whose tuned rows to take, or any [this machine's]");
    declare_determinism_flag(flags, "with --tuned: D0 also takes rows whose schedules give a row other bits at other seq_lens [D1]");
}

std::vector<std::string> tuned_words(const Flags &flags) {
    std::vector<std::string> words;
    for (const std::string &path : flags.all("--tuned"))
        words.insert(words.end(), {"--tuned", path});
    for (const char *flag : {"--device", "--determinism"})
        if (flags.has(flag))
            words.insert(words.end(), {flag, flags.text(flag)});
    return words;
}

void declare_determinism_flag(Flags &flags, const std::string &help) {
    flags.value("--determinism", "LEVEL", help);
}

bool allows_any_bits(const Flags &flags) {
    return flags.one_of("--determinism", {"D0", "D1"}, "D1") == "D0";
}

void warn_of_problems(const TunedReading &reading) {
    constexpr size_t most = 20;  // a file that is none has many
    for (size_t i = 0; i < std::min(reading.problems.size(), most); i++)
        spdlog::warn("{}", reading.problems[i].text());
    if (reading.problems.size() > most)
        spdlog::warn("{} more lines cannot be used", reading.problems.size() - most);
}

TunedChoice choose_tuned(const Flags &flags, const AttentionSpec &spec, const std::vector<std::string> &targets) {
    TunedChoice out;
    const std::string device = device_of(flags);
    const bool any_bits = allows_any_bits(flags);
    if (!flags.has("--tuned"))
        return out;
    const TunedReading reading = read_tuned(flags.all("--tuned"));
    warn_of_problems(reading);
    out.files = reading.files;
    std::error_code failure;
    for (const std::string &path : flags.all("--tuned"))
        if (std::filesystem::is_directory(path, failure))  // a file added to it is a change
            out.files.push_back(path);
    const std::string hash = spec_hash(spec.canonical());
    for (const std::string &target : targets) {
        const TunedRow *row = reading.database.find(hash, target, device);
        if (!row) {
            spdlog::info("no tuned row for {} on {} ({}): {}", spec.name, target, device, fallback);
            continue;
        }
        std::string why;
        if (auto schedule = usable(*row, spec, cpu_target(target), any_bits, why)) {
            spdlog::debug("{}:{}: the schedule of {} on {}", row->file, row->line, spec.name, target);
            out.schedules.emplace(target, std::move(*schedule));
        } else {
            spdlog::warn("{}:{}: {} on {}: {}; {}", row->file, row->line, spec.name, target, why, fallback);
        }
    }
    return out;
}

CompileOptions tuned_options(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target) {
    CompileOptions options;
    TunedChoice choice = choose_tuned(flags, spec, {target.name});
    if (const auto found = choice.schedules.find(target.name); found != choice.schedules.end()) {
        options.overrides = std::move(found->second.parameters);
        options.tuned = std::move(found->second.source);
        options.rules = std::move(found->second.rules);
    }
    return options;
}

std::vector<KernelPlan> tuned_plans(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target) {
    const CompileOptions options = tuned_options(flags, spec, target);
    std::vector<KernelPlan> plans = plan_schedules(spec, target, options.overrides, options.rules);
    for (KernelPlan &plan : plans)
        plan.tuned = options.tuned;
    return plans;
}

}  // namespace attune::cli
