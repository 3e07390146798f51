#include "generator/backend/include_guard.h"
#include "generator/backend/kernel.h"
#include "generator/backend/params_struct.h"

#include <cctype>
#include <fmt/format.h>

namespace attune {

namespace {

std::string mask_sentence(const AttentionSpec &spec) {
    std::string text = spec.mask ? "-inf where not " + spec.mask.text : "every row sees every key of its sequence";
    if (spec.block_mask)
        text += ", and where params->block_mask lists no block";
    return text;
}

/// What the matrix of weights is, from the logits.
std::string normalizer_equations(const AttentionSpec &spec) {
    if (spec.normalizer == Normalizer::sigmoid)
        return "///   weights(q, kv) = 1 / (1 + exp(-logits(q, kv)))\n";
    if (spec.normalizer == Normalizer::relu)
        return "///   weights(q, kv) = max(logits(q, kv), 0)\n";
    const std::string extra = spec.normalizer == Normalizer::softmax_plus_one ? "1 + "
                              : spec.sink.empty()                             ? ""
                                                                              : fmt::format("exp({}[h]) + ", spec.sink);
    return fmt::format("///   lse(q)        = log({}sum_kv exp(logits(q, kv)))             {}\n"
                       "///   weights(q, kv) = exp(logits(q, kv) - lse(q))\n",
                       extra, spec.lse ? "(natural log; null: not wanted)" : "(not written by this kernel: args->lse must be null)");
}

std::string equations(const AttentionSpec &spec) {
    return fmt::format(R"(/// Scaled dot-product attention:
///   s(q, kv)      = {:.9g} * sum_d query(d, q) * key(d, kv)
///   logits(q, kv) = {};  {}
{}///   output(d, q)  = sum_kv weights(q, kv) * value(d, kv)
)",
                       spec.softmax_scale, spec.score_text(), mask_sentence(spec), normalizer_equations(spec));
}

/// Of a running state, key by key.
std::string linear_equations(const AttentionSpec &spec) {
    const std::string feature = spec.feature_map == FeatureMap::identity ? "x"
                                : spec.feature_map == FeatureMap::relu   ? "max(x, 0)"
                                                                         : "x + 1 where x > 0, else exp(x)";
    const std::string kept = spec.decay.empty() ? "state" : fmt::format("exp({}) * state", spec.decay);
    std::string text =
        fmt::format("/// Linear attention, f(x) = {}, {}:\n", feature,
                    spec.mask ? "causal: a row reads the state after its own key" : "each row reads the state after all keys");
    if (spec.beta.empty())
        text += fmt::format("///   state(v, d)  = {}(v, d) + f(key(d, kv)) * value(v, kv)\n", kept);
    else
        text += fmt::format("///   change(v)    = {}(kv) * (value(v, kv) - sum_d {}(v, d) * f(key(d, kv)))\n"
                            "///   state(v, d)  = {}(v, d) + f(key(d, kv)) * change(v)\n",
                            spec.beta, kept, kept);
    const std::string sum = fmt::format("{:.9g} * sum_d f(query(d, q)) * state(v, d)", spec.softmax_scale);
    if (divides_by_sum(spec))
        text += fmt::format("///   key_sum(d)   = {}key_sum(d) + f(key(d, kv))\n"
                            "///   output(v, q) = sum_d f(query(d, q)) * state(v, d) / sum_d f(query(d, q)) * key_sum(d)\n",
                            spec.decay.empty() ? "" : fmt::format("exp({}) * ", spec.decay));
    else
        text += fmt::format("///   output(v, q) = {}\n", sum);
    return text + "/// args->state holds what is kept from call to call, or is null: no keys before, and none asked for. args->lse must be "
                  "null.\n";
}

/// What is special in how keys and values are stored.
std::string cache_sentences(const AttentionSpec &spec) {
    const KvCacheSpec &cache = spec.cache;
    std::string text;
    if (spec.rope.style != RopeSpec::Style::none)
        text += fmt::format("/// query is turned by args->positions first: rope {}. Keys are turned by {}_append.\n",
                            rope_text(spec.rope, ""), spec.name);
    if (cache.dtype != KvDType::same)
        text += fmt::format("/// key and value are {} with scales{} in args->cache.\n", kv_dtype_name(cache.dtype),
                            cache.zero_points ? " and zero points" : "");
    if (cache.layout == KvLayout::paged)
        text += fmt::format("/// key and value are pools of pages of {} keys; args->cache has the page table.\n", cache.page_size);
    if (cache.layout == KvLayout::ring)
        text += "/// key and value are rings of seq_len_kv slots; args->lengths_kv tells the keys so far.\n";
    if (cache.values_in_key)
        text += fmt::format("/// value(d, kv) is key(d, kv), d below {}; args->value is null.\n", spec.head_dim_v);
    return text;
}

std::string append_declaration(const AttentionSpec &spec) {
    if (!spec.decode)
        return "";
    return fmt::format("/// Writes new keys and values into the cache.\nattune_status {}_append(const attune_append_args *args);\n\n",
                       spec.name);
}

/// Of targets with several schedules: which a call takes.
std::string schedule_sentences(const std::vector<CompiledVariant> &variants) {
    std::string text;
    const CpuTarget *target = nullptr;  // that is being listed
    for (const CompiledVariant &variant : variants) {
        const KernelPlan &plan = variant.plan;
        if (plan.calls.is_any() && plan.target != target)
            continue;
        if (plan.target != target)
            text += fmt::format("/// Schedules on {}, by the call's seq_lens alone (attune_kernel_schedule tells):\n", plan.target->name);
        target = plan.target;
        text += fmt::format("///   {}: {}\n", plan.calls.text(), parameters_text(plan));
    }
    return text;
}

/// The struct of params, and how to fill it.
std::string params_declaration(const AttentionSpec &spec) {
    const std::string members = params_struct_text(spec);
    if (members.empty())
        return "";
    return fmt::format(
        R"(/// Run-time arguments of the mask and the score: args->params points to one. Tensors: dimensions outermost first, an extent of 1 serves
/// every index, all strides 0 mean dense.
typedef struct {0}_params {{
{1}}} {0}_params;

)",
        spec.name, members);
}

}  // namespace

