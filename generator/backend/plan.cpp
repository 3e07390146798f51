#include "generator/backend/code_generator.h"
#include "generator/backend/device_target.h"
#include "generator/backend/kernel.h"
#include "generator/backend/lowering.h"
#include "generator/backend/overrides.h"
#include "generator/spec/error.h"
#include "schedules/cpu_query_lanes.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <set>

namespace attune {

namespace {

constexpr int64_t task_cache_bytes = 256 << 10;  // a quarter of a 1 MB second-level cache: query and accumulator of a task

/// Query heads of a group that share a task's rows: 12 positions a strip of 48 rows instead of 48 waste less at a window's edges. Not
/// where heads see different keys, nor where the caller lists blocks for each head.
int folded_heads(const AttentionSpec &spec) {
    constexpr int largest = 16;
    const bool heads_differ = spec.block_mask || (spec.mask && mentions(spec.mask.root, Variable::h));
    return spec.group <= largest && spec.group > 1 && !heads_differ ? spec.group : 1;
}

/// Products that the specification allows and the machine has a unit for. Not where a score hides by a bias of -infinity: a hidden weight of 0
/// would meet a value that may be a NaN in full chunks too, and only the products of single elements leave it out.
void choose_products(CpuScheduleParameters &p, const AttentionSpec &spec, const CpuTarget &target) {
    const MachineOperations machine = has_llvm_backend() && !score_may_hide(spec) ? target.machine : MachineOperations{};
    p.fold = folded_heads(spec);
    p.scores = p.values = Products::f32;
    if (machine.dot_bf16 && spec.dtype == DType::bf16 && spec.head_dim % 2 == 0)
        p.scores = p.values = Products::bf16_pairs;
    if (has_fixed_reference(spec) && machine.fma_f16 && spec.compute_dtype == ComputeDType::f16)
        p.scores = p.values = Products::f16;
    if (has_fixed_reference(spec) && machine.dot_i8 && spec.compute_dtype == ComputeDType::i8)
        p.scores = Products::i8_quads;
    p.matrix_tiles = machine.tiles && p.scores != Products::f32;
}

/// Whether a schedule has the shapes that these products take; else they are f32.
void fit_products(CpuScheduleParameters &p, const CpuTarget &target) {
    if (p.values == Products::bf16_pairs && (p.tile_kv % 2 != 0 || p.block_kv % 8 != 0))
        p.scores = p.values = Products::f32;
    const bool whole_columns = p.values != Products::bf16_pairs || p.tile_d % 16 == 0;
    const bool whole_tiles = whole_columns && p.tile_q * target.vector % 16 == 0 && p.block_kv % 32 == 0;
    p.matrix_tiles = p.matrix_tiles && whole_tiles && p.scores != Products::f32;
}

/// Strips of 32 rows, two tiles wide: a strip's query, a slice of its scores, its weights and its sums are written, and a tile stored to the second-level
/// cache takes 60 cycles, to the first 17. Sums are read and written once a chunk, so chunks are long. Values lie in columns of 16, one tile each. Where
/// scores alone are tiles, the other parts are as of vectors, and the mean of keys is that of the first chunk that all rows see.
void fit_matrix_tiles(CpuScheduleParameters &p) {
    const bool values_too = p.values == Products::bf16_pairs;
    p.tile_q = values_too ? 2 : 4;
    p.tile_kv = 4;
    p.tile_d = values_too ? 16 : 4;
    p.block_kv = values_too ? 256 : 64;
}

/// The largest multiple of `tile` up to `limit` that divides `size`; 0 where there is none.
int dividing_multiple(int tile, int limit, int size) {
    for (int n = limit / tile * tile; n > 0; n -= tile)
        if (size % n == 0)
            return n;
    return 0;
}

/// The greatest common divisor of the blocks of rows that a mask is made of, `q_abs / n` and constant patterns; 0: it has none.
int64_t row_blocks(const ExprPtr &root, std::set<const Node *> &seen) {
    const ExprPtr &node = without_helper(root);
    if (!seen.insert(node.get()).second)
        return 0;
    int64_t blocks = 0;
    if (node->op == Op::divide && node->type == ExprType::integer && mentions(node->operands[0], Variable::q)) {
        const ExprPtr &divisor = without_helper(node->operands[1]);
        blocks = divisor->op == Op::integer ? divisor->integer : 1;
    }
    for (const ExprPtr &operand : node->operands)
        blocks = std::gcd(blocks, row_blocks(operand, seen));
    return blocks;
}

/// Blocks of 64 or 128 rows are strips of 64, not of 48 that straddle them: 4 x 4 accumulators are 6 % slower than 3 x 8, and a strip
/// across two blocks visits the keys of both.
void fit_row_blocks(CpuScheduleParameters &p, int64_t rows, const CpuTarget &target) {
    if (target.registers < 32 || rows == 0 || rows % (4 * target.vector) != 0)
        return;
    p.tile_q = 4;
    p.tile_kv = p.tile_d = 4;
}

/// A task is one block of the caller's list, and chunks do not straddle its columns.
void fit_block_mask(CpuScheduleParameters &p, const AttentionSpec &spec, const CpuTarget &target) {
    const int rows = spec.block_size_q;
    constexpr int keys_of_tiles = 32;
    if (p.matrix_tiles && spec.block_size_kv % keys_of_tiles == 0) {
        p.block_kv = dividing_multiple(keys_of_tiles, p.block_kv, spec.block_size_kv);
    } else {
        if (p.matrix_tiles) {
            const CpuScheduleParameters of_vectors;
            p.tile_q = of_vectors.tile_q;
            p.tile_kv = of_vectors.tile_kv;
            p.tile_d = of_vectors.tile_d;
            p.block_kv = of_vectors.block_kv;
        }
        fit_row_blocks(p, rows, target);
        p.block_kv = dividing_multiple(p.tile_kv, p.block_kv, spec.block_size_kv);
    }
    if (p.block_kv == 0)
        throw Error({.argument = "block_size",
                     .value = std::to_string(spec.block_size_kv),
                     .expected = fmt::format("a multiple of {} keys", p.tile_kv),
                     .cure = "choose a multiple of 16"});
    const int strip = p.tile_q * target.vector;
    p.block_q = (rows + strip - 1) / strip * strip;
}

/// The defaults: register tiles that fill the registers without spilling, measured on Zen 5 (bench/README.md).
CpuScheduleParameters default_parameters(const AttentionSpec &spec, const CpuTarget &target, Algorithm algorithm) {
    CpuScheduleParameters p;
    if (target.registers < 32) {
        // 12 accumulators, 3 queries and a key: all 16 registers. Without FMA the product takes one too, so 8 accumulators.
        p.tile_q = target.vector == 4 ? 2 : 3;
        p.tile_kv = p.tile_d = 4;
    }
    if (algorithm == Algorithm::full_row) {
        // Short rows: fewer rows and keys after the last are computed in vain. 49 x 49, head_dim 32, avx512: 100 GFLOP/s against 65.
        p.block_kv = 32;
        p.tile_q = 2;
    }
    choose_products(p, spec, target);
    if (p.matrix_tiles && algorithm != Algorithm::full_row)
        fit_matrix_tiles(p);
    else if (p.scores == Products::f16)
        p.tile_q = 6;  // three registers of halves
    else if (spec.mask && algorithm != Algorithm::full_row) {
        std::set<const Node *> seen;
        fit_row_blocks(p, row_blocks(spec.mask.root, seen), target);
    }
    const int strip = p.tile_q * target.vector;
    // CPUs with tiles have 2 MB; each task packs keys and values: 256 rows are 12 % slower than 512, 1024 4 % faster.
    const bool in_tiles = p.matrix_tiles && p.values == Products::bf16_pairs && algorithm != Algorithm::full_row;
    const int64_t rows = (in_tiles ? 2 : 1) * task_cache_bytes / (4 * (spec.head_dim + spec.head_dim_v));
    p.block_q = static_cast<int>(std::clamp<int64_t>(rows, strip, in_tiles ? 512 : 384) / strip * strip);
    if (spec.block_mask)
        fit_block_mask(p, spec, target);
    return p;
}

void apply_overrides(CpuScheduleParameters &p, const ScheduleParameters &overrides, const AttentionSpec &spec, const CpuTarget &target) {
    apply_overrides(p, overrides, cpu_parameters());
    choose_products(p, spec, target);
    fit_products(p, target);
    refuse_schedule(cpu_parameters_error(p, target.vector, target.registers));
}

std::string products_reason(const CpuScheduleParameters &p, const AttentionSpec &spec, bool rounds_weights) {
    std::string reason;
    if (p.scores == Products::i8_quads)
        reason += "; query · key of 8-bit integers";
    if (p.scores == Products::f16)
        reason += "; products in half precision, weights rounded to it";
    if (rounds_weights)
        reason +=
            p.scores == Products::bf16_pairs ? "; products of pairs of bf16, weights rounded to it" : "; weights rounded to pairs of bf16";
    if (!reason.empty() && p.matrix_tiles)
        reason += ", in matrix tiles";
    if (spec.compute_dtype != ComputeDType::f32 && p.scores != Products::f16 && p.scores != Products::i8_quads)
        reason += fmt::format("; products stay f32, not {}", compute_dtype_name(spec.compute_dtype));
    return reason;
}

}  // namespace

CpuScheduleParameters cpu_schedule_parameters(const KernelPlan &plan) {
    CpuScheduleParameters p;
    apply_overrides(p, plan.parameters, plan.spec, *plan.target);
    return p;
}

const char *KernelPlan::target_name() const {
    return device ? device->name : target->name;
}

std::string KernelPlan::variant_name() const {
    return spec.id() + "__" + target_name() + calls.name();
}

Algorithm softmax_algorithm(const AttentionSpec &spec) {
    if (spec.algorithm != Algorithm::automatic || !is_softmax(spec.normalizer))
        return spec.algorithm;
    // A bias for each row and key belongs to short sequences. 49 keys, head_dim 32, avx2: 1.33 times as fast, 197 keys, head_dim 64: 1.06
    // times, 1024: 0.97 times.
    return row_key_elements(spec, false).empty() ? Algorithm::fixed_reference : Algorithm::full_row;
}

CpuSplitParameters split_schedule_parameters(const KernelPlan &plan) {
    CpuSplitParameters p;
    p.accumulators = plan.target->registers == 32 ? 16 : 8;
    // One head reads keys and values as they lie, where prefetchers start anew in each chunk: 32 heads, 4096 keys, f16, avx2: 2.78 ms in chunks of 512,
    // 2.53 of 1024, 2.45 of 2048; 1500 keys 0.99, 1.00, 1.06. With several heads on one a chunk has to stay in the second-level cache.
    if (plan.spec.group == 1 && !plan.spec.cache.values_in_key) {
        p.split_kv = 1024;
        p.unroll_values = split_reads_f32_in_order(plan.spec) ? 8 : 2;  // a turn asks
    }
    // Tiles of rows ask memory ahead in each turn, and shorter turns ask for fewer lines at a time. Four heads on one, 8192 keys, Xeon with AVX-512: f16
    // 1.51 ms instead of 1.63, a cache of i4 6 % faster, of f32 as fast, of i8 5 % slower.
    const bool of_halves = plan.spec.cache.dtype == KvDType::same && plan.spec.dtype != DType::f32;
    if (plan.spec.group > 1 && plan.target->registers == 32 && (of_halves || plan.spec.cache.dtype == KvDType::i4)) {
        p.accumulators = 8;
        p.unroll_values = 8;
    }
    // Not where a score hides by a bias of -infinity, as in choose_products. Fewer rows than a group's are a quarter of a strip, and vectors keep up.
    const bool has_tiles = has_llvm_backend() && plan.target->machine.tiles && !score_may_hide(plan.spec);
    const bool of_bf16 = plan.spec.dtype == DType::bf16 && plan.spec.cache.dtype == KvDType::same;
    p.matrix_tiles = has_tiles && ((of_bf16 && plan.spec.group >= 4) || fills_integer_tiles(plan.spec));
    // Keys and values in one are read for both: a chunk of 576 x 256 bf16 stays in the second-level cache between. CPUs with tiles have 2 MB: of 512 keys
    // 8192 take 0.63 ms instead of 0.68.
    if (plan.spec.cache.values_in_key)
        p.split_kv = p.matrix_tiles ? 512 : 256;
    // Queries are made integers once a chunk. Four heads on one, 8192 keys of i8: 15 ns a key, 17 in chunks of 512.
    if (p.matrix_tiles && fills_integer_tiles(plan.spec))
        p.split_kv = 1024;
    apply_overrides(p, plan.parameters, cpu_split_parameters());
    refuse_schedule(cpu_split_parameters_error(p, plan.target->registers));
    return p;
}

namespace {

KernelPlan plan_decode(KernelPlan plan, const ScheduleParameters &overrides) {
    plan.parameters = overrides;
    const CpuSplitParameters p = split_schedule_parameters(plan);
    plan.parameters = named(p, cpu_split_parameters());
    plan.algorithm = "split_kv";
    plan.schedule = "cpu_split_kv";
    plan.rounds_weights = p.matrix_tiles && plan.spec.cache.dtype == KvDType::same;
    plan.reason = fmt::format("few query rows: the cache is read once, {} keys a task, {} query heads of a group side by side; parts are "
                              "combined in the order of keys",
                              p.split_kv, std::max(plan.spec.group, 1));
    if (plan.rounds_weights)
        plan.reason += "; products of pairs of bf16, weights rounded to it, in matrix tiles";
    else if (p.matrix_tiles)
        plan.reason += "; products of integers in matrix tiles";
    const int64_t value_bytes = plan.spec.cache.values_in_key ? 0 : cache_row_bytes(plan.spec, plan.spec.head_dim_v);
    plan.footprint_bytes = p.split_kv * (cache_row_bytes(plan.spec, plan.spec.head_dim) + value_bytes);
    plan.footprint_formula = "split_kv * (bytes of a key + bytes of a value)";
    return plan;
}

KernelPlan plan_key_lanes(KernelPlan plan, const ScheduleParameters &overrides) {
    plan.parameters = overrides;
    const CpuKeyLanesParameters p = key_lanes_schedule_parameters(plan);
    plan.parameters = named(p, cpu_key_lanes_parameters());
    plan.algorithm = "full_row_softmax";
    plan.schedule = "cpu_key_lanes";
    plan.reason = fmt::format(
        "{}: short rows that see all keys, one maximum, all logits of a strip kept; {} x {} accumulators of {} registers, "
        "keys in lanes, then columns",
        plan.spec.algorithm == Algorithm::automatic ? "the default" : "asked for", p.tile_rows, p.tile_keys, plan.target->registers);
    const BlockShape shape = key_lanes_shape(plan);
    if (shape.fold > 1)
        plan.reason += fmt::format("; {} query heads share the rows of a task", shape.fold);
    plan.footprint_bytes =
        4 * (int64_t(shape.block_kv) * plan.spec.head_dim + int64_t(shape.strip) * (plan.spec.head_dim + 2 * shape.block_kv));
    plan.footprint_formula =
        "4 * (tile_keys * vector * head_dim + tile_rows * (head_dim + 2 * tile_keys * vector)), a tile of keys and its strip";
    return plan;
}

KernelPlan plan_linear(KernelPlan plan, const ScheduleParameters &overrides) {
    plan.parameters = overrides;
    const CpuLinearParameters p = linear_schedule_parameters(plan);
    plan.parameters = named(p, cpu_linear_parameters());
    const LinearShape shape = linear_shape(plan);
    plan.algorithm = "linear_attention";
    plan.schedule = "cpu_linear";
    plan.reason = takes_one_key(plan.spec)
                      ? "the normalizer: a running state, that each key changes in turn"
                      : fmt::format("the normalizer: a running state, and pairs within chunks of {} positions", p.chunk);
    if (shape.fold > 1)
        plan.reason += fmt::format("; {} query heads share a state", shape.fold);
    const int64_t dims = plan.spec.head_dim + plan.spec.head_dim_v;
    plan.footprint_bytes = 4 * (int64_t(plan.spec.head_dim) * plan.spec.head_dim_v + shape.rows() * (dims + p.chunk) + p.chunk * dims);
    plan.footprint_formula =
        "4 * (head_dim * head_dim_v + chunk * fold * (head_dim + head_dim_v + chunk) + chunk * (head_dim + head_dim_v))";
    return plan;
}

}  // namespace

bool has_keys_in_lanes(const AttentionSpec &spec, const CpuTarget &target) {
    const bool all_keys = !spec.mask && !spec.block_mask && !spec.decode && is_softmax(spec.normalizer);
    const bool in_pairs = spec.dtype == DType::bf16 && target.machine.dot_bf16 && has_llvm_backend();  // twice as fast as f32
    return all_keys && !in_pairs && softmax_algorithm(spec) == Algorithm::full_row;
}

CpuKeyLanesParameters key_lanes_schedule_parameters(const KernelPlan &plan) {
    CpuKeyLanesParameters p = default_key_lanes_parameters(plan.spec, plan.target->vector, plan.target->registers);
    apply_overrides(p, plan.parameters, cpu_key_lanes_parameters());
    refuse_schedule(cpu_key_lanes_parameters_error(p, plan.target->registers));
    return p;
}

BlockShape key_lanes_shape(const KernelPlan &plan) {
    return cpu_key_lanes_shape(key_lanes_schedule_parameters(plan), folded_heads(plan.spec), plan.target->vector);
}

CpuLinearParameters linear_schedule_parameters(const KernelPlan &plan) {
    CpuLinearParameters p = default_linear_parameters(plan.spec, plan.target->vector, plan.target->registers);
    apply_overrides(p, plan.parameters, cpu_linear_parameters());
    refuse_schedule(cpu_linear_parameters_error(p, plan.target->registers));
    if (takes_one_key(plan.spec) && p.chunk != 1)
        refuse_schedule(fmt::format("chunk is {}, expected 1 with decay or beta, where each key changes the state in turn", p.chunk));
    return p;
}

LinearShape linear_shape(const KernelPlan &plan) {
    return cpu_linear_shape(linear_schedule_parameters(plan), folded_heads(plan.spec), plan.target->vector);
}

KernelPlan plan_kernel(const AttentionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides) {
    KernelPlan plan;
    plan.spec = spec;
    plan.target = &target;
    if (spec.decode)
        return plan_decode(std::move(plan), overrides);
    if (is_linear(spec))
        return plan_linear(std::move(plan), overrides);
    if (has_keys_in_lanes(spec, target))
        return plan_key_lanes(std::move(plan), overrides);
    const Algorithm algorithm = softmax_algorithm(spec);
    const std::string wish = spec.algorithm == Algorithm::automatic ? "the default" : "asked for";
    switch (algorithm) {
    case Algorithm::online:
        plan.algorithm = "online_softmax";
        plan.schedule = "cpu_query_lanes";
        plan.reason = wish + ": one path for all inputs, a maximum and a rescale a chunk";
        break;
    case Algorithm::full_row:
        plan.algorithm = "full_row_softmax";
        plan.schedule = "cpu_full_row";
        plan.reason = wish + ": short rows, one maximum, all logits of a strip kept";
        break;
    default:
        plan.algorithm = "fixed_reference_softmax + online_softmax";
        plan.schedule = "cpu_query_lanes";
        plan.reason = wish + ": no maximum pass and no rescaling; rows that may leave its range take the online kernel";
    }
    if (!is_softmax(spec.normalizer)) {
        plan.algorithm = fmt::format("{}_weights", normalizer_name(spec.normalizer));
        plan.schedule = "cpu_query_lanes";
        plan.reason = "the normalizer: each weight by itself";
    }
    CpuScheduleParameters p = default_parameters(spec, target, algorithm);
    apply_overrides(p, overrides, spec, target);
    if (spec.block_mask && spec.block_size_kv % p.block_kv != 0)
        throw Error({.argument = "block_kv",
                     .value = std::to_string(p.block_kv),
                     .expected = fmt::format("a divisor of the block mask's {} keys", spec.block_size_kv),
                     .cure = "see attune list"});
    if (p.fold > 1)
        plan.reason += fmt::format("; {} query heads share the rows of a task", p.fold);
    plan.parameters = named(p, cpu_parameters());
    plan.rounds_weights = p.values == Products::bf16_pairs && has_fixed_reference(spec);
    plan.reason += products_reason(p, spec, plan.rounds_weights);
    plan.reason += fmt::format("; {} x {} accumulators of {} registers, a task of {} rows keeps {} KB of query and accumulator in cache",
                               p.tile_q, p.tile_kv, target.registers, p.block_q, p.block_q * (spec.head_dim + spec.head_dim_v) * 4 >> 10);
    plan.footprint_bytes = cpu_footprint(spec, p, target.vector).task;
    plan.footprint_formula = CpuFootprint::formula();
    return plan;
}

}  // namespace attune
