#include "generator/spec/lexer.h"
#include "generator/spec/nearest.h"
#include "generator/spec/reserved.h"

#include <fmt/format.h>

#include <utility>

namespace attune {
namespace {

using Element = ParamDeclaration::Element;
using Dim = ParamDeclaration::Dim;

constexpr std::pair<Element, const char *> elements[] = {
    {Element::i32, "i32"}, {Element::f32, "f32"}, {Element::f16, "f16"}, {Element::bf16, "bf16"}, {Element::boolean, "bool"}};
constexpr std::pair<Dim::Kind, const char *> dim_names[] = {
    {Dim::Kind::b, "b"}, {Dim::Kind::h, "h"}, {Dim::Kind::hkv, "hkv"}, {Dim::Kind::q, "q"}, {Dim::Kind::kv, "kv"}};
constexpr size_t most_dims = 4;  // ATTUNE_MAX_PARAM_DIMS of the calls
constexpr size_t longest_name = 63;
constexpr const char *form = "a type such as i32, f32[h] or i32[b, kv] nondecreasing";

/// "i32", "f32[1, h, q, kv]", "i32[b, kv] nondecreasing".
class TypeParser {
public:
    TypeParser(const std::string &name, const Source &source) : source_(source), tokens_(lex(source)) { out_.name = name; }

    ParamDeclaration run() {
        element();
        if (peek().is("[")) dims();
        if (peek().text == "nondecreasing") nondecreasing();
        if (peek().kind != Token::Kind::end) fail(peek(), fmt::format("unexpected {}", peek().text), form, "remove it");
        if (out_.is_scalar() && out_.element != Element::i32 && out_.element != Element::f32)
            fail(tokens_[0], fmt::format("a scalar {}", tokens_[0].text), "i32 or f32 for a scalar",
                 out_.element == Element::boolean ? "write i32, and n != 0" : "write f32");
        return std::move(out_);
    }

private:
    const Token &peek() const { return tokens_[at_]; }
    const Token &take() { return tokens_[at_ + 1 == tokens_.size() ? at_ : at_++]; }
    [[noreturn]] void fail(const Token &token, const std::string &problem, const std::string &expected, const std::string &cure) const {
        source_.fail(token.offset, token.length, problem, expected, cure);
    }

    void element() {
        const Token &token = take();
        for (const auto &[element, name] : elements)
            if (token.text == name) {
                out_.element = element;
                return;
            }
        static constexpr std::pair<const char *, const char *> aliases[] = {
            {"int", "i32"},  {"int32", "i32"},   {"i64", "i32"},       {"int64", "i32"}, {"float", "f32"},   {"float32", "f32"},
            {"half", "f16"}, {"float16", "f16"}, {"bfloat16", "bf16"}, {"f64", "f32"},   {"boolean", "bool"}};
        for (const auto &[alias, name] : aliases)
            if (token.text == alias)
                fail(token, fmt::format("unknown type {}", token.text), "one of i32, f32, f16, bf16, bool", fmt::format("write {}", name));
        fail(token, token.kind == Token::Kind::end ? "the type is missing" : fmt::format("unknown type {}", token.text),
             "one of i32, f32, f16, bf16, bool", "write one of them, such as i32[b, kv]");
    }

    void dims() {
        const Token &open = take();
        for (;;) {
            if (out_.dims.size() == most_dims)
                fail(peek(), "too many dims", fmt::format("at most {}", most_dims), "join some of them into one");
            out_.dims.push_back(dim());
            if (!peek().is(",")) break;
            take();
        }
        if (!peek().is("]"))
            fail(peek(), fmt::format("unexpected {}", peek().kind == Token::Kind::end ? "end" : peek().text),
                 fmt::format("] to close the [ at column {}", source_.column(open.offset)), "close it with ]");
        take();
    }

