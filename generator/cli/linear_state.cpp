#include "generator/cli/linear_state.h"

#include "generator/spec/error.h"

#include <cstring>

namespace attune::cli {
namespace {

constexpr const char *past_flags[] = {"--past-state", "--past-key-sum"};

std::vector<float> read_floats(const Flags &flags, const char *flag, const std::vector<int64_t> &shape) {
    if (!flags.has(flag))
        return {};
    const NpyArray array = read_npy(flags.text(flag), flag);
    const auto refuse = [&](const std::string &value, const std::string &expected, const char *cure) {
        throw Error({.code = ErrorCode::input, .argument = flag, .value = value, .expected = expected, .cure = cure});
    };
    if (array.dtype != "<f4")
        refuse(npy_dtype_name(array.dtype), "float32", "convert it with numpy's astype(numpy.float32)");
    if (array.shape != shape)
        refuse("of shape " + npy_shape_text(array.shape), "shape " + npy_shape_text(shape),
               "give what --state or --key-sum wrote for these heads");
    std::vector<float> floats(array.bytes.size() / sizeof(float));
    std::memcpy(floats.data(), array.bytes.data(), array.bytes.size());
    return floats;
}

}  // namespace

void declare_linear_state(Flags &flags) {
    flags.value("--past-state", "F.npy",
                "of normalizer linear: the state of the keys before, (batch, kv_heads, head_dim, head_dim_v) float32");
    flags.value("--past-key-sum", "F.npy", "likewise the sum of their features, (batch, kv_heads, head_dim) float32");
    flags.value("--state", "F.npy", "of normalizer linear: the state after the last key, for --past-state of the next call");
    flags.value("--key-sum", "F.npy", "likewise the sum of features, for --past-key-sum");
}

bool wants_state(const Flags &flags) {
    return flags.has("--state") || flags.has("--key-sum");
}

std::vector<int64_t> state_shape(const AttentionSpec &spec, const Shape &shape) {
    return {shape.batch, shape.num_kv_heads, spec.head_dim, spec.head_dim_v};
}

std::vector<int64_t> key_sum_shape(const AttentionSpec &spec, const Shape &shape) {
    return {shape.batch, shape.num_kv_heads, spec.head_dim};
}

PastState read_past_state(const Flags &flags, const AttentionSpec &spec, const RunInputs &in) {
    for (const char *flag : {past_flags[0], past_flags[1], state_result_flags[0], state_result_flags[1]})
        if (flags.has(flag) && !is_linear(spec))
            throw Error({.argument = flag,
                         .value = flags.text(flag),
                         .expected = "normalizer linear, which has a running state",
                         .cure = "write --normalizer linear, or leave it out"});
    for (const char *flag : {past_flags[1], state_result_flags[1]})
        if (flags.has(flag) && !divides_by_sum(spec))
            throw Error({.argument = flag,
                         .value = flags.text(flag),
                         .expected = "rows that are divided by their sum: no feature_map identity and no beta",
                         .cure = "leave it out"});
    if (divides_by_sum(spec) && flags.has(past_flags[0]) != flags.has(past_flags[1]))
        throw Error({.argument = flags.has(past_flags[0]) ? past_flags[0] : past_flags[1],
                     .value = "alone",
                     .expected = "--past-state and --past-key-sum together, as rows are divided by their sum",
                     .cure = "give both"});
    return {read_floats(flags, past_flags[0], state_shape(spec, in.shape)),
            read_floats(flags, past_flags[1], key_sum_shape(spec, in.shape))};
}

}  // namespace attune::cli
