#include "generator/cli/block_lists.h"

#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

namespace attune::cli {
namespace {

int64_t blocks(int64_t rows, int64_t size) {
    return (rows + size - 1) / size;
}

}  // namespace

attune_block_mask BlockLists::view() const {
    // Null stands for an error in a call, and empty lists are none.
    static constexpr int32_t nothing = 0;
    return {row_offsets.data(), columns.empty() ? &nothing : columns.data(), full.empty() ? nullptr : full.data(),
            batch > 1 ? heads * (rows + 1) : 0, heads > 1 ? rows + 1 : 0};
}

void BlockLists::for_each(int64_t b, int64_t h, int64_t row, const std::function<void(int64_t, bool)> &visit) const {
    const int32_t *offset = row_offsets.data() + ((batch > 1 ? b * heads : 0) + (heads > 1 ? h : 0)) * (rows + 1) + row;
    for (int32_t i = offset[0]; i < offset[1]; i++)
        visit(columns[static_cast<size_t>(i)], !full.empty() && full[static_cast<size_t>(i)]);
}

BlockLists lists_of_dense(const AttentionSpec &spec, const uint8_t *dense, int64_t batch, int64_t heads, int64_t rows, int64_t columns) {
    BlockLists lists;
    lists.size_q = spec.block_size_q;
    lists.size_kv = spec.block_size_kv;
    lists.batch = batch;
    lists.heads = heads;
    lists.rows = rows;
    lists.row_offsets.resize(static_cast<size_t>(batch * heads * (rows + 1)));
    lists.columns.resize(static_cast<size_t>(std::count(dense, dense + batch * heads * rows * columns, 1)));
    if (lists.columns.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
        throw Error({.code = ErrorCode::input,
                     .argument = "--block-mask",
                     .value = fmt::format("{} blocks", lists.columns.size()),
                     .expected = "fewer than 2^31 listed blocks",
                     .cure = "make the blocks larger"});
    int64_t n = 0;
    for (int64_t i = 0; i < batch * heads; i++)
        n += attune_list_blocks(dense + i * rows * columns, rows, columns, static_cast<int32_t>(n),
                                lists.row_offsets.data() + i * (rows + 1), lists.columns.data() + n);
    return lists;
}

BlockLists random_block_lists(const AttentionSpec &spec, const Shape &shape, double density, double full_share, uint64_t seed) {
    const int64_t rows = blocks(shape.seq_len_q, spec.block_size_q), columns = blocks(shape.seq_len_kv, spec.block_size_kv);
    std::mt19937_64 bits(seed);
    const auto chance = [&](double p) { return static_cast<double>(bits() >> 11) * 0x1p-53 < p; };
    std::vector<uint8_t> dense(static_cast<size_t>(shape.batch * shape.num_heads * rows * columns));
    for (uint8_t &block : dense)
        block = chance(density);
    BlockLists lists = lists_of_dense(spec, dense.data(), shape.batch, shape.num_heads, rows, columns);
    for (size_t i = 0; full_share > 0 && i < lists.columns.size(); i++)
        lists.full.push_back(chance(full_share));
    return lists;
}

BlockLists cut_to_lengths(const BlockLists &lists, const std::vector<int32_t> &lengths_kv) {
    BlockLists cut = lists;
    cut.batch = static_cast<int64_t>(lengths_kv.size());
    cut.row_offsets.clear();
    cut.columns.clear();
    cut.full.clear();
    for (int64_t b = 0; b < cut.batch; b++) {
        const int64_t columns = blocks(lengths_kv[static_cast<size_t>(b)], lists.size_kv);
        for (int64_t h = 0; h < lists.heads; h++) {
            for (int64_t row = 0; row < lists.rows; row++) {
                cut.row_offsets.push_back(static_cast<int32_t>(cut.columns.size()));
                lists.for_each(b, h, row, [&](int64_t column, bool full) {
                    if (column >= columns)
                        return;
                    cut.columns.push_back(static_cast<int32_t>(column));
                    if (!lists.full.empty())
                        cut.full.push_back(full);
                });
            }
            cut.row_offsets.push_back(static_cast<int32_t>(cut.columns.size()));
        }
    }
    return cut;
}

void apply_block_lists(ReferenceProblem &problem, const BlockLists &lists) {
    if (!lists)
        return;
    enum State : uint8_t { hidden, listed, full };
    const int64_t columns = blocks(problem.seq_len_kv, lists.size_kv);
    const auto states =
        std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(problem.batch * problem.num_heads * lists.rows * columns), hidden);
    const int64_t heads = problem.num_heads, rows = lists.rows, size_q = lists.size_q, size_kv = lists.size_kv;
    for (int64_t b = 0; b < problem.batch; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t row = 0; row < rows; row++)
                lists.for_each(b, h, row, [&](int64_t column, bool is_full) {
                    (*states)[static_cast<size_t>(((b * heads + h) * rows + row) * columns + column)] = is_full ? full : listed;
                });
    problem.visible = [=, visible = problem.visible](int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv) {
        const uint8_t state = (*states)[static_cast<size_t>(((b * heads + h) * rows + q / size_q) * columns + kv / size_kv)];
        return state == full || (state == listed && (!visible || visible(b, h, q, kv, seq_len_q, seq_len_kv)));
    };
}

}  // namespace attune::cli
