#include "parse.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdlib>
#include <cstring>

namespace ptxsim {

int type_bits(std::string_view type) {
    static const struct {
        const char *name;
        int bits;
    } types[] = {{"pred", 1},   {"b8", 8},      {"u8", 8},   {"s8", 8},   {"b16", 16}, {"u16", 16}, {"s16", 16},
                 {"f16", 16},   {"bf16", 16},   {"b32", 32}, {"u32", 32}, {"s32", 32}, {"f32", 32}, {"tf32", 32},
                 {"f16x2", 32}, {"bf16x2", 32}, {"b64", 64}, {"u64", 64}, {"s64", 64}, {"f64", 64}};
    for (const auto &t : types) {
        if (type == t.name) return t.bits;
    }
    return 0;
}

namespace {

struct Token {
    enum class Kind { word, number, text, mark, end };
    Kind kind = Kind::end;
    std::string_view text;
    uint32_t line = 0;
};

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }

std::vector<Token> tokens_of(std::string_view s) {
    std::vector<Token> tokens;
    uint32_t line = 1;
    size_t i = 0;
    auto at = [&](size_t n) { return n < s.size() ? s[n] : '\0'; };
    while (i < s.size()) {
        const char c = s[i];
        if (c == '\n') {
            line++, i++;
        } else if (std::isspace(static_cast<unsigned char>(c)) || c == '\0') {
            i++;
        } else if (c == '/' && at(i + 1) == '/') {
            while (i < s.size() && s[i] != '\n') i++;
        } else if (c == '/' && at(i + 1) == '*') {
            for (i += 2; i < s.size() && !(s[i] == '*' && at(i + 1) == '/'); i++) line += s[i] == '\n';
            i += 2;
        } else if (c == '"') {
            const size_t begin = i++;
            while (i < s.size() && s[i] != '"') i++;
            tokens.push_back({Token::Kind::text, s.substr(begin, ++i - begin), line});
        } else if (std::isdigit(static_cast<unsigned char>(c))) {
            const size_t begin = i;
            while (std::isalnum(static_cast<unsigned char>(at(i))) || at(i) == '.') {
                const bool exponent =
                    (s[i] == 'e' || s[i] == 'E') && s.substr(begin, 2) != "0x" && s.substr(begin, 2) != "0f" && s.substr(begin, 2) != "0d";
                i++;
                if (exponent && (at(i) == '-' || at(i) == '+')) i++;
            }
            tokens.push_back({Token::Kind::number, s.substr(begin, i - begin), line});
        } else if (starts_word(c)) {
            const size_t begin = i;
            while (in_word(at(i)) || (at(i) == ':' && at(i + 1) == ':')) i += at(i) == ':' ? 2 : 1;
            const std::string_view word = s.substr(begin, i - begin);
            if (word == ".loc" || word == ".file") {  // for debuggers; the only directives that end with the line
                while (i < s.size() && s[i] != '\n') i++;
            } else {
                tokens.push_back({Token::Kind::word, word, line});
            }
        } else {
            tokens.push_back({Token::Kind::mark, s.substr(i++, 1), line});
        }
    }
    tokens.push_back({Token::Kind::end, "the end", line});
    return tokens;
}

class Parser {
public:
    explicit Parser(std::string_view text) : tokens_(tokens_of(text)) {
        for (size_t begin = 0; begin <= text.size();) {
            const size_t end = std::min(text.find('\n', begin), text.size());
            module_.lines.emplace_back(text.substr(begin, end - begin));
            begin = end + 1;
        }
    }

    Module run() {
        while (next().kind != Token::Kind::end) top_level();
        if (module_.version == 0) fail("no .version directive");
        return std::move(module_);
    }

private:
    const Token &next() const { return tokens_[position_]; }
    bool is(std::string_view text) const { return next().text == text && next().kind != Token::Kind::text; }
    Token take() { return tokens_[position_ + 1 < tokens_.size() ? position_++ : position_]; }
    bool accept(std::string_view text) { return is(text) && (take(), true); }
    [[noreturn]] void fail(const std::string &what) const { throw PtxError(next().line, what); }
    void expect(std::string_view text) {
        if (!accept(text)) fail("expected '" + std::string(text) + "' before '" + std::string(next().text) + "'");
    }
    std::string word() {
        if (next().kind != Token::Kind::word) fail("expected a name before '" + std::string(next().text) + "'");
        return std::string(take().text);
    }