std::string include_guard(const std::string &name) {
    std::string guard = "ATTUNE_GENERATED_" + name + "_H";
    for (char &c : guard)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return guard;
}

std::string kernel_header(const AttentionSpec &spec, const std::vector<CompiledVariant> &variants) {
    const std::string group = spec.group == 0   ? "num_heads is any multiple of num_kv_heads"
                              : spec.group == 1 ? "num_heads equals num_kv_heads"
                                                : fmt::format("num_heads is {} * num_kv_heads", spec.group);
    return fmt::format(
        R"(/* Generated by Attune {version} for {id}. Do not edit. */
#ifndef {guard}
#define {guard}

#include "attune/attention.h"

#ifdef __cplusplus
extern "C" {{
#endif

{params}{equations}{cache}{schedules}/// Shapes, innermost first, strides in elements, element type {dtype}: query (head_dim = {head_dim}, seq_len_q, num_heads, batch),
/// key ({head_dim}, seq_len_kv, num_kv_heads, batch), value (head_dim_v = {head_dim_v}, seq_len_kv, num_kv_heads, batch),
/// output ({head_dim_v}, seq_len_q, num_heads, batch), lse (seq_len_q, num_heads, batch) f32. {group}.
/// Batch, heads, lengths and strides are those of each call. A row that sees no key has output 0 and lse -inf.
/// Errors: invalid_argument, null_pointer, struct_size, shape_mismatch, misaligned, workspace_too_small, index_range,
/// unsupported_cpu; output is then untouched, and attune_last_error() says what to mend.
/// Thread-safe; uses {name}_workspace_size(args) bytes of args->workspace and allocates nothing.
attune_status {name}(const attune_attention_args *args);

{append}/// Bytes of workspace that the call needs, 64-byte aligned.
size_t {name}_workspace_size(const attune_attention_args *args);

/// What the kernel was generated for.
const attune_kernel_info *{name}_info(void);

/// The kernel itself, for attune_kernel_run and the C++ interface.
extern attune_kernel {name}_kernel;

#ifdef __cplusplus
}}
#endif
#endif
)",
        fmt::arg("version", ATTUNE_VERSION), fmt::arg("id", spec.id()), fmt::arg("guard", include_guard(spec.name)),
        fmt::arg("equations", is_linear(spec) ? linear_equations(spec) : equations(spec)), fmt::arg("params", params_declaration(spec)),
        fmt::arg("cache", cache_sentences(spec)), fmt::arg("schedules", schedule_sentences(variants)),
        fmt::arg("append", append_declaration(spec)), fmt::arg("dtype", dtype_name(spec.dtype)), fmt::arg("head_dim", spec.head_dim),
        fmt::arg("head_dim_v", spec.head_dim_v), fmt::arg("group", group), fmt::arg("name", spec.name));
}

}  // namespace attune
