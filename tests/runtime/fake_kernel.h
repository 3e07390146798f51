/// Kernels written by hand: plain loops behind the task ABI, told by a script what to do, which note what the runtime asked of them.
#pragma once
#include "attune/kernel.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/// A query and a key of one sequence, by position, and what an expression knows of them.
struct Pair {
    int b, h, q, kv, seq_len_q, seq_len_kv;
};
using Mask = std::function<bool(const Pair &)>;

/// The rows that key_ranges is asked about.
struct RowBlock {
    int b, h, q_begin, num_positions, seq_len_q, seq_len_kv;
};

/// A visit of a list: the chunk, then the state of each strip.
using Visits = std::vector<std::vector<int32_t>>;

/// What the fake task functions do and saw. One at a time; reset by making a FakeKernel.
struct Script {
    Mask visible;            ///< none: every pair; kernels with has_mask only
    bool coarse = false;     ///< block_states answers ATTUNE_BLOCK_PARTIAL whatever it is asked
    bool has_lists = false;  ///< a block mask decides too, so that visits need not be those of `visible`
    std::function<std::vector<std::pair<int, int>>(const RowBlock &)> ranges;  ///< of key_ranges, num_ranges at most; the rest are empty
    std::function<int32_t(int b, int h, int q)> row_class;                     ///< given by row_reference; none: FIXED
    std::function<bool(int b, int h, int q)> guard_holds;                      ///< of the fixed function; none: always
    std::map<std::string, int> fail;                                           ///< function -> code that it returns
    std::function<void()> in_exact;                                            ///< runs inside the exact function
    std::function<void(void **params)> see_params;                             ///< runs inside it too, with the arguments of the params

    std::mutex mutex;
    std::vector<std::string> problems;                                      ///< breaches of the ABI by the runtime
    std::map<std::tuple<int, int, int>, std::string> stored;                ///< (b, h, q) -> functions that stored the row, e.g. "fixed"
    std::vector<std::tuple<int, int, int>> blocks;                          ///< (b, first h, q_begin) in the order of arrival
    std::map<std::tuple<int, int, int>, std::pair<Visits, Visits>> visits;  ///< of a block: what the last function got as full, partial
    std::map<int, int> kv_head_of;                                          ///< first h of a block -> its key/value head
    std::vector<std::tuple<int, int, int>> states_asked;                    ///< calls of block_states: strips, block_keys, number of blocks
    int key_norm_calls = 0, exact_calls = 0, pairs_calls = 0;
};
extern Script *script;

/// softmax_scale of all fake kernels, head_dim 4, head_dim_v 3.
inline constexpr double fake_scale = 0.5;
inline constexpr int fake_head_dim = 4, fake_head_dim_v = 3;

/// What a fake kernel has. Its chunks have 8 keys, its tiles 4.
struct FakeOptions {
    bool has_fixed = false;
    int block_q = 4;
    int fold = 1;  ///< above 1: the group too
    int strips = 1;
    bool exact_splits = false;
    bool has_mask = false;                    ///< block_states, answering by script->visible
    int num_ranges = 0;                       ///< above 0: key_ranges, answering by script->ranges
    bool has_pairs = false;                   ///< the weights
    int block_size_q = 0, block_size_kv = 0;  ///< above 0: params start with an attune_block_mask
};
inline constexpr int fake_block_kv = 8, fake_tile_kv = 4;

/// A f32 kernel with one variant that runs anywhere, and a fresh script.
struct FakeKernel {
    Script own_script;
    std::vector<attune_kernel_variant> variants;
    std::vector<attune_param> params;
    attune_kernel kernel{};

    explicit FakeKernel(const FakeOptions &options);
    explicit FakeKernel(bool has_fixed = false) : FakeKernel(FakeOptions{.has_fixed = has_fixed}) {}
    ~FakeKernel();
    FakeKernel(const FakeKernel &) = delete;
    /// After a change of `variants` or `params`.
    void refresh();
};
