#include "generator/spec/error.h"
#include "generator/spec/helpers.h"
#include "generator/spec/lexer.h"
#include "generator/spec/nearest.h"
#include "generator/spec/typing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>

namespace attune {
namespace {

// Far beyond any sensible rule, far below what the recursion here, in the block plan and in Halide can take.
constexpr size_t longest_text = 1 << 16;
constexpr int deepest = 64;
constexpr int most_nodes = 4096;          // as written
constexpr size_t largest_tree = 1 << 16;  // helpers expanded, shared parts counted as often as they are used
constexpr size_t tallest_tree = 512;      // a + b + c + … is as deep as it is long

struct Function {
    const char *name;
    Op op;
    size_t operands;
    const char *usage;
};
constexpr Function functions[] = {
    {"min", Op::min, 2, "min(x, y)"},
    {"max", Op::max, 2, "max(x, y)"},
    {"abs", Op::abs, 1, "abs(x)"},
    {"select", Op::select, 3, "select(condition, then, else)"},
    {"exp", Op::exp, 1, "exp(x)"},
    {"exp2", Op::exp2, 1, "exp2(x)"},
    {"log", Op::log, 1, "log(x)"},
    {"log2", Op::log2, 1, "log2(x)"},
    {"sqrt", Op::sqrt, 1, "sqrt(x)"},
    {"rsqrt", Op::rsqrt, 1, "rsqrt(x)"},
    {"tanh", Op::tanh, 1, "tanh(x)"},
    {"sigmoid", Op::sigmoid, 1, "sigmoid(x)"},
    {"floor", Op::floor, 1, "floor(x)"},
    {"float", Op::to_real, 1, "float(i)"},
    {"bit", Op::bit, 2, "bit(word, i)"},
};

struct Operator {
    const char *symbol;
    Op op;
};
constexpr Operator comparisons[] = {{"<=", Op::less_equal}, {">=", Op::greater_equal}, {"==", Op::equal},
                                    {"!=", Op::not_equal},  {"<", Op::less},           {">", Op::greater}};
constexpr Operator sums[] = {{"+", Op::add}, {"-", Op::subtract}};
constexpr Operator products[] = {{"*", Op::multiply}, {"/", Op::divide}, {"%", Op::modulo}};

constexpr Variable readable[] = {Variable::b,  Variable::h,     Variable::hkv,       Variable::q,
                                 Variable::kv, Variable::q_abs, Variable::seq_len_q, Variable::seq_len_kv};

template <size_t n> const Operator *find_operator(const Token &token, const Operator (&operators)[n]) {
    for (const Operator &o : operators)
        if (token.is(o.symbol)) return &o;
    return nullptr;
}

/// Of the tree with helpers expanded and nothing shared: its nodes, counted up to the limit, and the longest path.
struct TreeSize {
    size_t nodes = 1, height = 1;
};
TreeSize tree_size(const ExprPtr &root, std::unordered_map<const Node *, TreeSize> &known) {
    if (const auto found = known.find(root.get()); found != known.end()) return found->second;
    TreeSize size;
    const auto add = [&](const ExprPtr &part) {
        const TreeSize inner = tree_size(part, known);
        size.nodes = std::min(size.nodes + inner.nodes, largest_tree + 1);
        size.height = std::max(size.height, inner.height + 1);
    };
    if (root->op == Op::helper)
        add(root->body);
    else
        for (const ExprPtr &operand : root->operands) add(operand);
    return known[root.get()] = size;
}

/// Recursive descent; levels of precedence as in C, but comparisons do not chain.
class Parser {
public:
    explicit Parser(const Source &source) : source_(source), tokens_(lex(source)) {}

