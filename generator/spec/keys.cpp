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
        {.table = "kernel", .name = "compute_dtype", .kind = word, .allowed = {"f32", "f16", "i8"}, .flag = true, .type = "TYPE",
         .otherwise = "f32", .help = "what products may be rounded to, with an error bound of their own: f16 (with dtype f16), or i8 for query·key",
         .cure = "leave it out to keep the bound of dtype"},
        {.table = "kernel", .name = "head_dim", .kind = integer, .low = 1, .high = 1024, .flag = true, .type = "N", .otherwise = "64",
         .help = "elements of a head of query and key", .cure = "give the number of elements of one head, such as 64"},
        {.table = "kernel", .name = "head_dim_v", .kind = integer, .low = 1, .high = 1024, .flag = true, .type = "N",
         .otherwise = "head_dim", .help = "elements of a head of value and output",
         .cure = "give the number of elements of one head of value, or leave it out where it equals head_dim"},
        {.table = "kernel", .name = "group", .kind = integer_or_word, .allowed = {"any"}, .low = 1, .high = 1024, .flag = true,
         .type = "N|any", .otherwise = "1", .help = "query heads per key/value head; any: a ratio known at run time",
         .cure = "give num_heads / num_kv_heads, or \"any\" where it is known at run time only"},
        {.table = "kernel", .name = "scale", .kind = scale, .flag = true, .type = "X", .otherwise = "rsqrt(head_dim)",
         .help = "factor on query·key before score: a number, or an expression of head_dim",
         .cure = "leave it out for 1/sqrt(head_dim), or give the number, such as 0.125"},
        {.table = "kernel", .name = "mask", .kind = expression, .allowed = {"none"}, .flag = true, .type = "EXPR", .otherwise = "none",
         .help = "which keys a query sees: an expression such as causal && window(255)",
         .cure = "write an expression in quotes, such as \"causal && window(255)\""},
        {.table = "kernel", .name = "score", .kind = expression, .allowed = {"none"}, .flag = true, .type = "EXPR", .otherwise = "s",
         .help = "the logit, an expression of the scaled product s such as softcap(s, 50)",
         .cure = "write an expression in quotes, such as \"softcap(s, 50)\""},
        {.table = "kernel", .name = "normalizer", .kind = word, .allowed = {"softmax", "softmax_plus_one", "sigmoid", "relu", "linear"}, .flag = true,
         .type = "NAME", .otherwise = "softmax", .help = "how logits become weights; linear: products of features, in a running state",
         .cure = "leave it out for softmax"},
        {.table = "kernel", .name = "sink", .kind = parameter, .allowed = {"f32[h]"}, .flag = true, .type = "NAME", .otherwise = "none",
         .help = "parameter f32[h]: a logit of each head that takes weight and has no value",
         .cure = "give the parameter's name, such as \"sinks\""},
        {.table = "kernel", .name = "feature_map", .kind = word, .allowed = {"elu_plus_one", "relu", "identity"}, .flag = true, .type = "NAME",
         .otherwise = "elu_plus_one", .help = "of normalizer linear: what becomes of query and key; rows of identity are not divided by their sum",
         .cure = "leave it out for elu(x) + 1"},
        {.table = "kernel", .name = "decay", .kind = parameter, .allowed = {"f32[b, kv, hkv]", "f32[b, kv, hkv, head_dim]"}, .flag = true, .type = "NAME",
         .otherwise = "none", .help = "of normalizer linear: parameter, the logarithm of what the state keeps at each key",
         .cure = "give the parameter's name, such as \"decay\""},
        {.table = "kernel", .name = "beta", .kind = parameter, .allowed = {"f32[b, kv, hkv]"}, .flag = true, .type = "NAME", .otherwise = "none",
         .help = "of normalizer linear: parameter, how far each key replaces what the state holds for it (the delta rule)",
         .cure = "give the parameter's name, such as \"beta\""},
        {.table = "kernel", .name = "outputs", .kind = words, .allowed = {"out", "lse", "logits_raw", "logits_biased", "logits", "weights"},
         .flag = true, .type = "LIST", .otherwise = "out,lse", .help = "what the kernel computes; one of the last four is a matrix of all pairs",
         .cure = "use [\"out\"] or [\"out\", \"lse\"]"},
        {.table = "kernel", .name = "block_mask", .kind = word, .allowed = {"csr"}, .flag = true, .type = "csr", .otherwise = "none",
         .help = "the call lists the key blocks that each block of rows sees", .cure = "write \"csr\", or leave it out"},
        {.table = "kernel", .name = "block_size", .kind = sizes, .low = 16, .high = 1024, .flag = true, .type = "Q,KV",
         .otherwise = "128,128", .help = "rows and keys of a block of block_mask", .cure = "use [128, 128]"},
        {.table = "kernel", .name = "phases", .kind = words, .allowed = {"prefill", "decode"}, .flag = true,
         .type = "LIST", .otherwise = "prefill", .help = "many query rows (prefill), or 1 to 16 against a long cache (decode)",
         .cure = "use [\"prefill\"] or [\"decode\"]"},
        {.table = "kernel", .name = "algorithm", .kind = word, .allowed = {"auto", "fixed_reference", "online", "full_row"},
         .flag = true, .type = "NAME", .otherwise = "auto", .help = "which softmax; auto: fixed_reference, guarded by online; full_row for a bias[q, kv]",
         .cure = "leave it out for the fastest that is right"},
        {.table = "kernel", .name = "kv_dtype", .kind = word, .allowed = {"i8", "i4"}, .flag = true, .type = "TYPE", .otherwise = "dtype",
         .help = "elements of the cache of decode: i8 with a scale for each token and head, i4 with one for each 32 elements",
         .cure = "leave it out for a cache of dtype"},
        {.table = "kernel", .name = "kv_quantization", .kind = word, .allowed = {"symmetric", "asymmetric"}, .flag = true, .type = "NAME",
         .otherwise = "symmetric", .help = "asymmetric: i8 and i4 have zero points beside their scales", .cure = "leave it out for scales alone"},
        {.table = "kernel", .name = "kv_layout", .kind = word, .allowed = {"contiguous", "ring", "paged"}, .flag = true, .type = "NAME",
         .otherwise = "contiguous", .help = "where the cache of decode has a key: at its position, in a ring of slots, in a page of a pool",
         .cure = "leave it out for contiguous"},
        {.table = "kernel", .name = "page_size", .kind = integer, .low = 16, .high = 256, .flag = true, .type = "N", .otherwise = "16",
         .help = "keys of a page of kv_layout paged: 16, 32, 64, 128 or 256", .cure = "use 16, 32, 64, 128 or 256"},
        {.table = "kernel", .name = "rope", .kind = settings,
         .allowed = {"style", "dims", "base", "scaling", "factor", "low_freq_factor", "high_freq_factor", "original_context"}, .flag = true,
         .type = "NAME=VALUE,…", .otherwise = "none",
         .help = "decode turns queries, and its append keys, by their position: style=half|interleaved[,base=10000][,dims=N][,scaling=linear|llama3,factor=X]",
         .cure = "write rope = {style = \"half\", base = 10000}"},
        {.table = "kernel", .name = "value", .kind = word, .type = "key[0:N]", .otherwise = "an array of its own",
         .help = "values are the first N elements of keys (multi-head latent attention)", .cure = "write \"key[0:512]\", or leave it out"},

        {.table = "kernel", .name = "output_dtype", .kind = later, .flag = true},
        {.table = "params", .name = "", .kind = declarations, .flag = true, .type = "NAME:TYPE", .otherwise = "none",
         .help = "run-time arguments of mask and score, such as \"ids: i32[b, kv] nondecreasing; w: i32\"",
         .cure = "write NAME = \"TYPE\" in a table [params], such as slopes = \"f32[h]\""},

        {.table = "layer", .name = "name", .kind = identifier, .type = "NAME", .otherwise = "made from the other keys", .help = "name of the generated function",
         .cure = "choose letters, digits and single underscores, starting with a letter"},
        {.table = "layer", .name = "d_model", .kind = integer, .low = 1, .high = 65536, .type = "N", .help = "elements of a token, in and out",
         .cure = "give the elements of a token, such as 384"},
        {.table = "layer", .name = "d_context", .kind = integer, .low = 1, .high = 65536, .type = "N", .otherwise = "none: keys and values are of the tokens",
         .help = "elements of a token of the context that a cross layer takes keys and values from",
         .cure = "give the elements of a token of the context, or leave it out where keys and values are of the tokens themselves"},
        {.table = "layer", .name = "heads", .kind = integer, .low = 1, .high = 4096, .type = "N", .help = "query heads", .cure = "give the number of query heads, such as 12"},
        {.table = "layer", .name = "kv_heads", .kind = integer, .low = 1, .high = 4096, .type = "N", .otherwise = "heads", .help = "key/value heads",
         .cure = "give the number of key/value heads, a divisor of heads, or leave it out where each query head has its own"},
        {.table = "layer", .name = "bias", .kind = boolean, .type = "BOOL", .otherwise = "true", .help = "the projections to query, key and value add one",
         .cure = "write true, or leave it out, where the projections to query, key and value add one"},
        {.table = "layer", .name = "output_bias", .kind = boolean, .type = "BOOL", .otherwise = "true", .help = "the projection back adds one",
         .cure = "write true, or leave it out, where the projection back adds one"},
        {.table = "layer", .name = "qk_norm", .kind = settings, .allowed = {"eps"}, .type = "{eps = X}", .otherwise = "none",
         .help = "heads of queries and keys are divided by their root mean square and multiplied by weights",
         .cure = "write qk_norm = {eps = 1e-6}, or leave it out"},
        {.table = "layer", .name = "rope", .kind = settings,
         .allowed = {"style", "dims", "base", "scaling", "factor", "low_freq_factor", "high_freq_factor", "original_context"}, .type = "{style = WORD, …}",
         .otherwise = "none", .help = "heads of queries and keys are turned by their token's position", .cure = "write rope = {style = \"half\", base = 10000}"},

        {.table = "projection", .name = "name", .kind = identifier, .type = "NAME", .otherwise = "made from the other keys",
         .help = "name of the generated function", .cure = "choose letters, digits and single underscores, starting with a letter"},
        {.table = "projection", .name = "dtype", .kind = word, .allowed = {"f32", "f16", "bf16"}, .type = "TYPE", .otherwise = "f32",
         .help = "element type of input, weights and output", .cure = "convert the arrays to one of these types"},
        {.table = "projection", .name = "in_features", .kind = integer, .low = 1, .high = 65536, .type = "N", .help = "elements of an input row",
         .cure = "give the elements of an input row, such as 384"},
        {.table = "projection", .name = "out_features", .kind = integer, .low = 1, .high = 65536, .type = "N", .help = "elements of an output row",
         .cure = "give the elements of an output row, such as 1536"},
        {.table = "projection", .name = "bias", .kind = boolean, .type = "BOOL", .otherwise = "true", .help = "one is added",
         .cure = "write true, or leave it out, where one is added"},
        {.table = "projection", .name = "activation", .kind = word, .allowed = {"none", "relu", "gelu", "silu"}, .type = "NAME", .otherwise = "none",
         .help = "of the sums, before they are stored", .cure = "leave it out for none"},

        {.table = "targets", .name = "cpu", .kind = words, .allowed = {"auto", "sse41", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx", "neon"},
         .type = "LIST", .otherwise = "auto",
         .help = "instruction sets to generate for; auto: all of x86-64; neon, of aarch64, stands alone", .cure = "use [\"auto\"], or some of the others"},
        {.table = "targets", .name = "gpu", .kind = words,
         .allowed = {"cuda", "cuda_mma", "cuda_sm75", "cuda_sm86", "opencl", "vulkan", "metal", "d3d12", "webgpu"}, .type = "LIST",
         .otherwise = "none", .help = "GPU interfaces to generate for", .cure = "use [\"cuda\"], or some of the others, or leave it out"},
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
        if (k.table == table && k.name[0] && k.kind != KeyKind::later) names.emplace_back(k.name);
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
    case KeyKind::boolean: return "true or false";
    case KeyKind::word: return fmt::format("one of {}", fmt::join(allowed, ", "));
    case KeyKind::words:
        if (allowed.empty()) return "an empty list";
        if (allowed.size() == 1) return fmt::format("the list [\"{}\"]", allowed[0]);
        return fmt::format("a list of some of {}", fmt::join(allowed, ", "));
    case KeyKind::integer: return fmt::format("an integer from {} to {}", low, high);
    case KeyKind::integer_or_word: return fmt::format("an integer from {} to {} or \"{}\"", low, high, fmt::join(allowed, "\" or \""));
    case KeyKind::scale: return "a positive number from 1e-30 to 1e30, or an expression of head_dim";
    case KeyKind::expression: return "an expression in quotes, or none";
    case KeyKind::parameter: return fmt::format("the name of a parameter {}", fmt::join(allowed, " or "));
    case KeyKind::sizes: return fmt::format("a list of two multiples of {} up to {}", low, high);
    case KeyKind::settings: return fmt::format("a table of some of {}", fmt::join(allowed, ", "));
    case KeyKind::declarations: return "parameters as NAME: TYPE";
    case KeyKind::later: return "a later version";
    }
    return "";
}

}  // namespace attune
