#include "generator/algorithm/key_lanes.h"
#include "attune/kernel.h"

namespace attune {

using namespace Halide;

namespace {

const Var d("d"), k("k"), t("t"), i("i"), s("s"), v("v"), j("j"), b("b"), row("row"), head("head");

class KeyLanes {
public:
    KeyLanes(const AttentionTask &task)
        : task(task), args(task.args), vector(task.shape.vector), strip(task.shape.strip), block_kv(task.shape.block_kv),
          vectors(block_kv / vector), columns(task.shape.tile_d), keys(args.seq_len_kv), tiles((keys + block_kv - 1) / block_kv),
          own_row(task.existing_row(s * strip + i)), kv(unsafe_promise_clamped(min(likely(t * block_kv + k), keys - 1), 0, keys - 1)) {
        define_tensors();
        define_scores();
        define_logits();
        define_weights();
        if (task.score_hides())
            define_lowest();
        define_weighted();
        define_results();
    }

    KeyLanesStages stages;

private:
    void define_tensors() {
        stages.key_tile = Func("key_tile");
        // No promise: it keeps Halide 21 from making dense stores of a transpose's strided ones.
        stages.key_tile(d, k, t) = task.key(d, min(likely(t * block_kv + k), keys - 1));
        stages.keys = Func("keys");
        stages.keys(k, d, t) = stages.key_tile(d, k, t);
        const int last = task.spec.head_dim_v - 1;
        if (task.spec.dtype != DType::f32 || task.spec.head_dim_v % columns != 0) {
            Var position("kv");
            stages.values = Func("values");
            stages.values(d, position) = cast<float>(args.value(clamp(likely(d), 0, last), unsafe_promise_clamped(position, 0, keys - 1)));
        }
        stages.query = Func("query_rows");
        stages.query(d, i, s) = cast<float>(args.query(d, own_row % task.shape.fold, own_row / task.shape.fold)) * task.scale();
    }

    /// The last tile is as wide as it has keys: 77 keys take 5 vectors of 16, not 6.
    void define_scores() {
        stages.scores = Func("scores");
        stages.scores(k, t, i, s) = 0.0f;
        const Expr left = (keys - t * block_kv + vector - 1) / vector;
        for (int n = 1; n <= vectors; n++) {
            RDom over(0, n * vector, 0, task.spec.head_dim, "over_d_" + std::to_string(n));
            over.where(n < vectors ? left == n : left >= n);
            stages.scores(over.x, t, i, s) += stages.query(over.y, i, s) * stages.keys(over.x, over.y, t);
            stages.over_d.push_back(over);
        }
    }

    void define_array(const Node *element) {
        const Parameter &param = args.params[static_cast<size_t>(element->parameter)];
        auto property = [&](const char *name) { return Internal::Variable::make(Int(32), param.name() + name, param); };
        KeyArray array;
        array.element = element;
        array.is_dense = property(".stride.0") == 1;
        const Expr held = min(keys, property(".extent.0"));
        array.inside = RDom(0, held, param.name() + "_inside");
        array.clamped = RDom(held, keys - held, param.name() + "_clamped");
        auto stored = [&](const Expr &kv, bool exists) {
            return cast<float>(stored_element(*element, task.inputs(task.position(own_row), task.head(own_row), kv), exists));
        };
        Var position("kv");
        array.rows = Func(param.name() + "_rows");
        array.rows(position, i, s) = undef<float>();
        array.rows(array.inside, i, s) = stored(array.inside, true);
        array.rows(array.clamped, i, s) = stored(array.clamped, false);
        stages.arrays.push_back(array);
    }

    void define_logits() {
        for (const Node *element : row_key_elements(task.spec, true))
            define_array(element);
        auto staged = [&](const Node &element) -> Expr {
            for (const KeyArray &array : stages.arrays)
                if (array.element == &element)
                    return array.rows(t * block_kv + k, i, s);
            return Expr();
        };
        const Expr logit = task.logit(stages.scores(k, t, i, s), task.position(own_row), task.head(own_row), kv, staged);
        stages.logits = Func("logits");
        stages.logits(k, i, t, s) = shown_logit(exists(), logit);
        stages.over_max = RDom(0, vectors, 0, tiles, "over_max");
        stages.lane_maximum = Func("lane_maximum");
        stages.lane_maximum(v, i, s) = first_maximum;
        const Expr lane = stages.logits(stages.over_max.x * vector + v, i, stages.over_max.y, s);
        stages.lane_maximum(v, i, s) = max(stages.lane_maximum(v, i, s), lane);
        stages.over_lanes = RDom(0, vector, "over_lanes");
        stages.maximum = Func("maximum");
        stages.maximum(i, s) = first_maximum;
        stages.maximum(i, s) = max(stages.maximum(i, s), stages.lane_maximum(stages.over_lanes, i, s));
    }

    void define_weights() {
        const Expr relative = stages.logits(k, i, t, s) - stages.maximum(i, s);
        // The machine's 2^x keeps a NaN; of the others exp2_of_difference alone does.
        stages.weights = Func("weights");
        stages.weights(k, i, t, s) = task.machine.exp2 ? exp2(task.machine, relative) : exp2_of_difference(relative);
        stages.over_sum = RDom(0, vectors, 0, tiles, "over_sum");
        stages.lane_sums = Func("lane_sums");
        stages.lane_sums(v, i, s) = 0.0f;
        stages.lane_sums(v, i, s) += stages.weights(stages.over_sum.x * vector + v, i, stages.over_sum.y, s);
        stages.sum = Func("sum");
        stages.sum(i, s) = 0.0f;
        stages.sum(i, s) += stages.lane_sums(stages.over_lanes, i, s);
    }