    ExprPtr run() {
        ExprPtr root = expression();
        if (!at_end()) fail_at(peek(), fmt::format("unexpected {}", shown(peek())), "an operator or the end", cure_after_expression());
        std::unordered_map<const Node *, TreeSize> known;
        const TreeSize size = tree_size(root, known);
        if (size.nodes > largest_tree)
            source_.fail(0, 0, "the rule is too large once its helpers are written out", fmt::format("at most {} operations", largest_tree),
                         "nest fewer helpers");
        if (size.height > tallest_tree)
            source_.fail(0, 0, fmt::format("the rule has {} operations one upon another", size.height),
                         fmt::format("at most {}", tallest_tree), "put what it computes into a tensor of [params]");
        return root;
    }

private:
    // ---- tokens
    const Token &peek() const { return tokens_[at_]; }
    const Token &take() { return tokens_[at_ + 1 == tokens_.size() ? at_ : at_++]; }
    bool at_end() const { return peek().kind == Token::Kind::end; }
    static std::string shown(const Token &token) { return token.kind == Token::Kind::end ? "end" : std::string(token.text); }

    [[noreturn]] void fail_at(const Token &token, const std::string &problem, const std::string &expected, const std::string &cure) const {
        source_.fail(token.offset, token.length, problem, expected, cure);
    }

    std::string cure_after_expression() const {
        if (peek().is(")")) return "remove it, or open it with (";
        if (peek().text == "and") return "write &&";
        if (peek().text == "or") return "write ||";
        if (peek().text == "not") return "write !";
        return "write an operator before it, or remove it";
    }

    void expect(const char *symbol, const Token &opened) {
        if (peek().is(symbol)) {
            take();
            return;
        }
        fail_at(peek(), fmt::format("unexpected {}", shown(peek())),
                fmt::format("{} to close the {} at column {}", symbol, opened.text, source_.column(opened.offset)),
                at_end() ? fmt::format("close it with {}", symbol) : cure_after_expression());
    }

    // ---- nodes
    /// A node of the parser's own, to be filled in, at a token.
    std::shared_ptr<Node> placed(const ExprPtr &node, const Token &token) {
        if (++nodes_ > most_nodes)
            fail_at(token, "the expression has too many parts", fmt::format("at most {}", most_nodes),
                    "put what it computes into a tensor of [params]");
        auto out = std::make_shared<Node>(*node);
        out->column = source_.column(token.offset);
        return out;
    }

    /// places: a token for each operand, for errors.
    ExprPtr node(Op op, std::vector<ExprPtr> operands, const Token &token, const std::vector<const Token *> &places) {
        try {
            return placed(typed_node(op, std::move(operands), std::string(token.text)), token);
        } catch (const TypeProblem &p) {
            fail_at(*places[p.operand], p.problem, p.expected, p.cure);
        }
    }

    class Depth {
    public:
        Depth(Parser &parser, const Token &token) : parser_(parser) {
            if (++parser_.depth_ > deepest)
                parser_.fail_at(token, "the expression is nested too deeply", fmt::format("at most {} levels", deepest),
                                "take parentheses away, or put what it computes into a tensor of [params]");
        }
        Depth(const Depth &) = delete;
        Depth &operator=(const Depth &) = delete;
        ~Depth() { parser_.depth_--; }

    private:
        Parser &parser_;
    };

    // ---- the grammar
    ExprPtr expression() {
        const Depth depth(*this, peek());
        const Token *place = &peek();
        ExprPtr left = conjunction();
        while (peek().is("||")) left = binary(Op::logical_or, std::move(left), place, &Parser::conjunction);
        return left;
    }

    ExprPtr conjunction() {
        const Token *place = &peek();
        ExprPtr left = comparison();
        while (peek().is("&&")) left = binary(Op::logical_and, std::move(left), place, &Parser::comparison);
        return left;
    }

    ExprPtr comparison() {
        const Token *place = &peek();
        ExprPtr left = sum();
        if (const Operator *o = find_operator(peek(), comparisons)) {
            left = binary(o->op, std::move(left), place, &Parser::sum);
            if (find_operator(peek(), comparisons))
                fail_at(peek(), fmt::format("{} follows another comparison", peek().text), "one comparison",
                        "write a < b && b < c, or put one of them in parentheses");
        }
        return left;
    }

    ExprPtr sum() {
        const Token *place = &peek();
        ExprPtr left = product();
        while (const Operator *o = find_operator(peek(), sums)) left = binary(o->op, std::move(left), place, &Parser::product);
        return left;
    }

