#include "generator/algorithm/split_integer_tiles.h"

#include "attune/kernel.h"
#include "generator/algorithm/split_pieces.h"

namespace attune {

using namespace Halide;

namespace {

constexpr int tile_rows = ATTUNE_SPLIT_TILE_ROWS, quad = 4;
/// The largest integers of two and of three signed bytes whose negatives are such too.
constexpr int most_of_query = 127 * 0x101, most_of_weight = 127 * 0x10101, weight_bytes = 3;
/// What weights are integers of is a normal number, and so is its inverse: 2^-102 / 2^23 > 2^-126.
constexpr float least_largest = 0x1p-102f;

/// x, moved so that its signed byte `byte`, 0 the lowest one, is byte `byte` of the bits.
Expr with_byte(const Expr &x, int byte) {
    return byte == 0 ? x : with_byte(x, byte - 1) + (128 << (8 * (byte - 1)));
}

class SplitIntegers {
public:
    explicit SplitIntegers(const AttentionTask &task) : task_(task), keys_(task, false), values_(task, true) {}

    SplitIntegerStages define() {
        define_split_query(task_, split_);
        query();
        define_split_weights(task_, split_, is_grouped_ ? product_of_groups() : product());
        if (is_grouped_) {
            weighted_in_groups();
        } else {
            number_scale();
            weighted();
        }
        define_split_part(task_, split_);
        return stages_;
    }

private:
    Expr listed(const Expr &k) const { return listed_key(task_, k); }

    void query() {
        define_query_scale(task_, split_, most_of_query);
        stages_.query_number = Func("query_number");
        stages_.query_number(d_, r_) = cast<int>(query_integer(split_, most_of_query, is_grouped_ ? head_dim_at(d_) : d_, r_));
        auto packed = [&](const Expr &column) {
            auto of_byte = [&](int byte) {
                return quad_of(
                    [&](const Expr &d) {
                        return with_byte(stages_.query_number(d, t_ * tile_rows + column % tile_rows), byte) >> (8 * byte);
                    },
                    d_);
            };
            return select(column / tile_rows % 2 == 0, of_byte(0), of_byte(1));
        };
        stages_.query_packed = Func("query_packed");
        if (is_grouped_) {
            // Columns of a group have 0 for the others.
            const Expr group = quad * d_ % (task_.spec.head_dim / 2) / (i4_group / 2), column = c_ / groups_;
            stages_.query_packed(d_, c_, t_) = select(group == c_ % groups_, packed(column), Expr(0u));
        } else {
            stages_.query_packed(d_, c_, t_) = packed(c_);
        }
        stages_.query_quads = Func("query_quads");
        stages_.query_quads(c_, d_, t_) = stages_.query_packed(d_, c_, t_);
    }

    Func scores_of(const char *name, const Expr &key) {
        Func scores(name);
        scores(c_, k_, t_) = 0;
        scores(c_, k_, t_) = dot_signed_i8(task_.machine, scores(c_, k_, t_), stages_.query_quads(c_, stages_.over_quads, t_), key);
        return scores;
    }

    Expr product() {
        stages_.key = Func("key_row");
        stages_.key(d_, k_) = keys_.stored(d_, listed(k_));
        stages_.over_quads = RDom(0, task_.spec.head_dim / quad, "over_quads");
        stages_.scores = scores_of("scores", quad_of([&](const Expr &d) { return stages_.key(d, k_); }, stages_.over_quads));
        Expr scores = stages_.scores(c_, k_, t_);
        if (split_integers_in_place(task_)) {
            stages_.scores_in_place =
                scores_of("scores_in_place",
                          quad_of([&](const Expr &d) { return element_in_place(task_, task_.args.key, d, k_); }, stages_.over_quads));
            scores = select(masked_, scores, stages_.scores_in_place(c_, k_, t_));
        }
        stages_.turned = Func("turned_scores");
        stages_.turned(k_, c_, t_) = scores;
        auto of_byte = [&](int byte) { return stages_.turned(k_, byte * tile_rows + r_ % tile_rows, r_ / tile_rows); };
        return cast<float>((of_byte(1) << 8) + of_byte(0)) * split_.query_scale(r_) * keys_.scale(0, k_);
    }

    static Expr quad_of(const std::function<Expr(Expr)> &element, const Expr &d) {
        Expr elements[quad];
        for (int i = 0; i < quad; i++)
            elements[i] = cast<int>(element(quad * d + i));
        return quad_of_i8(elements);
    }

    /// Which head dim element x of an unpacked row of i4 is: first the lower halves of all bytes, then the upper ones.
    Expr head_dim_at(const Expr &x) const {
        const int bytes = task_.spec.head_dim / 2, half = i4_group / 2;
        return x % bytes / half * i4_group + x / bytes * half + x % half;
    }

