#pragma once
#include "generator/spec/expression.h"

#include <optional>
#include <string>

namespace attune {

/// Why an operator does not take its operands; the parser adds the place.
struct TypeProblem {
    size_t operand;  ///< which one
    std::string problem, expected, cure;
};

const char *type_name(ExprType type);  ///< "true or false", "an integer", "a real number"

/// The node of an operator or function over checked operands, with to_real where an integer meets a real. symbol: as the user knows
/// it, for the message. Also refuses a divisor that is constantly zero. Throws TypeProblem.
ExprPtr typed_node(Op op, std::vector<ExprPtr> operands, const std::string &symbol);
/// An integer as a real; a real as it is.
ExprPtr as_real(const ExprPtr &expression);

/// The value of an integer expression that reads no variable and no parameter.
std::optional<int64_t> constant_integer(const ExprPtr &expression);
/// The same of a real one.
std::optional<double> constant_real(const ExprPtr &expression);

}  // namespace attune
