#include "attune/attention.h"
#include "generator/cli/command.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/run_inputs.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/text_file.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>

namespace attune::cli {
namespace {

void declare(Flags &flags) {
    declare_spec_flags(flags);
    declare_run_inputs(flags);
    declare_target_flag(flags);
    flags.value("--threads", "N", "threads of the call [$ATTUNE_NUM_THREADS, else all CPUs]");
    flags.value("--out", "F.npy", "the result, (batch, heads, seq, dim of value), in the encoding of query");
    flags.value("--lse", "F.npy", "log-sum-exp of each row, natural: (batch, heads, seq) float32");
}

void check_outputs(const Flags &flags) {
    const std::string out = flags.required("--out", "a .npy file to write");
    check_output_path("--out", out);
    if (!flags.has("--lse"))
        return;
    const std::string lse = flags.text("--lse");
    check_output_path("--lse", lse);
    std::error_code ignored;
    const auto absolute = [&](const std::string &path) {
        return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
    };
    if (absolute(out) == absolute(lse) && !std::filesystem::is_character_file(out, ignored))
        throw Error({.argument = "--lse", .value = lse, .expected = "another file than --out", .cure = "choose two names"});
}

NpyArray lse_array(const KernelCall &call, std::vector<int64_t> shape) {
    const auto *bytes = reinterpret_cast<const unsigned char *>(call.lse());
    return {"<f4", std::move(shape), {bytes, bytes + call.rows() * sizeof(float)}};
}

int run(const Flags &flags, Session &session) {
    // Everything that can be wrong is looked at before anything is compiled, and files appear after the last of it.
    const RawSpec raw = raw_spec(flags);
    validate_spec(raw);
    const int threads = static_cast<int>(flags.integer("--threads", 1, 1024, 0));
    check_outputs(flags);
    RunInputs in = read_run_inputs(flags);
    const AttentionSpec spec = spec_for_inputs(raw, in);
    const bool with_lse = flags.has("--lse");
    if (with_lse && !spec.lse)
        throw Error({.argument = "--lse",
                     .value = flags.text("--lse"),
                     .expected = "outputs with \"lse\" in the specification",
                     .cure = "add lse to outputs, or leave --lse out"});
    Shape extents = in.shape;
    extents.batch = in.array_batch;
    check_index_range(spec, extents, ErrorCode::input);
    const CpuTarget &target = target_to_run(flags, spec);

    const Bytes query = encode_array(in.query, spec.dtype), key = encode_array(in.key, spec.dtype),
                value = encode_array(in.value, spec.dtype);
    for (NpyArray *array : {&in.query, &in.key, &in.value})
        array->bytes = {};
    const auto kernel = load_kernel(spec, target);
    if (kernel->compile_seconds() > 0)
        spdlog::info("compiled {} in {:.2f} s", kernel->plan().variant_name(), kernel->compile_seconds());

    const auto given = [](const std::vector<int32_t> &numbers) { return numbers.empty() ? nullptr : numbers.data(); };
    KernelCall call(*kernel,
                    {.shape = in.shape,
                     .query = query.data(),
                     .key = key.data(),
                     .value = value.data(),
                     .lengths_q = given(in.lengths_q),
                     .lengths_kv = given(in.lengths_kv),
                     .cu_seqlens_q = given(in.cu_seqlens_q),
                     .cu_seqlens_kv = given(in.cu_seqlens_kv)},
                    threads, with_lse);
    const auto begin = std::chrono::steady_clock::now();
    call.run();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();

    PendingNpy out(
        flags.text("--out"),
        decode_array(call.output(), spec.dtype, in.query.dtype, {in.array_batch, in.shape.num_heads, in.shape.seq_len_q, in.head_dim_v}),
        "--out");
    std::vector<PendingNpy> lse;
    if (with_lse)
        lse.emplace_back(flags.text("--lse"), lse_array(call, {in.array_batch, in.shape.num_heads, in.shape.seq_len_q}), "--lse");
    if (session.json)
        session.print_json({{"kernel", kernel->plan().variant_name()},
                            {"target", target.name},
                            {"shape", shape_text(in.shape)},
                            {"packed", in.packed()},
                            {"threads", threads > 0 ? threads : attune_num_threads()},
                            {"ms", ms},
                            {"compile_seconds", kernel->compile_seconds()},
                            {"out", flags.text("--out")},
                            {"lse", with_lse ? Json(flags.text("--lse")) : Json()}});
    else
        session.print(fmt::format("{}: {}{} in {:.3f} ms, written to {}{}\n", kernel->plan().variant_name(), shape_text(in.shape),
                                  in.packed() ? " (packed)" : "", ms, flags.text("--out"), with_lse ? " and " + flags.text("--lse") : ""));
    session.flush();
    out.commit();
    for (auto &file : lse)
        file.commit();
    return 0;
}

}  // namespace

const Command run_command = {
    "run", "attention on .npy files",
    "  attune run --query q.npy --key k.npy --value v.npy --mask causal --out out.npy --lse lse.npy\n"
    "  attune run kernel.toml --query q.npy --key k.npy --value v.npy --lengths-kv n.npy --out out.npy --target avx2 --threads 2",
    declare, run};

}  // namespace attune::cli