    ExprPtr product() {
        const Token *place = &peek();
        ExprPtr left = unary();
        while (const Operator *o = find_operator(peek(), products)) left = binary(o->op, std::move(left), place, &Parser::unary);
        return left;
    }

    ExprPtr binary(Op op, ExprPtr left, const Token *left_place, ExprPtr (Parser::*right)()) {
        const Token &symbol = take();
        const Token *right_place = &peek();
        ExprPtr r = (this->*right)();
        return node(op, {std::move(left), std::move(r)}, symbol, {left_place, right_place});
    }

    ExprPtr unary() {
        if (!peek().is("-") && !peek().is("!")) return primary();
        const Token &symbol = take();
        const Depth depth(*this, symbol);
        const Token &next = peek();
        if (symbol.is("-") && (next.kind == Token::Kind::integer || next.kind == Token::Kind::real)) {  // a negative constant
            take();
            return placed(next.kind == Token::Kind::integer ? make_integer(-next.integer) : make_real(-next.real), symbol);
        }
        return node(symbol.is("-") ? Op::negate : Op::logical_not, {unary()}, symbol, {&next});
    }

    ExprPtr primary() {
        const Token &token = take();
        switch (token.kind) {
        case Token::Kind::integer: return placed(make_integer(token.integer), token);
        case Token::Kind::real: return placed(make_real(token.real), token);
        case Token::Kind::name: return name(token);
        case Token::Kind::string:
            fail_at(token, "a string stands here", "a number, a name or (", "strings are file names: blocks(\"file.npy\", size)");
        case Token::Kind::end:
            fail_at(token, "the expression ends too early", "a number, a name or (",
                    "write what is missing, or remove the operator before it");
        case Token::Kind::symbol: break;
        }
        if (token.is("(")) {
            ExprPtr inner = expression();
            expect(")", token);
            return inner;
        }
        fail_at(token, fmt::format("unexpected {}", token.text), "a number, a name or (",
                token.is("&&") || token.is("||") || token.is(")") ? "write what is missing before it, or remove it" : "remove it");
    }

    ExprPtr name(const Token &token) {
        if (token.text == "true" || token.text == "false") return placed(make_boolean(token.text == "true"), token);
        for (const Function &f : functions)
            if (token.text == f.name) return call(f, token);
        const ExpressionContext &context = source_.context();
        if (const Helper *helper = find_helper(std::string(token.text)); helper && !context.allow_head_dim) return call(*helper, token);
        if (const int parameter = find_param(token.text); parameter >= 0) return param(parameter, token);
        return variable(token);
    }

    // ---- variables and parameters
    ExprPtr variable(const Token &token) {
        const ExpressionContext &context = source_.context();
        if (context.allow_head_dim) {
            if (token.text == variable_name(Variable::head_dim)) return placed(make_variable(Variable::head_dim), token);
            fail_at(token, fmt::format("unknown name {}", token.text), "head_dim, a number or a function",
                    "a scale is the same for all of a kernel: use head_dim, or put the rest into score");
        }
        for (const Variable v : readable)
            if (token.text == variable_name(v)) return placed(make_variable(v), token);
        if (token.text == "s") {
            if (context.allow_s) return placed(make_variable(Variable::s), token);
            fail_at(token, "s is the logit, which a mask cannot read", "positions and parameters", "write it into score");
        }
        if (token.text == "head_dim") fail_at(token, "head_dim is a constant of the kernel", "positions and parameters", "write its value");
        fail_unknown(token);
    }

