#include "generator/algorithm/split_tiles.h"

#include "attune/kernel.h"

namespace attune {

using namespace Halide;

namespace {

constexpr int exponent_bits = 0x7f80;  ///< of a bf16; all of them: an infinity or a NaN

Expr bits_of(const Expr &stored) {
    return reinterpret<uint16_t>(stored);
}

Expr is_unusual(const Expr &stored) {
    return (bits_of(stored) & cast<uint16_t>(exponent_bits)) == cast<uint16_t>(exponent_bits);
}

/// What is left of x after `terms` bf16 that sum to nearly all of it.
Expr remainder(Expr x, int terms) {
    for (int term = 0; term < terms; term++)
        x = x - reinterpret<float>((reinterpret<uint32_t>(x) + Expr(0x8000u)) & Expr(0xffff0000u));
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

    /// Key k of the chunk, or one that exists: rows are listed in steps.
    Expr listed(const Expr &k) const {
        const Expr steps = (task_.args.num_keys + ATTUNE_SPLIT_KEY_STEP - 1) / ATTUNE_SPLIT_KEY_STEP;
        return unsafe_promise_clamped(select(masked_, min(k, steps * ATTUNE_SPLIT_KEY_STEP - 1), k), 0, task_.shape.block_kv - 1);
    }

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
            tile(i_, d_, s_) = turns ? rounded_pair_of_bf16(task_.machine, left(2 * d_), left(2 * d_ + 1)) : task_.head_dim_pair(d_, stored);
            pairs(i_, d_, s_) = tile(i_, d_, s_);
            stages_.query_tiles.push_back(tile);
            stages_.query_pairs.push_back(pairs);
        }
    }

    void scores() {
        stages_.key = Func("key_pairs");
        stages_.key(d_, k_) = task_.head_dim_pair(d_, [&](const Expr &d) { return keys_.stored(d, listed(k_)); });
        stages_.over_d = RDom(0, task_.product_steps(), "over_d");
        stages_.scores = Func("scores");
        stages_.scores(i_, k_, s_) = 0.0f;
        for (const Func &query : stages_.query_pairs)
            stages_.scores(i_, k_, s_) =
                dot_bf16(task_.machine, stages_.scores(i_, k_, s_), query(i_, stages_.over_d, s_), stages_.key(stages_.over_d, k_));

        const Expr q = task_.position(row(s_)), h = task_.head(row(s_)), kv = task_.args.first_key + task_.existing_of_chunk(k_);
        const Expr logit = task_.logit(stages_.scores(i_, k_, s_) * task_.scale(), q, h, kv);
        stages_.logits = Func("logits");
        stages_.logits(i_, k_, s_) = shown_logit(!masked_ || (k_ < task_.args.num_keys && task_.visible(q, h, kv)), logit);
    }

    void weights() {
        const int block = task_.shape.tile_kv;
        stages_.over_keys = RDom(0, blocks_ * block, "over_keys");
        stages_.maximum = Func("maximum");
        stages_.maximum(i_, s_) = first_maximum;
        stages_.maximum(i_, s_) = max(stages_.maximum(i_, s_), stages_.logits(i_, stages_.over_keys, s_));

        // Rounded up here and below, so that the reduction stays one of maxima. A hidden logit's weight is exactly 0.
        auto weight = [&](const Expr &k) { return exp2(task_.machine, stages_.logits(i_, k, s_) - ceil(stages_.maximum(i_, s_))); };
        stages_.pairs = Func("pairs");
        const Expr low = weight(2 * p_), high = weight(2 * p_ + 1);
        stages_.pairs(i_, p_, s_) = Tuple(rounded_pair_of_bf16(task_.machine, low, high), low + high);
        stages_.over_pairs = RDom(0, blocks_ * (block / 2 / split_chains), "over_pairs");
        stages_.sums = Func("sums");
        stages_.sums(i_, j_, s_) = 0.0f;
        stages_.sums(i_, j_, s_) += stages_.pairs(i_, stages_.over_pairs * split_chains + j_, s_)[1];
    }

