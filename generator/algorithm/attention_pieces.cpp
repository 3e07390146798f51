#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// Adding it to a float of magnitude below 2^22 rounds that to an integer, which stands, plus 127, in the low bits of the sum.
/// Numbers beyond that keep f within their last place, and an exponent of 0 or of the cap.
constexpr float round_magic = 12583039.0f;    // 1.5 * 2^23 + 127
constexpr int round_magic_zero = 0x4b400000;  // the bits of 1.5 * 2^23: an exponent field of 0, so 2^n is 0

/// 2^f on [-1/2, 1/2]: minimax polynomial of degree 5, relative error 9e-8.
Expr exp2_polynomial(const Expr &f) {
    Expr p = 1.32647e-3f;
    for (float c : {9.67151e-3f, 5.550734e-2f, 2.4022242e-1f, 6.9314698e-1f, 1.0f})
        p = p * f + c;
    return p;
}

/// 2^(n - 127) from bits whose lowest eight are n. Shifted as unsigned: what is shifted out would overflow an int, which Halide
/// takes as a promise that it cannot happen.
Expr exponent(const Expr &bits) {
    return reinterpret<float>(reinterpret<uint32_t>(bits) << cast<uint32_t>(23));
}

/// Lanes combined by halves; a power of two.
Expr tree_of_lanes(const std::function<Expr(int)> &lane, int lanes, const std::function<Expr(Expr, Expr)> &combined) {
    std::vector<Expr> all;
    for (int v = 0; v < lanes; v++)
        all.push_back(lane(v));
    while (all.size() > 1) {
        for (size_t v = 0; v < all.size() / 2; v++)
            all[v] = combined(all[2 * v], all[2 * v + 1]);
        all.resize(all.size() / 2);
    }
    return all[0];
}

}  // namespace

Expr float_bits(const Expr &x) {
    return reinterpret<int>(x);
}

Expr sum_of_lanes(const std::function<Expr(int)> &lane, int lanes) {
    return tree_of_lanes(lane, lanes, [](const Expr &a, const Expr &b) { return a + b; });
}

Expr largest_of_lanes(const std::function<Expr(int)> &lane, int lanes) {
    return tree_of_lanes(lane, lanes, [](const Expr &a, const Expr &b) { return max(a, b); });
}

int head_dim_steps(const AttentionTask &task) {
    return (task.spec.head_dim + task.shape.vector - 1) / task.shape.vector;
}

Expr head_dim_lane(const AttentionTask &task, const Expr &d, const std::function<Expr(Expr)> &element) {
    if (task.spec.head_dim % task.shape.vector == 0)
        return cast<float>(element(d));
    return select(d < task.spec.head_dim, cast<float>(element(min(d, task.spec.head_dim - 1))), 0.0f);
}

Expr exp2_capped(const Expr &x) {
    // As integers: positive floats order like them, and a positive NaN is above all.
    return exp2_of_difference(reinterpret<float>(min(float_bits(x), float_bits(127.0f))));
}

Expr exp2_of_difference(const Expr &x) {
    // The exponent is bounded as an integer, so that a NaN in x reaches the result through the polynomial.
    const Expr rounded = strict_float(x + round_magic);
    const Expr f = x - strict_float(rounded - round_magic);
    return exp2_polynomial(f) * exponent(max(float_bits(rounded), round_magic_zero));
}

void define_query(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), d("d"), s("s"), j("j"), g("g");
    const int vector = task.shape.vector;
    stages.query_tile = Func("query_tile");
    stages.query_strip = Func("query_strip");
    const Expr row = task.existing_row(g * vector + j);
    auto element = [&](const Expr &d) { return task.args.query(d, row % task.shape.fold, row / task.shape.fold); };
    stages.query_tile(j, d, g) =
        task.shape.scores == Products::bf16_pairs ? task.head_dim_pair(d, element) : cast<float>(element(d)) * task.scale();
    stages.rows = define_rows(task);
    if (task.shape.scores == Products::i8_quads) {
        define_quantised_query(task, stages);
        return;
    }
    const int vectors = task.shape.strip / vector;
    const Expr query = stages.query_tile(i % vector, d, s * vectors + i / vector);
    stages.query_strip(i, d, s) = task.shape.scores == Products::f16 ? half_of(query) : query;
}

RowStages define_rows(const AttentionTask &task) {
    RowStages rows;
    Var i("i"), s("s");
    const Expr row = task.existing_row(s * task.shape.strip + i);
    rows.position = Func("row_position");
    rows.position(i, s) = task.position(row);
    if (task.shape.fold > 1) {
        rows.head = Func("row_head");
        rows.head(i, s) = task.head(row);
    }
    return rows;
}

