#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

/// query · key of 8-bit integers. With m the mean of some keys (Zhang et al. 2024, arXiv:2410.02367: channels of keys have a common offset,
/// which would take most of eight bits), a row's scale a = max |query| / 127, a key's scale b = max |key - m| / 127,
///   query · key = query · m + query · (key - m),   query · (key - m) ~ a b (sum over d of round(query / a) round((key - m) / b)).
/// The machine multiplies signed by unsigned bytes: keys are stored 128 larger, and 128 times the sum of the row's integers is taken off.
/// m is the mean of one chunk that every row of the task sees, so that no row depends on a key that it does not see; 0 where there is none.
/// Rows that see an infinity or a NaN take the exact algorithm, in f32.

namespace {

constexpr float largest_integer = 127.0f;

Expr scale_of(const Expr &largest) {
    return max(largest, 1e-30f) * (1 / largest_integer);
}

/// Integers of elements 4 d … 4 d + 3, those after the last 0.
Expr quad(const AttentionTask &task, const Expr &d, const std::function<Expr(Expr d)> &integer) {
    Expr elements[4];
    const int last = task.spec.head_dim - 1, existing = 4 * task.product_steps();
    for (int j = 0; j < 4; j++) {
        const Expr at = 4 * d + j;
        elements[j] = existing == task.spec.head_dim ? integer(at) : select(at <= last, integer(min(at, last)), 0);
    }
    return quad_of_i8(elements);
}

Expr integer_of(const Expr &x) {
    return cast<int>(round(x));
}

Expr key_difference(const AttentionTask &task, const AttentionStages &stages, const Expr &d, const Expr &kv) {
    return task.key(d, kv) - stages.query_scales.key_mean(d);
}

/// The first full visit of all strips that have rows, and the mean of its keys.
void define_key_mean(const AttentionTask &task, QueryScales &scales) {
    Var d("d");
    const VisitList full = visit_list(task, false);
    RDom visit(0, full.count(), "shared_visit");
    Expr shared = Internal::const_true();
    for (int s = 0; s < task.strips(); s++)
        shared = shared && (full.visits(visit, s) || s * task.shape.strip >= task.rows());
    const Expr none = full.count();
    scales.shared_visit = Func("shared_visit");
    scales.shared_visit() = none;
    scales.shared_visit() = min(scales.shared_visit(), select(shared, visit, none));

    RDom k(0, task.shape.block_kv, "mean_key");
    k.where(scales.shared_visit() < none);
    scales.key_mean = Func("key_mean");
    scales.key_mean(d) = 0.0f;
    const Expr chunk = clamp(scales.shared_visit(), 0, max(none - 1, 0));
    scales.key_mean(d) += task.key(d, task.existing_key(full.kv(k, chunk), false)) * (1.0f / task.shape.block_kv);
}

}  // namespace

void define_quantised_query(const AttentionTask &task, AttentionStages &stages) {
    QueryScales &scales = stages.query_scales;
    define_key_mean(task, scales);
    Var i("i"), d("d"), s("s");
    const int vector = task.shape.vector, vectors = task.shape.strip / vector;
    scales.strip = Func("query_f32");
    scales.strip(i, d, s) = stages.query_tile(i % vector, d, s * vectors + i / vector);

    RDom over_d(0, task.spec.head_dim, "query_d");
    scales.largest = Func("query_largest");
    scales.largest(i, s) = 0.0f;
    scales.largest(i, s) = max(scales.largest(i, s), abs(scales.strip(i, over_d, s)));
    scales.scale = Func("query_scale");
    scales.scale(i, s) = scale_of(scales.largest(i, s));
    scales.mean_product = Func("query_mean_product");
    scales.mean_product(i, s) = 0.0f;
    scales.mean_product(i, s) += scales.strip(i, over_d, s) * scales.key_mean(over_d);
    const Expr inverse = 1.0f / scales.scale(i, s);
    stages.query_strip(i, d, s) = quad(task, d, [&](const Expr &at) { return integer_of(scales.strip(i, at, s) * inverse); });

    RDom over_quads(0, task.product_steps(), "query_quad");
    const Expr all_128(uint32_t{0x80808080});
    scales.unsigned_sum = Func("query_unsigned_sum");
    scales.unsigned_sum(i, s) = 0;
    scales.unsigned_sum(i, s) = dot_i8(task.machine, scales.unsigned_sum(i, s), stages.query_strip(i, over_quads, s), all_128);
}

void define_quantised_key(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    KeyScales &scales = chunk.key_scales;
    Var d("d"), k("k"), c("c"), v("v");
    const std::string suffix = partial ? "_partial" : "_full";
    const Expr kv = task.existing_key(visit_list(task, partial).kv(k, c), partial);
    scales.over_d = RDom(0, head_dim_steps(task), "key_d" + suffix);
    scales.lane_largest = Func("key_lane_largest" + suffix);
    scales.lane_largest(v, k, c) = 0.0f;
    const Expr lane = head_dim_lane(task, scales.over_d * task.shape.vector + v,
                                    [&](const Expr &at) { return abs(key_difference(task, stages, at, kv)); });
    scales.lane_largest(v, k, c) = max(scales.lane_largest(v, k, c), lane);
    scales.scale = Func("key_scale" + suffix);
    scales.scale(k, c) = scale_of(largest_of_lanes([&](int at) { return scales.lane_largest(at, k, c); }, task.shape.vector));
    const Expr inverse = 1.0f / scales.scale(k, c);
    chunk.key(d, k, c) = quad(task, d, [&](const Expr &at) { return integer_of(key_difference(task, stages, at, kv) * inverse) + 128; });
}

Expr quantised_product(const AttentionStages &stages, const ChunkStages &chunk, const Expr &i, const Expr &k, const Expr &c,
                       const Expr &s) {
    const QueryScales &query = stages.query_scales;
    const Expr sum = cast<float>(chunk.scores(i, k, c, s) - query.unsigned_sum(i, s));
    return sum * chunk.key_scales.scale(k, c) * query.scale(i, s) + query.mean_product(i, s);
}

}  // namespace attune
