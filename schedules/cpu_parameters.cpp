#include "schedules/cpu_query_lanes.h"

#include <fmt/format.h>

#include <numeric>

namespace attune {

const std::vector<ScheduleParameter<CpuScheduleParameters>> &cpu_parameters() {
    using P = CpuScheduleParameters;
    static const std::vector<ScheduleParameter<P>> parameters = {
        {"block_q",
         &P::block_q,
         4,
         4096,
         {48, 96, 144, 192, 288, 384, 576, 768},
         "query rows of a task; a multiple of tile_q vectors. Larger reuses each chunk of keys and values more often; smaller spreads a "
         "short prefill over more threads. Costs 4 * block_q * (head_dim + head_dim_v) bytes of cache",
         RowBits::kept},
        {"block_kv",
         &P::block_kv,
         4,
         1024,
         {16, 32, 48, 64, 96, 128, 192, 256},
         "keys of a chunk; a multiple of tile_kv and of 4. Larger amortises the accumulator's update; smaller keeps the strip of weights, "
         "4 * block_kv * tile_q vectors, in the first-level cache and wastes less on the causal diagonal"},
        {"tile_q",
         &P::tile_q,
         1,
         6,
         {1, 2, 3, 4, 6},
         "vectors of query rows in a register tile, 1 to 6. More reuses each broadcast key oftener; a strip has tile_q * vector rows, "
         "and rows after the last are computed in vain"},
        {"tile_kv",
         &P::tile_kv,
         1,
         32,
         {2, 4, 6, 8, 12, 16},
         "keys in a register tile of scores: tile_q * tile_kv accumulators, with tile_q + 1 registers beside them. A partial "
         "chunk leaves out tiles that no row of its strip sees"},
        {"tile_d",
         &P::tile_d,
         2,
         32,
         {2, 4, 6, 8, 12, 16},
         "head dims in a register tile of weighted values, at least 2: tile_q * tile_d accumulators, likewise"},
        {"unroll",
         &P::unroll,
         1,
         8,
         {1, 2, 4},
         "steps of the inner products in one turn of the loop, 1 to 8. 4 is 1 to 2 % faster than 2 and takes 2 KB more code"},
    };
    return parameters;
}

std::string cpu_parameters_error(const CpuScheduleParameters &p, int vector, int registers) {
    if (const std::string error = parameter_range_error(p, cpu_parameters()); !error.empty())
        return error;
    if (p.block_kv % p.tile_kv != 0) {
        return fmt::format("block_kv is {}, expected a multiple of tile_kv, which is {}", p.block_kv, p.tile_kv);
    }
    if (p.block_kv % 4 != 0)
        return fmt::format("block_kv is {}, expected a multiple of 4", p.block_kv);
    if (p.block_q % (p.tile_q * vector) != 0) {
        return fmt::format("block_q is {}, expected a multiple of tile_q * vector, which is {}", p.block_q, p.tile_q * vector);
    }
    const bool halves = p.scores == Products::f16;
    if (halves && p.tile_q % 2 != 0)
        return fmt::format("tile_q is {}, expected a multiple of 2 with products of halves", p.tile_q);
    constexpr int most_halves = 64;  // weighted values that one sum in half precision may have
    if (halves && p.block_kv > most_halves)
        return fmt::format("block_kv is {}, expected at most {} with products of halves", p.block_kv, most_halves);
    const int vectors = halves ? p.tile_q / 2 : p.tile_q;
    const char *of = halves ? "tile_q / 2" : "tile_q";
    for (const auto &[name, tile] : {std::pair("tile_kv", p.tile_kv), std::pair("tile_d", p.tile_d)}) {
        // Of matrix tiles, whose columns are summed four at a time where registers do it.
        if (p.matrix_tiles && std::string_view(name) == "tile_d")
            continue;
        if (vectors * tile + vectors + 1 > registers) {
            return fmt::format("{} is {}, expected at most {}: {} vector registers hold {} * {} accumulators, {} queries and a key", name,
                               tile, (registers - 1) / vectors - 1, registers, of, name, of);
        }
    }
    return "";
}

BlockShape cpu_block_shape(const CpuScheduleParameters &p, int vector) {
    // Row sums go by four keys. An array's keys are read eight at most: they are a vector of AVX2, half of one of AVX-512. Scores of matrix tiles
    // have no register tile that they could be read for.
    const int array_keys = p.matrix_tiles ? 1 : std::gcd(p.tile_kv, 8);
    const int keys_of_tile = std::lcm(p.tile_kv, p.matrix_tiles ? 2 * matrix_tile_edge : 4);
    return {vector, p.tile_q * vector, p.block_q, p.block_kv,     keys_of_tile, p.tile_d,
            p.fold, p.scores,          p.values,  p.matrix_tiles, array_keys};
}

const char *CpuFootprint::formula() {
    return "task = 4 * (block_q * (head_dim + head_dim_v) + block_kv * (head_dim + head_dim_v)), "
           "strip = 4 * (tile_q * vector * (head_dim + block_kv) + tile_kv * head_dim)";
}

CpuFootprint cpu_footprint(const AttentionSpec &spec, const CpuScheduleParameters &p, int vector) {
    const int64_t dims = spec.head_dim + spec.head_dim_v;
    return {4 * (p.block_q * dims + p.block_kv * dims),
            4 * (int64_t(p.tile_q) * vector * (spec.head_dim + p.block_kv) + int64_t(p.tile_kv) * spec.head_dim)};
}

}  // namespace attune
