#include "generator/cli/presets.h"

#include "generator/spec/error.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace attune::cli {
namespace {

namespace fs = std::filesystem;

/// Folders of presets and what they hold. The installed ones win, so that a moved program takes the specifications of its own version.
std::vector<std::pair<fs::path, const char *>> folders() {
    std::error_code failure;
    const fs::path program = fs::read_symlink("/proc/self/exe", failure),
                   installed = program.parent_path().parent_path() / "share/attune/specs";
    const fs::path specs = !failure && fs::is_directory(installed, failure) ? installed : fs::path(ATTUNE_SPECS_DIR);
    return {{specs, "model"}, {specs / "models", "model"}, {specs / "gallery", "gallery"}};
}

/// "# Causal: …" without the sign.
std::string first_comment(const fs::path &file) {
    std::string line;
    std::ifstream stream(file);
    std::getline(stream, line);
    const size_t begin = line.starts_with("#") ? line.find_first_not_of("# ") : std::string::npos;
    return begin == std::string::npos ? "" : line.substr(begin);
}

}  // namespace

std::vector<Preset> presets() {
    std::vector<Preset> out;
    std::error_code failure;
    for (const auto &[folder, kind] : folders())
        for (fs::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure))
            if (it->path().extension() == ".toml")
                out.push_back({it->path().stem().string(), kind, it->path().string(), first_comment(it->path())});
    std::sort(out.begin(), out.end(),
              [](const Preset &a, const Preset &b) { return a.kind != b.kind ? a.kind > b.kind : a.name < b.name; });
    return out;
}

namespace {

/// What the typist may have meant: a name that is a mistake away, and those that have the word in them.
std::string suggestion(const std::string &word) {
    constexpr size_t shown = 4;
    std::vector<std::string> names, similar;
    for (const Preset &preset : presets())
        names.push_back(preset.name);
    if (const std::string guess = nearest(word, names); !guess.empty())
        similar.push_back(guess);
    for (const std::string &name : names)
        if (similar.size() < shown && name.find(word) != std::string::npos &&
            std::find(similar.begin(), similar.end(), name) == similar.end())
            similar.push_back(name);
    const std::string all = "'attune list --presets' shows all names";
    return similar.empty() ? all : fmt::format("did you mean {}; {}", fmt::join(similar, ", "), all);
}

}  // namespace

std::string spec_file(const std::string &word) {
    if (word.empty() || word.ends_with(".toml") || word.find('/') != std::string::npos)
        return word;
    std::error_code missing;
    for (const auto &[folder, kind] : folders())
        if (const fs::path file = folder / (word + ".toml"); fs::exists(file, missing))
            return file.string();
    if (fs::exists(word, missing) && !fs::is_directory(word, missing))
        return word;
    throw Error({.argument = "SPEC", .value = word, .expected = "a file, or the name of a ready specification", .cure = suggestion(word)});
}

}  // namespace attune::cli
