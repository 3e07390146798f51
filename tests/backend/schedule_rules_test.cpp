// Several schedules of one target in one kernel: what may stand together, what is built, and which of them a call runs.
#include "generator/backend/files.h"
#include "generator/spec/error.h"
#include "tests/backend/elf_archive.h"
#include "tests/support/kernel_case.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace attune::test {
namespace {

const std::vector<ScheduleRule> short_calls = {{{64, 0}, {{"block_q", 16}}}, {{0, 128}, {{"block_q", 32}}}};

AttentionSpec causal_spec(int group = 1) { return make_spec(DType::f32, 20, 12, "causal", Algorithm::automatic, group); }
const CpuTarget &sse41() { return cpu_target("sse41"); }

std::string error_of_rules(const std::vector<ScheduleRule> &rules) {
    try {
        plan_schedules(causal_spec(), sse41(), {}, rules);
    } catch (const Error &error) {
        return error.what();
    }
    return "";
}

TEST(ScheduleRules, ArePlansInTheirOrderBeforeTheOneForAllOtherCalls) {
    const std::vector<KernelPlan> plans = plan_schedules(causal_spec(), sse41(), {{"block_q", 64}}, short_calls);
    ASSERT_EQ(plans.size(), 3u);
    EXPECT_EQ(plans[0].calls.text(), "where seq_len_q <= 64");
    EXPECT_EQ(plans[1].calls.text(), "where seq_len_kv <= 128");
    EXPECT_EQ(plans[2].calls.text(), "otherwise");
    EXPECT_EQ(parameters_text(plans[0]).find("block_q=16 "), 0u);
    EXPECT_EQ(parameters_text(plans[2]).find("block_q=64 "), 0u);
    EXPECT_NE(plans[0].variant_name(), plans[2].variant_name());
}

TEST(ScheduleRules, ThatAreNeverTakenAreRefused) {
    EXPECT_EQ(error_of_rules({{{64, 0}, {}}, {{32, 100}, {}}}),
              "the schedule \"where seq_len_q <= 32 and seq_len_kv <= 100\" is never taken after \"where seq_len_q <= 64\", expected calls that no rule before it takes; "
              "write the narrower rule first");
    EXPECT_NE(error_of_rules({{{}, {}}}).find("expected a bound of seq_len_q or seq_len_kv"), std::string::npos);
    EXPECT_EQ(error_of_rules({{{32, 100}, {}}, {{64, 0}, {}}, {{0, 100}, {}}}), "");
}

TEST(ScheduleRules, OfAnIllegalScheduleAreRefused) { EXPECT_NE(error_of_rules({{{64, 0}, {{"block_q", 17}}}}).find("block_q is 17"), std::string::npos); }

TEST(DifferenceInBits, IsNamed) {
    const auto difference = [](const AttentionSpec &spec, const ScheduleParameters &a, const ScheduleParameters &b) {
        return difference_in_bits(plan_kernel(spec, sse41(), a), plan_kernel(spec, sse41(), b));
    };
    AttentionSpec online = causal_spec();
    online.algorithm = Algorithm::online;
    EXPECT_NE(difference(online, {{"block_q", 16}}, {{"block_q", 64}}).find("with algorithm online"), std::string::npos);
    EXPECT_EQ(difference(causal_spec(), {{"block_q", 16}}, {{"block_q", 64}}), "");
    EXPECT_EQ(difference(causal_spec(), {{"unroll", 1}}, {{"unroll", 4}}), "unroll is 1 and 4");
    EXPECT_EQ(difference(causal_spec(), {{"block_kv", 64}}, {{"block_kv", 128}}), "block_kv is 64 and 128");
    // 16 rows are 5 positions of 3 heads, and one row is left over: the second task begins at row 15, in the middle of a strip.
    EXPECT_EQ(difference(causal_spec(3), {{"block_q", 16}}, {{"block_q", 48}}), "block_q holds 5 positions of 3 heads, which are no whole strips of 8 rows");
    EXPECT_EQ(difference(causal_spec(3), {{"block_q", 24}}, {{"block_q", 48}}), "");
    AttentionSpec decode = causal_spec();
    decode.decode = true;
    EXPECT_EQ(difference(decode, {{"split_kv", 512}}, {{"split_kv", 1024}}), "split_kv is 512 and 1024");
}

TEST(ScheduleRules, AreInHeaderMetadataAndArchive) {
    AttentionSpec spec = causal_spec();
    spec.name = "by_seq_len";
    spec.targets = {"sse41", "avx2"};
    const TemporaryFolder folder;
    const TunedSchedule tuned = {{{"block_q", 64}}, {"rows.jsonl", "2026-11-26T21:48:25Z", "zen4"}, short_calls};
    const std::vector<std::string> files = build_kernel(spec, folder.path, {{"sse41", tuned}});
    const auto text = [](const std::string &path) {
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    EXPECT_NE(text(files[1]).find("/// Schedules on sse41, by the call's seq_lens alone (attune_kernel_schedule tells):\n"
                                  "///   where seq_len_q <= 64: block_q=16 "),
              std::string::npos)
        << text(files[1]);
    EXPECT_NE(text(files[1]).find("///   otherwise: block_q=64 "), std::string::npos);
    EXPECT_EQ(text(files[1]).find("avx2"), std::string::npos);
    const nlohmann::json variants = nlohmann::json::parse(text(files[2])).at("variants");
    ASSERT_EQ(variants.size(), 4u);
    EXPECT_FALSE(variants[0].contains("calls"));  // avx2's only one
    EXPECT_EQ(variants[1].at("calls"), (nlohmann::json{{"most_seq_len_q", 64}, {"most_seq_len_kv", 0}}));
    EXPECT_EQ(variants[3].at("parameters").at("block_q"), 64);
    std::set<std::string> members;
    for (const ArchiveMember &member : read_archive(files[0]))
        members.insert(member.name);
    for (const char *name : {"by_seq_len__avx2_fixed.o", "by_seq_len__sse41_q64_fixed.o", "by_seq_len__sse41_kv128_fixed.o", "by_seq_len__sse41_fixed.o"})
        EXPECT_TRUE(members.contains(name)) << name;
}

TEST(ScheduleRules, AreFollowedAtRunTimeWithTheSameBitsWhereThoseAreHeld) {
    for (const CpuTarget *target : available_targets()) {
        const AttentionSpec spec = causal_spec();
        const int strip = 3 * target->vector;
        const std::vector<ScheduleRule> rules = {{{40, 0}, {{"tile_q", 3}, {"block_q", strip}}}};
        const ScheduleParameters otherwise = {{"tile_q", 3}, {"block_q", 4 * strip}};
        const auto table = load_kernel(spec, *target, {.overrides = otherwise, .rules = rules});
        const LoadedKernel &plain = kernel_for(spec, *target, {.overrides = otherwise});
        // With AVX-512 another block_q may be other bits (backend/schedule_rules.cpp): the calls are right there, and no more is held.
        const bool same_bits = difference_in_bits(plan_kernel(spec, *target, rules[0].parameters), plan_kernel(spec, *target, otherwise)).empty();
        EXPECT_EQ(same_bits, target->vector != 16) << target->name;
        EXPECT_EQ(std::string(attune_kernel_schedule(table->kernel(), 40, 5000)).find("block_q=" + std::to_string(strip) + " "), 0u);
        EXPECT_EQ(std::string(attune_kernel_schedule(table->kernel(), 41, 5)).find("block_q=" + std::to_string(4 * strip) + " "), 0u);
        for (const ShapeCase &shape : {ShapeCase{"short", 2, 2, 2, 40, 75}, ShapeCase{"longer", 2, 2, 2, 41, 75}, ShapeCase{"long", 1, 2, 2, 200, 210}}) {
            SCOPED_TRACE(shape.name);
            check_shape(*table, shape);
            if (!same_bits) continue;
            const ReferenceProblem problem = make_problem(spec, shape, InputKind::wide_8, 3);
            expect_same_bits(problem, run_kernel(*table, problem, shape), run_kernel(plain, problem, shape), describe(*table));
        }
    }
}

}  // namespace
}  // namespace attune::test
