// Files and folders, what is found in them, what prune and diff make of them.
#include "schedules/tuned_db/device_class.h"
#include "tests/tuned_db/samples.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace attune {
namespace {

using test::dated;
using test::Folder;
using test::read_text;
using test::sample_record;
using test::write_text;

TunedDatabase database_of(const std::vector<TunedRecord> &records) {
    TunedDatabase out;
    int line = 0;
    for (const TunedRecord &record : records)
        out.add({record, "memory", ++line});
    return out;
}
TunedRecord on(TunedRecord record, const std::string &device) {
    record.device = device;
    return record;
}
std::string found(const TunedDatabase &database, const std::string &device) {
    const TunedRow *row = database.find(sample_record().spec, "avx2", device);
    return row ? row->record.device + " " + row->record.provenance.date : "none";
}

TEST(TunedDatabase, FindsTheClassThenAnyCpu) {
    const TunedRecord record = dated("2026-01-01T00:00:00Z");
    const TunedDatabase database = database_of({on(record, "zen4"), on(dated("2026-05-01T00:00:00Z"), "generic"), on(record, "haswell")});
    EXPECT_EQ(found(database, "zen4"), "zen4 2026-01-01T00:00:00Z");
    EXPECT_EQ(found(database, "zen5"), "generic 2026-05-01T00:00:00Z");
    EXPECT_EQ(found(database_of({on(record, "*")}), "zen5"), "* 2026-01-01T00:00:00Z");
    EXPECT_EQ(found(database_of({on(record, "zen4")}), "zen5"), "none");
    EXPECT_EQ(found(database_of({}), "zen5"), "none");
    EXPECT_EQ(database.find(sample_record().spec, "avx512", "zen4"), nullptr);
    EXPECT_EQ(database.find(spec_hash("other"), "avx2", "zen4"), nullptr);
}

TEST(TunedDatabase, AnyTakesThisMachineThenAnyCpuThenTheNewest) {
    const TunedRecord old = dated("2026-01-01T00:00:00Z"), young = dated("2026-06-01T00:00:00Z");
    EXPECT_EQ(found(database_of({on(old, device_class()), on(young, "generic"), on(young, "m1")}), "any"),
              device_class() + " 2026-01-01T00:00:00Z");
    EXPECT_EQ(found(database_of({on(old, "generic"), on(young, "m1")}), "any"), "generic 2026-01-01T00:00:00Z");
    EXPECT_EQ(found(database_of({on(old, "m1"), on(young, "m2")}), "any"), "m2 2026-06-01T00:00:00Z");
}

TEST(TunedDatabase, TheNewestWinsAndTiesAreDecidedByContent) {
    TunedRecord a = dated("2026-02-01T00:00:00Z", 1), b = dated("2026-02-01T00:00:00Z", 2), c = dated("2026-01-01T00:00:00Z", 3);
    for (const auto &records : {std::vector{a, b, c}, std::vector{c, b, a}, std::vector{b, a, c}})
        EXPECT_EQ(database_of(records).find(a.spec, "avx2", "zen4")->record, b);
}

TEST(TunedDatabase, ReadsAFolderAndTellsLines) {
    const Folder folder;
    const std::string good = record_text(sample_record(1)), other = record_text(sample_record(2));
    write_text(folder.file("a.jsonl"), good + "\r\n\n  \n{broken\n" + other);  // no newline at the end
    write_text(folder.file("b.jsonl"), good + "\n{\"schema\": 7, \"anything\": []}\n");
    write_text(folder.file("notes.txt"), "no rows\n");
    const TunedReading reading = read_tuned({folder.path.string()});
    EXPECT_EQ(reading.database.rows.size(), 2u);
    EXPECT_EQ(reading.database.rows.at(good).file, folder.file("a.jsonl"));
    EXPECT_EQ(reading.database.rows.at(other).line, 5);
    ASSERT_EQ(reading.problems.size(), 2u);
    EXPECT_EQ(reading.problems[0].text().find(folder.file("a.jsonl") + ":4: the line is no JSON from column 2 on, expected one JSON object; "), 0u)
        << reading.problems[0].text();
    EXPECT_EQ(reading.problems[1].text().find(folder.file("b.jsonl") + ":2: schema is 7, expected 2; "), 0u) << reading.problems[1].text();
    EXPECT_TRUE(reading.problems[1].foreign);
    EXPECT_EQ(reading.files.size(), 2u);
}

TEST(TunedDatabase, AMissingFileIsAnError) {
    try {
        read_tuned({"/nonexistent/tuned.jsonl"});
        FAIL();
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::input);
        EXPECT_NE(std::string(error.what()).find("/nonexistent/tuned.jsonl (no such file"), std::string::npos) << error.what();
    }
}