    // 12, 0x1fU, 017, 0f3F800000 (bits of a float), 0d… (of a double), 1.5
    Operand number() {
        Operand o;
        const bool minus = accept("-");
        if (next().kind != Token::Kind::number) fail("expected a number before '" + std::string(next().text) + "'");
        std::string text(take().text);
        const char *begin = text.c_str();
        if (text.size() == 10 && begin[0] == '0' && (begin[1] == 'f' || begin[1] == 'F')) {
            o.kind = Operand::Kind::float32;
            o.value = std::strtoull(begin + 2, nullptr, 16);
        } else if (text.size() == 18 && begin[0] == '0' && (begin[1] == 'd' || begin[1] == 'D')) {
            o.kind = Operand::Kind::float64;
            o.value = std::strtoull(begin + 2, nullptr, 16);
        } else if (text.find('.') != std::string::npos) {
            o.kind = Operand::Kind::float64;
            o.value = std::bit_cast<uint64_t>(std::strtod(begin, nullptr));
        } else {
            const bool binary = text.starts_with("0b");
            o.value = binary ? std::strtoull(begin + 2, nullptr, 2) : std::strtoull(begin, nullptr, 0);
        }
        if (minus && o.kind == Operand::Kind::integer) o.value = -o.value;
        if (minus && o.kind == Operand::Kind::float64) o.value ^= 1ull << 63;
        return o;
    }
    int64_t integer() { return static_cast<int64_t>(number().value); }

    std::vector<Operand> operands_until(std::string_view close) {
        std::vector<Operand> all;
        while (!is(close)) {
            all.push_back(operand());
            if (!is(close)) expect(",");
        }
        expect(close);
        return all;
    }

    Operand operand() {
        Operand o;
        o.negated = accept("!");
        if (accept("[")) {
            o.kind = Operand::Kind::address;
            if (next().kind == Token::Kind::word) o.name = word();
            else o.offset = integer();
            while (accept("+")) o.offset += integer();
            if (is("-")) o.offset += integer();
            expect("]");
        } else if (accept("{")) {
            o.kind = Operand::Kind::vector;
            o.elements = operands_until("}");
        } else if (accept("(")) {
            o.kind = Operand::Kind::list;
            o.elements = operands_until(")");
        } else if (next().kind == Token::Kind::word) {
            o.kind = Operand::Kind::name;
            o.name = word();
            if (accept("+")) o.offset = integer();  // mov.u64 %rd1, name+16
            if (accept("|")) {
                Operand first = o, second = operand();
                o = {};
                o.kind = Operand::Kind::pair;
                o.elements = {first, second};
            }
        } else {
            o = number();
        }
        return o;
    }

    // .shared .align 16 .b8 name[64] = {1, 2}, up to the mark after it. The space has been read.
    Variable variable(std::string space, bool is_extern) {
        Variable v;
        v.space = std::move(space);
        v.is_extern = is_extern;
        v.line = next().line;
        uint32_t vector = 1;
        while (next().kind == Token::Kind::word && next().text.starts_with('.')) {
            const std::string directive = word();
            if (directive == ".align") v.alignment = static_cast<uint32_t>(integer());
            else if (directive == ".v2") vector = 2;
            else if (directive == ".v4") vector = 4;
            else if (type_bits(directive.substr(1))) v.type = directive.substr(1);
            else if (directive != ".ptr" && directive != ".global" && directive != ".shared" && directive != ".const" && directive != ".local" &&
                     directive != ".visible")
                fail("unknown " + directive + " in a declaration");
        }
        const int bits = type_bits(v.type);
        if (bits < 8) fail("a variable has no type that memory can hold");
        const uint64_t element = bits / 8;
        v.bytes = element * vector;
        v.alignment = std::max<uint32_t>(v.alignment, static_cast<uint32_t>(v.bytes));
        v.name = word();
        while (accept("[")) {
            v.bytes = is("]") ? 0 : v.bytes * static_cast<uint64_t>(integer());
            expect("]");
        }
        if (accept("=")) {
            v.content.assign(v.bytes, 0);
            uint64_t at = 0;
            initialiser(v, element, at);
        }
        return v;
    }
    void initialiser(Variable &v, uint64_t element, uint64_t &at) {
        if (accept("{")) {
            while (!is("}")) {
                initialiser(v, element, at);
                if (!is("}")) expect(",");
            }
            expect("}");
            return;
        }
        const uint64_t value = number().value;
        if (at + element > v.bytes) fail("more values than variable " + v.name + " holds");
        std::memcpy(v.content.data() + at, &value, element);
        at += element;
    }

