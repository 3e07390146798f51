/// --block-mask: files of lists, checked against the call.
#include "generator/cli/block_lists.h"
#include "generator/cli/npy/npy.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

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

}  // namespace attune::cli
