#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// Expressions of masks and scores: the tree that the parser makes, that the block plan derives from, and that the reference
/// evaluates and kernels are made of. Grammar and meaning: generator/spec/README.md.
namespace attune {

enum class ExprType { boolean, integer, real };

/// What an expression may read. Positions and lengths are those of the sequence itself.
enum class Variable {
    b, h, hkv,            ///< sequence, query head, key/value head
    q, kv,                ///< positions of the query row and of the key
    q_abs,                ///< q + seq_len_kv - seq_len_q: the row's position among the keys
    seq_len_q, seq_len_kv,
    s,                    ///< the scaled logit; scores only
    head_dim,             ///< the scale only
    // Of a block of rows x keys, both ends inclusive: what a block plan reads instead of h, q, kv.
    h_first, h_last, q_first, q_last, kv_first, kv_last,
};
constexpr int num_variables = static_cast<int>(Variable::kv_last) + 1;
const char *variable_name(Variable variable);  ///< "q_abs"

enum class Op {
    // leaves
    integer, real, boolean, variable,
    parameter,  ///< a scalar parameter: Node::parameter
    element,    ///< an element of a tensor parameter; operands: an integer index a declared dimension (0 where it was declared 1)
    pattern,    ///< an element of a constant block pattern; operands: head, block row, block column. Indices are clamped
    // operators
    negate, logical_not, add, subtract, multiply,
    divide,     ///< integers floor, and 0 where the divisor is 0; reals divide
    modulo,     ///< integers: sign of the divisor, and 0 where it is 0
    less, less_equal, greater, greater_equal, equal, not_equal, logical_and, logical_or,
    // functions
    min, max, abs,
    select,     ///< operands: condition, then, else
    exp, exp2, log, log2, sqrt, rsqrt, tanh, sigmoid,
    floor,      ///< real -> integer
    to_real,    ///< integer -> real: float(i), and where an integer meets a real
    bit,        ///< bit(word, i): bit i of a 32-bit word, false where i is outside 0 … 31
    helper,     ///< a call of a helper: Node::helper, operands its arguments as written, body what it stands for
};

/// A constant block pattern: true where a block of rows x keys is visible.
struct Pattern {
    std::string file;               ///< as written: "bigbird.npy"; empty for one that a helper made
    std::string path;               ///< where it was found, for build rules
    int64_t size = 1;               ///< rows and keys of a block
    int64_t heads = 1, rows = 1, columns = 1;
    std::vector<uint8_t> visible;   ///< (heads, rows, columns), C order, 0 or 1
    uint64_t hash = 0;              ///< of all of the above but the names of the file
};

struct Node;
/// Immutable; parts are shared freely.
using ExprPtr = std::shared_ptr<const Node>;

struct Node {
    Op op;
    ExprType type;
    int64_t integer = 0;             ///< of integer, and of boolean: 0 or 1
    double real = 0;
    Variable variable = Variable::b;
    int parameter = 0;               ///< index into the specification's params
    std::shared_ptr<const Pattern> pattern;
    std::string helper;              ///< "window"
    std::vector<ExprPtr> operands;
    ExprPtr body;                      ///< of a helper: the same without helpers of its own level
    int column = 0;                  ///< where it stands in the source, 1-based; 0: made by the generator
};

/// Type and dimensions of a parameter: "f32", "i32[b, kv] nondecreasing", "f32[1, h, q, kv]".
struct ParamDeclaration {
    enum class Element { i32, f32, f16, bf16, boolean };  ///< boolean: one byte an element, 0 or 1
    struct Dim {
        enum class Kind { one, b, h, hkv, q, kv, extent, free } kind = Kind::one;
        int64_t extent = 1;   ///< of Kind::extent
        std::string name;     ///< of Kind::free
    };
    std::string name;
    Element element = Element::f32;
    std::vector<Dim> dims;    ///< outermost first, as an npy file has them; empty: a scalar (i32 or f32)
    bool nondecreasing = false;  ///< along the last dimension: element(…, i) <= element(…, i + 1)

    bool is_scalar() const { return dims.empty(); }
    ExprType type() const;       ///< of an element in an expression
    std::string text() const;    ///< "i32[b, kv] nondecreasing"
    bool operator==(const ParamDeclaration &) const = default;
};
bool operator==(const ParamDeclaration::Dim &, const ParamDeclaration::Dim &);

/// A whole expression; empty: all keys visible (mask), the scaled logit itself (score).
struct Expression {
    ExprPtr root;
    std::string text;  ///< in canonical form (print_expression): equal texts mean equal expressions

    explicit operator bool() const { return root != nullptr; }
    bool operator==(const Expression &other) const { return text == other.text; }
};

/// What the caller of the parser knows.
struct ExpressionContext {
    const std::vector<ParamDeclaration> *params = nullptr;
    bool allow_s = false;          ///< a score
    bool allow_head_dim = false;   ///< the scale
    ExprType wanted = ExprType::boolean;
    /// Reads the bool array of blocks("file.npy", size), its blocks as `size` says; throws Error. Empty: such a rule is an error.
    std::function<std::shared_ptr<const Pattern>(const std::string &file, int64_t size)> read_pattern;
    // Where errors point to.
    std::string argument, file;    ///< "mask" or "--mask"; "spec.toml" or ""
    int line = 0, column = 0;      ///< of the expression's first character in the file
};
/// Throws Error(usage) with line, column, a caret under the place, what was expected and the cure.
Expression parse_expression(const std::string &text, const ExpressionContext &context);
/// "i32[b, kv] nondecreasing" -> declaration. Throws Error(usage) likewise.
ParamDeclaration parse_param(const std::string &name, const std::string &type, const ExpressionContext &context);

/// The source text of a tree in canonical form: one space around binary operators, parentheses where they are needed, helpers as written.
/// parse(print(e)) prints the same again.
std::string print_expression(const ExprPtr &root, const std::vector<ParamDeclaration> &params);

/// Walks through helpers into what they stand for: the body where `root` is a helper's call, else itself.
const ExprPtr &without_helper(const ExprPtr &root);
/// The score without its calls of softcap: each stands for its first argument.
ExprPtr without_soft_caps(const ExprPtr &root);
/// Whether the tree (helpers expanded) reads the variable; q_abs counts as q, seq_len_q and seq_len_kv too.
bool mentions(const ExprPtr &root, Variable variable);

// ---- building trees (no simplification; generator/plan/simplify.h folds)
ExprPtr make_integer(int64_t value);
ExprPtr make_real(double value);
ExprPtr make_boolean(bool value);
ExprPtr make_variable(Variable variable);
ExprPtr make_node(Op op, ExprType type, std::vector<ExprPtr> operands);

}  // namespace attune