    Expr product_of_groups() {
        const int bytes = task_.spec.head_dim / 2, columns = tile_rows * groups_;
        stages_.key = Func("key_row");
        stages_.key(d_, k_) = cast<int8_t>(keys_.half_byte(d_ % bytes, d_ / bytes, listed(k_)));
        stages_.over_quads = RDom(0, task_.spec.head_dim / quad, "over_quads");
        stages_.scores = scores_of("scores", quad_of([&](const Expr &d) { return stages_.key(d, k_); }, stages_.over_quads));
        stages_.grouped = Func("grouped_scores");
        stages_.grouped(c_, k_, t_) =
            cast<float>((stages_.scores(c_ + columns, k_, t_) << 8) + stages_.scores(c_, k_, t_)) * keys_.scale(c_ % groups_, k_);
        stages_.turned = Func("turned_scores");
        stages_.turned(k_, c_, t_) = stages_.grouped(c_, k_, t_);
        auto of_group = [&](int group) { return stages_.turned(k_, r_ % tile_rows * groups_ + group, r_ / tile_rows); };
        return sum_of_lanes(of_group, groups_) * split_.query_scale(r_);
    }

    void weighted_in_groups() {
        const int keys = split_integer_block;
        stages_.over_keys = RDom(0, keys, 0, blocks_of_keys(), "over_keys_of_groups");
        const Var g("g");
        // (term, phase, row) of j
        const Expr row = t_ * tile_rows + j_ % tile_rows, phase = j_ / tile_rows % 2, term = j_ / (2 * tile_rows);
        stages_.value_scale = Func("value_scale");
        stages_.value_scale(k_, g) = values_.scale(g, k_);
        const Expr weight = shown(split_.weights(k_, row), split_.weights(k_, row) * stages_.value_scale(k_, g));
        const Expr first = rounded_to_bf16(weight), second = rounded_to_bf16(strict_float(weight - reinterpret<float>(first)));
        const Expr bits = select(term == 0, first, second);
        stages_.weight_pairs = Func("weight_pairs");
        stages_.weight_pairs(k_, j_, g, t_) = select(phase == 0, bits >> Expr(16u), bits);

        stages_.value = Func("value_row");
        // Words of two bytes, so that four numbers take a step of each lane: element n * words + w of a group is nibble n of word w.
        const int words = i4_group / 4;
        stages_.value_words = Func("value_words");
        stages_.value_words(d_, k_) = concat_bits({values_.byte(2 * d_, listed(k_)), values_.byte(2 * d_ + 1, listed(k_))});
        const Expr word = stages_.value_words(d_ / i4_group * words + d_ % words, k_);
        stages_.value(d_, k_) = bf16_of_nibble(task_.machine, word >> cast<uint16_t>(4 * (d_ / words % 4)));

        stages_.group_sums = Func("group_sums");
        stages_.group_sums(d_, j_, g, t_) = 0.0f;
        const Expr k = stages_.over_keys.y * keys + stages_.over_keys.x, d = g * i4_group + 2 * d_;
        const Expr pair = pair_of_bf16(stages_.value(d, k), stages_.value(d + 1, k));
        stages_.group_sums(d_, j_, g, t_) =
            dot_bf16(task_.machine, stages_.group_sums(d_, j_, g, t_), pair, stages_.weight_pairs(k, j_, g, t_));
        split_.weighted = Func("weighted");
        // Head dim d of a group is nibble d / 16 + d % 2 * 2 of word d % 16 / 2.
        auto of_term = [&](int term) {
            const Expr j = (term * 2 + d_ / 2 % 2) * tile_rows + r_ % tile_rows;
            return stages_.group_sums(d_ % 2 * words + d_ % i4_group / 4, j, d_ / i4_group, r_ / tile_rows);
        };
        split_.weighted(d_, r_) = of_term(0) + of_term(1);
    }

    /// What a hidden weight becomes is 0, as its scale may be a NaN.
    Expr shown(const Expr &weight, const Expr &scaled) const {
        const Expr all_shown = task_.score_hides() ? Internal::const_false() : !masked_;
        return reinterpret<float>(select(all_shown || is_shown(weight), float_bits(scaled), 0));
    }
    Expr factor(const Expr &k, const Expr &r) const { return shown(split_.weights(k, r), split_.scaled(0, k, r)); }