RDom VisitList::existing_tiles(int parts, const Expr &c, const std::string &name) const {
    RDom over(0, parts, 0, task.shape.tiles(), name);
    over.where(kv(over.y * task.shape.tile_kv, c) < task.args.seq_len_kv);
    return over;
}

VisitList visit_list(const AttentionTask &task, bool partial) {
    return {task, partial ? task.args.partial : task.args.full};
}

Expr RowStages::head_of(const AttentionTask &task, const Expr &i, const Expr &s) const {
    return head.defined() ? head(i, s) : Expr(task.args.head);
}

/// 2^n for an integer n <= 0; 0 below -126.
Expr exp2_integer(const Expr &n) {
    return reinterpret<float>((cast<int>(max(n, -127.0f)) + 127) << 23);
}

Expr lse_of_sum(const Expr &reference, const Expr &sum) {
    const Expr bits = float_bits(sum), lse = reference * static_cast<float>(M_LN2) + log(sum);
    const Expr lse_bits = select((bits & 0x7fffffff) > infinity_bits, 0x7fc00000, float_bits(lse));  // log(NaN) is not one
    return reinterpret<float>(select(bits == 0, minus_infinity_bits, lse_bits));
}

void define_exact_result(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), s("s");
    const Expr row = task.existing_row(s * task.shape.strip + i);
    Expr sum = row_sum(task, stages, i, s), maximum = stages.accumulator(i, 1, task.value_blocks(), s), rescale = 1.0f;
    if (const Expr sink = task.sink(task.head(row)); sink.defined()) {
        const Expr larger = max(maximum, ceil(max(sink, hidden_score)));
        rescale = exp2_integer(maximum - larger);
        // Capped, though never above 0: its integer step keeps LLVM from reassociating the difference with the rounding inside.
        sum = sum * rescale + exp2_capped(sink - larger);
        maximum = larger;
    }
    stages.state = Func("state");
    stages.state(i, s) = task.args.row_class(row);
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = select(float_bits(sum) == 0, 0.0f, rescale / sum);
    stages.row_lse = Func("row_lse");
    stages.row_lse(i, s) = lse_of_sum(maximum, sum);
}

Expr as_output(const Expr &x, const Type &type, const MachineOperations &machine) {
    if (type.is_bfloat() && machine.dot_bf16)
        return reinterpret(type, bf16_of(machine, x));
    const Expr rounded = cast(type, x);
    if (type == Float(32))
        return rounded;
    const int nan = type.is_bfloat() ? 0x7fc0 : 0x7e00;
    const Expr is_nan = (float_bits(x) & 0x7fffffff) > infinity_bits;
    return reinterpret(type, select(is_nan, cast<uint16_t>(nan), reinterpret<uint16_t>(rounded)));
}

void define_outputs(const AttentionTask &task, AttentionStages &stages, int stored) {
    Var d("d"), j("j"), g("g"), row("row");
    const int vector = task.shape.vector, strip = task.shape.strip, vectors = strip / vector;
    const Expr rows = task.rows();
    stages.output_tile = Func("output_tile");
    const Expr i = (g % vectors) * vector + j, s = g / vectors;
    stages.output_tile(d, j, g) = stages.accumulator(i, d % task.shape.tile_d, d / task.shape.tile_d, s) * stages.inverse(i, s);

    stages.output_rows = RDom(0, vector, 0, (rows + vector - 1) / vector, "output_rows");
    const int fold = task.shape.fold;
    const Expr rj = stages.output_rows.x, rg = stages.output_rows.y, tile_row = rg * vector + rj;
    stages.output_rows.where(tile_row < rows && stages.state((rg % vectors) * vector + rj, rg / vectors) == stored);
    stages.output = Func("output");
    Var head("head");
    stages.output(d, head, row) = undef(task.type());
    const Expr existing = clamp(tile_row, 0, rows - 1);
    stages.output(d, existing % fold, existing / fold) = as_output(stages.output_tile(d, rj, rg), task.type(), task.machine);

    stages.lse_rows = RDom(0, rows, "lse_rows");
    const Expr r = stages.lse_rows;
    stages.lse_rows.where(stages.state(r % strip, r / strip) == stored);
    stages.lse = Func("lse");
    stages.lse(row) = undef<float>();
    stages.lse(r) = stages.row_lse(r % strip, r / strip);

    stages.row_state = Func("row_state");
    stages.row_state(row) = stages.state(row % strip, row / strip);
}

}  // namespace attune