    [[noreturn]] void fail_unknown(const Token &token) const {
        static constexpr struct {
            const char *written, *cure;
        } words[] = {
            {"and", "write &&"},
            {"or", "write ||"},
            {"not", "write !"},
            {"True", "write true"},
            {"False", "write false"},
            {"q_idx", "write q or q_abs"},
            {"kv_idx", "write kv"},
            {"score", "write s"},
            {"batch", "write b"},
            {"head", "write h"},
            {"if", "write select(condition, then, else)"},
            {"sliding_window", "write causal && window(l)"},
            {"pow", "multiply, or write exp2(x * log2(y))"},
            {"int", "write floor(x)"},
            {"sinks", "write prefix(n)"},
        };
        std::vector<std::string> names;
        for (const Variable v : readable) names.emplace_back(variable_name(v));
        if (source_.context().allow_s) names.emplace_back("s");
        const std::string variables = fmt::format("{}", fmt::join(names, ", "));
        if (const auto *params = source_.context().params)
            for (const ParamDeclaration &p : *params) names.push_back(p.name);
        for (const Helper &helper : helpers()) names.emplace_back(helper.name);
        for (const Function &f : functions) names.emplace_back(f.name);

        const std::string written(token.text);
        const std::string guess = nearest(written, names);
        std::string cure = guess.empty() ? fmt::format("declare it in [params], such as {} = \"i32\"", written.size() <= 40 ? written : "n")
                                         : fmt::format("did you mean {}", guess);
        for (const auto &[word, instead] : words)
            if (written == word) cure = instead;
        fail_at(token, fmt::format("unknown name {}", written), fmt::format("one of {}, a parameter, a function or a helper", variables),
                cure);
    }

    int find_param(std::string_view name) const {
        const auto *params = source_.context().params;
        if (!params) return -1;
        for (size_t i = 0; i < params->size(); i++)
            if ((*params)[i].name == name) return static_cast<int>(i);
        return -1;
    }

    const ParamDeclaration &declaration(int parameter) const { return (*source_.context().params)[static_cast<size_t>(parameter)]; }

    ExprPtr param(int parameter, const Token &token) {
        const ParamDeclaration &param = declaration(parameter);
        if (peek().is("[")) return indexed(parameter, token);
        if (param.is_scalar()) {
            auto out = placed(make_node(Op::parameter, param.type(), {}), token);
            out->parameter = parameter;
            return out;
        }
        const ExprPtr element = tensor_element(*source_.context().params, parameter);
        if (!element)
            fail_at(token, fmt::format("{} is {}, whose dims are not all positions", param.name, param.text()),
                    fmt::format("{} indices in [ ]", param.dims.size()), fmt::format("write {}[…]", param.name));
        return placed(element, token);
    }

    ExprPtr indexed(int parameter, const Token &token) {
        const ParamDeclaration &param = declaration(parameter);
        const Token &open = take();
        std::vector<ExprPtr> indices;
        std::vector<const Token *> places;
        for (;;) {
            places.push_back(&peek());
            indices.push_back(expression());
            if (!peek().is(",")) break;
            take();
        }
        expect("]", open);
        if (indices.size() != param.dims.size())
            fail_at(token,
                    fmt::format("{} has {} {}, but {} dims", token.text, indices.size(), indices.size() == 1 ? "index" : "indices",
                                param.dims.size()),
                    param.is_scalar() ? fmt::format("no index, as {} is {}", token.text, param.text())
                                      : fmt::format("an index for each dim of {}", param.text()),
                    param.is_scalar() ? "remove the index" : "a dim declared 1 needs an index too, such as 0");
        for (size_t i = 0; i < indices.size(); i++) check_index(indices[i], *places[i], param, i);
        auto out = placed(make_node(Op::element, param.type(), std::move(indices)), token);
        out->parameter = parameter;
        return out;
    }

    void check_index(ExprPtr &index, const Token &place, const ParamDeclaration &param, size_t i) const {
        using Kind = ParamDeclaration::Dim::Kind;
        if (index->type != ExprType::integer)
            fail_at(place, fmt::format("an index is {}", type_name(index->type)), "an integer",
                    index->type == ExprType::real ? "write floor(x)" : "write select(condition, 1, 0)");
        const ParamDeclaration::Dim &dim = param.dims[i];
        const auto value = constant_integer(index);
        if (value && (*value < 0 || (dim.kind == Kind::extent && *value >= dim.extent)))
            fail_at(place, fmt::format("index {} is outside {}", *value, param.text()),
                    dim.kind == Kind::extent ? fmt::format("0 to {}", dim.extent - 1) : "an index from 0",
                    "indices count from 0 and do not wrap");
        if (dim.kind == Kind::one) index = make_integer(0);
    }

