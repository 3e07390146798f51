#include "generator/plan/block_map.h"
#include "generator/plan/block_plan.h"

#include <algorithm>

namespace attune {
namespace {

constexpr int64_t few_pairs = 32;  // below, asking the plan costs more than asking the mask for each pair

int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

double ratio(int64_t a, int64_t b) {
    return b == 0 ? 1 : static_cast<double>(a) / static_cast<double>(b);
}

/// Rows q_first … q_last x keys kv_first … kv_last.
struct Rectangle {
    int64_t q_first, q_last, kv_first, kv_last;
    int64_t rows() const { return q_last - q_first + 1; }
    int64_t keys() const { return kv_last - kv_first + 1; }
    int64_t pairs() const { return rows() * keys(); }
};

ExprPtr or_true(const ExprPtr &mask) {
    return mask ? mask : make_boolean(true);
}

/// A mask and its plan, with values in place of the variables.
class MaskValues {
public:
    MaskValues(const MaskOfCall &mask, const HeadPairs &pairs)
        : mask_(mask), plan_(plan_blocks(mask.root, mask.params)), pair_({or_true(mask.root)}), block_({plan_.some, plan_.all}),
          ranges_(ends(plan_)) {
        bindings_[Variable::b] = pairs.b;
        bindings_[Variable::h] = bindings_[Variable::h_first] = bindings_[Variable::h_last] = pairs.h;
        bindings_[Variable::hkv] = pairs.hkv;
        bindings_[Variable::seq_len_q] = pairs.seq_len_q;
        bindings_[Variable::seq_len_kv] = pairs.seq_len_kv;
    }

    BlockKind kind(const Rectangle &r) {
        bind(r);
        const auto &values = block_.run(bindings_, mask_.values);
        return values[1].integer ? BlockKind::full : values[0].integer ? BlockKind::partial : BlockKind::skipped;
    }

    /// The ranges of the rectangle's rows, cut to its keys, sorted and disjoint.
    std::vector<std::pair<int64_t, int64_t>> ranges(const Rectangle &r) {
        bind(r);
        const auto &values = ranges_.run(bindings_, mask_.values);
        std::vector<std::pair<int64_t, int64_t>> all, out;
        for (size_t i = 0; i < values.size(); i += 2)
            if (const int64_t first = std::max(values[i].integer, r.kv_first), last = std::min(values[i + 1].integer, r.kv_last);
                first <= last)
                all.push_back({first, last});
        std::sort(all.begin(), all.end());
        for (const auto &range : all) {
            if (!out.empty() && range.first <= out.back().second + 1)
                out.back().second = std::max(out.back().second, range.second);
            else
                out.push_back(range);
        }
        return out;
    }

    int64_t count(const Rectangle &r) {
        if (r.pairs() > few_pairs) {
            const BlockKind known = kind(r);
            if (known != BlockKind::partial)
                return known == BlockKind::full ? r.pairs() : 0;
            const auto [first, second] = halves(r);
            return count(first) + count(second);
        }
        int64_t visible = 0;
        for (int64_t q = r.q_first; q <= r.q_last; q++)
            for (int64_t kv = r.kv_first; kv <= r.kv_last; kv++) {
                bindings_[Variable::q] = q;
                bindings_[Variable::kv] = kv;
                visible += pair_.run(bindings_, mask_.values)[0].integer != 0;
            }
        return visible;
    }

private:
    static std::vector<ExprPtr> ends(const BlockPlan &plan) {
        std::vector<ExprPtr> out;
        for (const KeyRange &range : plan.ranges) {
            out.push_back(range.first);
            out.push_back(range.last);
        }
        return out;
    }

    static std::pair<Rectangle, Rectangle> halves(const Rectangle &r) {
        Rectangle first = r, second = r;
        if (r.rows() > r.keys())
            second.q_first = (first.q_last = r.q_first + r.rows() / 2 - 1) + 1;
        else
            second.kv_first = (first.kv_last = r.kv_first + r.keys() / 2 - 1) + 1;
        return {first, second};
    }

    void bind(const Rectangle &r) {
        bindings_[Variable::q_first] = r.q_first;
        bindings_[Variable::q_last] = r.q_last;
        bindings_[Variable::kv_first] = r.kv_first;
        bindings_[Variable::kv_last] = r.kv_last;
    }

    MaskOfCall mask_;
    BlockPlan plan_;
    Program pair_, block_, ranges_;
    Bindings bindings_;
};

/// Fills a map: asks the plan for many blocks at once, and halves those that it does not know.
class Mapper {
public:
    Mapper(MaskValues &mask, BlockMap &map) : mask_(mask), map_(map) {
        const int64_t rows = ceil_div(map.pairs.seq_len_q, map.block_q), columns = ceil_div(map.pairs.seq_len_kv, map.block_kv);
        seen_.resize(map.cells.size(), std::vector<uint8_t>(map.cells.empty() ? 0 : map.cells[0].size()));
        if (rows > 0 && columns > 0)
            visit({0, rows - 1, 0, columns - 1});
        for (size_t i = 0; i < seen_.size(); i++)
            for (size_t j = 0; j < seen_[i].size(); j++)
                map_.cells[i][j] = seen_[i][j] == bit(BlockKind::full)      ? BlockKind::full
                                   : seen_[i][j] == bit(BlockKind::skipped) ? BlockKind::skipped
                                                                            : BlockKind::partial;
    }

private:
    static uint8_t bit(BlockKind kind) { return static_cast<uint8_t>(1 << static_cast<int>(kind)); }

