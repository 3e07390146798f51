#pragma once
#include "generator/spec/expression.h"

#include <map>
#include <string>
#include <vector>

namespace attune {

enum class DType { f32, f16, bf16 };
/// What products may be rounded to on the way: f32 keeps the error bound of the arrays' type; f16 takes the products query · key and
/// weight · value in half precision; i8 takes query · key of 8-bit integers. Where a machine has no unit for them, products stay f32.
enum class ComputeDType { f32, f16, i8 };
/// The types of a kernel: of its arrays, and of its products.
struct KernelTypes {
    DType storage = DType::f32;
    ComputeDType compute = ComputeDType::f32;
    bool integer_rows = false;  ///< rows of the cache are integers that matrix tiles multiply (fills_integer_tiles)
    KernelTypes(DType storage, ComputeDType compute = ComputeDType::f32, bool integer_rows = false) : storage(storage), compute(compute), integer_rows(integer_rows) {}
};

/// Elements of the keys and values of a decode kernel's cache: those of the other arrays, or integers with f32 scales: i8 a scale for each token
/// and head, i4 one for each group of 32 head dims.
enum class KvDType { same, i8, i4 };
/// Where key kv of a sequence lies: at kv; at kv mod the slots of a ring; in a page of a pool that the call's page table names.
enum class KvLayout { contiguous, ring, paged };
/// The cache of a decode kernel, attune_kv_cache of the call.
struct KvCacheSpec {
    KvDType dtype = KvDType::same;
    bool zero_points = false;  ///< x = scale * (n - zero_point); else a zero point of 0 (i8) or 8 (i4)
    KvLayout layout = KvLayout::contiguous;
    int page_size = 0;     ///< keys of a page; 0 where it is not paged
    bool values_in_key = false;  ///< a value is the first head_dim_v elements of its key

    bool operator==(const KvCacheSpec &) const = default;
};
constexpr int i4_group = 32;  ///< head dims with one scale, and 16 bytes: byte j holds element j in its low half, j + 16 in its high one

/// Rotary position embedding of queries (and, by append, of keys): elements d and partner(d) are turned by position * frequency.
/// Su et al. 2021 (arXiv:2104.09864).
struct RopeSpec {
    enum class Style { none, half, interleaved };  ///< partners are dims / 2 apart, or neighbours
    enum class Scaling { none, linear, llama3 };
    Style style = Style::none;
    int dims = 0;  ///< the first of head_dim that are turned
    double base = 10000;
    Scaling scaling = Scaling::none;
    double factor = 1;  ///< linear: of positions; llama3: of the longest wavelengths
    double low_freq_factor = 1, high_freq_factor = 4, original_context = 8192;  ///< of llama3