    // ---- calls
    std::vector<ExprPtr> arguments(const Token &token, const std::string &usage, size_t required, size_t most,
                                   std::vector<const Token *> &places, const std::function<ExprPtr(size_t)> &read) {
        if (!peek().is("(")) fail_at(token, fmt::format("{} lacks its arguments", token.text), usage, "write them in parentheses");
        const Token &open = take();
        std::vector<ExprPtr> out;
        if (!peek().is(")"))
            for (;;) {
                if (out.size() == most) fail_at(peek(), fmt::format("too many arguments of {}", token.text), usage, "remove the rest");
                places.push_back(&peek());
                out.push_back(read(out.size()));
                if (!peek().is(",")) break;
                take();
            }
        if (out.size() < required && (peek().is(")") || at_end()))
            fail_at(peek(), fmt::format("too few arguments of {}", token.text), usage, "write the missing ones");
        expect(")", open);
        return out;
    }

    ExprPtr call(const Function &f, const Token &token) {
        std::vector<const Token *> places;
        auto operands = arguments(token, f.usage, f.operands, f.operands, places, [&](size_t) { return expression(); });
        return node(f.op, std::move(operands), token, places);
    }

    ExprPtr call(const Helper &helper, const Token &token) {
        const ExpressionContext &context = source_.context();
        if (helper.is_score && !context.allow_s)
            fail_at(token, fmt::format("{} changes the logit, which a mask cannot", helper.name), "a rule of positions and parameters",
                    "write it into score");
        HelperCall call;
        std::vector<const Token *> places;
        if (!helper.arguments.empty())
            call.arguments = arguments(token, helper.usage(), helper.required, helper.arguments.size(), places,
                                       [&](size_t i) { return argument(helper, i); });
        else if (peek().is("("))
            fail_at(peek(), fmt::format("{} takes no arguments", helper.name), "no parentheses", fmt::format("write {}", helper.name));
        call.params = context.params;
        call.fail = [&](size_t i, const std::string &problem, const std::string &expected, const std::string &cure) {
            fail_at(*places[i], problem, expected, cure);
        };
        if (context.read_pattern)
            call.read_pattern = [&](const std::string &file, int64_t size) {
                try {
                    return context.read_pattern(file, size);
                } catch (const Error &error) {  // keeps its words, and gets our place
                    const ErrorDetails &d = error.details();
                    fail_at(*places[0], d.problem.empty() ? d.argument + " is " + d.value : d.problem, d.expected, d.cure);
                }
            };

        auto out = placed(make_node(Op::helper, helper.is_score ? ExprType::real : ExprType::boolean, call.arguments), token);
        out->helper = helper.name;
        try {
            out->body = helper.expand(call);
        } catch (const TypeProblem &p) {  // arguments that fit alone and not together
            fail_at(token, p.problem, p.expected, p.cure);
        }
        return out;
    }