    /// blocks: a rectangle in units of blocks.
    void visit(const Rectangle &blocks) {
        const Rectangle pairs = {blocks.q_first * map_.block_q, std::min((blocks.q_last + 1) * map_.block_q, map_.pairs.seq_len_q) - 1,
                                 blocks.kv_first * map_.block_kv,
                                 std::min((blocks.kv_last + 1) * map_.block_kv, map_.pairs.seq_len_kv) - 1};
        BlockKind kind = mask_.kind(pairs);
        if (kind == BlockKind::partial && blocks.pairs() > 1) {
            Rectangle first = blocks, second = blocks;
            if (blocks.rows() > blocks.keys())
                second.q_first = (first.q_last = blocks.q_first + blocks.rows() / 2 - 1) + 1;
            else
                second.kv_first = (first.kv_last = blocks.kv_first + blocks.keys() / 2 - 1) + 1;
            visit(first);
            visit(second);
            return;
        }
        if (kind == BlockKind::partial && mask_.ranges(pairs).empty())
            kind = BlockKind::skipped;
        if (kind == BlockKind::full) {
            map_.full += blocks.pairs();
            map_.needed += blocks.pairs();
            map_.visible_pairs += pairs.pairs();
        } else if (kind == BlockKind::skipped) {
            map_.skipped += blocks.pairs();
        } else {
            const int64_t visible = mask_.count(pairs);
            map_.partial++;
            map_.needed += visible > 0;
            map_.visible_pairs += visible;
        }
        if (kind != BlockKind::skipped)
            map_.computed_pairs += pairs.pairs();
        for (int64_t i = blocks.q_first / map_.blocks_a_cell_q; i <= blocks.q_last / map_.blocks_a_cell_q; i++)
            for (int64_t j = blocks.kv_first / map_.blocks_a_cell_kv; j <= blocks.kv_last / map_.blocks_a_cell_kv; j++)
                seen_[static_cast<size_t>(i)][static_cast<size_t>(j)] |= bit(kind);
    }

    MaskValues &mask_;
    BlockMap &map_;
    std::vector<std::vector<uint8_t>> seen_;  ///< kinds of the blocks of each cell
};

}  // namespace

int64_t count_visible_pairs(const MaskOfCall &mask, const HeadPairs &pairs) {
    if (pairs.seq_len_q <= 0 || pairs.seq_len_kv <= 0)
        return 0;
    return MaskValues(mask, pairs).count({0, pairs.seq_len_q - 1, 0, pairs.seq_len_kv - 1});
}

double BlockMap::density() const {
    return ratio(visible_pairs, pairs.seq_len_q * pairs.seq_len_kv);
}

double BlockMap::useful_share() const {
    return ratio(visible_pairs, computed_pairs);
}

double BlockMap::tightness() const {
    return ratio(visited(), needed);
}

BlockMap map_blocks(const MaskOfCall &mask, const HeadPairs &pairs, int64_t block_q, int64_t block_kv, int64_t max_rows,
                    int64_t max_columns) {
    BlockMap map;
    map.pairs = pairs;
    map.block_q = std::max<int64_t>(1, block_q);
    map.block_kv = std::max<int64_t>(1, block_kv);
    const int64_t rows = ceil_div(pairs.seq_len_q, map.block_q), columns = ceil_div(pairs.seq_len_kv, map.block_kv);
    if (rows <= 0 || columns <= 0)
        return map;
    map.blocks_a_cell_q = ceil_div(rows, max_rows);
    map.blocks_a_cell_kv = ceil_div(columns, max_columns);
    map.cells.assign(static_cast<size_t>(ceil_div(rows, map.blocks_a_cell_q)),
                     std::vector<BlockKind>(static_cast<size_t>(ceil_div(columns, map.blocks_a_cell_kv))));
    MaskValues values(mask, pairs);
    Mapper(values, map);
    return map;
}

RowBlocks map_row_blocks(const MaskOfCall &mask, const HeadPairs &pairs, int64_t q_first, int64_t block_q, int64_t block_kv) {
    RowBlocks out;
    const int64_t q_last = std::min(q_first + block_q, pairs.seq_len_q) - 1;
    if (pairs.seq_len_kv <= 0)
        return out;
    MaskValues values(mask, pairs);
    out.keys = values.ranges({q_first, q_last, 0, pairs.seq_len_kv - 1});
    const int64_t blocks = ceil_div(pairs.seq_len_kv, block_kv);
    int64_t next = 0;  // block that no range has reached yet
    for (const auto &[first, last] : out.keys)
        for (next = std::max(next, first / block_kv); next <= last / block_kv; next++) {
            const BlockKind kind = values.kind({q_first, q_last, next * block_kv, std::min((next + 1) * block_kv, pairs.seq_len_kv) - 1});
            out.full += kind == BlockKind::full;
            out.partial += kind == BlockKind::partial;
        }
    out.skipped = blocks - out.full - out.partial;
    return out;
}

}  // namespace attune
