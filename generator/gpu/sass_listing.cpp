#include "generator/gpu/sass_listing.h"

#include <algorithm>
#include <sstream>
#include <string_view>

namespace attune {
namespace {

using std::string_view;

string_view trimmed(string_view text) {
    const size_t first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
    return first == string_view::npos ? string_view() : text.substr(first, last - first + 1);
}

/// Of "/*1e10*/  @P0 BRA `(.L_x_2) ;" what stands behind the address; "" where the line is no instruction.
string_view instruction_of(string_view line) {
    const size_t end = line.find("*/");
    if (!line.starts_with("/*") || end == string_view::npos || line.find(';') == string_view::npos)
        return "";
    return trimmed(line.substr(end + 2, line.find(';') - end - 2));
}

/// "FFMA" of "@!P3 FFMA.FTZ R98, …".
std::string opcode_of(string_view instruction) {
    if (instruction.starts_with('@'))
        instruction = trimmed(instruction.substr(std::min(instruction.find(' '), instruction.size())));
    return std::string(instruction.substr(0, instruction.find_first_of(". ")));
}

struct Span {
    size_t first, last;
};

/// The label that a branch names, "" of others.
std::string branch_target(string_view instruction) {
    const size_t begin = instruction.find("`(");
    if (opcode_of(instruction) != "BRA" || begin == string_view::npos)
        return "";
    return std::string(instruction.substr(begin + 2, instruction.find(')', begin) - begin - 2));
}

}  // namespace

int SassLoop::count(const std::string &opcode) const {
    const auto found = opcodes.find(opcode);
    return found == opcodes.end() ? 0 : found->second;
}

std::vector<SassLoop> innermost_product_loops(const std::string &listing) {
    std::vector<std::string> instructions;
    std::map<std::string, size_t> labels;
    std::map<std::string, Span> loops;  // by label
    std::istringstream stream(listing);
    for (std::string text; std::getline(stream, text);) {
        const string_view line = trimmed(text);
        if (line.starts_with(".L") && line.ends_with(':'))
            labels[std::string(line.substr(0, line.size() - 1))] = instructions.size();
        const string_view instruction = instruction_of(line);
        if (instruction.empty())
            continue;
        if (const auto label = labels.find(branch_target(instruction)); label != labels.end())
            loops[label->first] = {label->second, instructions.size()};
        instructions.emplace_back(instruction);
    }
    std::vector<std::pair<Span, SassLoop>> found;
    for (const auto &[label, span] : loops) {
        const bool is_innermost = std::none_of(loops.begin(), loops.end(), [&](const auto &other) {
            return other.first != label && span.first <= other.second.first && other.second.last <= span.last;
        });
        if (!is_innermost)
            continue;
        SassLoop loop{.label = label, .opcodes = {}, .instructions = static_cast<int>(span.last - span.first + 1)};
        for (size_t i = span.first; i <= span.last; i++)
            loop.opcodes[opcode_of(instructions[i])]++;
        if (loop.product_share() > 0)
            found.emplace_back(span, std::move(loop));
    }
    std::sort(found.begin(), found.end(), [](const auto &a, const auto &b) { return a.first.first < b.first.first; });
    std::vector<SassLoop> result;
    for (auto &[span, loop] : found)
        result.push_back(std::move(loop));
    return result;
}

}  // namespace attune
