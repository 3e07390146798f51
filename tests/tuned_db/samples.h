#pragma once
#include "schedules/tuned_db/database.h"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace attune::test {

/// A legal record; `number` tells it from others of the same key.
inline TunedRecord sample_record(int number = 0) {
    TunedRecord record;
    record.spec = spec_hash("attention 1 prefill");
    record.target = "avx2";
    record.device = "zen4";
    record.family = "cpu_query_lanes";
    record.parameters = {{"tile_q", 3}, {"tile_kv", 4}, {"tile_d", 4}, {"block_kv", 64}, {"block_q", 192}, {"unroll", 2}};
    record.shapes["b=1,h=8,hkv=8,sq=1024,skv=1024"] = {1.5, 2, 0.01, {}};
    record.shapes["b=1,h=8,hkv=8,sq=4096,skv=4096"] = {24, 30.25, 0.005, {}};
    record.share_of_limit = 0.875;
    record.provenance = {"AMD EPYC 9654 96-Core Processor", "21.0.0", "22.1.8", "0.1.0", fmt::format("attune tune --seed {}", number),
                         "2026-11-26T21:48:25Z", {}};
    return record;
}

/// Of a text with the date, the rest as in sample_record.
inline TunedRecord dated(const std::string &date, int number = 0) {
    TunedRecord record = sample_record(number);
    record.provenance.date = date;
    return record;
}

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "attune-tuned-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("no temporary folder");
        path = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::string file(const std::string &name) const { return (path / name).string(); }
};

inline std::string read_text(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_text(const std::string &path, const std::string &text) {
    std::ofstream(path, std::ios::binary) << text;
}

}  // namespace attune::test