    Dim dim() {
        const Token &token = take();
        if (token.kind == Token::Kind::integer) {
            if (token.integer < 1 || token.integer > INT32_MAX)
                fail(token, fmt::format("a dim of {}", token.text), "1 to 2147483647", "write the number of elements");
            return {.kind = token.integer == 1 ? Dim::Kind::one : Dim::Kind::extent, .extent = token.integer, .name = ""};
        }
        const std::string expected = "b, h, hkv, q, kv, an integer or a free name";
        if (token.kind != Token::Kind::name)
            fail(token, fmt::format("unexpected {}", token.kind == Token::Kind::end ? "end" : token.text), expected,
                 "write a dim, such as kv");
        for (const auto &[kind, name] : dim_names)
            if (token.text == name) return {.kind = kind, .extent = 1, .name = ""};
        const std::string name(token.text);
        if (is_reserved_in_expressions(name)) {
            const char *cure = name == "q_abs" || name == "seq_len_kv" ? "write kv"
                               : name == "seq_len_q"                   ? "write q"
                                                                       : "choose another name";
            fail(token, fmt::format("a dim is {}, which means something else", name), expected, cure);
        }
        return {.kind = Dim::Kind::free, .extent = 1, .name = name};
    }

    void nondecreasing() {
        const Token &token = take();
        if (out_.is_scalar() || out_.element != Element::i32)
            fail(token, "only index arrays are nondecreasing", "it after i32[…]", "remove it");
        out_.nondecreasing = true;
    }

    const Source &source_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    ParamDeclaration out_;
};

void check_name(const std::string &name, const Source &source) {
    const auto fail = [&](const std::string &problem, const std::string &expected, const std::string &cure) {
        source.fail(0, 0, problem, expected, cure);
    };
    bool valid = !name.empty() && starts_name(name[0]) && name[0] != '_' && name.find("__") == std::string::npos;
    for (const char c : name) valid = valid && continues_name(c);
    if (!valid || name.size() > longest_name)
        fail(fmt::format("{} cannot name a parameter", name.empty() ? "\"\"" : name),
             fmt::format("letters, digits and single underscores, starting with a letter, at most {}", longest_name),
             "choose another name");
    if (name == "block_mask")
        fail("block_mask cannot name a parameter: it is a field of every such call", "another name", "choose another name");
    if (is_reserved_in_expressions(name))
        fail(fmt::format("{} cannot name a parameter: it is a word of the expression language", name), "another name",
             "choose another name");
    if (is_reserved_in_c(name))
        fail(fmt::format("{} cannot name a parameter: it is a word of C or C++", name), "another name",
             "choose another name, as it becomes a field of a struct");
}

}  // namespace

ExprType ParamDeclaration::type() const {
    if (element == Element::i32) return ExprType::integer;
    return element == Element::boolean ? ExprType::boolean : ExprType::real;
}

std::string ParamDeclaration::text() const {
    std::string out;
    for (const auto &[e, name] : elements)
        if (e == element) out = name;
    for (size_t i = 0; i < dims.size(); i++) {
        out += i == 0 ? "[" : ", ";
        if (dims[i].kind == Dim::Kind::free) out += dims[i].name;
        if (dims[i].kind == Dim::Kind::one) out += "1";
        if (dims[i].kind == Dim::Kind::extent) out += std::to_string(dims[i].extent);
        for (const auto &[kind, name] : dim_names)
            if (kind == dims[i].kind) out += name;
    }
    if (!dims.empty()) out += "]";
    return nondecreasing ? out + " nondecreasing" : out;
}

bool operator==(const ParamDeclaration::Dim &a, const ParamDeclaration::Dim &b) {
    return a.kind == b.kind && a.extent == b.extent && a.name == b.name;
}

ParamDeclaration parse_param(const std::string &name, const std::string &type, const ExpressionContext &context) {
    const Source source(type, context);
    check_name(name, source);
    if (type.size() > 1024) source.fail(0, 0, fmt::format("the type has {} bytes", type.size()), form, "use fewer or shorter names");
    return TypeParser(name, source).run();
}

}  // namespace attune
