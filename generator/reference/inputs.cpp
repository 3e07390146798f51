#include "generator/reference/inputs.h"
#include "generator/reference/half.h"

#include <algorithm>
#include <cmath>

namespace attune {
namespace {

/// ln(x) for 0 < x < 1, to about 1e-15. The file is compiled without contraction, so that every machine rounds alike.
double portable_log(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);  // [0.5, 1)
    if (m < 0.70710678118654752) m *= 2, exponent--;
    const double t = (m - 1) / (m + 1), t2 = t * t;  // |t| < 0.172: ln m = 2 atanh t
    double series = 0;
    for (int k = 23; k >= 1; k -= 2) series = series * t2 + 1.0 / k;
    return 2 * t * series + exponent * 0.69314718055994531;
}

std::vector<double> normal_numbers(int64_t count, uint64_t seed, double factor, DType dtype) {
    NormalGenerator normal(seed);
    std::vector<double> out(static_cast<size_t>(count));
    for (double &x : out) x = round_to(dtype, factor * normal());
    return out;
}

}  // namespace

const char *input_kind_name(InputKind kind) {
    switch (kind) {
    case InputKind::normal: return "normal";
    case InputKind::wide_8: return "wide_8";
    case InputKind::wide_20: return "wide_20";
    case InputKind::spike: return "spike";
    }
    return "normal";
}

std::vector<InputKind> input_kinds(const std::string &word) {
    if (word == "normal") return {InputKind::normal};
    if (word == "wide") return {InputKind::wide_8, InputKind::wide_20};
    if (word == "spike") return {InputKind::spike};
    return {};
}

double round_to(DType dtype, double x) {
    const float f = static_cast<float>(x);
    switch (dtype) {
    case DType::f32: return f;
    case DType::f16: return f16_to_float(float_to_f16(f));
    case DType::bf16: return bf16_to_float(float_to_bf16(f));
    }
    return f;
}

double NormalGenerator::operator()() {
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    double a = 0, b = 0, square = 0;
    do {
        a = static_cast<double>(static_cast<int64_t>(bits_()) >> 11) * 0x1p-52;  // [-1, 1)
        b = static_cast<double>(static_cast<int64_t>(bits_()) >> 11) * 0x1p-52;
        square = a * a + b * b;
    } while (square >= 1 || square == 0);
    const double factor = std::sqrt(-2 * portable_log(square) / square);
    spare_ = b * factor;
    has_spare_ = true;
    return a * factor;
}

std::vector<ParamValue> random_params(const AttentionSpec &spec, int64_t batch, int64_t num_heads, int64_t num_kv_heads, int64_t seq_len_q,
                                      int64_t seq_len_kv, uint64_t seed, int64_t free_extent) {
    using Element = ParamDeclaration::Element;
    using Kind = ParamDeclaration::Dim::Kind;
    std::mt19937_64 bits(seed);
    const auto below = [&](int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(std::max<int64_t>(n, 1))); };
    const auto extent_of = [&](const ParamDeclaration::Dim &dim) {
        switch (dim.kind) {
        case Kind::one: return int64_t(1);
        case Kind::b: return batch;
        case Kind::h: return num_heads;
        case Kind::hkv: return num_kv_heads;
        case Kind::q: return seq_len_q;
        case Kind::kv: return seq_len_kv;
        case Kind::extent: return dim.extent;
        case Kind::free: break;
        }
        return free_extent;
    };
    std::vector<ParamValue> values;
    for (const ParamDeclaration &param : spec.params) {
        NormalGenerator normal(bits());
        const DType dtype = param.element == Element::f16 ? DType::f16 : param.element == Element::bf16 ? DType::bf16 : DType::f32;
        ParamValue value;
        int64_t count = 1;
        for (const ParamDeclaration::Dim &dim : param.dims) value.extents.push_back(extent_of(dim)), count *= value.extents.back();
        if (param.is_scalar()) {
            value.integer = below(seq_len_kv);
            value.real = round_to(dtype, std::abs(normal()) + 0.5);
            count = 0;
        }
        const int64_t row = value.extents.empty() ? 1 : value.extents.back();
        for (int64_t i = 0; i < count; i++) {
            if (param.nondecreasing)
                value.elements.push_back(i % row == 0 ? 0 : value.elements.back() + (below(row) < 8));
            else if (param.element == Element::i32)
                value.elements.push_back(static_cast<double>(below(seq_len_kv)));
            else if (param.element == Element::boolean)
                value.elements.push_back(static_cast<double>(below(2)));
            else
                value.elements.push_back(round_to(dtype, normal()));
        }
        values.push_back(std::move(value));
    }
    return values;
}

namespace {

/// Keys of the delta rule have norm 1, as its models make them: longer ones would make the state grow from key to key.
void shorten_keys(ReferenceProblem &problem, DType dtype) {
    const size_t dims = static_cast<size_t>(problem.head_dim);
    for (size_t row = 0; row < problem.key.size(); row += dims) {
        double square = 0;
        for (size_t d = 0; d < dims; d++) square += problem.key[row + d] * problem.key[row + d];
        for (size_t d = 0; d < dims && square > 0; d++) problem.key[row + d] = round_to(dtype, problem.key[row + d] / std::sqrt(square));
    }
}

void enlarge_some_keys(ReferenceProblem &problem, DType dtype) {
    const int64_t heads_kv = problem.batch * problem.num_kv_heads;
    for (int64_t head = 0; head < heads_kv; head++) {
        const int64_t b = head / problem.num_kv_heads;
        const int64_t length = problem.keys_of(b);
        const auto enlarge = [&](int64_t kv, double by) {
            double *key = problem.key.data() + (head * problem.seq_len_kv + kv) * problem.head_dim;
            for (int d = 0; d < problem.head_dim; d++) key[d] = round_to(dtype, std::clamp(key[d] * by, -6e4, 6e4));  // in range of f16
        };
        if (length > 0) enlarge(length / 3, 100);
        // Without a mask every key below the length is visible: then only padding hides.
        if (length > 1 && problem.visible) enlarge(length - 1, 10000);
        for (int64_t kv = length; kv < problem.seq_len_kv; kv++) enlarge(kv, 10000);
    }
}

}  // namespace

void fill_inputs(ReferenceProblem &problem, InputKind kind, DType dtype, uint64_t seed) {
    const double factor = kind == InputKind::wide_8 ? 8 : kind == InputKind::wide_20 ? 20 : 1;
    const int64_t rows_q = problem.batch * problem.num_heads * problem.seq_len_q, heads_kv = problem.batch * problem.num_kv_heads;
    const int64_t rows_kv = heads_kv * problem.seq_len_kv;
    problem.query = normal_numbers(rows_q * problem.head_dim, 3 * seed, factor, dtype);  // a stream each: shapes do not shift one another
    problem.key = normal_numbers(rows_kv * problem.head_dim, 3 * seed + 1, factor, dtype);
    problem.value = normal_numbers(rows_kv * problem.head_dim_v, 3 * seed + 2, 1, dtype);
    if (kind == InputKind::spike) enlarge_some_keys(problem, dtype);
    if (problem.linear.beta) shorten_keys(problem, dtype);
}

}  // namespace attune
