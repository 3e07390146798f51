#include "generator/backend/device_target.h"
#include "generator/backend/kernel.h"
#include "generator/backend/projection_kernel.h"
#include "generator/cli/command.h"
#include "generator/cli/presets.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/text_file.h"
#include "generator/cli/tuned.h"
#include "generator/spec/patterns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <set>

namespace attune::cli {
namespace {

void declare(Flags &flags) {
    declare_spec_flags(flags);
    declare_tuned_flags(flags);
    flags.value("-o,--directory", "DIR", "where the files go; created if needed");
    flags.list("--target", "T", "instead of the specification's targets");
    flags.value("--depfile", "F", "write what the files depend on, as Makefile text");
}

/// Makefile syntax: spaces and # take a backslash, $ is doubled.
std::string escape_for_make(const std::string &path) {
    std::string out;
    for (char c : path) {
        if (c == ' ' || c == '#' || c == '\\')
            out += '\\';
        if (c == '$')
            out += '$';
        out += c;
    }
    return out;
}

std::string archive_of(const std::vector<std::string> &files) {
    for (const auto &file : files)
        if (file.ends_with(".a"))
            return file;
    return files.front();
}

/// The specification's file and those of its block patterns, each once.
std::set<std::string> sources(const Flags &flags, const AttentionSpec &spec) {
    std::set<std::string> files;
    if (flags.has("SPEC"))
        files.insert(spec_file(flags.text("SPEC")));
    for (const Expression *expression : {&spec.mask, &spec.score})
        for (const Pattern *pattern : patterns_of(*expression))
            if (!pattern->path.empty())
                files.insert(std::filesystem::absolute(pattern->path).string());
    return files;
}

std::string depfile_text(const std::vector<std::string> &files, const std::set<std::string> &sources) {
    std::string text = escape_for_make(archive_of(files)) + ":";
    for (const auto &source : sources)
        text += " " + escape_for_make(source);
    return text + "\n";
}

/// The specification for the targets named, CPUs' and devices'; its own where none is.
AttentionSpec spec_of_targets(RawSpec raw, const std::vector<std::string> &named) {
    if (named.empty())
        return validate_spec(raw);
    std::vector<std::string> of_cpu, of_gpu;
    for (const std::string &name : named)
        (find_device_target(name) ? of_gpu : of_cpu).push_back(name);
    if (!of_cpu.empty())
        set_spec_flag(raw, "targets.cpu", fmt::format("{}", fmt::join(of_cpu, ",")), "--target");
    raw.erase("targets.gpu");
    if (!of_gpu.empty())
        set_spec_flag(raw, "targets.gpu", fmt::format("{}", fmt::join(of_gpu, ",")), "--target");
    AttentionSpec spec = validate_spec(raw);
    if (of_cpu.empty())
        spec.targets.clear();
    return spec;
}

/// Made where it is missing.
void check_folder(const std::string &directory) {
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure || !std::filesystem::is_directory(directory))
        throw Error({.code = ErrorCode::input,
                     .argument = "--directory",
                     .value = directory + " (" + (failure ? failure.message() : "not a folder") + ")",
                     .expected = "a folder that can be made and written",
                     .cure = "choose another place"});
}

/// What was made, and how its targets came to their schedules.
struct Built {
    std::string name, id;
    std::vector<std::string> targets, tuned_targets, files;
    std::set<std::string> inputs;  ///< files that it was made of
};

/// Those of the targets that have code of their own for the types.
std::vector<std::string> served(std::vector<std::string> targets, const KernelTypes &types) {
    std::erase_if(targets, [&](const std::string &target) { return !cpu_target(target).serves(types); });
    return targets;
}

Built build_attention(const Flags &flags, const RawSpec &raw, const std::string &directory) {
    const AttentionSpec spec = spec_of_targets(raw, flags.all("--target"));
    check_folder(directory);
    Built built{spec.name, spec.id(), served(spec.targets, spec.types()), {}, {}, sources(flags, spec)};
    const TunedChoice tuned = choose_tuned(flags, spec, built.targets);
    built.inputs.insert(tuned.files.begin(), tuned.files.end());
    for (const auto &[target, schedule] : tuned.schedules)
        built.tuned_targets.push_back(target);
    spdlog::info("generating {} for {}", spec.name, fmt::join(built.targets, ", "));
    built.files = build_kernel(spec, directory, tuned.schedules);
    return built;
}

/// A [projection] or a [layer], for CPUs.
Built build_dense(const Flags &flags, RawSpec raw, const std::string &directory) {
    for (const char *flag : {"--tuned", "--device"})
        if (flags.has(flag))
            throw Error({.argument = flag,
                         .value = flags.text(flag),
                         .expected = "it beside the specification of an attention kernel",
                         .cure = "leave it out: layers and projections have their default schedules"});
    if (!flags.all("--target").empty())
        set_spec_flag(raw, "targets.cpu", fmt::format("{}", fmt::join(flags.all("--target"), ",")), "--target");
    if (describes_projection(raw)) {
        const ProjectionSpec spec = validate_projection(raw);
        check_folder(directory);
        spdlog::info("generating {}", spec.name);
        return {
            spec.name, spec.id(), served(spec.targets, spec.dtype), {}, build_projection(spec, directory), {spec_file(flags.text("SPEC"))}};
    }
    const LayerSpec spec = validate_layer(raw);
    check_folder(directory);
    spdlog::info("generating {} and its parts", spec.name);
    return {spec.name, spec.attention.id(),          served(spec.attention.targets, spec.attention.types()),
            {},        build_layer(spec, directory), sources(flags, spec.attention)};
}

int run(const Flags &flags, Session &session) {
    const std::string directory = flags.required("--directory", "the folder for the generated files");
    const RawSpec raw = raw_spec(flags);
    if (flags.has("--depfile"))
        check_output_path("--depfile", flags.text("--depfile"));
    const auto begin = std::chrono::steady_clock::now();
    const bool is_dense = describes_projection(raw) || describes_layer(raw);
    const Built built = is_dense ? build_dense(flags, raw, directory) : build_attention(flags, raw, directory);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (flags.has("--depfile"))
        write_text_file(flags.text("--depfile"), depfile_text(built.files, built.inputs));

    Json listed = Json::array();
    std::vector<std::vector<std::string>> rows;
    for (const auto &file : built.files) {
        const auto bytes = std::filesystem::file_size(file);
        listed.push_back({{"path", file}, {"bytes", bytes}});
        rows.push_back({file, fmt::format("{} bytes", bytes)});
    }
    if (session.json)
        session.print_json({{"name", built.name},
                            {"id", built.id},
                            {"targets", built.targets},
                            {"tuned", built.tuned_targets},
                            {"files", listed},
                            {"seconds", seconds}});
    else
        session.print(align_table(rows, {false, true}) +
                      fmt::format("{} for {} in {:.2f} s{}\n", built.name, fmt::join(built.targets, ", "), seconds,
                                  built.tuned_targets.empty() ? "" : fmt::format("; tuned: {}", fmt::join(built.tuned_targets, ", "))));
    return 0;
}

}  // namespace

const Command build_command = {"build", "generate library, header and metadata of a kernel",
                               "  attune build kernel.toml -o generated --target avx2 --target sse41\n"
                               "  attune build layer.toml -o generated          a [layer] or a [projection]\n"
                               "  attune build --dtype f16 --head-dim 128 --mask causal --name my_attention -o generated\n"
                               "  attune build kernel.toml --tuned tuned.jsonl -o generated",
                               declare, run};

}  // namespace attune::cli