    void top_level() {
        bool is_extern = false;
        for (;;) {
            if (accept(".extern")) is_extern = true;
            else if (!accept(".visible") && !accept(".weak") && !accept(".common")) break;
        }
        if (accept(".version")) {
            const Token t = take();
            const std::string text(t.text);
            module_.version = std::atoi(text.c_str()) * 10 + std::atoi(text.substr(text.find('.') + 1).c_str());
        } else if (accept(".target")) {
            do {
                const std::string t = word();
                if (t.starts_with("sm_")) module_.capability = std::atoi(t.c_str() + 3);
            } while (accept(","));
        } else if (accept(".address_size")) {
            if (integer() != 64) fail("only .address_size 64 is supported");
        } else if (accept(".pragma")) {
            while (!accept(";")) take();
        } else if (accept(".section")) {
            take();
            expect("{");
            for (int depth = 1; depth && next().kind != Token::Kind::end;) {
                if (is("{")) depth++;
                if (is("}")) depth--;
                take();
            }
        } else if (is(".entry") || is(".func")) {
            function(take().text == ".entry");
        } else if (is(".global") || is(".const") || is(".shared")) {
            const std::string space(take().text.substr(1));
            do module_.variables.push_back(variable(space, is_extern));
            while (accept(","));
            expect(";");
        } else {
            fail("unknown directive '" + std::string(next().text) + "'");
        }
    }

    std::vector<Variable> parameters() {
        std::vector<Variable> all;
        expect("(");
        while (!is(")")) {
            if (!accept(".param")) fail("only parameters in .param space are supported");
            all.push_back(variable("param", false));
            if (!is(")")) expect(",");
        }
        expect(")");
        return all;
    }

    void function(bool is_entry) {
        Function f;
        f.is_entry = is_entry;
        f.line = next().line;
        if (is("(")) f.results = parameters();
        f.name = word();
        if (is("(")) f.parameters = parameters();
        while (next().kind == Token::Kind::word) {
            const std::string directive = word();
            if (directive == ".maxntid" || directive == ".reqntid") {
                uint32_t *threads = directive == ".maxntid" ? f.max_threads : f.required_threads;
                std::fill(threads, threads + 3, 1);
                for (int i = 0; i == 0 || (i < 3 && accept(",")); i++) threads[i] = static_cast<uint32_t>(integer());
            } else if (directive == ".minnctapersm" || directive == ".maxnctapersm" || directive == ".maxnreg") {
                integer();
            } else if (directive == ".pragma") {
                while (!is(";")) take();
                expect(";");
            } else if (directive != ".noreturn") {
                fail("unknown directive '" + directive + "'");
            }
        }
        if (!accept(";")) {
            expect("{");
            f.has_body = true;
            int depth = 1;
            while (depth) depth += statement(f.body);
            f.body.pop_back();  // the closing brace of the function
        }
        module_.functions.push_back(std::move(f));
    }

    // Returns the change of depth.
    int statement(std::vector<Statement> &body) {
        Statement s;
        s.line = next().line;
        if (next().kind == Token::Kind::end) fail("the module ends inside a function");
        if (accept("{")) {
            s.kind = Statement::Kind::open;
            body.push_back(s);
            return 1;
        }
        if (accept("}")) {
            s.kind = Statement::Kind::close;
            body.push_back(s);
            return -1;
        }
        if (accept(";")) return 0;
        if (accept(".pragma")) {
            while (!accept(";")) take();
            return 0;
        }
        if (accept(".reg")) {
            s.kind = Statement::Kind::registers;
            s.type = word().substr(1);
            if (!type_bits(s.type)) fail("unknown register type ." + s.type);
            do {
                s.name = word();
                s.count = -1;
                if (accept("<")) {
                    s.count = static_cast<int>(integer());
                    expect(">");
                }
                body.push_back(s);
            } while (accept(","));
            expect(";");
            return 0;
        }
        if (is(".shared") || is(".local") || is(".param") || is(".global") || is(".const")) {
            const std::string space(take().text.substr(1));
            do {
                s.kind = Statement::Kind::variable;
                s.variable = variable(space, false);
                body.push_back(s);
            } while (accept(","));
            expect(";");
            return 0;
        }
        if (accept("@")) {
            s.guard_negated = accept("!");
            s.guard = word();
        }
        s.name = word();
        if (s.guard.empty() && accept(":")) {
            s.kind = Statement::Kind::label;
            body.push_back(s);
            return 0;
        }
        if (s.name.starts_with('.')) fail("unknown directive '" + s.name + "'");
        while (!is(";")) {
            s.operands.push_back(operand());
            if (!is(";")) expect(",");
        }
        expect(";");
        body.push_back(std::move(s));
        return 0;
    }

    std::vector<Token> tokens_;
    size_t position_ = 0;
    Module module_;
};

}  // namespace

Module parse(std::string_view text) { return Parser(text).run(); }

}  // namespace ptxsim