    /// Radians a position of each pair, dims / 2 of them.
    std::vector<double> frequencies() const;
    bool operator==(const RopeSpec &) const = default;
};

/// What weights are: exp(logit) over their sum, or over 1 + their sum; 1 / (1 + exp(-logit)), or max(logit, 0), each for itself; or products of
/// features, which sum up in a running state: work that grows with the keys, not with the pairs.
enum class Normalizer { softmax, softmax_plus_one, sigmoid, relu, linear };
/// What linear attention makes of each element of query and key.
///   elu_plus_one(x) = x + 1 where x > 0, else exp(x)    relu(x) = max(x, 0)    identity(x) = x
enum class FeatureMap { elu_plus_one, relu, identity };
/// The pairs' matrix that a kernel of its own writes: the scaled product, the score without its soft caps and with the mask, the score
/// with the mask, the softmax.
enum class PairsOutput { none, logits_raw, logits_biased, logits, weights };

/// Which softmax a kernel runs; automatic: fixed_reference, with online for the rows that leave its range.
enum class Algorithm { automatic, fixed_reference, online, full_row };

struct AttentionSpec;
const char *dtype_name(DType);           ///< "f32"
const char *compute_dtype_name(ComputeDType);  ///< "f32"
int dtype_bytes(DType);                  ///< 4
const char *kv_dtype_name(KvDType);      ///< "i8"; "same"
const char *kv_layout_name(KvLayout);    ///< "paged"
std::string rope_text(const RopeSpec &rope, const char *quote);  ///< "style = half, base = 10000", words between `quote`s; "" for none
/// query · key is of integers: the cache's, and the query's rounded to 16 bits of its row's largest element.
bool has_integer_products(const AttentionSpec &spec);
/// Such products fill tiles of 64 bytes, and enough query heads share them. Above head_dim 256 kernels would be large, and nothing measured them.
bool fills_integer_tiles(const AttentionSpec &spec);
/// What each row of keys (or values) has in its cache: scales, 0 for none, and bytes.
int cache_scales(const KvCacheSpec &cache, int head_dim);
int64_t cache_row_bytes(const AttentionSpec &spec, int head_dim);
const char *normalizer_name(Normalizer);     ///< "softmax"
const char *feature_map_name(FeatureMap);    ///< "elu_plus_one"
const char *pairs_output_name(PairsOutput);  ///< "logits_raw"; "" for none
const char *algorithm_name(Algorithm);   ///< "fixed_reference"; "auto" for automatic
std::string outputs_text(const AttentionSpec &spec, const char *separator);  ///< "out,lse,weights"

/// A kernel as the user asks for it: validated, every default filled in. Keys and names: design of the specification file.
struct AttentionSpec {
    std::string name;             ///< C identifier of the generated function; default: the id
    DType dtype = DType::f32;     ///< of query, key, value and output
    ComputeDType compute_dtype = ComputeDType::f32;  ///< of products
    int head_dim = 64;            ///< of query and key, 1 … 1024
    int head_dim_v = 64;          ///< of value and output, 1 … 1024
    int group = 1;                ///< query heads per key/value head; 0: any ratio, at run time
    std::string scale = "rsqrt(head_dim)";  ///< an expression of head_dim, or a positive number in its shortest form: "0.1"
    double softmax_scale = 0.125; ///< its value
    std::vector<ParamDeclaration> params;  ///< run-time arguments of mask, score and sink, in the order of the file
    Expression mask;              ///< empty: every key is visible
    Expression score;             ///< empty: the scaled logit
    Normalizer normalizer = Normalizer::softmax;
    std::string sink;             ///< the f32[h] parameter that holds a logit of each head without a value; "": none
    FeatureMap feature_map = FeatureMap::elu_plus_one;  ///< of normalizer linear
    std::string decay;            ///< of normalizer linear: the parameter f32[b, kv, hkv] or f32[b, kv, hkv, head_dim] of a key's log decay; "": none
    std::string beta;             ///< likewise f32[b, kv, hkv], how far a key corrects what the state holds for it (delta rule); "": sums alone
    bool block_mask = false;      ///< block_mask = "csr": the call gives the key blocks of each block of rows
    int block_size_q = 128, block_size_kv = 128;  ///< of its blocks
    bool decode = false;          ///< phases: many query rows (prefill), or up to 16 against a cache (decode)
    KvCacheSpec cache;            ///< of a decode kernel
    RopeSpec rope;                ///< of a decode kernel
    bool lse = true;              ///< outputs contains "lse"
    PairsOutput pairs_output = PairsOutput::none;  ///< the one of outputs that is a matrix of pairs
    Algorithm algorithm = Algorithm::automatic;
    std::vector<std::string> targets = {"sse41", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx"};  ///< of [targets] cpu, in this order; "auto" is all of them
    std::vector<std::string> device_targets;      ///< of [targets] gpu

    std::string mask_text() const { return mask ? mask.text : "none"; }
    std::string score_text() const { return score ? score.text : "s"; }
    const char *phase() const { return decode ? "decode" : "prefill"; }
    KernelTypes types() const;
    const ParamDeclaration *find_param(const std::string &name) const;  ///< or null

    /// One line that is equal for equal kernels on every machine; the name and the targets are not part of it.
    std::string canonical() const;
    /// "attune_prefill_f32_d64_g1_<hash8>": hash8 = the first 8 hex digits of the hash of canonical(); d<head_dim>x<head_dim_v> where they differ, gany for group 0.
    std::string id() const;

    bool operator==(const AttentionSpec &) const = default;
};

/// Weights of a row sum to 1, or to less with a sink: there is a logarithm of their sum.
inline bool is_softmax(Normalizer normalizer) {
    return normalizer == Normalizer::softmax || normalizer == Normalizer::softmax_plus_one;
}
inline bool is_linear(const AttentionSpec &spec) { return spec.normalizer == Normalizer::linear; }
/// Linear attention whose rows are divided by their sum, which features that are nowhere negative have.
inline bool divides_by_sum(const AttentionSpec &spec) {
    return is_linear(spec) && spec.feature_map != FeatureMap::identity && spec.beta.empty();
}

/// Rows have a logit without a key (attune_kernel::has_sink).
inline bool has_sink(const AttentionSpec &spec) {
    return spec.normalizer == Normalizer::softmax_plus_one || !spec.sink.empty();
}

/// A specification before validation: key -> value as text, and where it stands. TOML files, flags and CMake arguments all
/// become this, so that there is one validator and one error style.
struct RawValue {
    enum class Type { string, integer, real, boolean, date, array, table } type = Type::string;
    std::string text;                 ///< as written, without quotes; integers in decimal (arrays and tables: for messages)
    std::vector<std::string> items;   ///< of an array; of a table "name=value"
    std::string file;
    int line = 0, column = 0;         ///< where the value stands
    int key_column = 0;               ///< where its key stands, on the same line
    int text_line = 0, text_column = 0;  ///< where the characters of a string begin
    std::string flag;                 ///< "--head-dim" where it comes from the command line
};
/// Keys as in the file, with their table: "kernel.head_dim", "targets.cpu". The keys that exist: keys.h.
using RawSpec = std::map<std::string, RawValue>;

/// Reads a TOML file. Throws Error(usage): syntax with line and column; Error(input) where the file cannot be read.
RawSpec read_spec_file(const std::string &path);
/// The same for a text; file: its name in messages.
RawSpec read_spec_text(const std::string &text, const std::string &file);
/// Puts a flag's value ("--head-dim 64", argument name "--head-dim") under its key; it overrides what stands there (declarations of
/// params: those of the same name).
/// The text is typed as TOML would type it where the key wants a number; lists are separated by commas.
void set_spec_flag(RawSpec &raw, const std::string &key, const std::string &text, const std::string &flag);
/// Checks every key and value and fills in the defaults. Throws Error(usage) that names key, value, expectation and cure.
AttentionSpec validate_spec(const RawSpec &raw);
/// A specification that validates to the same kernel: what `explain` and the metadata print.
std::string spec_to_toml(const AttentionSpec &spec);

}  // namespace attune
