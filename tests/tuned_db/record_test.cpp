// One line: its text, its rules, its hash, its class of CPUs.
#include "schedules/tuned_db/device_class.h"
#include "tests/tuned_db/samples.h"

#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace attune {
namespace {

using test::sample_record;

TEST(SpecHash, IsSha256) {
    // FIPS 180-4's examples, and one of more than a block.
    EXPECT_EQ(spec_hash("abc"), "ba7816bf8f01cfea414140de5dae2223");
    EXPECT_EQ(spec_hash(""), "e3b0c44298fc1c149afbf4c8996fb924");
    EXPECT_EQ(spec_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), "248d6a61d20638b8e5c026930c3e6039");
    EXPECT_EQ(spec_hash(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67");
}

TEST(TunedRecord, TextReadsBackEqual) {
    TunedRecord record = sample_record();
    record.shapes.begin()->second = {0.1, 1.0 / 3, 1e-300, {}};
    record.provenance.command = "attune tune --mask \"causal\" é";
    const TunedLine line = parse_tuned_line(record_text(record));
    ASSERT_EQ(line.kind, TunedLine::Kind::record) << Error(line.problem).what();
    EXPECT_EQ(line.record, record);
    EXPECT_EQ(record_text(line.record), record_text(record));
    EXPECT_EQ(record_text(record).find('\n'), std::string::npos);
}

TEST(TunedRecord, KeepsKeysItDoesNotKnow) {
    nlohmann::json json = nlohmann::json::parse(record_text(sample_record()));
    json["energy_j"] = {{"b", 1.25}, {"a", {1, 2, nullptr}}};
    json["provenance"]["kernel"] = "6.1.0";
    json["shapes"].begin().value()["p99_ms"] = 3;
    const TunedLine line = parse_tuned_line(json.dump());
    ASSERT_EQ(line.kind, TunedLine::Kind::record) << Error(line.problem).what();
    EXPECT_EQ(nlohmann::json::parse(record_text(line.record)), json);
    EXPECT_EQ(record_text(parse_tuned_line(record_text(line.record)).record), record_text(line.record));
}

struct BadField {
    const char *name, *pointer, *value, *says;
};
class BadFields : public testing::TestWithParam<BadField> {};
TEST_P(BadFields, AreNamed) {
    const BadField &p = GetParam();
    nlohmann::json json = nlohmann::json::parse(record_text(sample_record()));
    const nlohmann::json::json_pointer at(p.pointer);
    if (*p.value)
        json[at] = nlohmann::json::parse(p.value);
    else
        json[at.parent_pointer()].erase(at.back());
    const TunedLine line = parse_tuned_line(json.dump());
    ASSERT_NE(line.kind, TunedLine::Kind::record);
    EXPECT_EQ(line.kind == TunedLine::Kind::foreign, std::string(p.name) == "newer_schema");
    const std::string text = Error(line.problem).what();
    EXPECT_NE(text.find(p.says), std::string::npos) << text;
    EXPECT_NE(text.find("expected "), std::string::npos) << text;
    EXPECT_NE(text.find("; "), std::string::npos) << text;
}
INSTANTIATE_TEST_SUITE_P(
    All, BadFields,
    testing::Values(
        //       name              pointer               value                          says
        BadField{"newer_schema", "/schema", "3", "schema is 3"}, BadField{"schema_without_rules", "/schema", "2", "rules is missing"}, BadField{"no_schema", "/schema", "", "schema is missing"},
        BadField{"schema_text", "/schema", "\"1\"", "schema is \"1\""}, BadField{"schema_zero", "/schema", "0", "schema is 0"},
        BadField{"short_hash", "/spec", "\"abc\"", "32 hex digits"},
        BadField{"upper_hash", "/spec", "\"BA7816BF8F01CFEA414140DE5DAE2223\"", "32 hex digits"},
        BadField{"no_target", "/target", "", "target is missing"}, BadField{"target_path", "/target", "\"../x\"", "target is \"../x\""},
        BadField{"device_any", "/device", "\"any\"", "device is \"any\""}, BadField{"device_number", "/device", "4", "device is 4"},
        BadField{"family_empty", "/family", "\"\"", "family is \"\""},
        BadField{"no_parameter", "/parameters", "{}", "parameters is {}"}, BadField{"parameters_list", "/parameters", "[1]", "parameters is [1]"},
        BadField{"negative", "/parameters/block_q", "-1", "parameters.block_q is -1, expected an integer from 0 to 1048576"},
        BadField{"fraction", "/parameters/block_q", "1.5", "parameters.block_q is 1.5"},
        BadField{"huge", "/parameters/block_q", "18446744073709551615", "parameters.block_q is 18446744073709551615"},
        BadField{"huge_float", "/parameters/block_q", "1e300", "parameters.block_q is 1e+300"},
        BadField{"boolean", "/parameters/block_q", "true", "parameters.block_q is true"},
        BadField{"no_shape", "/shapes", "{}", "shapes is {}"}, BadField{"shape_text", "/shapes", "{\"large\": {}}", "shapes is \"large\""},
        BadField{"shape_open", "/shapes", "{\"b=1,\": {}}", "shapes is \"b=1,\""},
        BadField{"no_median", "/shapes", "{\"b=1\": {\"default_ms\": 1, \"spread\": 0}}", "shapes.b=1.median_ms is missing"},
        BadField{"zero_time", "/shapes", "{\"b=1\": {\"median_ms\": 0, \"default_ms\": 1, \"spread\": 0}}", "shapes.b=1.median_ms is 0"},
        BadField{"share", "/share_of_limit", "1.0001", "share_of_limit is 1.0001, expected a number from 0 to 1"},
        BadField{"share_null", "/share_of_limit", "null", "share_of_limit is null"},
        BadField{"level", "/determinism", "\"D9\"", "determinism is \"D9\", expected D0, D1 or D2"},
        BadField{"no_date", "/provenance/date", "", "provenance.date is missing"},
        BadField{"date_month", "/provenance/date", "\"2026-13-01T00:00:00Z\"", "provenance.date is"},
        BadField{"date_zone", "/provenance/date", "\"2026-12-01T00:00:00+01\"", "provenance.date is"},
        BadField{"control", "/provenance/cpu", "\"\\u001b[31m\"", "provenance.cpu is"},
        BadField{"provenance_list", "/provenance", "[]", "provenance is []"}),
    [](const auto &info) { return info.param.name; });

/// Two schedules for short calls.
TunedRecord record_with_rules() {
    TunedRecord record = sample_record();
    record.rules = {{64, 0, record.parameters}, {1024, 4096, {{"block_q", 96}}}};
    return record;
}

TEST(TunedRecord, WithRulesReadsBackEqual) {
    const TunedRecord record = record_with_rules();
    const std::string text = record_text(record);
    EXPECT_NE(text.find("\"schema\":2"), std::string::npos) << text;
    const TunedLine line = parse_tuned_line(text);
    ASSERT_EQ(line.kind, TunedLine::Kind::record) << Error(line.problem).what();
    EXPECT_EQ(line.record, record);
    EXPECT_EQ(record_text(line.record), text);
}

TEST(TunedRecord, WithoutRulesIsOneThatOlderVersionsRead) {
    EXPECT_NE(record_text(sample_record()).find("\"schema\":1"), std::string::npos);
    // What schema 1 does not know it keeps.
    nlohmann::json json = nlohmann::json::parse(record_text(sample_record()));
    json["rules"] = "mine";
    const TunedLine line = parse_tuned_line(json.dump());
    ASSERT_EQ(line.kind, TunedLine::Kind::record) << Error(line.problem).what();
    EXPECT_TRUE(line.record.rules.empty());
    EXPECT_EQ(nlohmann::json::parse(record_text(line.record)), json);
}

TEST(TunedRecord, NamesWhatIsWrongWithARule) {
    const struct {
        const char *pointer, *value, *says;
    } rows[] = {
        {"/rules", "[]", "rules is [], expected a list of 1 to 16 rules"},
        {"/rules", "{}", "rules is {}"},
        {"/rules/0", "3", "rules[0] is 3, expected a JSON object"},
        {"/rules/1/most_seq_len_q", "0", "rules[1].most_seq_len_q is 0, expected an integer from 1 to 268435456"},
        {"/rules/1/most_seq_len_kv", "1.5", "rules[1].most_seq_len_kv is 1.5"},
        {"/rules/0/most_batch", "4", "expected most_seq_len_q, most_seq_len_kv or both, parameters, and nothing else"},
        {"/rules/0", "{\"parameters\": {\"block_q\": 96}}", "expected most_seq_len_q, most_seq_len_kv or both"},
        {"/rules/0", "{\"most_seq_len_q\": 96}", "rules[0].parameters is missing"},
        {"/rules/0/parameters/block_q", "-1", "rules[0].parameters.block_q is -1"},
    };
    for (const auto &row : rows) {
        nlohmann::json json = nlohmann::json::parse(record_text(record_with_rules()));
        json[nlohmann::json::json_pointer(row.pointer)] = nlohmann::json::parse(row.value);
        const TunedLine line = parse_tuned_line(json.dump());
        ASSERT_EQ(line.kind, TunedLine::Kind::broken) << row.pointer << " " << row.value;
        EXPECT_NE(std::string(Error(line.problem).what()).find(row.says), std::string::npos) << Error(line.problem).what();
    }
}

TEST(TunedRecord, RefusesLinesThatAreNoObjects) {
    const std::string good = record_text(sample_record());
    for (const std::string &line :
         {std::string("{"), std::string("[]"), std::string("null"), std::string("\xff\xfe"), good + "x", good.substr(0, good.size() - 1),
          std::string(100000, '['), std::string(70000, ' '), std::string("{\"schema\":1e999}"), std::string("{\"schema\":1,\"schema\":1}"),
          std::string(40, '[') + std::string(40, ']'), std::string("<<<<<<< HEAD"), std::string(1, '\0')}) {
        const TunedLine parsed = parse_tuned_line(line);
        EXPECT_EQ(parsed.kind, TunedLine::Kind::broken) << line.substr(0, 80);
        EXPECT_NE(std::string(Error(parsed.problem).what()).find("expected "), std::string::npos);
    }
}

TEST(TunedRecord, AnIntegerMayBeWrittenWithAPoint) {  // as in JSON Schema
    nlohmann::json json = nlohmann::json::parse(record_text(sample_record()));
    json["parameters"]["block_q"] = 96.0;
    EXPECT_EQ(parse_tuned_line(json.dump()).record.parameters["block_q"], 96);
}

TEST(TunedRecord, WritersCheck) {
    EXPECT_NO_THROW(check_record(sample_record()));
    TunedRecord record = sample_record();
    record.shapes.begin()->second.median_ms = std::numeric_limits<double>::quiet_NaN();
    EXPECT_THROW(check_record(record), Error);
}

TEST(DeviceClass, NamesCores) {
    EXPECT_EQ(device_class({"AuthenticAMD", 25, 17}), "zen4");
    EXPECT_EQ(device_class({"AuthenticAMD", 25, 1}), "zen3");
    EXPECT_EQ(device_class({"AuthenticAMD", 26, 2}), "zen5");
    EXPECT_EQ(device_class({"GenuineIntel", 6, 0x8f}), "sapphire_rapids");
    EXPECT_EQ(device_class({"GenuineIntel", 6, 0x55}), "skylake_server");
    EXPECT_EQ(device_class({"AuthenticAMD", 99, 3}), "amd_fam99_mod3");
    EXPECT_EQ(device_class({"GenuineIntel", 6, 250}), "intel_fam6_mod250");
    EXPECT_EQ(device_class({"Nobody\"s CPU", 25, 97}), "x86_64_fam25_mod97");
}
TEST(DeviceClass, NamesCoresOfArm) {
    EXPECT_EQ(arm_device_class(0x413fd0c1), "neoverse_n1");
    EXPECT_EQ(arm_device_class(0x410fd083), "cortex_a72");
    EXPECT_EQ(arm_device_class(0x611f0221), "arm_61_022");  // an Apple core, which has no name here
}
TEST(DeviceClass, OfThisMachineIsLegal) {
    TunedRecord record = sample_record();
    record.device = device_class();
    EXPECT_NO_THROW(check_record(record)) << record.device;
}

}  // namespace
}  // namespace attune
