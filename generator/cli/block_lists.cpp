#include "generator/cli/block_lists.h"

#include "generator/cli/npy/npy.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

namespace attune::cli {
namespace {

const char *const flag = "--block-mask", *const file_type = "F.npz";

[[noreturn]] void refuse(const std::string &value, const std::string &expected, const std::string &cure, const std::string &problem = "") {
    throw Error({.code = ErrorCode::input, .argument = flag, .value = value, .expected = expected, .cure = cure, .problem = problem});
}

int64_t blocks(int64_t rows, int64_t size) {
    return (rows + size - 1) / size;
}

/// Extents of (batch, heads, …) where the first ones may be left out, and must be 1 or the call's.
void set_leading(BlockLists &lists, const std::vector<int64_t> &shape, size_t own, const Shape &call) {
    if (shape.size() < own || shape.size() > own + 2)
        refuse(fmt::format("of shape {}", npy_shape_text(shape)),
               own == 2 ? "(rows, columns), (heads, rows, columns) or (batch, heads, rows, columns) of blocks"
                        : "row_offsets (rows + 1), (heads, rows + 1) or (batch, heads, rows + 1)",
               "reshape it");
    lists.heads = shape.size() > own ? shape[shape.size() - own - 1] : 1;
    lists.batch = shape.size() > own + 1 ? shape[0] : 1;
    if ((lists.heads != 1 && lists.heads != call.num_heads) || (lists.batch != 1 && lists.batch != call.batch))
        refuse(fmt::format("of shape {}, for a batch of {} and {} heads", npy_shape_text(shape), lists.batch, lists.heads),
               fmt::format("a batch of {} or 1, and {} query heads or 1", call.batch, call.num_heads), "an extent of 1 serves every index");
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
        refuse(fmt::format("{} blocks", lists.columns.size()), "fewer than 2^31 listed blocks", "make the blocks larger");
    int64_t n = 0;
    for (int64_t i = 0; i < batch * heads; i++)
        n += attune_list_blocks(dense + i * rows * columns, rows, columns, static_cast<int32_t>(n),
                                lists.row_offsets.data() + i * (rows + 1), lists.columns.data() + n);
    return lists;
}

/// A dense mask of blocks.
BlockLists read_dense(const std::string &path, const AttentionSpec &spec, const Shape &call) {
    const NpyArray array = read_npy(path, flag);
    if (array.dtype != "|b1" && array.dtype != "|u1")
        refuse(npy_dtype_name(array.dtype), "bool, true where a block is visited", "convert it with a.astype(bool)");
    BlockLists lists;
    set_leading(lists, array.shape, 2, call);
    const int64_t rows = blocks(call.seq_len_q, spec.block_size_q), columns = blocks(call.seq_len_kv, spec.block_size_kv);
    const int64_t found_rows = array.shape[array.shape.size() - 2], found_columns = array.shape.back();
    if (found_rows != rows || found_columns != columns)
        refuse(fmt::format("of shape {}", npy_shape_text(array.shape)),
               fmt::format("{} rows and {} columns: {} queries and {} keys in blocks of {} x {}", rows, columns, call.seq_len_q,
                           call.seq_len_kv, spec.block_size_q, spec.block_size_kv),
               "give the size of its blocks with --block-size Q,KV");
    std::vector<uint8_t> dense(array.bytes.size());
    std::transform(array.bytes.begin(), array.bytes.end(), dense.begin(), [](unsigned char x) { return x != 0; });
    return lists_of_dense(spec, dense.data(), lists.batch, lists.heads, rows, columns);
}

std::vector<int32_t> integers(const std::map<std::string, NpyArray> &arrays, const std::string &name) {
    const NpyArray &array = arrays.at(name);
    std::vector<int32_t> out(static_cast<size_t>(array.size()));
    for (size_t i = 0; i < out.size(); i++) {
        int64_t x = 0;
        if (array.dtype == "<i4")
            std::memcpy(&out[i], array.bytes.data() + 4 * i, 4);
        else if (array.dtype == "<i8") {
            std::memcpy(&x, array.bytes.data() + 8 * i, 8);
            out[i] = static_cast<int32_t>(std::clamp<int64_t>(x, -1, std::numeric_limits<int32_t>::max()));  // both are refused later
        } else
            refuse(fmt::format("{} of {}", name, npy_dtype_name(array.dtype)), "int32", "convert it with a.astype(np.int32)");
    }
    return out;
}

/// Offsets rise within a row of lists, columns within a row of blocks, and all of them are there.
void check_lists(const BlockLists &lists, const Shape &call) {
    const int64_t columns = blocks(call.seq_len_kv, lists.size_kv), listed = static_cast<int64_t>(lists.columns.size());
    for (int64_t i = 0; i < lists.batch * lists.heads; i++)
        for (int64_t row = 0; row < lists.rows; row++) {
            const int32_t *offset = lists.row_offsets.data() + i * (lists.rows + 1) + row;
            if (offset[0] < 0 || offset[1] < offset[0] || offset[1] > listed)
                refuse(fmt::format("row_offsets {} and {} of block row {}", offset[0], offset[1], row),
                       fmt::format("offsets that do not decrease, from 0 to {}, the length of columns", listed),
                       "give running totals of the rows' counts");
            for (int32_t j = offset[0]; j < offset[1]; j++) {
                const int32_t column = lists.columns[static_cast<size_t>(j)];
                if (column < 0 || column >= columns)
                    refuse(fmt::format("columns[{}] of {}", j, column),
                           fmt::format("a column from 0 to {}: {} keys in blocks of {}", columns - 1, call.seq_len_kv, lists.size_kv),
                           "columns count blocks of keys");
                if (j > offset[0] && column <= lists.columns[static_cast<size_t>(j) - 1])
                    refuse(fmt::format("columns[{}] of {} after {}", j, column, lists.columns[static_cast<size_t>(j) - 1]),
                           "rising columns in each row", "sort them, each once");
            }
        }
}

BlockLists read_lists(const std::string &path, const AttentionSpec &spec, const Shape &call) {
    const auto arrays = read_npz(path, flag);
    for (const auto &[name, array] : arrays)
        if (name != "row_offsets" && name != "columns" && name != "full")
            refuse("an archive with " + name, "row_offsets, columns and perhaps full", "remove it");
    for (const char *name : {"row_offsets", "columns"})
        if (!arrays.contains(name))
            refuse(std::string("an archive without ") + name, "row_offsets, columns and perhaps full",
                   "write it with np.savez(file, row_offsets=..., columns=...)");
    BlockLists lists;
    lists.size_q = spec.block_size_q;
    lists.size_kv = spec.block_size_kv;
    const std::vector<int64_t> &shape = arrays.at("row_offsets").shape;
    set_leading(lists, shape, 1, call);
    lists.rows = shape.back() - 1;
    if (const int64_t rows = blocks(call.seq_len_q, lists.size_q); lists.rows != rows)
        refuse(fmt::format("row_offsets of shape {}", npy_shape_text(shape)),
               fmt::format("{} in its last dimension: {} queries in blocks of {}, and an end", rows + 1, call.seq_len_q, lists.size_q),
               "give the size of its blocks with --block-size Q,KV");
    lists.row_offsets = integers(arrays, "row_offsets");
    lists.columns = integers(arrays, "columns");
    if (arrays.at("columns").shape.size() != 1)
        refuse("columns of shape " + npy_shape_text(arrays.at("columns").shape), "1 dimension", "reshape it");
    if (const auto full = arrays.find("full"); full != arrays.end()) {
        if ((full->second.dtype != "|b1" && full->second.dtype != "|u1") || full->second.shape != arrays.at("columns").shape)
            refuse(fmt::format("full of {} and shape {}", npy_dtype_name(full->second.dtype), npy_shape_text(full->second.shape)),
                   fmt::format("bool of shape {}, as columns", npy_shape_text(arrays.at("columns").shape)),
                   "say of each listed block whether all of it is visible");
        for (const unsigned char x : full->second.bytes)
            lists.full.push_back(x != 0);
    }
    check_lists(lists, call);
    return lists;
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

void declare_block_lists(Flags &flags) {
    flags.value(flag, file_type, "the key blocks that each block of rows sees: row_offsets, columns [, full]; or an .npy of bools");
}

bool takes_block_lists(const Flags &flags) {
    return flags.declares(flag) && flags.type(flag) == file_type;
}

bool is_array_file(const std::string &text) {
    return text.ends_with(".npz") || text.ends_with(".npy");
}

BlockLists read_block_lists(const Flags &flags, const AttentionSpec &spec, const Shape &shape) {
    const std::string path = flags.text(flag);
    return path.ends_with(".npy") ? read_dense(path, spec, shape) : read_lists(path, spec, shape);
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
