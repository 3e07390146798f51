// Expressions and types from any bytes: a result or an Error of the user's, nothing else. With clang, -fsanitize=fuzzer drives it by
// coverage; otherwise main() draws texts at random, for as many seconds as its argument says (2):
//   attune_expression_fuzz 60
#include "tests/spec/expressions.h"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace attune;

void require(bool holds, const char *what, const std::string &text) {
    if (holds) return;
    std::fprintf(stderr, "expression_fuzz: %s, for: ", what);
    for (const char c : text) std::fprintf(stderr, c >= 0x20 && c < 0x7f && c != '\\' ? "%c" : "\\x%02x", static_cast<unsigned char>(c));
    std::fprintf(stderr, "\n");
    std::abort();
}

void check(const std::string &text, ExprType type, bool scale) {
    ExpressionContext context = test::context_of(type);
    context.allow_head_dim = scale;
    try {
        const Expression e = parse_expression(text, context);
        require(e.root->type == type, "another type than was wanted", text);
        require(parse_expression(e.text, context).text == e.text, "the printed form is not stable", text);
        static const std::vector<ParamValue> values = test::param_values();
        static const Bindings bindings = test::Pair{.q = 1, .kv = 2, .seq_len_q = 3, .seq_len_kv = 4}.bindings();
        evaluate(e.root, bindings, values);
    } catch (const Error &error) {
        const ErrorDetails &d = error.details();
        require(d.code == ErrorCode::usage && !d.expected.empty() && !d.cure.empty() && d.column >= 1, "an error without its parts", text);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const std::string text(reinterpret_cast<const char *>(data), size);
    check(text, ExprType::boolean, false);
    check(text, ExprType::real, false);
    check(text, ExprType::real, true);
    try {
        const ParamDeclaration p = test::param("p", text);
        require(test::param("p", p.text()) == p, "the printed type is another", text);
    } catch (const Error &) {}
    return 0;
}

#ifndef ATTUNE_LIBFUZZER
#include <chrono>
#include <random>

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
    const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
    std::printf("expression_fuzz: %g s, seed %llu\n", seconds, static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const std::vector<std::string> words = {
        "kv", "q", "q_abs", "h", "hkv", "b", "s", "n", "x", "ids", "bias", "table", "allowed", "slopes", "words", "causal",
        "causal_top_left", "window(", "prefix(", "chunk(", "global(", "dilated(", "strided(", "fixed(", "local_stride(",
        "shifted_window(", "neighborhood2d(", "softcap(", "alibi(", "document(", "relative_bias(table,", "relative_bias_causal(",
        "tree(words,", "bigbird(", "blocks(\"a\",", "select(", "min(", "max(", "abs(", "exp(", "floor(", "float(", "sigmoid(", "bit(",
        "(", ")", ")", ")", "[", "]", ",", ",", "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "!", "0", "1",
        "2", "3", "32", "128", "2.5", "1e9", "9223372036854775807", "true", "false", "head_dim", "i32", "f32", "nondecreasing", "\n",
        "\xc3\xa4", "\"", "'", "=", "."};
    std::vector<std::string> kept = {"causal && window(255)", "softcap(s, 50)", "i32[b, kv] nondecreasing"};
    long count = 0;
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds); std::chrono::steady_clock::now() < end;
         count++) {
        std::string text = kept[below(kept.size())];
        for (size_t changes = 1 + below(6); changes > 0; changes--) {
            const size_t at = below(text.size() + 1);
            switch (below(5)) {
            case 0: text.erase(at, below(10)); break;
            case 1: text.insert(at, words[below(words.size())]); break;
            case 2: text.insert(at, " " + words[below(words.size())] + " "); break;
            case 3: text.insert(at, std::string(1, static_cast<char>(random()))); break;
            default: text.insert(at, text.substr(below(text.size() + 1), below(40))); break;
            }
        }
        if (text.size() > 400) text.resize(400);
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(text.data()), text.size());
        if (kept.size() < 500)
            kept.push_back(text);
        else
            kept[3 + below(kept.size() - 3)] = text;  // the first ones stay: whole expressions
    }
    std::printf("expression_fuzz: %ld texts\n", count);
    return 0;
}
#endif
