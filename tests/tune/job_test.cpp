// The space of a real kernel, and the cost model over it.
#include "generator/backend/schedule_space.h"
#include "generator/cli/tune/job.h"
#include "generator/spec/error.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune::cli {
namespace {

MachineLimits some_machine() {
    return {.peak_gflops = 80, .vector_gflops = 80, .levels = {{32 << 10, 150}, {1 << 20, 80}, {32 << 20, 40}, {std::numeric_limits<double>::infinity(), 20}}};
}

TuneJob job_of(const std::vector<std::pair<const char *, const char *>> &keys, const char *target, const char *shape) {
    RawSpec raw;
    for (const auto &[key, value] : keys) set_spec_flag(raw, key, value, "test");
    TuneJob job;
    job.spec = validate_spec(raw);
    job.target = &cpu_target(target);
    job.shapes = {parse_shape(shape, job.spec.group)};
    job.params = {CallParams{job.spec, {}}};
    return job;
}

struct SpaceRow {
    const char *name;
    std::vector<std::pair<const char *, const char *>> keys;
    const char *target, *shape;
};
const SpaceRow rows[] = {
    {"prefill", {{"kernel.head_dim", "64"}}, "avx2", "h=8,sq=1024,skv=1024"},
    {"causal", {{"kernel.head_dim", "128"}, {"kernel.mask", "causal"}}, "avx512", "h=8,sq=1024,skv=1024"},
    {"window", {{"kernel.mask", "causal && window(255)"}}, "avx2", "h=8,sq=4096,skv=4096"},
    {"tiles", {{"kernel.dtype", "bf16"}}, "amx", "h=8,sq=1024,skv=1024"},
    {"baseline", {{"kernel.dtype", "f16"}}, "sse41", "sq=512,skv=512"},
    {"decode", {{"kernel.head_dim", "128"}, {"kernel.group", "4"}, {"kernel.phases", "decode"}}, "avx2", "h=32,hkv=8,sq=1,skv=8192"},
};

TEST(ScheduleSpace, HasHundredsOfLegalPointsForEachFamily) {
    for (const SpaceRow &row : rows) {
        const TuneJob job = job_of(row.keys, row.target, row.shape);
        const autotune::Space space = schedule_space(job.spec, *job.target);
        const auto points = space.legal_points();
        EXPECT_GE(points.size(), 300u) << row.name;
        EXPECT_EQ(points.front(), space.fallback) << row.name;
        EXPECT_TRUE(space.legal(space.fallback)) << row.name;
    }
}

TEST(ScheduleSpace, IsLegalExactlyWhereAPlanIs) {
    const TuneJob job = job_of(rows[0].keys, "avx2", rows[0].shape);
    const autotune::Space space = schedule_space(job.spec, *job.target);
    autotune::Point point = space.fallback;
    point[2] = 4;  // tile_q: 4 x 4 accumulators do not fit 16 registers
    EXPECT_NE(space.error(point).find("tile_kv is 4"), std::string::npos) << space.error(point);
    EXPECT_THROW(plan_kernel(job.spec, *job.target, overrides_of(space.parameters, point)), Error);
}

TEST(ScheduleSpace, TakesOtherValues) {
    const TuneJob job = job_of(rows[0].keys, "avx2", rows[0].shape);
    const autotune::Space space = schedule_space(job.spec, *job.target, {{"unroll", {2, 1, 2}}});
    EXPECT_EQ(space.parameters.back().values, (std::vector<int>{1, 2}));
    try {
        schedule_space(job.spec, *job.target, {{"split_kv", {64}}});
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_NE(std::string(error.what()).find("a parameter of cpu_query_lanes: block_q, block_kv"), std::string::npos) << error.what();
    }
}

TEST(CostModel, IsFiniteAndPositiveEverywhere) {
    for (const SpaceRow &row : rows) {
        const TuneJob job = job_of(row.keys, row.target, row.shape);
        const autotune::Space space = tuning_space(job, {}, some_machine());
        const auto points = space.legal_points();
        for (size_t i = 0; i < points.size(); i += 1 + points.size() / 200) {
            const double ms = space.predicted_ms(points[i]);
            ASSERT_TRUE(std::isfinite(ms) && ms > 0) << row.name << " " << space.text(points[i]) << ": " << ms;
        }
    }
}

/// No schedule is faster than the machine's unit on the pairs that it must compute.
TEST(CostModel, StaysAboveTheRoofline) {
    const TuneJob job = job_of(rows[0].keys, "avx2", "h=8,sq=1024,skv=1024");
    const autotune::Space space = tuning_space(job, {}, some_machine());
    const double least_ms = 8.0 * 1024 * 1024 * 4 * 64 / 80e9 * 1e3;
    for (const auto &point : space.legal_points()) ASSERT_GE(space.predicted_ms(point), least_ms) << space.text(point);
}

TEST(CostModel, KnowsThatFewRegistersAreSlow) {
    const TuneJob job = job_of(rows[0].keys, "avx2", rows[0].shape);
    const autotune::Space space = tuning_space(job, {}, some_machine());
    autotune::Point one = space.fallback;
    one[2] = 1, one[3] = one[4] = 2;  // tile_q, tile_kv, tile_d: two accumulators wait for each other
    EXPECT_GT(space.predicted_ms(one), 1.5 * space.predicted_ms(space.fallback));
}

}  // namespace
}  // namespace attune::cli
