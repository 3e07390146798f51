#include "generator/algorithm/split_tiles.h"

#include "attune/kernel.h"
#include "generator/algorithm/split_pieces.h"

#include <numeric>

namespace attune {

using namespace Halide;

namespace {

constexpr int exponent_bits = 0x7f80;  ///< of a bf16; all of them: an infinity or a NaN
constexpr int not_a_number = 0x7fc00000;

Expr bits_of(const Expr &stored) {
    return reinterpret<uint16_t>(stored);
}

Expr is_unusual(const Expr &stored) {
    return (bits_of(stored) & cast<uint16_t>(exponent_bits)) == cast<uint16_t>(exponent_bits);
}

/// What is left of x after `terms` bf16 that sum to nearly all of it.
Expr remainder(Expr x, int terms) {
    for (int term = 0; term < terms; term++)
        x = x - reinterpret<float>(rounded_to_bf16(x));
    return x;
}

class SplitTiles {
public:
    explicit SplitTiles(const AttentionTask &task) : task_(task), keys_(task, false), values_(task, true) {}

    SplitTileStages define() {
        const int block = task_.shape.tile_kv, blocks = task_.shape.block_kv / block;
        // Of a chunk with a mask no more keys are computed than it has.
        const Expr of_keys = (task_.args.num_keys + block - 1) / block;
        blocks_ = unsafe_promise_clamped(select(masked_, of_keys, blocks), 1, blocks);
        query();
        scores();
        weights();
        weighted();
        part();
        return stages_;
    }

private:
    Expr row(const Expr &s) const { return task_.existing_row(s * split_strip + i_); }

    Expr listed(const Expr &k) const { return listed_key(task_, k); }

    void query() {
        const Expr position = row(s_) / task_.shape.fold, head = row(s_) % task_.shape.fold;
        auto stored = [&](const Expr &d) { return task_.args.query(d, head, position); };
        const bool turns = task_.spec.rope.style != RopeSpec::Style::none;
        if (turns) {
            stages_.query = Func("query_row");
            const int last = task_.spec.head_dim - 1;
            const Expr turned = rotated(task_, min(d_, last), position, stored);
            stages_.query(d_, i_, s_) = 2 * task_.product_steps() == last + 1 ? turned : select(d_ <= last, turned, 0.0f);
        }
        for (int term = 0; term < (turns ? 3 : 1); term++) {
            auto left = [&](const Expr &d) { return remainder(stages_.query(d, i_, s_), term); };
            Func tile("query_tile"), pairs("query_pairs");
            tile(i_, d_, s_) =
                turns ? rounded_pair_of_bf16(task_.machine, left(2 * d_), left(2 * d_ + 1)) : task_.head_dim_pair(d_, stored);
            pairs(i_, d_, s_) = tile(i_, d_, s_);
            stages_.query_tiles.push_back(tile);
            stages_.query_pairs.push_back(pairs);
        }
    }

    Func scores_of(const char *name, const std::function<Expr(Expr, Expr)> &key) {
        Func scores(name);
        scores(i_, k_, s_) = 0.0f;
        for (const Func &query : stages_.query_pairs)
            scores(i_, k_, s_) = dot_bf16(task_.machine, scores(i_, k_, s_), query(i_, stages_.over_d, s_), key(stages_.over_d, k_));
        return scores;
    }

    void scores() {
        stages_.key = Func("key_pairs");
        stages_.key(d_, k_) = task_.head_dim_pair(d_, [&](const Expr &d) { return keys_.stored(d, listed(k_)); });
        stages_.over_d = RDom(0, task_.product_steps(), "over_d");
        stages_.scores = scores_of("scores", [&](const Expr &d, const Expr &k) { return stages_.key(d, k); });
        Expr score = stages_.scores(i_, k_, s_);
        if (split_reads_in_place(task_)) {
            const ImageParam &rows = task_.args.key;
            stages_.scores_in_place = scores_of("scores_in_place", [&](const Expr &d, const Expr &k) {
                return pair_of_bf16(element_in_place(task_, rows, 2 * d, k), element_in_place(task_, rows, 2 * d + 1, k));
            });
            score = select(masked_, score, stages_.scores_in_place(i_, k_, s_));
        }

        const Expr q = task_.position(row(s_)), h = task_.head(row(s_)), kv = task_.args.first_key + task_.existing_of_chunk(k_);
        const Expr logit = task_.logit(score * task_.scale(), q, h, kv);
        stages_.logits = Func("logits");
        stages_.logits(i_, k_, s_) = shown_logit(!masked_ || (k_ < task_.args.num_keys && task_.visible(q, h, kv)), logit);
    }