    void weighted() {
        const int block = task_.shape.tile_kv, vector = task_.shape.vector;
        auto value = [&](const Expr &k) {
            const Expr stored = values_.stored(d_, listed(k));
            return select(masked_ && is_unusual(stored), cast(stored.type(), 0.0f), stored);
        };
        stages_.turned_tile = Func("turned_tile");
        stages_.turned_tile(p_, i_, s_) = stages_.pairs(i_, p_, s_)[0];
        stages_.turned = Func("turned_pairs");
        stages_.turned(p_, i_, s_) = stages_.turned_tile(p_, i_, s_);
        stages_.value = Func("value_pairs");
        stages_.value(d_, p_) = pair_of_bf16(value(2 * p_), value(2 * p_ + 1));
        stages_.over_tiles = RDom(0, block / 2, 0, blocks_, "over_tiles");
        const Expr pair = stages_.over_tiles.y * (block / 2) + stages_.over_tiles.x;
        stages_.weighted = Func("weighted");
        stages_.weighted(d_, i_, s_) = 0.0f;
        stages_.weighted(d_, i_, s_) =
            dot_bf16(task_.machine, stages_.weighted(d_, i_, s_), stages_.value(d_, pair), stages_.turned(pair, i_, s_));

        // An infinity or a NaN reaches the rows that see its key, and no others.
        Var v("v"), b("b");
        const int columns = split_value_columns(task_.spec, vector);
        stages_.over_rows = RDom(0, columns / vector, 0, block, "over_rows");
        stages_.unusual = Func("unusual");
        stages_.unusual(v, b) = cast<uint16_t>(0);
        const Expr bits = bits_of(values_.stored(stages_.over_rows.x * vector + v, listed(b * block + stages_.over_rows.y)));
        stages_.unusual(v, b) = max(stages_.unusual(v, b), bits & cast<uint16_t>(exponent_bits));
        stages_.over_hidden = RDom(0, block, 0, select(masked_, blocks_, 0), "over_hidden");
        const Expr any = largest_of_lanes([&](int lane) { return stages_.unusual(lane, stages_.over_hidden.y); }, vector);
        stages_.over_hidden.where(any == cast<uint16_t>(exponent_bits));
        const Expr k = stages_.over_hidden.y * block + stages_.over_hidden.x, both = stages_.pairs(i_, k / 2, s_)[0];
        const Expr weight = reinterpret<float>(select(k % 2 == 0, both << Expr(uint32_t{16}), both & Expr(0xffff0000u)));
        const Expr stored = values_.stored(d_, listed(k)), is_hidden = float_bits(stages_.logits(i_, k, s_)) == float_bits(hidden_score);
        stages_.weighted(d_, i_, s_) += select(is_hidden || !is_unusual(stored), 0.0f, weight * cast<float>(stored));
    }

    void part() {
        auto sum = [&](const Expr &i, const Expr &s) {
            return sum_of_lanes([&](int lane) { return stages_.sums(i, lane, s); }, split_chains);
        };
        stages_.part = define_part(
            task_, [&](const Expr &column, const Expr &r) { return stages_.weighted(column, r % split_strip, r / split_strip); },
            [&](const Expr &r) { return sum(r % split_strip, r / split_strip); },
            [&](const Expr &r) { return ceil(stages_.maximum(r % split_strip, r / split_strip)); });
    }

    const AttentionTask &task_;
    const CacheRows keys_, values_;
    const Expr masked_ = task_.args.masked != 0;
    Expr blocks_;  ///< of keys
    const Var i_{"i"}, d_{"d"}, s_{"s"}, k_{"k"}, p_{"p"}, j_{"j"};
    SplitTileStages stages_;
};

}  // namespace

SplitTileStages define_split_tiles(const AttentionTask &task) {
    return SplitTiles(task).define();
}

}  // namespace attune
