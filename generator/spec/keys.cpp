#include "generator/spec/keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace attune {

const std::vector<SpecKey> &spec_keys() {
    using enum KeyKind;
    static const std::vector<SpecKey> keys = {
        {.table = "kernel", .name = "name", .kind = identifier, .flag = true, .type = "NAME", .otherwise = "made from the other keys",
         .help = "name of the generated function", .cure = "choose letters, digits and single underscores, starting with a letter"},
        {.table = "kernel", .name = "dtype", .kind = word, .allowed = {"f32", "f16", "bf16"}, .later = {"i8", "i4"}, .flag = true,
         .type = "TYPE", .otherwise = "f32", .help = "element type of query, key, value and output",
         .cure = "convert the arrays to one of these types"},
        {.table = "kernel", .name = "head_dim", .kind = integer, .low = 1, .high = 512, .flag = true, .type = "N", .otherwise = "64",
         .help = "elements of a head of query and key", .cure = "give the number of elements of one head, such as 64"},
        {.table = "kernel", .name = "head_dim_v", .kind = integer, .low = 1, .high = 512, .flag = true, .type = "N",
         .otherwise = "head_dim", .help = "elements of a head of value and output",
         .cure = "give the number of elements of one head of value, or leave it out where it equals head_dim"},
        {.table = "kernel", .name = "group", .kind = integer_or_word, .allowed = {"any"}, .low = 1, .high = 1024, .flag = true,
         .type = "N|any", .otherwise = "1", .help = "query heads per key/value head; any: a ratio known at run time",
         .cure = "give num_heads / num_kv_heads, or \"any\" where it is known at run time only"},
        {.table = "kernel", .name = "scale", .kind = scale, .allowed = {"rsqrt(head_dim)"}, .flag = true, .type = "X",
         .otherwise = "rsqrt(head_dim)", .help = "factor on query·key before the softmax",
         .cure = "leave it out for 1/sqrt(head_dim), or give the number, such as 0.125"},
        {.table = "kernel", .name = "mask", .kind = word, .allowed = {"none", "causal", "causal_top_left"}, .flag = true,
         .type = "MASK", .otherwise = "none", .help = "which keys a query sees; causal is aligned at the last key",
         .cure = "other masks are expressions, which are not in this version"},
        {.table = "kernel", .name = "outputs", .kind = words, .allowed = {"out", "lse"}, .flag = true, .type = "LIST",
         .otherwise = "out,lse", .help = "what the kernel computes", .cure = "use [\"out\"] or [\"out\", \"lse\"]"},
        {.table = "kernel", .name = "phases", .kind = words, .allowed = {"prefill"}, .later = {"decode"}, .flag = true,
         .type = "LIST", .otherwise = "prefill", .help = "many query rows (prefill) or few (decode)", .cure = "use [\"prefill\"]"},
        {.table = "kernel", .name = "algorithm", .kind = word, .allowed = {"auto", "fixed_reference", "online", "full_row"},
         .flag = true, .type = "NAME", .otherwise = "auto", .help = "which softmax; auto: fixed_reference, guarded by online",
         .cure = "leave it out for the fastest that is right"},

        {.table = "kernel", .name = "score", .kind = later, .flag = true, .help = "expression on the scaled logit"},
        {.table = "kernel", .name = "params", .kind = later},
        {.table = "kernel", .name = "kv_dtype", .kind = later, .flag = true},
        {.table = "kernel", .name = "output_dtype", .kind = later, .flag = true},
        {.table = "kernel", .name = "compute_dtype", .kind = later, .flag = true},
        {.table = "kernel", .name = "normalizer", .kind = later, .flag = true},
        {.table = "kernel", .name = "sink", .kind = later, .flag = true},
        {.table = "kernel", .name = "block_mask", .kind = later},  // no flag: --block-mask is an array of `run`
        {.table = "kernel", .name = "block_size", .kind = later, .flag = true},
        {.table = "kernel", .name = "kv_layout", .kind = later, .flag = true},
        {.table = "kernel", .name = "page_size", .kind = later, .flag = true},
        {.table = "kernel", .name = "rope", .kind = later, .flag = true},
        {.table = "kernel", .name = "value", .kind = later},  // no flag: --value is an array of `run`
        {.table = "params", .name = "", .kind = later, .flag = true, .help = "run-time arguments of score and mask"},
        {.table = "layer", .name = "", .kind = later},

        {.table = "targets", .name = "cpu", .kind = words, .allowed = {"auto", "sse41", "avx2", "avx512"},
         .later = {"avx512_fp16", "amx", "neon"}, .type = "LIST", .otherwise = "auto",
         .help = "instruction sets to generate for; auto: all of them", .cure = "use [\"auto\"], or some of sse41, avx2 and avx512"},
        {.table = "targets", .name = "gpu", .kind = words,
         .later = {"opencl", "cuda", "cuda_mma", "vulkan", "metal", "d3d12", "webgpu"}, .type = "LIST", .otherwise = "none",
         .help = "GPU interfaces to generate for", .cure = "leave it out"},
    };
    return keys;
}

const SpecKey *find_spec_key(const std::string &key) {
    for (const SpecKey &k : spec_keys())
        if (k.key() == key) return &k;
    return nullptr;
}

std::vector<std::string> spec_key_names(const std::string &table) {
    std::vector<std::string> names;
    for (const SpecKey &k : spec_keys())
        if (k.table == table && k.kind != KeyKind::later) names.emplace_back(k.name);
    return names;
}

std::string SpecKey::key() const { return *name == 0 ? table : fmt::format("{}.{}", table, name); }
std::string SpecKey::shown() const { return std::string(table) == "kernel" ? name : key(); }

std::string SpecKey::flag_name() const {
    if (!flag) return "";
    std::string out = fmt::format("--{}", *name == 0 ? table : name);
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

std::string SpecKey::cmake_argument() const {
    if (key() == "targets.cpu") return "TARGETS";
    if (!flag) return "";
    std::string out = *name == 0 ? table : name;
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

std::string SpecKey::expected() const {
    switch (kind) {
    case KeyKind::identifier: return "a C identifier of at most 63 characters";
    case KeyKind::word: return fmt::format("one of {}", fmt::join(allowed, ", "));
    case KeyKind::words:
        if (allowed.empty()) return "an empty list";
        if (allowed.size() == 1) return fmt::format("the list [\"{}\"]", allowed[0]);
        return fmt::format("a list of some of {}", fmt::join(allowed, ", "));
    case KeyKind::integer: return fmt::format("an integer from {} to {}", low, high);
    case KeyKind::integer_or_word: return fmt::format("an integer from {} to {} or \"{}\"", low, high, fmt::join(allowed, "\" or \""));
    case KeyKind::scale: return fmt::format("\"{}\" or a positive number from 1e-30 to 1e30", fmt::join(allowed, "\" or \""));
    case KeyKind::later: return "a later version";
    }
    return "";
}

}  // namespace attune
