#pragma once
#include <string>
#include <vector>

namespace attune::cli {

/// A specification that comes with attune and is found by its name from any folder.
struct Preset {
    std::string name;     ///< of its file, without .toml
    std::string kind;     ///< "model" or "gallery"
    std::string file;     ///< absolute
    std::string summary;  ///< the file's first comment line
};

/// All of them, models first, by name. They lie in share/attune/specs beside the folder of this program, or, where it is not installed, in
/// the source tree. Empty where neither is there.
std::vector<Preset> presets();

/// The file that SPEC on a command line means: the preset of that name, else the word itself where it is a file. A word with a slash, or
/// that ends in .toml, is always a file: ./causal. A bare name is a preset first, because programs and folders of a build are often named
/// after their kernel. Throws Error(usage) with the nearest names.
std::string spec_file(const std::string &word);

}  // namespace attune::cli
