#include "generator/cli/run_inputs.h"

#include "generator/reference/half.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

namespace attune::cli {
namespace {

constexpr int64_t max_head_dim = 1024, max_group = 1024;  // as the specification has them

[[noreturn]] void refuse(const std::string &argument, const std::string &value, const std::string &expected, const std::string &cure) {
    throw Error({.code = ErrorCode::input, .argument = argument, .value = value, .expected = expected, .cure = cure});
}

struct Named {
    const char *name;
    const NpyArray &array;
    std::string text() const { return npy_shape_text(array.shape); }
};

void check_array(const Named &a) {
    if (a.array.dtype != "<f4" && a.array.dtype != "<f2" && a.array.dtype != "<u2")
        refuse(a.name, npy_dtype_name(a.array.dtype), "float32, float16 or uint16 (bits of bf16)", "convert it with numpy's astype");
    if (a.array.shape.size() != 4)
        refuse(a.name, fmt::format("of shape {} with {} dimension{}", a.text(), a.array.shape.size(), a.array.shape.size() == 1 ? "" : "s"),
               "4 dimensions: (batch, heads, seq, dim)", "reshape it");
    if (a.array.shape[1] < 1)
        refuse(a.name, fmt::format("of shape {} with no head", a.text()), "at least 1 head: (batch, heads, seq, dim)", "leave no head out");
    if (a.array.shape[3] < 1 || a.array.shape[3] > max_head_dim)
        refuse(a.name, fmt::format("of shape {} with head_dim {}", a.text(), a.array.shape[3]),
               fmt::format("a head_dim from 1 to {}", max_head_dim), "the order is (batch, heads, seq, dim)");
}

/// Both arrays have the same extent there.
void check_same(const Named &a, int dimension_a, const Named &b, int dimension_b, const char *word) {
    if (a.array.shape[dimension_a] == b.array.shape[dimension_b])
        return;
    refuse(a.name, fmt::format("of shape {}", a.text()),
           fmt::format("{} {} as {} has, of shape {}", word, b.array.shape[dimension_b], b.name, b.text()),
           "the order is (batch, heads, seq, dim)");
}

/// One number for each sequence, int32 or int64.
std::vector<int32_t> read_integers(const Flags &flags, const std::string &flag) {
    const NpyArray array = read_npy(flags.text(flag), flag);
    if (array.dtype != "<i4" && array.dtype != "<i8")
        refuse(flag, npy_dtype_name(array.dtype), "int32 (or int64)", "convert it with numpy's astype(numpy.int32)");
    if (array.shape.size() != 1)
        refuse(flag, "of shape " + npy_shape_text(array.shape), "1 dimension", "reshape it");
    std::vector<int32_t> numbers(array.shape[0]);
    for (size_t i = 0; i < numbers.size(); i++) {
        if (array.dtype == "<i4") {
            std::memcpy(&numbers[i], &array.bytes[4 * i], 4);
            continue;
        }
        int64_t wide = 0;
        std::memcpy(&wide, &array.bytes[8 * i], 8);
        if (wide < std::numeric_limits<int32_t>::min() || wide > std::numeric_limits<int32_t>::max())
            refuse(fmt::format("{}[{}]", flag, i), fmt::format("{}", wide), "a number of 32 bits", "check the array");
        numbers[i] = static_cast<int32_t>(wide);
    }
    return numbers;
}

std::vector<int32_t> read_lengths(const Flags &flags, const std::string &flag, int64_t batch, int64_t seq_len, const char *owner) {
    if (!flags.has(flag))
        return {};
    auto lengths = read_integers(flags, flag);
    if (static_cast<int64_t>(lengths.size()) != batch)
        refuse(flag, fmt::format("of shape ({})", lengths.size()), fmt::format("shape ({}), a number for each sequence of query", batch),
               "give one length a sequence");
    for (size_t i = 0; i < lengths.size(); i++)
        if (lengths[i] < 0 || lengths[i] > seq_len)
            refuse(fmt::format("{}[{}]", flag, i), fmt::format("{}", lengths[i]),
                   fmt::format("an integer from 0 to {}, the seq of {}", seq_len, owner), "lengths count the rows in use of each sequence");
    return lengths;
}

std::vector<int32_t> read_cu_seqlens(const Flags &flags, const std::string &flag, int64_t total, const char *owner) {
    const auto cu = read_integers(flags, flag);
    if (cu.empty())
        refuse(flag, "empty", "0, then the end of each sequence", "for one sequence of n rows give [0, n]");
    if (cu[0] != 0)
        refuse(flag + "[0]", fmt::format("{}", cu[0]), "0, the first row of the first sequence", "put a 0 in front");
    for (size_t i = 1; i < cu.size(); i++)
        if (cu[i] < cu[i - 1])
            refuse(fmt::format("{}[{}]", flag, i), fmt::format("{}", cu[i]),
                   fmt::format("at least the entry before it, which is {}", cu[i - 1]), "give running totals of the lengths");
    if (cu.back() > total)
        refuse(fmt::format("{}[{}]", flag, cu.size() - 1), fmt::format("{}", cu.back()),
               fmt::format("at most {}, the rows of {}", total, owner), "give running totals of the lengths");
    return cu;
}

void check_flags_together(const Flags &flags, const AttentionSpec &asked) {
    if (asked.cache.values_in_key && flags.has("--value"))
        throw Error({.argument = "--value",
                     .value = flags.text("--value"),
                     .expected = fmt::format("no array, as the specification has value = \"key[0:{}]\"", asked.head_dim_v),
                     .cure = "leave --value out"});
    if (asked.cache.layout != KvLayout::contiguous && flags.has("--cu-seqlens-q"))
        throw Error({.argument = "--cu-seqlens-q",
                     .value = flags.text("--cu-seqlens-q"),
                     .expected = fmt::format("no packed sequences with kv_layout {}", kv_layout_name(asked.cache.layout)),
                     .cure = "give padded arrays with --lengths-q and --lengths-kv"});
    if (flags.has("--cu-seqlens-q") != flags.has("--cu-seqlens-kv")) {
        const bool has_q = flags.has("--cu-seqlens-q");
        throw Error({.argument = has_q ? "--cu-seqlens-kv" : "--cu-seqlens-q",
                     .expected = std::string("a file, as ") + (has_q ? "--cu-seqlens-q" : "--cu-seqlens-kv") + " is given",
                     .cure = "give both or neither"});
    }
    for (const char *lengths : {"--lengths-q", "--lengths-kv"})
        if (flags.has(lengths) && flags.has("--cu-seqlens-q"))
            throw Error({.argument = lengths,
                         .value = "given beside --cu-seqlens-q",
                         .expected = "one of the two",
                         .cure = "packed sequences have no padding: leave " + std::string(lengths) + " out"});
}

const char *dtype_of_npy(const std::string &npy) {
    return npy == "<f4" ? "f32" : npy == "<f2" ? "f16" : "bf16";
}

}  // namespace

void declare_run_inputs(Flags &flags) {
    flags.value("--query", "F.npy", "(batch, heads, seq, dim): float32, float16 or uint16 (bits of bf16)");
    flags.value("--key", "F.npy", "(batch, kv heads, keys, dim)");
    flags.value("--value", "F.npy", "(batch, kv heads, keys, dim of value); none where the specification has values in key");
    flags.value("--lengths-q", "F.npy", "(batch) int32: rows in use; those after are written as 0, lse -inf");
    flags.value("--lengths-kv", "F.npy", "(batch) int32: keys in use; those after are never read");
    flags.value("--cu-seqlens-q", "F.npy",
                "packed sequences: running totals [0, n0, n0+n1, ...], int32; arrays are (1, heads, total, dim)");
    flags.value("--cu-seqlens-kv", "F.npy", "the same for key and value");
}

RunInputs read_run_inputs(const Flags &flags, const AttentionSpec &asked) {
    check_flags_together(flags, asked);
    RunInputs in;
    in.query = read_npy(flags.required("--query", "a .npy file"), "--query");
    in.key = read_npy(flags.required("--key", "a .npy file"), "--key");
    const bool has_value = !asked.cache.values_in_key;
    if (has_value)
        in.value = read_npy(flags.required("--value", "a .npy file"), "--value");
    const Named query{"query", in.query}, key{"key", in.key}, value{"value", in.value};
    std::vector<const Named *> arrays = {&query, &key};
    if (has_value)
        arrays.push_back(&value);
    for (const Named *a : arrays)
        check_array(*a);
    for (const Named *a : arrays)
        if (a->array.dtype != in.query.dtype)
            refuse(a->name, npy_dtype_name(a->array.dtype), fmt::format("{} as query", npy_dtype_name(in.query.dtype)),
                   "give the three arrays one type");
    check_same(key, 0, query, 0, "batch");
    if (has_value) {
        check_same(value, 0, query, 0, "batch");
        check_same(value, 1, key, 1, "heads");
        check_same(value, 2, key, 2, "seq");
    }
    check_same(key, 3, query, 3, "dim");

    const int64_t batch = in.query.shape[0], heads = in.query.shape[1], kv_heads = in.key.shape[1];
    if (heads % kv_heads != 0)
        refuse("query", fmt::format("of shape {} with {} heads", query.text(), heads),
               fmt::format("a multiple of the {} heads of key, of shape {}", kv_heads, key.text()),
               "query heads share key heads in equal groups");
    in.shape = {batch, heads, kv_heads, in.query.shape[2], in.key.shape[2]};
    in.array_batch = batch;
    in.head_dim = in.query.shape[3];
    in.head_dim_v = has_value ? in.value.shape[3] : asked.head_dim_v;
    in.lengths_q = read_lengths(flags, "--lengths-q", batch, in.shape.seq_len_q, "query");
    in.lengths_kv = read_lengths(flags, "--lengths-kv", batch, in.shape.seq_len_kv, "key");
    if (flags.has("--cu-seqlens-q")) {
        if (batch != 1)
            refuse("query", fmt::format("of shape {} with batch {}", query.text(), batch),
                   "batch 1 with --cu-seqlens-q: (1, heads, total, dim)", "pack the sequences one after another");
        in.cu_seqlens_q = read_cu_seqlens(flags, "--cu-seqlens-q", in.shape.seq_len_q, "query");
        in.cu_seqlens_kv = read_cu_seqlens(flags, "--cu-seqlens-kv", in.shape.seq_len_kv, "key");
        if (in.cu_seqlens_q.size() != in.cu_seqlens_kv.size())
            refuse("--cu-seqlens-kv", fmt::format("of shape ({})", in.cu_seqlens_kv.size()),
                   fmt::format("shape ({}) as --cu-seqlens-q", in.cu_seqlens_q.size()), "both hold the same sequences");
        in.shape.batch = static_cast<int64_t>(in.cu_seqlens_q.size()) - 1;
    }
    return in;
}

AttentionSpec spec_for_inputs(RawSpec raw, const RunInputs &in) {
    const std::string array_dtype = dtype_of_npy(in.query.dtype);
    const int64_t ratio = in.shape.num_heads / in.shape.num_kv_heads;
    const auto default_to = [&](const char *key, const std::string &text, const char *array) {
        if (!raw.contains(key))
            set_spec_flag(raw, key, text, array);
    };
    default_to("kernel.dtype", array_dtype, "query");
    default_to("kernel.head_dim", std::to_string(in.head_dim), "query");
    if (!raw.contains("kernel.value"))
        default_to("kernel.head_dim_v", std::to_string(in.head_dim_v), "value");
    default_to("kernel.group", ratio <= max_group ? std::to_string(ratio) : "any", "query");
    const AttentionSpec spec = validate_spec(raw);

    const auto origin = [&](const char *key, const char *name) {
        const RawValue &value = raw.at(key);
        return !value.flag.empty() ? value.flag : fmt::format("{} of {}", name, value.file);
    };
    const auto compare = [&](const char *array, const char *word, const std::string &found, const char *key, const char *name,
                             const std::string &asked) {
        if (found != asked)
            refuse(fmt::format("{} of {}", word, array), found, fmt::format("{} as {} says", asked, origin(key, name)),
                   fmt::format("change one of the two, or leave {} out: it defaults to the array's", origin(key, name)));
    };
    if (!(spec.dtype == DType::bf16 && array_dtype == "f32"))  // the one pair that is converted: NumPy has no bf16
        compare("query", "dtype", array_dtype, "kernel.dtype", "dtype", dtype_name(spec.dtype));
    compare("query", "dim", std::to_string(in.head_dim), "kernel.head_dim", "head_dim", std::to_string(spec.head_dim));
    if (!spec.cache.values_in_key)
        compare("value", "dim", std::to_string(in.head_dim_v), "kernel.head_dim_v", "head_dim_v", std::to_string(spec.head_dim_v));
    if (spec.group != 0)
        compare("query and key", "group", std::to_string(ratio), "kernel.group", "group", std::to_string(spec.group));
    return spec;
}

Bytes encode_array(const NpyArray &array, DType dtype) {
    if (dtype == DType::bf16 && array.dtype == "<f4") {
        Bytes bytes(array.bytes.size() / 2);
        for (size_t i = 0; i < array.bytes.size() / 4; i++) {
            float x = 0;
            std::memcpy(&x, &array.bytes[4 * i], 4);
            bytes.as<uint16_t>()[i] = float_to_bf16(x);
        }
        return bytes;
    }
    Bytes bytes(array.bytes.size());
    if (!array.bytes.empty())
        std::memcpy(bytes.data(), array.bytes.data(), array.bytes.size());
    return bytes;
}

NpyArray decode_array(const Bytes &bytes, DType dtype, const std::string &npy_dtype, std::vector<int64_t> shape) {
    NpyArray array{npy_dtype, std::move(shape), {}};
    if (dtype == DType::bf16 && npy_dtype == "<f4") {
        array.bytes.resize(bytes.size() * 2);
        for (size_t i = 0; i < bytes.size() / 2; i++) {
            const float x = bf16_to_float(bytes.as<uint16_t>()[i]);
            std::memcpy(&array.bytes[4 * i], &x, 4);
        }
    } else {
        array.bytes.assign(bytes.data(), bytes.data() + bytes.size());
    }
    return array;
}

}  // namespace attune::cli
