#include "attune/attention.h"
#include "generator/backend/cache.h"
#include "generator/backend/kernel.h"
#include "generator/cli/command.h"
#include "generator/cli/presets.h"
#include "generator/cli/schedule_text.h"
#include "generator/spec/helpers.h"
#include "generator/spec/keys.h"
#include "schedules/cpu_key_lanes.h"
#include "schedules/cpu_projection.h"
#include "schedules/cpu_query_lanes.h"
#include "schedules/cpu_split_kv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace attune::cli {
namespace {

void declare(Flags &flags) {
    flags.toggle("--presets", "the ready specifications, which every command takes by name");
}

/// What a key of the specification may be: the table that the validator uses too.
std::vector<std::string> allowed_words(const char *key) {
    const SpecKey *row = find_spec_key(key);
    return row ? row->allowed : std::vector<std::string>{};
}

/// Names of the helpers of masks, or of scores.
std::vector<std::string> helper_names(bool scores) {
    std::vector<std::string> names;
    for (const Helper &helper : helpers())
        if (helper.is_score == scores)
            names.push_back(helper.usage());
    return names;
}

/// Which schedule families there are is the back end's to decide, by specification and target: ask it for each algorithm.
struct FamilyRow {
    std::string target, algorithm;
    KernelPlan plan;
};
std::vector<FamilyRow> families() {
    std::vector<FamilyRow> rows;
    for (const CpuTarget &target : cpu_targets())
        for (Algorithm algorithm : {Algorithm::fixed_reference, Algorithm::online, Algorithm::full_row}) {
            AttentionSpec spec;
            spec.algorithm = algorithm;
            spec.name = spec.id();
            rows.push_back({target.name, algorithm_name(algorithm), plan_kernel(spec, target)});
        }
    return rows;
}

/// Those of all families.
template <class Visit>
void for_each_parameter(const Visit &visit) {
    for (const auto &parameter : cpu_parameters())
        visit(parameter);
    for (const auto &parameter : cpu_key_lanes_parameters())
        visit(parameter);
    for (const auto &parameter : cpu_split_parameters())
        visit(parameter);
    for (const auto &parameter : cpu_projection_parameters())
        visit(parameter);
}

struct CacheFile {
    std::string path;  ///< below the folder
    uintmax_t bytes;
};
/// What lies in the cache now, by name; empty where there is no folder.
std::vector<CacheFile> cached_kernels() {
    std::vector<CacheFile> files;
    std::error_code failure;  // another process may be at work there: what cannot be read is not listed
    const std::filesystem::path folder = cache_directory();
    for (std::filesystem::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) {
        std::error_code gone;
        if (!it->is_regular_file(gone))
            continue;
        const auto bytes = it->file_size(gone);
        if (!gone)
            files.push_back({it->path().filename().string(), bytes});
    }
    std::sort(files.begin(), files.end(), [](const CacheFile &a, const CacheFile &b) { return a.path < b.path; });
    return files;
}

Json presets_json() {
    Json out = Json::array();
    for (const Preset &preset : presets())
        out.push_back({{"name", preset.name}, {"kind", preset.kind}, {"summary", preset.summary}, {"file", preset.file}});
    return out;
}

int print_presets(Session &session) {
    if (session.json) {
        session.print_json(presets_json());
        return 0;
    }
    std::vector<std::vector<std::string>> table = {{"preset", "kind", "what it is"}};
    for (const Preset &preset : presets())
        table.push_back({preset.name, preset.kind, preset.summary});
    session.print(align_table(table, {}) + "\nUse one by its name: attune explain longformer\n");
    return 0;
}

int run(const Flags &flags, Session &session) {
    if (flags.has("--presets"))
        return print_presets(session);
    const auto rows = families();
    const auto cached = cached_kernels();

    if (session.json) {
        Json targets = Json::array(), schedules = Json::array(), documented = Json::array(), linked = Json::array(), cache = Json::array();
        for (const CpuTarget &t : cpu_targets())
            targets.push_back({{"name", t.name},
                               {"available", machine_runs(t)},
                               {"needs", t.needs},
                               {"lanes_f32", t.vector},
                               {"registers", t.registers}});
        for (const auto &row : rows)
            schedules.push_back({{"target", row.target},
                                 {"algorithm", row.algorithm},
                                 {"stages", row.plan.algorithm},
                                 {"family", row.plan.schedule},
                                 {"parameters", parameters_json(row.plan)}});
        for_each_parameter([&](const auto &p) {
            documented.push_back(
                {{"name", p.name}, {"low", p.low}, {"high", p.high}, {"values", p.values}, {"documentation", p.documentation}});
        });
        for (size_t i = 0; i < attune_kernel_count(); i++)
            linked.push_back(attune_kernel_describe(attune_kernel_at(i))->name);
        for (const auto &entry : cached)
            cache.push_back({{"path", entry.path}, {"bytes", entry.bytes}});
        session.print_json({{"targets", targets},
                            {"dtypes", allowed_words("kernel.dtype")},
                            {"masks", helper_names(false)},
                            {"scores", helper_names(true)},
                            {"normalizers", allowed_words("kernel.normalizer")},
                            {"algorithms", allowed_words("kernel.algorithm")},
                            {"phases", allowed_words("kernel.phases")},
                            {"presets", presets_json()},
                            {"schedules", schedules},
                            {"schedule_parameters", documented},
                            {"linked", linked},
                            {"cache", {{"folder", cache_directory()}, {"files", cache}}}});
        return 0;
    }
    std::vector<std::vector<std::string>> table = {{"target", "here", "f32 lanes", "registers", "needs"}};
    for (const CpuTarget &t : cpu_targets())
        table.push_back({t.name, machine_runs(t) ? "yes" : "no", std::to_string(t.vector), std::to_string(t.registers), t.needs});
    std::string text = align_table(table, {false, false, true, true}) + "\n";
    text += fmt::format("dtypes      {}\nalgorithms  {}\nnormalizers {}\n\n", fmt::join(allowed_words("kernel.dtype"), ", "),
                        fmt::join(allowed_words("kernel.algorithm"), ", "), fmt::join(allowed_words("kernel.normalizer"), ", "));
    table = {{"helper of mask and score", "meaning"}};
    for (const Helper &helper : helpers())
        table.push_back({helper.usage(), helper.meaning});
    text += align_table(table, {}) + "\n";
    table = {{"target", "algorithm", "schedule of f32, head_dim 64"}};
    for (const auto &row : rows)
        table.push_back({row.target, row.algorithm, schedule_text(row.plan)});
    text += align_table(table, {}) + "\n";
    for_each_parameter([&](const auto &p) { text += fmt::format("{:<13} {}\n", p.name, p.documentation); });
    text += fmt::format("\ncache       {}: {} file{}\n", cache_directory(), cached.size(), cached.size() == 1 ? "" : "s");
    session.print(text + fmt::format("presets     {}: attune list --presets\n", presets().size()) +
                  "\nKeys of a specification: attune explain --help\n");
    return 0;
}

}  // namespace

const Command list_command = {"list", "targets, dtypes, masks, algorithms, schedules and presets of this version",
                              "  attune list --presets\n  attune list --json", declare, run};

}  // namespace attune::cli