    /// As unsigned numbers the bits of a hidden logit are above those of all that show, but for a NaN whose sign is set.
    void define_lowest() {
        stages.over_lowest = RDom(0, strip, 0, vectors, 0, tiles, "over_lowest");
        const RDom &over = stages.over_lowest;
        auto bits = [](const Expr &x) { return reinterpret<uint32_t>(x); };
        stages.lane_lowest = Func("lane_lowest");
        stages.lane_lowest(v, s) = cast<uint32_t>(0);
        const Expr so_far = stages.lane_lowest(v, s), logit = stages.logits(over.y * vector + v, over.x, over.z, s);
        stages.lane_lowest(v, s) = select(over.z * block_kv + over.y * vector + v < keys, max(so_far, bits(logit)), so_far);
        stages.lowest = Func("lowest");
        stages.lowest(s) = cast<uint32_t>(0);
        stages.lowest(s) = max(stages.lowest(s), stages.lane_lowest(stages.over_lanes, s));
        stages.plain_keys = Func("plain_keys");
        stages.plain_keys(s) = select(stages.lowest(s) >= bits(hidden_score), 0, keys);
        stages.plain_keys.compute_root();  // in no schedule: Halide 21 cannot inline a reduction into a predicate
    }

    /// Which keys a loop has is said as its bound: a condition inside would take the sums out of their registers.
    void define_weighted() {
        const bool hides = task.score_hides();
        const Expr column = unsafe_promise_clamped(b * columns + j, 0, task.value_blocks() * columns - 1);
        auto position = [&](const RDom &over) { return over.y * block_kv + over.x; };
        auto value = [&](const RDom &over) {
            return stages.values.defined() ? stages.values(column, position(over))
                                           : task.value(column, unsafe_promise_clamped(position(over), 0, keys - 1));
        };
        auto weight = [&](const RDom &over) { return stages.weights(over.x, i, over.y, s); };
        stages.over_k = RDom(0, block_kv, 0, tiles, "over_k");
        stages.over_k.where(position(stages.over_k) < (hides ? Expr(stages.plain_keys(s)) : keys));
        stages.weighted = Func("weighted");
        stages.weighted(j, b, i, s) = 0.0f;
        stages.weighted(j, b, i, s) += weight(stages.over_k) * value(stages.over_k);
        if (!hides)
            return;
        // As in define_weighted of chunks: hidden values become 0.
        stages.over_shown_k = RDom(0, block_kv, 0, tiles, "over_shown_k");
        stages.over_shown_k.where(position(stages.over_shown_k) < keys - stages.plain_keys(s));
        const Expr logit = stages.logits(stages.over_shown_k.x, i, stages.over_shown_k.y, s);
        const Expr shown = float_bits(logit) != float_bits(hidden_score);
        stages.weighted(j, b, i, s) +=
            weight(stages.over_shown_k) * reinterpret<float>(select(shown, float_bits(value(stages.over_shown_k)), 0));
    }

    void define_results() {
        stages.accumulator = Func("accumulator");
        stages.accumulator(j, b, i, s) = stages.weighted(j, b, i, s);

        Expr sum = stages.sum(i, s), maximum = stages.maximum(i, s), rescale = 1.0f;
        if (const Expr sink = task.sink(task.head(own_row)); sink.defined()) {
            const Expr larger = max(maximum, max(sink, hidden_score));
            rescale = exp2_capped(maximum - larger);
            sum = sum * rescale + exp2_capped(sink - larger);
            maximum = larger;
        }
        stages.state = Func("state");
        stages.state(i, s) = args.row_class(own_row);
        stages.inverse = Func("inverse");
        stages.inverse(i, s) = select(float_bits(sum) == 0, 0.0f, rescale / sum);
        stages.row_lse = Func("row_lse");
        stages.row_lse(i, s) = lse_of_sum(maximum, sum);

        stages.rows = RDom(0, task.rows(), "rows");
        const int fold = task.shape.fold;
        const Expr in_strip = stages.rows % strip, of_strip = stages.rows / strip;
        stages.rows.where(stages.state(in_strip, of_strip) == ATTUNE_ROW_ONLINE);
        // That r / fold and r % fold are of one r alone Halide 21 cannot prove, of r it could; it makes one loop of two only where it knows as much of both.
        const Expr r = unsafe_promise_clamped(stages.rows, 0, task.rows() - 1);
        const Expr value = stages.accumulator(d % columns, d / columns, in_strip, of_strip) * stages.inverse(in_strip, of_strip);
        stages.output = Func("output");
        stages.output(d, head, row) = undef(task.type());
        stages.output(d, r % fold, r / fold) = as_output(value, task.type(), task.machine);
        stages.lse = Func("lse");
        stages.lse(row) = undef<float>();
        stages.lse(r) = stages.row_lse(in_strip, of_strip);
        stages.row_state = Func("row_state");
        stages.row_state(row) = stages.state(row % strip, row / strip);
    }

    Expr exists() const { return t * block_kv + k < keys; }

    const AttentionTask &task;
    const AttentionArguments &args;
    const int vector, strip, block_kv, vectors, columns;
    const Expr keys, tiles, own_row;
    const Expr kv;  ///< of key k of tile t
};

}  // namespace

KeyLanesStages define_key_lanes(const AttentionTask &task) {
    return KeyLanes(task).stages;
}

}  // namespace attune