    void weights() {
        const int block = task_.shape.tile_kv;
        stages_.over_chains = RDom(0, blocks_ * (block / split_chains), "over_chains");
        const Expr of_chain = stages_.over_chains * split_chains + c_;
        stages_.maxima = Func("maxima");
        stages_.maxima(i_, c_, s_) = first_maximum;
        stages_.maxima(i_, c_, s_) = max(stages_.maxima(i_, c_, s_), stages_.logits(i_, of_chain, s_));
        stages_.maximum = Func("maximum");
        stages_.maximum(i_, s_) = ceil(largest_of_lanes([&](int chain) { return stages_.maxima(i_, chain, s_); }, split_chains));

        // A hidden logit's weight is exactly 0.
        stages_.weights = Func("weights");
        stages_.weights(i_, k_, s_) = exp2(task_.machine, stages_.logits(i_, k_, s_) - stages_.maximum(i_, s_));
        stages_.sums = Func("sums");
        stages_.sums(i_, c_, s_) = 0.0f;
        stages_.sums(i_, c_, s_) += stages_.weights(i_, of_chain, s_);

        turned();
    }

    /// Of 32 keys at a time two weights go in a lane, so that one square of 16 is transposed: a row of its index's bits turned by 4, each time by
    /// one as lanes of two vectors are put in turns.
    void turned() {
        const Var x("x"), t("t");
        constexpr int edge = split_strip, square = edge * edge;
        auto weight = [&](const Expr &k) { return rounded_to_bf16(stages_.weights(x % edge, k, s_)); };
        const Expr first = t * (2 * edge) + x / edge;
        Func turns("packed_weights");
        turns(x, t, s_) = weight(first) >> Expr(uint32_t{16}) | weight(first + edge);
        stages_.turns.push_back(turns);
        for (int bit = 1; bit < edge; bit *= 2) {
            Func next("turned_once");
            next(x, t, s_) = turns(x / 2 + x % 2 * (square / 2), t, s_);
            stages_.turns.push_back(next);
            turns = next;
        }
        // x = row of its half, y = 1 for the odd columns, z = half of the strip.
        stages_.over_turned = RDom(0, split_half, 0, 2, 0, select(split_few_rows(task_), 1, 2), "over_turned");
        const RVar half = stages_.over_turned.z;
        const Expr row = half * split_half + stages_.over_turned.x, both = turns(row * edge + k_ % edge, k_ / (2 * edge), s_);
        const Expr is_second = k_ / edge % 2 == 1, sixteen = Expr(uint32_t{16}), upper = Expr(0xffff0000u);
        stages_.turned = Func("turned_weights");
        stages_.turned(k_, j_, s_) = undef<uint32_t>();
        stages_.turned(k_, (half * 2 + stages_.over_turned.y) * split_half + stages_.over_turned.x, s_) =
            select(stages_.over_turned.y == 0, select(is_second, both >> sixteen, both & Expr(0xffffu)),
                   select(is_second, both & upper, both << sixteen));
    }

    /// Row of its strip.
    static Expr row_of(const Expr &j) { return j / (2 * split_half) * split_half + j % split_half; }
    static Expr is_of_even_columns(const Expr &j) { return j / split_half % 2 == 0; }

    /// x = key of a block, y = j of rows that the call has, z = block.
    RDom blocks_of(int keys, const Expr &blocks, const char *name) const {
        return {0, keys, 0, select(split_few_rows(task_), 2 * split_half, 2 * split_strip), 0, blocks, name};
    }
    Func weighted_of(const char *name, const RDom &over, int keys, const Expr &value) {
        Func weighted(name);
        weighted(d_, j_, s_) = 0.0f;
        weighted(d_, over.y, s_) =
            dot_bf16(task_.machine, weighted(d_, over.y, s_), value, stages_.turned(over.z * keys + over.x, over.y, s_));
        return weighted;
    }

