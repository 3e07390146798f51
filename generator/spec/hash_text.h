#pragma once
#include <cstdint>
#include <string>

namespace attune {

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): the same on every machine, which std::hash does not promise.
inline uint64_t hash_text(const std::string &text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

}  // namespace attune
