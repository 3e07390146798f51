/// --param: numbers and files, checked against their declarations.
#include "generator/cli/params.h"
#include "generator/reference/half.h"
#include "generator/spec/error.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace attune::cli {
namespace {

using Element = ParamDeclaration::Element;
using Kind = ParamDeclaration::Dim::Kind;

[[noreturn]] void refuse(const std::string &argument, const std::string &value, const std::string &expected, const std::string &cure,
                         const std::string &problem = "", ErrorCode code = ErrorCode::input) {
    throw Error({.code = code, .argument = argument, .value = value, .expected = expected, .cure = cure, .problem = problem});
}

std::string example_of(const ParamDeclaration &param) {
    return fmt::format("--param {}={}", param.name, !param.is_scalar() ? param.name + ".npy" : param.element == Element::i32 ? "4" : "0.5");
}

template <class T>
bool parse_whole(const std::string &text, T &number) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    return status == std::errc() && end == text.data() + text.size();
}

Argument parse_scalar(const ParamDeclaration &param, const std::string &text, const std::string &flag) {
    if (param.element == Element::i32) {
        int32_t number = 0;
        if (!parse_whole(text, number))
            refuse(flag, text, fmt::format("an integer of 32 bits, as {} is declared {}", param.name, param.text()),
                   "give for example " + example_of(param));
        return make_argument(param, {}, {static_cast<double>(number)});
    }
    double number = 0;
    if (!parse_whole(text, number) || std::isnan(number) || (std::isfinite(number) && std::abs(number) > std::numeric_limits<float>::max()))
        refuse(flag, text, fmt::format("a number, as {} is declared {}", param.name, param.text()),
               "give for example " + example_of(param));
    return make_argument(param, {}, {number});
}

/// numpy's types for a declared one, and how to get there.
struct Encodings {
    const char *names, *cure;
};
Encodings encodings_of(Element element) {
    switch (element) {
    case Element::i32:
        return {"int32 (or int64)", "convert it with a.astype(np.int32)"};
    case Element::f32:
        return {"float32", "convert it with a.astype(np.float32)"};
    case Element::f16:
        return {"float16", "convert it with a.astype(np.float16)"};
    case Element::bf16:
        return {"uint16 (bits of bf16) or float32", "convert it with a.astype(np.float32)"};
    case Element::boolean:
        break;
    }
    return {"bool (or uint8 of 0 and 1)", "convert it with a.astype(bool)"};
}

template <class T>
T at(const NpyArray &array, size_t i) {
    T x;
    std::memcpy(&x, array.bytes.data() + i * sizeof x, sizeof x);
    return x;
}

Argument copied(const NpyArray &array) {
    Argument argument{array.shape, Bytes(array.bytes.size())};
    if (!array.bytes.empty())
        std::memcpy(argument.bytes.data(), array.bytes.data(), array.bytes.size());
    return argument;
}

Argument converted(const ParamDeclaration &param, const NpyArray &array, const std::string &flag) {
    const size_t n = static_cast<size_t>(array.size());
    const auto place = [&](size_t i) { return fmt::format("{}: element {}", flag, i); };
    const std::string &dtype = array.dtype;
    if (param.element == Element::i32 && dtype == "<i8") {
        Argument argument{array.shape, Bytes(4 * n)};
        for (size_t i = 0; i < n; i++) {
            const int64_t x = at<int64_t>(array, i);
            if (x < std::numeric_limits<int32_t>::min() || x > std::numeric_limits<int32_t>::max())
                refuse(place(i), fmt::format("{}", x), "a number of 32 bits", "check the array");
            argument.bytes.as<int32_t>()[i] = static_cast<int32_t>(x);
        }
        return argument;
    }
    if (param.element == Element::bf16 && dtype == "<f4") {
        Argument argument{array.shape, Bytes(2 * n)};
        for (size_t i = 0; i < n; i++)
            argument.bytes.as<uint16_t>()[i] = float_to_bf16(at<float>(array, i));
        return argument;
    }
    if (param.element == Element::boolean && (dtype == "|b1" || dtype == "|u1")) {
        for (size_t i = 0; i < n; i++)
            if (array.bytes[i] > 1)
                refuse(place(i), fmt::format("{}", array.bytes[i]), "0 or 1", "convert it with a.astype(bool)");
        return copied(array);
    }
    const char *same = param.element == Element::i32   ? "<i4"
                       : param.element == Element::f32 ? "<f4"
                       : param.element == Element::f16 ? "<f2"
                                                       : "<u2";
    if (param.element == Element::boolean || dtype != same) {
        const Encodings wanted = encodings_of(param.element);
        refuse(flag, npy_dtype_name(dtype), fmt::format("{}, as {} is declared {}", wanted.names, param.name, param.text()), wanted.cure);
    }
    return copied(array);
}

Argument read_argument(const ParamDeclaration &param, const std::string &text, const std::string &flag) {
    if (param.is_scalar())
        return parse_scalar(param, text, flag);
    const NpyArray array = read_npy(text, flag);
    if (array.shape.size() != param.dims.size())
        refuse(flag,
               fmt::format("of shape {} with {} dimension{}", npy_shape_text(array.shape), array.shape.size(),
                           array.shape.size() == 1 ? "" : "s"),
               fmt::format("{}, as {} is declared {}", param.dims.size(), param.name, param.text()),
               "reshape it; an extent of 1 serves every index");
    return converted(param, array, flag);
}

