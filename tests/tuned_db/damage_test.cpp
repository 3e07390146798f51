// A damaged file: 10,000 mutations. Every line is a record that keeps the rules, or a diagnostic with file and line; nothing crashes, and what the
// generator makes of the records is a legal plan or an Error.
#include "generator/backend/kernel.h"
#include "schedules/cpu_query_lanes.h"
#include "schedules/cpu_split_kv.h"
#include "tests/tuned_db/samples.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

namespace attune {
namespace {

using nlohmann::json;
constexpr int mutations = 10000;

class Damage {
public:
    explicit Damage(uint64_t seed) : random_(seed) {}

    std::string apply(std::string text) {
        for (int64_t times = 1 + below(3); times > 0; times--)
            switch (below(5)) {
            case 0: bits(text); break;
            case 1: text.resize(static_cast<size_t>(below(static_cast<int64_t>(text.size()) + 1))); break;
            case 2: splice(text); break;
            default: field(text);
            }
        return text;
    }

private:
    int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
    size_t place(const std::string &text) { return static_cast<size_t>(below(static_cast<int64_t>(text.size()))); }

    void bits(std::string &text) {
        for (int64_t n = 1 + below(8); n > 0 && !text.empty(); n--)
            text[place(text)] ^= static_cast<char>(1 << below(8));
    }
    void splice(std::string &text) {
        static const char *const pieces[] = {"\n", "{", "}", "\"", "\\u0000", ",", "[[[[[[[[[[[[[[[[[[[[", "-", "1e400", "\xff", "\xef\xbb\xbf", "null", "\r", "9"};
        if (!text.empty())
            text.insert(place(text), pieces[below(std::size(pieces))]);
    }
    /// Another value somewhere in one of the lines: another type, a huge number, another CPU, a later version, a corner of a parameter.
    void field(std::string &text) {
        static const char *const values[] = {"null", "true", "-1", "0", "1", "2", "3", "7", "48", "64", "96", "1000", "1048576", "1048577", "2147483648",
                                             "-9223372036854775808", "18446744073709551615", "1e308", "1e-320", "0.5", "64.0", "64.5", "\"\"", "\"64\"",
                                             "\"any\"", "\"sapphire_rapids\"", "\"avx512\"", "\"sse41\"", "\"cpu_split_kv\"", "\"D0\"", "[]", "{}", "[1]",
                                             "{\"a\": 1}", "\"2099-01-01T00:00:00Z\"", "\"\\u001b[2J\"", "\"x\\ny\""};
        std::vector<std::string> lines;
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find('\n', at), text.size());
            lines.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        if (lines.empty())
            return;
        std::string &line = lines[static_cast<size_t>(below(static_cast<int64_t>(lines.size())))];
        json value = json::parse(line, nullptr, false);
        if (value.is_object() && !value.empty()) {
            json *at = &value;
            std::string key;
            do {
                if (!key.empty())
                    at = &(*at)[key];
                key = std::next(at->begin(), below(static_cast<int64_t>(at->size()))).key();
            } while ((*at)[key].is_object() && !(*at)[key].empty() && below(4) != 0);
            const std::string chosen = values[below(std::size(values))];
            switch (below(5)) {
            case 0: at->erase(key); break;
            case 1: (*at)[chosen] = json::parse(chosen); break;  // a key nobody knows, or no parameter's name
            default: (*at)[key] = json::parse(chosen);
            }
            line = value.dump();
        }
        text.clear();
        for (const std::string &one : lines)
            text += one + "\n";
    }