    ExprPtr argument(const Helper &helper, size_t i) {
        const Token &token = peek();
        const ArgumentKind kind = helper.arguments[i].kind;
        const auto what = [&] { return fmt::format("{} of {}", helper.arguments[i].name, helper.usage()); };
        if (kind == ArgumentKind::int_tensor || kind == ArgumentKind::real_tensor) return tensor_argument(helper, i);
        if (kind == ArgumentKind::file) {
            if (token.kind != Token::Kind::string)
                fail_at(token, fmt::format("unexpected {}", shown(token)), fmt::format("a file's name in quotes: {}", helper.usage()),
                        "write it in quotes");
            take();
            auto pattern = std::make_shared<Pattern>();
            pattern->file = token.text;
            auto out = placed(make_node(Op::pattern, ExprType::boolean, {}), token);
            out->pattern = std::move(pattern);
            return out;
        }

        const ExprPtr value = expression();
        if (kind == ArgumentKind::real) {
            if (value->type == ExprType::boolean)
                fail_at(token, fmt::format("{} is true or false", what()), "a number", "write select(condition, 1, 0) for a number");
            return as_real(value);
        }
        if (value->type != ExprType::integer)
            fail_at(token, fmt::format("{} is {}", what(), type_name(value->type)), "an integer",
                    value->type == ExprType::real ? "write floor(x), or an integer" : "write an integer");
        const auto constant = constant_integer(value);
        const bool positive = kind == ArgumentKind::size || kind == ArgumentKind::constant_size;
        if (!constant && (kind == ArgumentKind::constant || kind == ArgumentKind::constant_size))
            fail_at(token, fmt::format("{} is known at run time only", what()), "a constant", "write the number");
        if (constant && kind != ArgumentKind::integer && *constant < (positive ? 1 : 0))
            fail_at(token, fmt::format("{} is {}", what(), *constant), positive ? "a positive integer" : "an integer that is not negative",
                    helper.name == std::string_view("window")
                        ? "leave r out for no bound; the bounds are inclusive, so that window(0, 0) is the diagonal"
                        : "write another number");
        if (constant && *constant > INT32_MAX)
            fail_at(token, fmt::format("{} is {}", what(), *constant), "at most 2147483647", "write a smaller number");
        return value;
    }

    ExprPtr tensor_argument(const Helper &helper, size_t i) {
        const Token &token = take();
        const bool integers = helper.arguments[i].kind == ArgumentKind::int_tensor;
        const std::string expected = fmt::format("the name of a tensor of {} in [params]: {}", integers ? "integers" : "reals",
                                                 helper.usage());
        const int parameter = token.kind == Token::Kind::name ? find_param(token.text) : -1;
        if (parameter < 0) {
            const std::string name = token.kind == Token::Kind::name ? std::string(token.text) : "x";
            fail_at(token, fmt::format("{} is no parameter", shown(token)), expected,
                    fmt::format("declare it in [params], such as {} = \"{}\"", name, integers ? "i32[b, kv]" : "f32[h]"));
        }
        const ParamDeclaration &param = declaration(parameter);
        if (param.is_scalar() || param.type() != (integers ? ExprType::integer : ExprType::real))
            fail_at(token, fmt::format("{} is {}", param.name, param.text()), expected,
                    fmt::format("declare it as {}", integers ? "i32[b, kv]" : "f32[h]"));
        if (peek().is("["))
            fail_at(peek(), fmt::format("{} takes a whole tensor", helper.name), expected,
                    fmt::format("write {} without indices", param.name));
        auto out = placed(make_node(Op::parameter, param.type(), {}), token);
        out->parameter = parameter;
        return out;
    }

    const Source &source_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    int depth_ = 0, nodes_ = 0;
};

}  // namespace

Expression parse_expression(const std::string &text, const ExpressionContext &context) {
    const Source source(text, context);
    if (text.size() > longest_text)
        source.fail(0, 0, fmt::format("the text has {} bytes", text.size()), fmt::format("at most {}", longest_text),
                    "put what it computes into a tensor of [params]");
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        source.fail(0, 0, "the expression is empty", "an expression",
                    context.wanted == ExprType::boolean ? "write none, or leave it out" : "leave it out");
    ExprPtr root = Parser(source).run();
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (root->type != context.wanted) {
        if (context.wanted == ExprType::boolean)
            source.fail(first, 1, fmt::format("the expression is {}", type_name(root->type)), "true or false: which keys a query sees",
                        "compare it, such as x != 0");
        if (root->type == ExprType::boolean)
            source.fail(first, 1, "the expression is true or false", "a number",
                        "write select(condition, then, else), or put it into mask");
        if (context.wanted == ExprType::integer) source.fail(first, 1, "the expression is a real number", "an integer", "write floor(x)");
        root = as_real(root);
    }
    static const std::vector<ParamDeclaration> none;
    std::string printed = print_expression(root, context.params ? *context.params : none);
    return {std::move(root), std::move(printed)};
}

}  // namespace attune