    void weighted() {
        const int block = task_.shape.tile_kv, vector = task_.shape.vector, pairs = split_tile_columns(task_) / 2;
        const int whole = split_reads_in_place(task_) ? std::gcd(task_.shape.block_kv, split_whole_keys) : block;
        stages_.over_whole = blocks_of(whole, select(masked_, 0, task_.shape.block_kv / whole), "over_whole");
        const Expr at_whole = stages_.over_whole.z * whole + stages_.over_whole.x;
        auto value_of = [&](const Expr &d, const Expr &k) {
            return pair_of_bf16(values_.stored(2 * d, listed(k)), values_.stored(2 * d + 1, listed(k)));
        };
        Expr value;
        if (split_reads_in_place(task_)) {
            const ImageParam &rows = task_.spec.cache.values_in_key ? task_.args.key : task_.args.value;
            value = pair_of_bf16(element_in_place(task_, rows, 2 * d_, at_whole), element_in_place(task_, rows, 2 * d_ + 1, at_whole));
        } else {
            stages_.value = Func("value_pairs");
            stages_.value(d_, k_) = value_of(d_, k_);
            value = stages_.value(d_, at_whole);
        }
        stages_.weighted_whole = weighted_of("weighted_whole", stages_.over_whole, whole, value);

        auto usual = [&](const Expr &d, const Expr &k) {
            const Expr stored = values_.stored(d, listed(k));
            return select(is_unusual(stored), cast(stored.type(), 0.0f), stored);
        };
        stages_.usual_value = Func("usual_value_pairs");
        stages_.usual_value(d_, k_) = pair_of_bf16(usual(2 * d_, k_), usual(2 * d_ + 1, k_));
        stages_.over_tiles = blocks_of(block, select(masked_, blocks_, 0), "over_tiles");
        stages_.weighted = weighted_of("weighted", stages_.over_tiles, block,
                                       stages_.usual_value(d_, stages_.over_tiles.z * block + stages_.over_tiles.x));

        // An infinity or a NaN reaches the rows that see its key, and no others.
        Var v("v"), b("b");
        stages_.over_rows = RDom(0, 2 * pairs / vector, 0, block, "over_rows");
        stages_.unusual = Func("unusual");
        stages_.unusual(v, b) = cast<uint16_t>(0);
        const Expr bits = bits_of(values_.stored(stages_.over_rows.x * vector + v, listed(b * block + stages_.over_rows.y)));
        stages_.unusual(v, b) = max(stages_.unusual(v, b), bits & cast<uint16_t>(exponent_bits));
        stages_.over_hidden = RDom(0, block, 0, select(masked_, blocks_, 0), "over_hidden");
        const Expr any = largest_of_lanes([&](int lane) { return stages_.unusual(lane, stages_.over_hidden.y); }, vector);
        stages_.over_hidden.where(any == cast<uint16_t>(exponent_bits));
        const Expr k = stages_.over_hidden.y * block + stages_.over_hidden.x, i = row_of(j_);
        const Expr stored = values_.stored(2 * d_ + select(is_of_even_columns(j_), 0, 1), listed(k));
        const Expr is_hidden = float_bits(stages_.logits(i, k, s_)) == float_bits(hidden_score);
        stages_.weighted(d_, j_, s_) += select(is_hidden || !is_unusual(stored), 0.0f, stages_.weights(i, k, s_) * cast<float>(stored));
    }

    void part() {
        auto sum = [&](const Expr &i, const Expr &s) {
            return sum_of_lanes([&](int lane) { return stages_.sums(i, lane, s); }, split_chains);
        };
        const Var column("column"), v("v");
        const Expr d = column / 2, j = i_ / split_half * (2 * split_half) + column % 2 * split_half + i_ % split_half;
        stages_.columns = Func("weighted_columns");
        stages_.columns(column, i_, s_) = select(masked_, stages_.weighted(d, j, s_), stages_.weighted_whole(d, j, s_));

        // A zero times an infinity is none: both columns of a pair are lost to it, and the caller has the chunk computed as one with a mask.
        const int vector = task_.shape.vector, infinity = 0x7f800000;
        stages_.over_columns = RDom(0, split_tile_columns(task_) / vector, "over_columns");
        stages_.largest = Func("largest_sum");
        stages_.largest(v, i_, s_) = 0;
        const Expr weighted = stages_.columns(stages_.over_columns * vector + v, i_, s_);
        stages_.largest(v, i_, s_) = max(stages_.largest(v, i_, s_), float_bits(weighted) & infinity);
        stages_.reference = Func("reference");
        const Expr is_lost = !masked_ && largest_of_lanes([&](int lane) { return stages_.largest(lane, i_, s_); }, vector) == infinity;
        stages_.reference(i_, s_) = reinterpret<float>(select(is_lost, not_a_number, float_bits(stages_.maximum(i_, s_))));
        stages_.part = define_part(
            task_, [&](const Expr &column, const Expr &r) { return stages_.columns(column, r % split_strip, r / split_strip); },
            [&](const Expr &r) { return sum(r % split_strip, r / split_strip); },
            [&](const Expr &r) { return stages_.reference(r % split_strip, r / split_strip); });
    }

    const AttentionTask &task_;
    const CacheRows keys_, values_;
    const Expr masked_ = task_.args.masked != 0;
    Expr blocks_;  ///< of keys
    const Var i_{"i"}, d_{"d"}, s_{"s"}, k_{"k"}, c_{"c"}, j_{"j"};
    SplitTileStages stages_;
};

}  // namespace

bool split_reads_in_place(const AttentionTask &task) {
    const int step = 2 * matrix_tile_edge;
    return task.spec.cache.layout == KvLayout::contiguous && task.spec.head_dim % step == 0 && task.spec.head_dim_v % step == 0;
}

Expr split_few_rows(const AttentionTask &task) {
    return task.args.num_positions * task.shape.fold <= split_half;
}

int split_tile_columns(const AttentionTask &task) {
    const int step = 2 * matrix_tile_edge;
    return (task.spec.head_dim_v + step - 1) / step * step;
}

SplitTileStages define_split_tiles(const AttentionTask &task) {
    return SplitTiles(task).define();
}

}  // namespace attune