    std::mt19937_64 random_;
};

std::string valid_file(const AttentionSpec &prefill, const AttentionSpec &decode) {
    std::string text;
    for (int i = 0; i < 3; i++) {
        TunedRecord record = test::sample_record(i);
        record.spec = spec_hash(prefill.canonical());
        if (i == 1)
            record.target = "avx512";
        if (i == 2) {
            record.spec = spec_hash(decode.canonical());
            record.family = "cpu_split_kv";
            record.parameters = {{"split_kv", 256}};
        }
        text += record_text(record) + "\n";
    }
    return text;
}

/// What an Error would have to have said, from the families' own rules.
void expect_legal(const KernelPlan &plan) {
    const auto values = [&](auto &parameters, const auto &declared) {
        for (const auto &[name, value] : plan.parameters)
            for (const auto &known : declared)
                if (name == known.name)
                    parameters.*known.member = value;
        EXPECT_EQ(parameter_range_error(parameters, declared), "");
    };
    CpuSplitParameters split;
    CpuScheduleParameters lanes;
    if (plan.schedule == "cpu_split_kv") {
        values(split, cpu_split_parameters());
        EXPECT_EQ(cpu_split_parameters_error(split, plan.target->registers), "");
    } else {
        values(lanes, cpu_parameters());
        EXPECT_EQ(cpu_parameters_error(lanes, plan.target->vector, plan.target->registers), "");
    }
}

size_t lines_of(const std::string &text) {
    size_t count = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        std::string line = text.substr(at, end - at);
        if (line.ends_with('\r'))
            line.pop_back();
        count += line.find_first_not_of(" \t") != std::string::npos;
        at = end + 1;
    }
    return count;
}

TEST(DamagedFile, LosesNoLineSilentlyAndGivesOnlyLegalPlans) {
    const AttentionSpec prefill = validate_spec({});
    const AttentionSpec decode = validate_spec(read_spec_text("[kernel]\nphases = [\"decode\"]\n", "decode.toml"));
    const std::string original = valid_file(prefill, decode);
    ASSERT_EQ(read_tuned_text(original, "f").database.rows.size(), 3u);
    int records = 0, foreign = 0, broken = 0, planned = 0, refused = 0;
    for (int i = 0; i < mutations; i++) {
        const std::string text = Damage(static_cast<uint64_t>(i)).apply(original);
        SCOPED_TRACE(i);
        const TunedReading reading = read_tuned_text(text, "tuned.jsonl");
        // Equal records of two lines are one.
        size_t given = 0;
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find('\n', at), text.size());
            std::string_view line(text.data() + at, end - at);
            if (line.ends_with('\r'))
                line.remove_suffix(1);
            given += parse_tuned_line(line).kind == TunedLine::Kind::record;
            at = end + 1;
        }
        ASSERT_EQ(given + reading.problems.size(), lines_of(text));
        for (const TunedProblem &problem : reading.problems) {
            ASSERT_EQ(problem.details.file, "tuned.jsonl");
            ASSERT_GT(problem.details.line, 0);
            const std::string line = problem.text();
            ASSERT_TRUE(line.starts_with("tuned.jsonl:") && line.find("expected ") != std::string::npos && line.find('\n') == std::string::npos) << line;
            (problem.foreign ? foreign : broken)++;
        }
        for (const auto &[line, row] : reading.database.rows) {
            records++;
            ASSERT_NO_THROW(check_record(row.record));
            const ScheduleParameters parameters(row.record.parameters.begin(), row.record.parameters.end());
            for (const AttentionSpec *spec : {&prefill, &decode})
                for (const CpuTarget &target : cpu_targets()) {
                    if (row.record.target != target.name || spec_hash(spec->canonical()) != row.record.spec)
                        continue;
                    try {
                        expect_legal(plan_kernel(*spec, target, parameters));
                        planned++;
                    } catch (const Error &) {
                        refused++;
                    }
                }
        }
        ASSERT_FALSE(HasFailure()) << text;
    }
    // The mutations reach every kind of end.
    EXPECT_GT(records, mutations);
    EXPECT_GT(broken, mutations / 4);
    EXPECT_GT(foreign, 10);
    EXPECT_GT(planned, mutations / 4);
    EXPECT_GT(refused, mutations / 100);
}

}  // namespace
}  // namespace attune
