#pragma once
#include "generator/spec/error.h"
#include "generator/spec/evaluate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace attune::test {

inline ParamDeclaration param(const std::string &name, const std::string &type) {
    ExpressionContext context;
    context.argument = "params." + name;
    return parse_param(name, type, context);
}

/// Parameters of every kind, for expressions of tests.
inline const std::vector<ParamDeclaration> &params() {
    static const std::vector<ParamDeclaration> all = {
        param("n", "i32"),
        param("x", "f32"),
        param("ids", "i32[b, kv] nondecreasing"),
        param("words", "i32[b, q]"),
        param("slopes", "f32[h]"),
        param("bias", "f32[1, h, q, kv]"),
        param("table", "f32[h, 32]"),
        param("allowed", "bool[m, kv]"),
    };
    return all;
}

/// Values for them, for 2 sequences, 3 heads and up to 40 positions.
inline std::vector<ParamValue> param_values() {
    const auto tensor = [](std::vector<int64_t> extents, auto element) {
        ParamValue value;
        int64_t count = 1;
        for (const int64_t extent : extents) count *= extent;
        for (int64_t i = 0; i < count; i++) value.elements.push_back(static_cast<double>(element(i)));
        value.extents = std::move(extents);
        return value;
    };
    std::vector<ParamValue> values(8);
    values[0].integer = 3;
    values[1].real = 1.5;
    values[2] = tensor({2, 40}, [](int64_t i) { return i % 40 / 7; });
    values[3] = tensor({2, 40}, [](int64_t i) { return static_cast<int32_t>(static_cast<uint32_t>(i + 1) * 2654435761u); });
    values[4] = tensor({3}, [](int64_t i) { return 0.25 * static_cast<double>(i + 1); });
    values[5] = tensor({1, 3, 40, 40}, [](int64_t i) { return 0.001 * static_cast<double>(i); });
    values[6] = tensor({3, 32}, [](int64_t i) { return static_cast<double>(i); });
    values[7] = tensor({4, 40}, [](int64_t i) { return i % 3 == 0; });
    return values;
}

inline ExpressionContext context_of(ExprType wanted) {
    ExpressionContext context;
    context.params = &params();
    context.wanted = wanted;
    context.allow_s = wanted == ExprType::real;
    context.argument = wanted == ExprType::real ? "--score" : "--mask";
    return context;
}
inline Expression parse_mask(const std::string &text) { return parse_expression(text, context_of(ExprType::boolean)); }
inline Expression parse_score(const std::string &text) { return parse_expression(text, context_of(ExprType::real)); }

/// A pair of a sequence.
struct Pair {
    int64_t q, kv, seq_len_q, seq_len_kv, b = 0, h = 0, hkv = 0;
    double s = 0;
    Bindings bindings() const {
        Bindings out;
        out[Variable::b] = b;
        out[Variable::h] = h;
        out[Variable::hkv] = hkv;
        out[Variable::q] = q;
        out[Variable::kv] = kv;
        out[Variable::seq_len_q] = seq_len_q;
        out[Variable::seq_len_kv] = seq_len_kv;
        out.s = s;
        return out;
    }
    int64_t q_abs() const { return q + seq_len_kv - seq_len_q; }
};

}  // namespace attune::test
