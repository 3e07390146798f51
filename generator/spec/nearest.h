#pragma once
#include <string>
#include <vector>

namespace attune {

/// Of `candidates`, the one that is a typing mistake away from `word`, or "". For "did you mean".
std::string nearest(const std::string &word, const std::vector<std::string> &candidates);

}  // namespace attune
