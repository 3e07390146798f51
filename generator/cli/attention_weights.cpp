#include "generator/cli/attention_weights.h"

#include "generator/reference/half.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {
namespace {

const char *const weights_flags[] = {"--weights", "--importance"};

double element(const Bytes &bytes, DType dtype, size_t i) {
    switch (dtype) {
    case DType::f16:
        return f16_to_float(bytes.as<uint16_t>()[i]);
    case DType::bf16:
        return bf16_to_float(bytes.as<uint16_t>()[i]);
    default:
        return bytes.as<float>()[i];
    }
}

const char *given_flag(const Flags &flags) {
    return flags.has("--weights") ? "--weights" : "--importance";
}

NpyArray floats(std::vector<int64_t> shape, const std::vector<float> &values) {
    const auto *bytes = reinterpret_cast<const unsigned char *>(values.data());
    return {"<f4", std::move(shape), {bytes, bytes + values.size() * sizeof(float)}};
}

}  // namespace

void declare_weights(Flags &flags) {
    flags.value("--weights", "F.npy",
                "the attention weights, rows that sum to 1: (batch, heads, rows, keys) float32; 'attune picture' shows them");
    flags.value("--importance", "F.npy", "how much each key is looked at, the sums of its weights over rows: (batch, heads, keys) float32");
    flags.value("--heads", "0,3", "the heads of weights and importance [all]");
    flags.value("--rows", "FIRST:END", "the query rows of weights and importance, END left out [all]");
}

bool wants_weights(const Flags &flags) {
    return std::any_of(std::begin(weights_flags), std::end(weights_flags), [&](const char *flag) { return flags.has(flag); });
}

void add_weights_output(RawSpec &raw, const AttentionSpec &asked, const Flags &flags) {
    if (wants_weights(flags) && asked.pairs_output != PairsOutput::weights)
        set_spec_flag(raw, "kernel.outputs", outputs_text(asked, ",") + ",weights", given_flag(flags));
}

WeightsSelection read_weights_selection(const Flags &flags, const AttentionSpec &spec, const RunInputs &in) {
    const bool wanted = wants_weights(flags);
    for (const char *flag : {"--heads", "--rows"})
        if (flags.has(flag) && !wanted)
            throw Error({.argument = flag,
                         .value = flags.text(flag),
                         .expected = "--weights or --importance beside it",
                         .cure = "it selects what they write: add --weights w.npy, or leave it out"});
    if (!wanted)
        return {};
    const char *flag = given_flag(flags);
    const auto refuse = [&](const std::string &expected, const std::string &cure) {
        throw Error({.argument = flag, .value = flags.text(flag), .expected = expected, .cure = cure});
    };
    if (in.packed())
        refuse("no packed sequences", "run the sequences one by one, or as a padded batch with --lengths-kv");
    if (spec.normalizer != Normalizer::softmax || has_sink(spec))
        refuse("a softmax over keys alone, whose rows sum to 1",
               "write the rows as the kernel has them: --outputs out,weights --pairs " + flags.text(flag));
    return {read_indices(flags, "--heads", in.shape.num_heads, "heads of query"),
            read_range(flags, "--rows", in.shape.seq_len_q, "rows of query")};
}

AttentionWeights select_weights(const Bytes &pairs, DType dtype, const Shape &shape, const WeightsSelection &selection) {
    const auto heads = static_cast<int64_t>(selection.heads.size()), rows = selection.rows.size(), keys = shape.seq_len_kv;
    std::vector<float> weights, importance;
    weights.reserve(shape.batch * heads * rows * keys);
    importance.reserve(shape.batch * heads * keys);
    std::vector<double> row(keys), column(keys);
    for (int64_t b = 0; b < shape.batch; b++)
        for (const int64_t h : selection.heads) {
            std::fill(column.begin(), column.end(), 0);
            for (int64_t q = selection.rows.first; q < selection.rows.end; q++) {
                const size_t begin = ((b * shape.num_heads + h) * shape.seq_len_q + q) * keys;
                double sum = 0;
                for (int64_t kv = 0; kv < keys; kv++)
                    sum += row[kv] = element(pairs, dtype, begin + kv);
                for (int64_t kv = 0; kv < keys; kv++) {
                    const double weight = sum == 0 ? 0 : row[kv] / sum;
                    column[kv] += weight;
                    weights.push_back(static_cast<float>(weight));
                }
            }
            importance.insert(importance.end(), column.begin(), column.end());
        }
    return {floats({shape.batch, heads, rows, keys}, weights), floats({shape.batch, heads, keys}, importance)};
}

}  // namespace attune::cli
