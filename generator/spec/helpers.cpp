#include "generator/spec/helpers.h"
#include "generator/spec/typing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attune {
namespace {

// ---- the trees of helpers read like their formulas -------------------------------------------------------------------------

struct E {
    ExprPtr node;
    E(ExprPtr n) : node(std::move(n)) {}
    E(int64_t value) : node(make_integer(value)) {}
    E(Variable variable) : node(make_variable(variable)) {}
};

E binary(Op op, const E &a, const E &b) { return typed_node(op, {a.node, b.node}, "the helper"); }
E operator+(const E &a, const E &b) { return binary(Op::add, a, b); }
E operator-(const E &a, const E &b) { return binary(Op::subtract, a, b); }
E operator*(const E &a, const E &b) { return binary(Op::multiply, a, b); }
E operator/(const E &a, const E &b) { return binary(Op::divide, a, b); }
E operator%(const E &a, const E &b) { return binary(Op::modulo, a, b); }
E operator<(const E &a, const E &b) { return binary(Op::less, a, b); }
E operator<=(const E &a, const E &b) { return binary(Op::less_equal, a, b); }
E operator>=(const E &a, const E &b) { return binary(Op::greater_equal, a, b); }
E operator==(const E &a, const E &b) { return binary(Op::equal, a, b); }
E operator&&(const E &a, const E &b) { return binary(Op::logical_and, a, b); }
E operator||(const E &a, const E &b) { return binary(Op::logical_or, a, b); }
E min(const E &a, const E &b) { return binary(Op::min, a, b); }
E max(const E &a, const E &b) { return binary(Op::max, a, b); }
E unary(Op op, const E &a) { return typed_node(op, {a.node}, "the helper"); }

const E q(Variable::q), kv(Variable::kv), h(Variable::h), q_abs(Variable::q_abs), seq_len_kv(Variable::seq_len_kv), s(Variable::s);

E argument(const HelperCall &call, size_t i) { return call.arguments[i]; }
bool has(const HelperCall &call, size_t i) { return i < call.arguments.size(); }
std::optional<int64_t> constant(const HelperCall &call, size_t i) { return constant_integer(call.arguments[i]); }

/// The element of a tensor argument as its dims say, its last index replaced by `last` where there is one.
E element(const HelperCall &call, size_t i, const ExprPtr &last = nullptr) {
    const ExprPtr out = tensor_element(*call.params, call.arguments[i]->parameter, last);
    if (!out) {
        const ParamDeclaration &param = (*call.params)[static_cast<size_t>(call.arguments[i]->parameter)];
        call.fail(i, fmt::format("{} is {}", param.name, param.text()),
                  fmt::format("dims among b, h, hkv, q, kv and 1{}", last ? " before the last one" : ""),
                  "declare it so, or write the rule out with indices");
    }
    return out;
}

// ---- masks -----------------------------------------------------------------------------------------------------------------

ExprPtr causal(const HelperCall &) { return (kv <= q_abs).node; }
ExprPtr causal_top_left(const HelperCall &) { return (kv <= q).node; }

ExprPtr window(const HelperCall &call) {
    const E left = q_abs - argument(call, 0) <= kv;
    return has(call, 1) ? (left && kv <= q_abs + argument(call, 1)).node : left.node;
}

ExprPtr prefix(const HelperCall &call) { return (kv < argument(call, 0)).node; }
ExprPtr chunk(const HelperCall &call) { return (q_abs / argument(call, 0) == kv / argument(call, 0)).node; }
ExprPtr global(const HelperCall &call) { return (q_abs < argument(call, 0) || kv < argument(call, 0)).node; }
ExprPtr dilated(const HelperCall &call) { return ((q_abs - kv) % argument(call, 0) == 0).node; }

ExprPtr document(const HelperCall &call) {
    const ParamDeclaration &ids = (*call.params)[static_cast<size_t>(call.arguments[0]->parameter)];
    using Kind = ParamDeclaration::Dim::Kind;
    if (ids.dims.back().kind != Kind::kv)
        call.fail(0, fmt::format("{} is {}", ids.name, ids.text()), "kv as its last dim", "declare it as i32[b, kv] nondecreasing");
    return (element(call, 0, q_abs.node) == element(call, 0, kv.node)).node;
}

/// Child et al. 2019 (arXiv:1904.10509), both without their causal part.
ExprPtr strided(const HelperCall &call) {
    const E distance = q_abs - kv;
    return (distance < argument(call, 0) || distance % argument(call, 0) == 0).node;
}
ExprPtr fixed(const HelperCall &call) {
    const E l = argument(call, 0);
    return (q_abs / l == kv / l || kv % l >= l - argument(call, 1)).node;
}

/// The keys of one axis that place `i` sees: `k` places of its residue class modulo `dilation`, centred on it but moved inward at the
/// borders. Hassani & Shi 2022 (arXiv:2209.15001). The first of the class's places is (i % dilation), and it has
/// (extent - 1 - i % dilation) / dilation + 1 of them.
E neighbours(const E &i, const E &j, const E &extent, const E &k, const E &dilation, bool dilated) {
    if (!dilated) {
        const E start = min(max(i - k / 2, 0), extent - k);
        return start <= j && j < start + k;
    }
    const E residue = i % dilation, places = (extent - 1 - residue) / dilation + 1;
    const E start = min(max(i / dilation - k / 2, 0), places - k);
    return j % dilation == residue && start <= j / dilation && j / dilation < start + k;
}

ExprPtr neighborhood2d(const HelperCall &call) {
    const E rows = argument(call, 0), cols = argument(call, 1), k = argument(call, 2);
    const bool is_dilated = has(call, 3) && constant(call, 3) != 1;
    const E dilation = has(call, 3) ? argument(call, 3) : E(1);
    for (size_t axis = 0; axis < 2; axis++) {
        const auto extent = constant(call, axis), width = constant(call, 2),
                   step = has(call, 3) ? constant(call, 3) : std::optional<int64_t>(1);
        if (extent && width && step && *extent / *step < *width)
            call.fail(2, fmt::format("a neighbourhood of {} places {} apart is larger than the axis of {}", *width, *step, *extent),
                      fmt::format("at most {}", *extent / *step), "make it smaller");
    }
    return (neighbours(q_abs / cols, kv / cols, rows, k, dilation, is_dilated) &&
            neighbours(q_abs % cols, kv % cols, cols, k, dilation, is_dilated))
        .node;
}

/// Windows of an image that is moved by `shift` to the upper left (Liu et al. 2021, arXiv:2103.14030): tokens that come back in at the
/// other side are in a window of their own, as floor((r - shift) / w) is -1 for them.
ExprPtr shifted_window(const HelperCall &call) {
    const E cols = argument(call, 1), w = argument(call, 2), shift = argument(call, 3);
    const auto window = constant(call, 2), moved = constant(call, 3);
    if (window && moved && *moved >= *window)
        call.fail(3, fmt::format("a shift of {} moves by a whole window of {}", *moved, *window), "a shift below the window's size",
                  "take it modulo the window's size");
    const auto same = [&](const E &i, const E &j) { return (i - shift) / w == (j - shift) / w; };
    return (same(q_abs / cols, kv / cols) && same(q_abs % cols, kv % cols)).node;
}

/// Rows of blocks that a query does not have repeat the last one.
ExprPtr pattern_node(std::shared_ptr<const Pattern> pattern) {
    const E size(pattern->size);
    auto node = std::make_shared<Node>(*make_node(Op::pattern, ExprType::boolean, {h.node, (q_abs / size).node, (kv / size).node}));
    node->pattern = std::move(pattern);
    return node;
}

ExprPtr blocks(const HelperCall &call) {
    const std::string &file = call.arguments[0]->pattern->file;
    const int64_t size = *constant(call, 1);
    if (!call.read_pattern)
        call.fail(0, fmt::format("{} cannot be read here", file), "a specification that the attune command reads",
                  "use attune build, or write the rule out");
    return pattern_node(call.read_pattern(file, size));
}

/// Zaheer et al. 2020 (arXiv:2007.14062): a band, global blocks, and random ones. splitmix64 (Steele et al. 2014) draws them, so that
/// every machine draws alike.
ExprPtr bigbird(const HelperCall &call) {
    const int64_t n = *constant(call, 0), size = *constant(call, 1), band = *constant(call, 2) / 2, everywhere = *constant(call, 3),
                  random = *constant(call, 4);
    uint64_t state = static_cast<uint64_t>(*constant(call, 5));
    if (n > 4096)
        call.fail(0, fmt::format("a pattern of {} x {} blocks is too large", n, n), "at most 4096 blocks", "make the blocks larger");
    const auto draw = [&] {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    };
    auto pattern = std::make_shared<Pattern>();
    pattern->size = size;
    pattern->rows = pattern->columns = n;
    pattern->visible.resize(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; i++) {
        uint8_t *row = pattern->visible.data() + i * n;
        std::vector<int64_t> rest;
        for (int64_t j = 0; j < n; j++) {
            row[j] = std::abs(i - j) <= band || i < everywhere || j < everywhere;
            if (!row[j]) rest.push_back(j);
        }
        for (int64_t r = 0; r < random && !rest.empty(); r++) {
            const size_t at = draw() % rest.size();  // the bias of % is below 2^-52
            row[rest[at]] = 1;
            rest[at] = rest.back();
            rest.pop_back();
        }
    }
    pattern->hash = hash_pattern(*pattern);
    return pattern_node(std::move(pattern));
}

/// Abdin et al. 2024 (arXiv:2404.14219), without its causal part: near blocks, and every stride-th column, another one for each head.
ExprPtr local_stride(const HelperCall &call) {
    const E size = argument(call, 0), local = argument(call, 1), stride = argument(call, 2);
    const E block = kv / size;
    return (q_abs / size - block < local || (block + h + 1) % stride == 0).node;
}

/// Keys before the last n are seen by all; of those, the ones whose bit the query's word has: its ancestors in a tree of drafts.
ExprPtr tree(const HelperCall &call) {
    if (const auto n = constant(call, 1); n && *n > 32)
        call.fail(1, fmt::format("a tree of {} drafts does not fit the bits of an i32", *n), "at most 32",
                  "use a bool tensor and index it");
    const E first = seq_len_kv - argument(call, 1);
    return (kv < first || binary(Op::bit, element(call, 0), kv - first)).node;
}

// ---- scores ----------------------------------------------------------------------------------------------------------------

ExprPtr softcap(const HelperCall &call) {
    if (const auto constant = constant_real(call.arguments[1]); constant && !(*constant > 0))
        call.fail(1, fmt::format("a soft cap of {}", *constant), "a positive number", "use the largest logit that is wanted, such as 50");
    const E c = argument(call, 1);
    return (c * unary(Op::tanh, argument(call, 0) / c)).node;
}

/// Press et al. 2021 (arXiv:2108.12409).
ExprPtr alibi(const HelperCall &call) { return (s - element(call, 0) * unary(Op::abs, q_abs - kv)).node; }

/// Raffel et al. 2019 (arXiv:1910.10683): exact buckets for near keys, then logarithmic ones up to the distance d. `distance` is not
/// negative; `n` buckets. The logarithms are taken here, at build time: the smallest distance of each bucket is an integer, so that
/// float, double and every machine agree on the buckets.
E bucket(const E &distance, int64_t n, int64_t d) {
    const int64_t exact = n / 2, logarithmic = n - exact;
    E out = min(distance, exact);
    for (int64_t j = 1; j < logarithmic; j++) {
        // exact * (d / exact)^(j / logarithmic), where a power that is an integer but for rounding is that integer
        const double edge = static_cast<double>(exact) * std::pow(static_cast<double>(d) / static_cast<double>(exact),
                                                                  static_cast<double>(j) / static_cast<double>(logarithmic));
        const int64_t first = static_cast<int64_t>(std::ceil(edge * (1 - 1e-12)));
        out = out + E(typed_node(Op::select, {(distance >= first).node, make_integer(1), make_integer(0)}, "the helper"));
    }
    return out;
}

ExprPtr relative_bias(const HelperCall &call, bool bidirectional) {
    const ParamDeclaration &table = (*call.params)[static_cast<size_t>(call.arguments[0]->parameter)];
    const int64_t n = *constant(call, 1), d = *constant(call, 2), least = bidirectional ? 4 : 2, side = bidirectional ? n / 2 : n;
    if (n < least || n > 256 || n % least != 0)
        call.fail(1, fmt::format("{} buckets", n), fmt::format("a multiple of {} up to 256", least), "use the model's number, such as 32");
    if (d <= side / 2)
        call.fail(2, fmt::format("a largest distance of {} with {} buckets", d, n), fmt::format("more than {}", side / 2),
                  "use the model's number, such as 128");
    using Kind = ParamDeclaration::Dim::Kind;
    const ParamDeclaration::Dim &last = table.dims.back();
    if (last.kind != Kind::free && !(last.kind == Kind::extent && last.extent == n))
        call.fail(0, fmt::format("{} is {}", table.name, table.text()), fmt::format("{} as its last dim", n),
                  fmt::format("declare it as f32[h, {}]", n));

    const E relative = kv - q_abs;
    const E place = bidirectional
                        ? bucket(unary(Op::abs, relative), side, d) +
                              E(typed_node(Op::select, {(E(1) <= relative).node, make_integer(side), make_integer(0)}, "the helper"))
                        : bucket(max(q_abs - kv, 0), side, d);
    return (s + element(call, 0, place.node)).node;
}
ExprPtr relative_bias_both(const HelperCall &call) { return relative_bias(call, true); }
ExprPtr relative_bias_causal(const HelperCall &call) { return relative_bias(call, false); }

}  // namespace

