#include "attune/attention.h"
#include "generator/cli/attention_weights.h"
#include "generator/cli/command.h"
#include "generator/cli/kernel_to_run.h"
#include "generator/cli/linear_state.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/params.h"
#include "generator/cli/problem.h"
#include "generator/cli/run_inputs.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/text_file.h"
#include "generator/cli/tuned.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

namespace attune::cli {
namespace {

const char *const result_flags[] = {"--out", "--lse", "--pairs", "--weights", "--importance", state_result_flags[0], state_result_flags[1]};

void declare(Flags &flags) {
    declare_params(flags);
    declare_block_lists(flags);
    declare_spec_flags(flags);
    declare_tuned_flags(flags);
    declare_run_inputs(flags);
    declare_target_flag(flags);
    flags.value("--threads", "N", "threads of the call [$ATTUNE_NUM_THREADS, else all CPUs]");
    flags.value("--out", "F.npy", "the result, (batch, heads, seq, dim of value), in the encoding of query");
    flags.value("--lse", "F.npy", "log-sum-exp of each row, natural: (batch, heads, seq) float32");
    flags.value("--pairs", "F.npy", "the matrix of pairs that outputs names: (batch, heads, seq, keys), in the encoding of query");
    declare_weights(flags);
    declare_linear_state(flags);
}

/// The files can be written, and are different ones.
void check_output_paths(const Flags &flags) {
    if (!wants_weights(flags))  // who looks at weights need not want the output
        flags.required("--out", "a .npy file to write");
    std::error_code ignored;
    std::vector<std::pair<std::string, std::filesystem::path>> seen;
    for (const char *flag : result_flags) {
        if (!flags.has(flag))
            continue;
        const std::string path = flags.text(flag);
        check_output_path(flag, path);
        if (std::filesystem::is_character_file(path, ignored))
            continue;
        const auto place = std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
        for (const auto &[other, there] : seen)
            if (place == there)
                throw Error({.argument = flag, .value = path, .expected = "another file than " + other, .cure = "choose two names"});
        seen.emplace_back(flag, place);
    }
}

/// What is asked for, and the kernel has.
CallOutputs wanted_outputs(const Flags &flags, const AttentionSpec &spec) {
    const auto refuse = [&](const char *flag, const char *expected, const char *cure) {
        throw Error({.argument = flag, .value = flags.text(flag), .expected = expected, .cure = cure});
    };
    const CallOutputs wanted = {
        .lse = flags.has("--lse"), .pairs = flags.has("--pairs") || wants_weights(flags), .state = wants_state(flags)};
    if (wanted.lse && !spec.lse)
        refuse("--lse", "outputs with \"lse\" in the specification", "add lse to outputs, or leave --lse out");
    if (flags.has("--pairs") && spec.pairs_output == PairsOutput::none)
        refuse("--pairs", "outputs with \"logits_raw\", \"logits_biased\", \"logits\" or \"weights\" in the specification",
               "add one of them, as in --outputs out,lse,weights, or leave --pairs out");
    if (flags.has("--pairs") && flags.has("--cu-seqlens-q"))
        refuse("--pairs", "no packed sequences", "run the sequences one by one, or leave --pairs out");
    return wanted;
}

std::vector<int32_t> lengths_of(const std::vector<int32_t> &cu_seqlens) {
    std::vector<int32_t> lengths;
    for (size_t i = 1; i < cu_seqlens.size(); i++)
        lengths.push_back(cu_seqlens[i] - cu_seqlens[i - 1]);
    return lengths;
}

CallParams read_params(const Flags &flags, const GivenParams &given, const AttentionSpec &spec, const RunInputs &in) {
    // Positions count inside a sequence: where sequences are packed, up to the longest.
    Shape shape = in.shape;
    const std::vector<int32_t> lengths_q = lengths_of(in.cu_seqlens_q), lengths_kv = lengths_of(in.cu_seqlens_kv);
    if (in.packed()) {
        shape.seq_len_q = lengths_q.empty() ? 0 : *std::max_element(lengths_q.begin(), lengths_q.end());
        shape.seq_len_kv = lengths_kv.empty() ? 0 : *std::max_element(lengths_kv.begin(), lengths_kv.end());
    }
    if (spec.block_mask && (!flags.has("--block-mask") || !is_array_file(flags.text("--block-mask"))))
        throw Error({.code = ErrorCode::input,
                     .argument = "--block-mask",
                     .value = flags.text("--block-mask", "missing"),
                     .expected = "an .npz of lists or an .npy of bools, as the specification has block_mask = \"csr\"",
                     .cure = "give --block-mask F.npz",
                     .problem = flags.has("--block-mask") ? "" : "--block-mask is missing"});
    BlockLists lists;
    if (spec.block_mask)
        lists = read_block_lists(flags, spec, shape);
    if (spec.block_mask && in.packed())
        lists = cut_to_lengths(lists, lengths_kv);
    return {spec, given.arguments(shape), std::move(lists)};
}

/// Keys and values as the specification's cache holds them, or null where it has no cache format.
std::unique_ptr<CacheImage> cache_of(const RunInputs &in, const AttentionSpec &spec) {
    if (spec.cache == KvCacheSpec{})
        return nullptr;
    const auto numbers = [&](const NpyArray &array) { return decode(encode_array(array, spec.dtype), spec.dtype); };
    const CacheExtents extents = {
        .batch = in.array_batch, .num_kv_heads = in.shape.num_kv_heads, .seq_len_kv = in.shape.seq_len_kv, .lengths_kv = in.lengths_kv};
    return std::make_unique<CacheImage>(spec, extents, numbers(in.key), numbers(in.value), 1);
}

NpyArray float_array(const float *floats, std::vector<int64_t> shape) {
    NpyArray array = {"<f4", std::move(shape), {}};
    const auto *bytes = reinterpret_cast<const unsigned char *>(floats);
    array.bytes.assign(bytes, bytes + array.size() * static_cast<int64_t>(sizeof(float)));
    return array;
}

/// Written, but not there yet.
std::vector<PendingNpy> pending_results(const Flags &flags, const RunInputs &in, const AttentionSpec &spec, const KernelCall &call,
                                        const WeightsSelection &selection) {
    const int64_t batch = in.array_batch, heads = in.shape.num_heads, rows = in.shape.seq_len_q;
    std::vector<PendingNpy> files;
    const auto write = [&](const char *flag, const auto &array) {
        if (flags.has(flag))
            files.emplace_back(flags.text(flag), array(), flag);
    };
    const auto decoded = [&](const Bytes &bytes, int64_t row) {
        return decode_array(bytes, spec.dtype, in.query.dtype, {batch, heads, rows, row});
    };
    write("--out", [&] { return decoded(call.output(), in.head_dim_v); });
    write("--lse", [&] { return float_array(call.lse(), {batch, heads, rows}); });
    write("--state", [&] { return float_array(call.state().as<float>(), state_shape(spec, in.shape)); });
    write("--key-sum", [&] { return float_array(call.key_sum().as<float>(), key_sum_shape(spec, in.shape)); });
    write("--pairs", [&] { return decoded(call.pairs(), in.shape.seq_len_kv); });
    if (wants_weights(flags)) {
        const AttentionWeights selected = select_weights(call.pairs(), spec.dtype, in.shape, selection);
        write("--weights", [&] { return selected.weights; });
        write("--importance", [&] { return selected.importance; });
    }
    return files;
}

int run(const Flags &flags, Session &session) {
    // Everything that can be wrong is looked at before anything is compiled, and files appear after the last of it.
    RawSpec raw = raw_spec(flags);
    const AttentionSpec asked = validate_spec(raw);
    add_weights_output(raw, asked, flags);
    const int threads = static_cast<int>(flags.integer("--threads", 1, 1024, 0));
    check_output_paths(flags);
    RunInputs in = read_run_inputs(flags, asked);
    const AttentionSpec spec = spec_for_inputs(raw, in);
    const CallOutputs wanted = wanted_outputs(flags, spec);
    const WeightsSelection selection = read_weights_selection(flags, spec, in);
    const PastState past = read_past_state(flags, spec, in);
    Shape extents = in.shape;
    extents.batch = in.array_batch;
    check_index_range(spec, extents, ErrorCode::input);
    const GivenParams given(flags, spec);
    const CallParams params = read_params(flags, given, spec, in);

    const std::unique_ptr<const CacheImage> cache = cache_of(in, spec);
    const Bytes query = encode_array(in.query, spec.dtype), key = cache ? Bytes() : encode_array(in.key, spec.dtype),
                value = cache ? Bytes() : encode_array(in.value, spec.dtype);
    for (NpyArray *array : {&in.query, &in.key, &in.value})
        array->bytes = {};
    const auto kernel = load_kernel_to_run(flags, spec);
    if (kernel->compile_seconds() > 0)
        spdlog::info("compiled {} in {:.2f} s", kernel->plan().variant_name(), kernel->compile_seconds());

    const auto array = [](const std::vector<int32_t> &numbers) { return numbers.empty() ? nullptr : numbers.data(); };
    KernelCall call(*kernel,
                    {.shape = in.shape,
                     .query = query.data(),
                     .key = key.data(),
                     .value = value.data(),
                     .cache = cache.get(),
                     .lengths_q = array(in.lengths_q),
                     .lengths_kv = array(in.lengths_kv),
                     .cu_seqlens_q = array(in.cu_seqlens_q),
                     .cu_seqlens_kv = array(in.cu_seqlens_kv),
                     .past_state = past.outer.empty() ? nullptr : past.outer.data(),
                     .past_key_sum = past.key_sum.empty() ? nullptr : past.key_sum.data(),
                     .params = params.data()},
                    threads, wanted);
    const auto begin = std::chrono::steady_clock::now();
    call.run();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();

    std::vector<PendingNpy> results = pending_results(flags, in, spec, call, selection);
    const auto path_or_null = [&](const char *flag) { return flags.has(flag) ? Json(flags.text(flag)) : Json(); };
    if (session.json)
        session.print_json({{"kernel", kernel->plan().variant_name()},
                            {"target", kernel->plan().target_name()},
                            {"shape", shape_text(in.shape)},
                            {"packed", in.packed()},
                            {"threads", threads > 0 ? threads : attune_num_threads()},
                            {"ms", ms},
                            {"compile_seconds", kernel->compile_seconds()},
                            {"params", given.texts()},
                            {"block_mask", path_or_null("--block-mask")},
                            {"out", path_or_null("--out")},
                            {"lse", path_or_null("--lse")},
                            {"pairs", path_or_null("--pairs")},
                            {"weights", path_or_null("--weights")},
                            {"importance", path_or_null("--importance")},
                            {"state", path_or_null("--state")},
                            {"key_sum", path_or_null("--key-sum")}});
    else {
        std::string files;
        for (const char *flag : result_flags)
            if (flags.has(flag))
                files += (files.empty() ? "" : " and ") + flags.text(flag);
        session.print(fmt::format("{}: {}{} in {:.3f} ms, written to {}\n", kernel->plan().variant_name(), shape_text(in.shape),
                                  in.packed() ? " (packed)" : "", ms, files));
    }
    session.flush();
    for (auto &file : results)
        file.commit();
    return 0;
}

}  // namespace

const Command run_command = {
    "run", "attention on .npy files",
    "  attune run --query q.npy --key k.npy --value v.npy --mask causal --out out.npy --lse lse.npy\n"
    "  attune run kernel.toml --query q.npy --key k.npy --value v.npy --lengths-kv n.npy --out out.npy --target avx2 --threads 2\n"
    "  attune run --mask \"causal && document(ids)\" --params \"ids: i32[b, kv] nondecreasing\" --param ids=ids.npy --query q.npy ...\n"
    "  attune run --query q.npy --key k.npy --value v.npy --mask causal --weights w.npy --heads 0,3 --rows 0:16 --importance i.npy\n"
    "  attune run --normalizer linear --mask causal --query q.npy --key k.npy --value v.npy --out out.npy --state s.npy --key-sum z.npy\n\n"
    "Key and value are ordinary arrays for every cache of phases decode: they are rounded to kv_dtype and laid out as kv_layout says, as "
    "the\n"
    "kernel's append would have stored them but for roundings (a ring has a slot for each key). With rope the kernel turns the query, row "
    "q by\n"
    "q + keys - rows of its sequence; keys are taken as they are, already turned.",
    declare, run};

}  // namespace attune::cli
