#include "tests/plan/random_masks.h"

#include "generator/spec/error.h"

#include <fmt/format.h>

#include <cmath>

namespace attune::test {

uint64_t Random::next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

std::vector<ParamDeclaration> declare(const std::vector<std::pair<std::string, std::string>> &params) {
    std::vector<ParamDeclaration> out;
    ExpressionContext context;
    context.argument = "params";
    for (const auto &[name, type] : params)
        out.push_back(parse_param(name, type, context));
    return out;
}

Expression parse(const std::string &text, const std::vector<ParamDeclaration> &params, ExprType wanted) {
    ExpressionContext context;
    context.argument = "mask";
    context.params = &params;
    context.wanted = wanted;
    context.read_pattern = [](const std::string &file, int64_t size) {
        auto pattern = std::make_shared<Pattern>();
        pattern->file = file;
        pattern->size = size;
        pattern->heads = 3;
        pattern->rows = 7;
        pattern->columns = 9;
        Random random(99);
        for (int64_t i = 0; i < 3 * 7 * 9; i++)
            pattern->visible.push_back(random.chance(40));
        return pattern;
    };
    return parse_expression(text, context);
}

const std::vector<ParamDeclaration> &RandomMasks::params() {
    static const auto out = declare({{"n", "i32"},
                                     {"m", "i32"},
                                     {"x", "f32"},
                                     {"ids", "i32[b, kv] nondecreasing"},
                                     {"left", "i32[h]"},
                                     {"keep", "bool[b, kv]"},
                                     {"grid", "bool[h, r, c]"},
                                     {"words", "i32[b, kv]"}});
    return out;
}

Expression RandomMasks::parsed(int depth, ExprType wanted) {
    for (int attempt = 0;; attempt++) {
        try {
            return parse(wanted == ExprType::boolean ? mask(depth) : integer(depth), params(), wanted);
        } catch (const Error &) {
            if (attempt == 20)
                throw;
        }
    }
}

std::string RandomMasks::constant(int64_t low, int64_t high) {
    return std::to_string(random_.between(low, high));
}

std::string RandomMasks::helper() {
    const auto c = [&](int64_t low, int64_t high) {
        return random_.chance(30) ? std::string(random_.chance(50) ? "n" : "m") : constant(low, high);
    };
    switch (random_.between(0, 16)) {
    case 0:
        return "causal";
    case 1:
        return "causal_top_left";
    case 2:
        return fmt::format("window({})", c(0, 40));
    case 3:
        return fmt::format("window({}, {})", c(0, 40), c(0, 40));
    case 4:
        return fmt::format("prefix({})", c(0, 60));
    case 5:
        return fmt::format("chunk({})", c(1, 50));
    case 6:
        return fmt::format("global({})", c(0, 30));
    case 7:
        return fmt::format("dilated({})", c(1, 9));
    case 8:
        return "document(ids)";
    case 9:
        return fmt::format("strided({})", c(1, 40));
    case 10:
        return fmt::format("fixed({}, {})", c(1, 40), c(0, 8));
    case 11:
        return fmt::format("neighborhood2d({}, {}, {})", c(7, 12), c(7, 12), constant(1, 7));
    case 12:
        return fmt::format("neighborhood2d({}, {}, {}, {})", constant(14, 20), constant(14, 20), constant(1, 7), constant(1, 2));
    case 13:
        return fmt::format("shifted_window({}, {}, {}, {})", constant(7, 12), c(7, 12), constant(4, 7), constant(0, 3));
    case 14:
        return fmt::format("blocks(\"p.npy\", {})", constant(1, 24));
    case 15:
        return fmt::format("local_stride({}, {}, {})", c(1, 24), c(0, 4), c(1, 5));
    default:
        return fmt::format("tree(words, {})", c(0, 32));
    }
}

std::string RandomMasks::integer(int depth) {
    if (depth <= 0 || random_.chance(20)) {
        static const std::vector<std::string> leaves = {"q",          "kv",     "q_abs", "q", "kv",        "q_abs",      "h",
                                                        "b",          "hkv",    "n",     "m", "seq_len_q", "seq_len_kv", "ids[b, q_abs]",
                                                        "ids[b, kv]", "left[h]"};
        return random_.chance(30) ? constant(0, 50) : random_.pick(leaves);
    }
    const auto i = [&] { return integer(depth - 1); };
    const auto divisor = [&] {
        return random_.chance(60) ? constant(1, 40) : random_.chance(50) ? "n" : "(" + integer(depth - 1) + " + m)";
    };
    switch (random_.between(0, 13)) {
    case 0:
    case 1:
        return fmt::format("({} + {})", i(), i());
    case 2:
    case 3:
        return fmt::format("({} - {})", i(), i());
    case 4:
        return fmt::format("({} * {})", i(), random_.chance(70) ? constant(1, 9) : i());
    case 5:
    case 6:
        return fmt::format("({} / {})", i(), divisor());
    case 7:
    case 8:
        return fmt::format("({} % {})", i(), divisor());
    case 9:
        return fmt::format("min({}, {})", i(), i());
    case 10:
        return fmt::format("max({}, {})", i(), i());
    case 11:
        return fmt::format("abs({})", i());
    case 12:
        return fmt::format("select({}, {}, {})", mask(depth - 1), i(), i());
    default:
        return random_.chance(50) ? fmt::format("(-{})", i()) : fmt::format("floor({})", real(depth - 1));
    }
}

std::string RandomMasks::real(int depth) {
    if (depth <= 0)
        return random_.chance(50) ? "x" : "1.5";
    switch (random_.between(0, 5)) {
    case 0:
        return fmt::format("float({})", integer(depth - 1));
    case 1:
        return fmt::format("({} * {})", real(depth - 1), real(depth - 1));
    case 2:
        return fmt::format("min({}, {})", real(depth - 1), real(depth - 1));
    case 3:
        return fmt::format("({} - {})", integer(depth - 1), real(depth - 1));
    case 4:
        return fmt::format("max({}, {})", integer(depth - 1), real(depth - 1));
    default:
        return fmt::format("abs({})", real(depth - 1));
    }
}

std::string RandomMasks::mask(int depth) {
    static const std::vector<std::string> comparisons = {"<", "<=", ">", ">=", "==", "!="};
    const auto e = [&] { return mask(depth - 1); };
    if (depth <= 0 || random_.chance(15))
        return helper();
    switch (random_.between(0, 13)) {
    case 0:
    case 1:
    case 2:
        return fmt::format("({} && {})", e(), e());
    case 3:
    case 4:
        return fmt::format("({} || {})", e(), e());
    case 5:
        return fmt::format("!({})", e());
    case 6:
        return fmt::format("select({}, {}, {})", e(), e(), e());
    case 7:
        return fmt::format("(({}) {} ({}))", e(), random_.chance(50) ? "==" : "!=", e());
    case 8:
        switch (random_.between(0, 3)) {
        case 0:
            return fmt::format("bit({}, {})", integer(depth - 1), integer(depth - 1));
        case 1:
            return fmt::format("keep[b, {}]", random_.chance(50) ? "kv" : integer(depth - 1));
        case 2:
            return fmt::format("grid[h, q_abs / {}, kv / {}]", constant(4, 20), constant(4, 20));
        default:
            return fmt::format("({} {} {})", integer(depth - 1), random_.pick(comparisons), real(depth - 1));
        }
    default:
        return fmt::format("({} {} {})", integer(depth - 1), random_.pick(comparisons), integer(depth - 1));
    }
}

std::vector<ParamValue> RandomMasks::values(int64_t batch, int64_t heads, int64_t seq_len_kv) {
    std::vector<ParamValue> out(params().size());
    const auto scalar = [&]() -> int64_t {
        const int64_t kind = random_.between(1, 10);
        return kind <= 6            ? random_.between(1, 60)
               : kind <= 8          ? random_.between(-40, 40)
               : kind == 9          ? 0
               : random_.chance(50) ? INT32_MIN
                                    : INT32_MAX;
    };
    out[0].integer = scalar();
    out[1].integer = scalar();
    static const std::vector<double> odd = {-1e30, INFINITY, -INFINITY, NAN};
    out[2].real = random_.chance(20) ? random_.pick(odd) : static_cast<double>(random_.between(-200, 200)) / 4;
    const auto tensor = [&](size_t i, std::vector<int64_t> extents, auto element) {
        int64_t size = 1;
        for (const int64_t extent : extents)
            size *= extent;
        out[i].extents = extents;
        for (int64_t k = 0; k < size; k++)
            out[i].elements.push_back(static_cast<double>(element(k)));
    };
    int64_t id = random_.between(-5, 5);
    const int64_t change = random_.between(1, 30);
    tensor(3, {batch, seq_len_kv}, [&](int64_t k) {
        return id = k % seq_len_kv == 0 ? random_.between(-5, 5) : id + (random_.chance(change) ? random_.between(1, 3) : 0);
    });
    tensor(4, {heads}, [&](int64_t) { return random_.between(-3, 50); });
    tensor(5, {batch, seq_len_kv}, [&](int64_t) { return random_.chance(70); });
    tensor(6, {heads, 6, 8}, [&](int64_t) { return random_.chance(40); });
    tensor(7, {batch, seq_len_kv}, [&](int64_t) { return random_.between(INT32_MIN, INT32_MAX); });
    return out;
}

}  // namespace attune::test
