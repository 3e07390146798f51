#pragma once
#include "generator/spec/expression.h"

#include <array>
#include <cstdint>
#include <vector>

namespace attune {

/// The run-time value of a parameter, for the evaluator.
struct ParamValue {
    int64_t integer = 0;            ///< of an i32 scalar
    double real = 0;                ///< of an f32 scalar
    std::vector<int64_t> extents;   ///< of a tensor, as declared
    std::vector<double> elements;   ///< C order; integers and booleans are exact
};

/// What the variables are: values[Variable]; s apart. q_abs is derived.
struct Bindings {
    std::array<int64_t, num_variables> values{};
    double s = 0;
    int64_t &operator[](Variable v) { return values[static_cast<size_t>(v)]; }
};

/// Expressions as a list of steps, each shared part once: what the reference and the block plan's tests evaluate millions of times.
/// Integers have 64 bits and wrap; reals are doubles. Shares no code with the kernels.
class Program {
public:
    /// One result each root.
    explicit Program(const std::vector<ExprPtr> &roots);
    struct Value { int64_t integer = 0; double real = 0; };  ///< booleans: integer 0 or 1
    /// Results in the order of the roots; valid until the next call. Not thread-safe: copy the program for each thread.
    const std::vector<Value> &run(const Bindings &bindings, const std::vector<ParamValue> &params);

private:
    struct Step {
        const Node *node;
        int result;    ///< where its value goes
        int operands;  ///< of its first one, in operands_
        bool real;     ///< its operands are
    };
    std::vector<ExprPtr> roots_;   ///< keeps the nodes alive
    std::vector<Step> steps_;
    std::vector<int> operands_;    ///< of all steps: indices into values_
    std::vector<int> results_;     ///< of the roots, likewise
    std::vector<Value> values_;    ///< constants are there from the beginning
    std::vector<Value> out_;
};

/// One expression, once.
Program::Value evaluate(const ExprPtr &root, const Bindings &bindings, const std::vector<ParamValue> &params);

}  // namespace attune