/// A dimension in messages: its name, and what its extent counts.
struct DimWords {
    std::string name, meaning;
};
DimWords dim_words(const ParamDeclaration &param, size_t d) {
    switch (param.dims[d].kind) {
    case Kind::b:
        return {"b", "the batch"};
    case Kind::h:
        return {"h", "the query heads"};
    case Kind::hkv:
        return {"hkv", "the key/value heads"};
    case Kind::q:
        return {"q", "the queries"};
    case Kind::kv:
        return {"kv", "the keys"};
    default:
        return {fmt::format("dimension {}", d), "the declared extent"};
    }
}

/// As the runtime: the call's extent or 1; positions may go on beyond the sequence; a dimension declared 1 or with a number has just that.
void check_extents(const ParamDeclaration &param, const std::vector<int64_t> &extents, const Shape &shape, const std::string &flag) {
    const std::vector<int64_t> wanted = wanted_extents(param, shape, 1);
    for (size_t d = 0; d < extents.size(); d++) {
        const Kind kind = param.dims[d].kind;
        const bool is_position = kind == Kind::q || kind == Kind::kv, broadcasts = kind != Kind::one && kind != Kind::extent;
        const bool fits = kind == Kind::free ? extents[d] > 0 : extents[d] == wanted[d] || (is_position && extents[d] > wanted[d]);
        if (fits || (broadcasts && extents[d] == 1))
            continue;
        const auto [name, meaning] = dim_words(param, d);
        const std::string found = fmt::format("{} along {} (shape {})", extents[d], name, npy_shape_text(extents));
        refuse(flag, found,
               kind == Kind::free ? fmt::format("1 or more, as {} is declared {}", param.name, param.text())
                                  : fmt::format("{} ({}){}, as {} is declared {}", wanted[d], meaning, broadcasts ? " or 1" : "",
                                                param.name, param.text()),
               "an extent of 1 serves every index of a named dimension", fmt::format("{} has {}", flag, found));
    }
}

/// Block skipping reads a nondecreasing array at the ends of blocks: a broken promise would be wrong results.
void check_order(const ParamDeclaration &param, const Argument &argument, const std::string &flag) {
    const int64_t last = argument.extents.back(), n = static_cast<int64_t>(argument.bytes.size()) / 4;
    const int32_t *x = argument.bytes.as<int32_t>();
    for (int64_t i = 1; i < n; i++)
        if (i % last != 0 && x[i] < x[i - 1])
            refuse(flag, fmt::format("{} after {} at index {} of its last dimension", x[i], x[i - 1], i % last),
                   fmt::format("no decrease, as {} is declared {}", param.name, param.text()),
                   "sort it, or leave nondecreasing out of the declaration",
                   fmt::format("{} decreases from {} to {} at index {} of its last dimension", flag, x[i - 1], x[i], i % last));
}

}  // namespace

void declare_params(Flags &flags) {
    flags.list("--param", "NAME=VALUE", "a run-time argument of mask or score: a number, or an .npy file of the declared dimensions");
}

GivenParams::GivenParams(const Flags &flags, const AttentionSpec &spec) : spec_(spec) {
    std::vector<std::string> names;
    for (const ParamDeclaration &param : spec.params)
        names.push_back(param.name);
    for (const std::string &word : flags.all("--param")) {
        const size_t equals = word.find('=');
        const std::string name = word.substr(0, equals), flag = "--param " + name;
        if (equals == std::string::npos || equals == 0 || equals + 1 == word.size())
            refuse("--param", word, "NAME=VALUE or NAME=file.npy",
                   spec.params.empty() ? "leave it out: the kernel has no parameters" : "give for example " + example_of(spec.params[0]),
                   "", ErrorCode::usage);
        const ParamDeclaration *param = spec.find_param(name);
        if (!param) {
            const std::string guess = nearest(name, names);
            refuse(flag, "unknown",
                   names.empty() ? "no parameter, as mask, score and sink read none" : fmt::format("one of {}", fmt::join(names, ", ")),
                   guess.empty() ? "leave it out, or declare it with --params" : "did you mean " + guess);
        }
        const std::string text = word.substr(equals + 1);
        if (!texts_.emplace(name, text).second)
            refuse(flag, fmt::format("given twice, as {} and {}", texts_[name], text), "one value", "give it once", "", ErrorCode::usage);
        given_.emplace(name, Given{read_argument(*param, text, flag), flag});
    }
}

std::vector<Argument> GivenParams::arguments(const Shape &shape, std::optional<uint64_t> seed) const {
    std::vector<Argument> out;
    for (size_t i = 0; i < spec_.params.size(); i++) {
        const ParamDeclaration &param = spec_.params[i];
        const auto given = given_.find(param.name);
        if (given == given_.end()) {
            if (!seed)
                refuse("--param " + param.name, "missing", "a value for " + param.text(), "give " + example_of(param),
                       fmt::format("--param {} is missing", param.name));
            out.push_back(default_argument(spec_, i, shape, *seed));
            continue;
        }
        const auto &[argument, flag] = given->second;
        check_extents(param, argument.extents, shape, flag);
        if (param.nondecreasing)
            check_order(param, argument, flag);
        out.push_back(argument);
    }
    return out;
}

CallParams params_or_random(const GivenParams &given, const Flags &flags, const AttentionSpec &spec, const Shape &shape, uint64_t seed,
                            double full_share) {
    constexpr double density = 0.25;
    BlockLists lists;
    if (spec.block_mask)
        lists = flags.has("--block-mask") && is_array_file(flags.text("--block-mask"))
                    ? read_block_lists(flags, spec, shape)
                    : random_block_lists(spec, shape, density, full_share, seed);
    return {spec, given.arguments(shape, seed), std::move(lists)};
}

}  // namespace attune::cli
