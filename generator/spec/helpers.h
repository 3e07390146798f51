#pragma once
#include "generator/spec/expression.h"

#include <functional>
#include <string>
#include <vector>

namespace attune {

/// What an argument of a helper may be.
enum class ArgumentKind {
    integer,        ///< an integer expression
    count,          ///< that, and not negative where it is constant
    size,           ///< that, and positive where it is constant
    constant,       ///< a constant that is not negative
    constant_size,  ///< a positive constant
    real,           ///< a number
    int_tensor,     ///< the name of an integer tensor
    real_tensor,    ///< the name of a tensor of reals
    file,           ///< a string
};

/// A call of a helper whose arguments have been checked.
struct HelperCall {
    std::vector<ExprPtr> arguments;
    const std::vector<ParamDeclaration> *params = nullptr;
    /// Reads blocks' file; throws Error.
    std::function<std::shared_ptr<const Pattern>(const std::string &file, int64_t size)> read_pattern;
    /// Throws an Error at an argument: (index, problem, expected, cure).
    std::function<void(size_t, const std::string &, const std::string &, const std::string &)> fail;
};

/// A named rule of the expression language: one row of the table that parser, printer and help share.
struct Helper {
    struct Argument {
        const char *name;
        ArgumentKind kind;
    };
    const char *name;
    std::vector<Argument> arguments;
    size_t required;      ///< the rest may be left out
    const char *meaning;  ///< for the help: "kv <= q_abs"
    bool is_score;        ///< gives a real that reads s; else true or false
    ExprPtr (*expand)(const HelperCall &call);

    std::string usage() const;  ///< "window(l[, r])"
};

/// Every helper, masks first.
const std::vector<Helper> &helpers();
/// By its name, or null.
const Helper *find_helper(const std::string &name);

/// A tensor's element at (b, h, hkv, q, kv) as its dims say, 0 where a dim was declared 1. last: in place of the last index.
/// Empty where another dim than the last is no variable.
ExprPtr tensor_element(const std::vector<ParamDeclaration> &params, int parameter, const ExprPtr &last = nullptr);

/// FNV-1a over everything but the file's name, for Pattern::hash.
uint64_t hash_pattern(const Pattern &pattern);

}  // namespace attune