std::string Helper::usage() const {
    std::string out = name;
    for (size_t i = 0; i < arguments.size(); i++) {
        const bool may_lack = i >= required;
        const std::string_view quote = arguments[i].kind == ArgumentKind::file ? "\"" : "";
        out += fmt::format("{}{}{}{}{}{}", i == 0 ? "(" : "", may_lack ? "[" : "", i == 0 ? "" : ", ", quote, arguments[i].name, quote);
        if (may_lack) out += "]";
    }
    return arguments.empty() ? out : out + ")";
}

const std::vector<Helper> &helpers() {
    using enum ArgumentKind;
    static const std::vector<Helper> table = {
        {"causal", {}, 0, "kv <= q_abs", false, causal},
        {"causal_top_left", {}, 0, "kv <= q", false, causal_top_left},
        {"window",
         {{"l", count}, {"r", count}},
         1,
         "q_abs - l <= kv && kv <= q_abs + r, or any later key where r is left out",
         false,
         window},
        {"prefix", {{"n", count}}, 1, "kv < n", false, prefix},
        {"chunk", {{"n", size}}, 1, "q_abs / n == kv / n", false, chunk},
        {"global", {{"n", count}}, 1, "q_abs < n || kv < n", false, global},
        {"dilated", {{"s", size}}, 1, "(q_abs - kv) % s == 0", false, dilated},
        {"document", {{"ids", int_tensor}}, 1, "ids[b, q_abs] == ids[b, kv]", false, document},
        {"strided", {{"l", size}}, 1, "q_abs - kv < l || (q_abs - kv) % l == 0", false, strided},
        {"fixed", {{"l", size}, {"c", count}}, 2, "q_abs / l == kv / l || kv % l >= l - c", false, fixed},
        {"neighborhood2d",
         {{"rows", size}, {"cols", size}, {"k", size}, {"dilation", size}},
         3,
         "the k x k nearest of rows x cols places, moved inward at the borders",
         false,
         neighborhood2d},
        {"shifted_window",
         {{"rows", size}, {"cols", size}, {"w", size}, {"shift", count}},
         4,
         "the same w x w window of rows x cols places moved by shift",
         false,
         shifted_window},
        {"blocks",
         {{"file.npy", file}, {"size", constant_size}},
         2,
         "the blocks of size x size that the file's bool array (heads, rows, columns) shows",
         false,
         blocks},
        {"bigbird",
         {{"blocks", constant_size},
          {"size", constant_size},
          {"window", constant},
          {"global", constant},
          {"random", constant},
          {"seed", constant}},
         6,
         "of blocks x blocks of size keys: a band of window, the first global rows and columns, and random more in each row",
         false,
         bigbird},
        {"local_stride",
         {{"size", size}, {"local", count}, {"stride", size}},
         3,
         "q_abs / size - kv / size < local || (kv / size + h + 1) % stride == 0",
         false,
         local_stride},
        {"tree", {{"words", int_tensor}, {"n", count}}, 2, "kv < seq_len_kv - n || bit(words[b, q], kv - (seq_len_kv - n))", false, tree},
        {"softcap", {{"s", real}, {"c", real}}, 2, "c * tanh(s / c)", true, softcap},
        {"alibi", {{"m", real_tensor}}, 1, "s - m[h] * abs(q_abs - kv)", true, alibi},
        {"relative_bias",
         {{"t", real_tensor}, {"n", constant_size}, {"d", constant_size}},
         3,
         "s + t[h, bucket(kv - q_abs)], T5's n buckets up to distance d, both directions",
         true,
         relative_bias_both},
        {"relative_bias_causal",
         {{"t", real_tensor}, {"n", constant_size}, {"d", constant_size}},
         3,
         "the same with all buckets for earlier keys",
         true,
         relative_bias_causal},
    };
    return table;
}

