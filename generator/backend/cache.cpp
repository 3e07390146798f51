#include "generator/backend/cache.h"
#include "generator/backend/files.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

namespace attune {

namespace {

/// FNV-1a, 128 bits in two runs of 64: entries also carry the full key, so that a collision is a miss.
std::string hash_name(const std::string &text) {
    uint64_t a = 0xcbf29ce484222325u, b = 0x9ae16a3b2f90404fu;
    for (unsigned char c : text) {
        a = (a ^ c) * 0x100000001b3u;
        b = (b ^ c) * 0x100000001b3u + 0x632be59bd9b4e019u;
    }
    return fmt::format("{:016x}{:016x}", a, b);
}

std::string entry_path(const std::string &key) {
    return (std::filesystem::path(cache_directory()) / (hash_name(key) + ".attune")).string();
}

}  // namespace

std::string cache_directory() {
    auto variable = [](const char *name) {
        const char *value = std::getenv(name);
        return std::string(value ? value : "");
    };
    if (const std::string folder = variable("ATTUNE_CACHE_DIR"); !folder.empty())
        return folder;
    if (const std::string folder = variable("XDG_CACHE_HOME"); !folder.empty())
        return folder + "/attune";
    const std::string home = variable("HOME");
    return (home.empty() ? "/tmp" : home) + "/.cache/attune";
}

std::string cache_key(const KernelPlan &plan, const CompileOptions &options) {
    std::string key = fmt::format("{}\n{}\n{}\n{}\n", plan.spec.canonical(), plan.spec.name, plan.variant_name(), plan.schedule);
    for (const auto &[name, value] : plan.parameters)
        key += fmt::format("{}={} ", name, value);
    return key + fmt::format("\ntwins={} emulate={} asserts={} asan={}\n{}", options.twins, options.emulate, options.asserts, options.asan,
                             build_id());
}

std::string cache_key(const DevicePlan &plan) {
    std::string key = fmt::format("{}\n{}\n{}\n{}\n", plan.spec.canonical(), plan.spec.name, plan.variant_name(), plan.schedule());
    for (const auto &[name, value] : plan.parameters)
        key += fmt::format("{}={} ", name, value);
    return key + "\n" + build_id();
}

namespace {

// An entry is a JSON line with the key and the sizes, then the objects one after another.
bool read_entry(const std::string &key, nlohmann::json &head, std::vector<ObjectFile> &objects) {
    std::vector<char> bytes;
    if (!read_file(entry_path(key), bytes))
        return false;
    const auto end = std::find(bytes.begin(), bytes.end(), '\n');
    head = nlohmann::json::parse(bytes.begin(), end, nullptr, false);
    if (!head.is_object() || end == bytes.end() || head.at("key") != key)
        return false;
    size_t at = static_cast<size_t>(end - bytes.begin()) + 1;
    for (const nlohmann::json &object : head.at("objects")) {
        const size_t size = object.at("size");
        if (size > bytes.size() - at)
            return false;
        objects.push_back({object.at("name"), {bytes.begin() + at, bytes.begin() + at + size}});
        at += size;
    }
    return at == bytes.size() && head.at("checksum") == hash_name(std::string(end + 1, bytes.end()));
}

void write_entry(const std::string &key, nlohmann::json head, const std::vector<ObjectFile> &all) {
    head["key"] = key;
    head["objects"] = nlohmann::json::array();
    std::string objects;
    for (const ObjectFile &object : all) {
        head["objects"].push_back({{"name", object.name}, {"size", object.bytes.size()}});
        objects.append(object.bytes.begin(), object.bytes.end());
    }
    head["checksum"] = hash_name(objects);
    const std::string entry = head.dump() + "\n" + objects;
    const std::vector<char> bytes(entry.begin(), entry.end());
    std::error_code failure;
    std::filesystem::create_directories(cache_directory(), failure);
    try {
        if (!failure)
            write_file(entry_path(key), bytes);
    } catch (const Error &) {
        // The next run compiles again.
    }
}

}  // namespace

bool read_cached_variant(const std::string &key, CompiledVariant &variant) {
    nlohmann::json head;
    try {
        if (!read_entry(key, head, variant.objects))
            return false;
        variant.sizes = planned_sizes(variant.plan);
        variant.sizes.scratch_bytes = head.at("scratch_bytes");
        variant.sizes.scratch_bytes_per_key = head.at("scratch_bytes_per_key");
        return true;
    } catch (const nlohmann::json::exception &) {
        return false;
    }
}

void write_cached_variant(const std::string &key, const CompiledVariant &variant) {
    write_entry(key, {{"scratch_bytes", variant.sizes.scratch_bytes}, {"scratch_bytes_per_key", variant.sizes.scratch_bytes_per_key}},
                variant.objects);
}

bool read_cached_variant(const std::string &key, CompiledDeviceVariant &variant) {
    nlohmann::json head;
    try {
        if (!read_entry(key, head, variant.objects))
            return false;
        variant.sizes = planned_sizes(variant.plan);
        return true;
    } catch (const nlohmann::json::exception &) {
        return false;
    }
}

void write_cached_variant(const std::string &key, const CompiledDeviceVariant &variant) {
    write_entry(key, nlohmann::json::object(), variant.objects);
}

}  // namespace attune