TEST(TunedDatabase, PruneKeepsOneOfAKey) {
    TunedRecord slow_new = dated("2026-03-01T00:00:00Z"), fast_old = dated("2026-01-01T00:00:00Z"), other_shape = dated("2025-01-01T00:00:00Z");
    for (auto &[shape, times] : fast_old.shapes)
        times.median_ms /= 2;
    other_shape.shapes.erase(other_shape.shapes.begin());
    other_shape.provenance.halide = "19.0.0";
    TunedDatabase database = database_of({slow_new, fast_old, other_shape});
    database.broken.insert("{");
    database.foreign.insert("{\"schema\":3}");
    EXPECT_EQ(prune_tuned(database, {}).text(), database_of({slow_new, other_shape}).text() + "{\"schema\":3}\n");
    EXPECT_EQ(prune_tuned(database, {.best = true, .attune = "", .halide = ""}).rows.count(record_text(fast_old)), 1u);
    EXPECT_EQ(prune_tuned(database, {.best = false, .attune = "", .halide = "21.0.0"}).rows.size(), 1u);
    EXPECT_EQ(prune_tuned(database, {.best = false, .attune = "9.9.9", .halide = ""}).rows.size(), 0u);
}

TEST(TunedDatabase, DiffTellsAddedRemovedAndChanged) {
    TunedRecord changed = sample_record();
    changed.parameters["block_q"] = 96;
    const TunedRecord added = on(sample_record(), "zen5"), removed = on(sample_record(), "haswell"), same = on(sample_record(), "zen2");
    TunedRecord same_later = same;
    same_later.provenance.date = "2027-01-01T00:00:00Z";  // measured again, with the same result
    const TunedDatabase before = database_of({sample_record(), removed, same}), after = database_of({changed, added, same_later});
    const auto differences = diff_tuned(before, after);
    ASSERT_EQ(differences.size(), 3u);
    EXPECT_TRUE(differences[0].before && !differences[0].after);  // haswell
    EXPECT_EQ(differences[1].after->record, changed);
    EXPECT_TRUE(!differences[2].before && differences[2].after);  // zen5
    EXPECT_TRUE(diff_tuned(before, before).empty());
}

TEST(UpdateTunedFile, KeepsWhatItCannotRead) {
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl"), foreign = "{\"schema\":3,\"x\":1}", good = record_text(sample_record(1));
    write_text(file, "<<<<<<< ours\n" + foreign + "\nbroken\n" + good + "\n=======\n" + good + "\n>>>>>>> theirs\n");
    append_tuned(file, sample_record(2));
    EXPECT_EQ(read_text(file), good + "\n" + record_text(sample_record(2)) + "\n" + foreign + "\nbroken\n");
}

TEST(UpdateTunedFile, LeavesAnEqualFileAlone) {
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl");
    append_tuned(file, sample_record());
    const auto before = std::filesystem::last_write_time(file);
    struct stat first, second;
    stat(file.c_str(), &first);
    append_tuned(file, sample_record());
    stat(file.c_str(), &second);
    EXPECT_EQ(first.st_ino, second.st_ino);
    EXPECT_EQ(std::filesystem::last_write_time(file), before);
}

TEST(UpdateTunedFile, WritesThroughALinkAndKeepsTheMode) {
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl"), link = folder.file("link.jsonl");
    append_tuned(file, sample_record(1));
    chmod(file.c_str(), 0640);
    std::filesystem::create_symlink("tuned.jsonl", link);
    append_tuned(link, sample_record(2));
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    struct stat status;
    stat(file.c_str(), &status);
    EXPECT_EQ(status.st_mode & 0777, 0640u);
    EXPECT_EQ(read_tuned({file}).database.rows.size(), 2u);
}

TEST(UpdateTunedFile, RefusesAFolderAndABadRecord) {
    const Folder folder;
    EXPECT_THROW(append_tuned(folder.path.string(), sample_record()), Error);
    EXPECT_THROW(append_tuned(folder.file("no/such/folder.jsonl"), sample_record()), Error);
    TunedRecord bad = sample_record();
    bad.spec = "x";
    EXPECT_THROW(append_tuned(folder.file("tuned.jsonl"), bad), Error);
    EXPECT_FALSE(std::filesystem::exists(folder.file("tuned.jsonl")));
}

}  // namespace
}  // namespace attune