const Helper *find_helper(const std::string &name) {
    for (const Helper &helper : helpers())
        if (helper.name == name) return &helper;
    return nullptr;
}

ExprPtr tensor_element(const std::vector<ParamDeclaration> &params, int parameter, const ExprPtr &last) {
    using Kind = ParamDeclaration::Dim::Kind;
    const ParamDeclaration &param = params[static_cast<size_t>(parameter)];
    std::vector<ExprPtr> indices;
    for (size_t i = 0; i < param.dims.size(); i++) {
        if (last && i + 1 == param.dims.size()) {
            indices.push_back(last);
            continue;
        }
        switch (param.dims[i].kind) {
        case Kind::one: indices.push_back(make_integer(0)); break;
        case Kind::b: indices.push_back(make_variable(Variable::b)); break;
        case Kind::h: indices.push_back(make_variable(Variable::h)); break;
        case Kind::hkv: indices.push_back(make_variable(Variable::hkv)); break;
        case Kind::q: indices.push_back(make_variable(Variable::q)); break;
        case Kind::kv: indices.push_back(make_variable(Variable::kv)); break;
        case Kind::extent:
        case Kind::free: return nullptr;
        }
    }
    auto node = std::make_shared<Node>(*make_node(Op::element, param.type(), std::move(indices)));
    node->parameter = parameter;
    return node;
}

uint64_t hash_pattern(const Pattern &p) {
    uint64_t hash = 0xcbf29ce484222325u;  // as in spec.cpp
    const auto add = [&](uint64_t value, int bytes) {
        for (int i = 0; i < bytes; i++) hash = (hash ^ (value >> (8 * i) & 0xff)) * 0x100000001b3u;
    };
    for (const int64_t extent : {p.size, p.heads, p.rows, p.columns}) add(static_cast<uint64_t>(extent), 8);
    for (const uint8_t v : p.visible) add(v, 1);
    return hash;
}

}  // namespace attune