    void number_scale() {
        const int vector = task_.shape.vector;
        stages_.lane_largest = Func("lane_largest");
        stages_.lane_largest(v_, r_) = float_bits(least_largest);
        stages_.lane_largest(v_, r_) =
            max(stages_.lane_largest(v_, r_), float_bits(factor(split_.over_keys * vector + v_, r_)) & 0x7fffffff);
        stages_.number_scale = Func("number_scale");
        const Expr largest = largest_of_lanes([&](int lane) { return stages_.lane_largest(lane, r_); }, vector);
        stages_.number_scale(r_) = reinterpret<float>(largest) / float(most_of_weight);
        stages_.number_inverse = Func("number_inverse");
        stages_.number_inverse(r_) = 1.0f / stages_.number_scale(r_);
    }

    Expr blocks_of_keys() const { return (split_key_steps(task_) * ATTUNE_SPLIT_KEY_STEP + split_integer_block - 1) / split_integer_block; }

    SplitIntegerStages::Block block_of(const std::string &name, const Expr &blocks) {
        SplitIntegerStages::Block block;
        block.over = RDom(0, split_integer_block, 0, blocks, "over_" + name);
        block.number = Func("number_" + name);
        block.number(k_, r_) =
            cast<int>(clamp(round(factor(k_, r_) * stages_.number_inverse(r_)), float(-most_of_weight), float(most_of_weight)));
        const Expr number = block.number(k_, t_ * tile_rows + j_ % tile_rows);
        block.quads = Func("number_quads_" + name);
        Expr quads;
        for (int byte = 0; byte < weight_bytes; byte++)
            for (int i = 0; i < quad; i++) {
                const Expr in_column = moved_byte(cast<uint32_t>(with_byte(number, byte)), byte, i);
                quads = quads.defined() ? select(j_ / tile_rows == byte * quad + i, in_column, quads) : in_column;
            }
        block.quads(k_, j_, t_) = quads;
        return block;
    }

    /// Byte `byte` of bits, in byte `column` of what is otherwise 0.
    static Expr moved_byte(const Expr &bits, int byte, int column) {
        const Expr moved = column < byte ? bits >> Expr(8 * (byte - column)) : bits << Expr(8 * (column - byte));
        return moved & Expr(uint32_t{255} << 8 * column);
    }

    void weighted() {
        const int keys = split_integer_block;
        const bool in_place_too = split_integers_in_place(task_);
        const Expr blocks = blocks_of_keys();
        stages_.sums = Func("sums");
        stages_.sums(d_, j_, t_) = 0;
        auto add = [&](const SplitIntegerStages::Block &block, const std::function<Expr(Expr d, Expr k)> &value) {
            const Expr k = block.over.y * keys + block.over.x;
            const Expr values = quad_of([&](const Expr &d) { return value(d, k); }, d_);
            stages_.sums(d_, j_, t_) = dot_signed_i8(task_.machine, stages_.sums(d_, j_, t_), values, block.quads(k, j_, t_));
        };
        if (in_place_too) {
            stages_.whole = block_of("whole", select(masked_, 0, blocks));
            add(stages_.whole, [&](const Expr &d, const Expr &k) { return element_in_place(task_, task_.args.value, d, k); });
        }
        stages_.value = Func("value_row");
        stages_.value(d_, k_) = values_.stored(d_, listed(k_));
        stages_.copied = block_of("copied", in_place_too ? select(masked_, blocks, 0) : blocks);
        add(stages_.copied, [&](const Expr &d, const Expr &k) { return stages_.value(d, k); });

        auto of_byte = [&](int byte) {
            const Expr j = (byte * quad + d_ % quad) * tile_rows + r_ % tile_rows;
            return cast<float>(stages_.sums(d_ / quad, j, r_ / tile_rows));
        };
        split_.weighted = Func("weighted");
        split_.weighted(d_, r_) = ((of_byte(2) * 256.0f + of_byte(1)) * 256.0f + of_byte(0)) * stages_.number_scale(r_);
    }

    const AttentionTask &task_;
    const CacheRows keys_, values_;
    const bool is_grouped_ = task_.spec.cache.dtype == KvDType::i4;
    const int groups_ = task_.spec.head_dim / i4_group;
    const Expr masked_ = task_.args.masked != 0;
    const Var d_{"d"}, k_{"k"}, r_{"r"}, c_{"c"}, t_{"t"}, j_{"j"}, v_{"v"};
    SplitIntegerStages stages_;
    SplitStages &split_ = stages_.split;
};

}  // namespace

bool split_integers_in_place(const AttentionTask &task) {
    return task.spec.cache.layout == KvLayout::contiguous && task.spec.cache.dtype == KvDType::i8;
}

SplitIntegerStages define_split_integers(const AttentionTask &task) {
    return SplitIntegers(task).define();
}

}  // namespace attune
