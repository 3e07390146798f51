// The journal: what comes back, what a torn line costs, and which files it refuses.
#include "schedules/autotune/journal.h"
#include "schedules/autotune/search.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <rapidcheck.h>

#include <fstream>
#include <sstream>

namespace attune::autotune {
namespace {

const Space space = test::synthetic_space();
const JournalHeader header = journal_header("prefill f32 d64 causal on avx512", space, {.kind = "evolution", .seed = 5});

const std::vector<Trial> &trials() {
    static const std::vector<Trial> all = {
        {0, space.fallback, {Outcome::ok, {{1.25, 1.5}, {0.1 + 0.2}}, 0.125, 2.5, ""}, 1, 3.5},
        {2, {48, 32, 1, 2, 4, 1}, {Outcome::wrong, {}, std::numeric_limits<double>::infinity(), 1, "error 3 of the bound\n\"x\" \xff"}, std::numeric_limits<double>::infinity(), 5},
        {1, {48, 32, 1, 4, 4, 1}, {Outcome::ok, {{2}, {1e-9}}, 0, 0, ""}, 0.97, 1e9}};
    return all;
}

void expect_equal(const Trial &a, const Trial &b) {
    EXPECT_EQ(a.index, b.index);
    EXPECT_EQ(a.point, b.point);
    EXPECT_EQ(a.evaluation.outcome, b.evaluation.outcome);
    EXPECT_EQ(a.evaluation.times_ms, b.evaluation.times_ms);  // bit by bit
    EXPECT_EQ(a.evaluation.error_share, b.evaluation.error_share);
    EXPECT_EQ(a.evaluation.compile_s, b.evaluation.compile_s);
    EXPECT_EQ(a.score, b.score);
    EXPECT_EQ(a.elapsed_s, b.elapsed_s);
}

class JournalFile : public testing::Test {
protected:
    std::string path() const { return (folder_.path / "tune.journal").string(); }
    std::string text() const {
        std::ostringstream out;
        out << std::ifstream(path(), std::ios::binary).rdbuf();
        return out.str();
    }
    void write(const std::string &text) const { std::ofstream(path(), std::ios::binary) << text; }
    std::string written() const {
        Journal journal(path(), header);
        for (const Trial &trial : trials()) journal.append(trial);
        return text();
    }
    Error refusal(const JournalHeader &other = header) const {
        const Error error = test::error_of([&] { Journal(path(), other); });
        EXPECT_EQ(error.details().code, ErrorCode::input);
        EXPECT_EQ(error.details().file, path());
        return error;
    }
    test::TemporaryFolder folder_;
};

TEST_F(JournalFile, TrialsComeBack) {
    written();
    const Journal journal(path(), header);
    ASSERT_EQ(journal.recorded().size(), 3u);
    for (size_t i = 0; i < 3; i++) expect_equal(journal.recorded()[i], trials()[i]);
    const RecordedTrials all = read_journal(path());
    EXPECT_EQ(all.trials.size(), 3u);
    EXPECT_EQ(all.header.key, header.key);
    EXPECT_EQ(all.header.parameters, header.parameters);
    EXPECT_EQ(all.header.seed, 5u);
}

TEST_F(JournalFile, AnyCutLosesWhatIsBehindItAndGoesOn) {
    const std::string whole = written();
    EXPECT_TRUE(rc::check([&] {
        const size_t cut = *rc::gen::inRange<size_t>(0, whole.size() + 1);
        write(whole.substr(0, cut));
        const size_t lines = static_cast<size_t>(std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
        const size_t kept = lines > 0 ? lines - 1 : 0;
        {
            Journal journal(path(), header);
            RC_ASSERT(journal.recorded().size() == kept);
            journal.append(trials()[2]);
        }
        RC_ASSERT(Journal(path(), header).recorded().size() == kept + 1);
        RC_ASSERT(read_journal(path()).trials.size() == kept + 1);
    }));
}

TEST_F(JournalFile, LastLineOfZerosIsTorn) {  // what some file systems leave after a power failure
    const std::string whole = written();
    write(whole + std::string(100, '\0') + "\n");
    EXPECT_EQ(Journal(path(), header).recorded().size(), 3u);
    EXPECT_EQ(text(), whole);
}

TEST_F(JournalFile, BrokenLineInTheMiddleIsAnError) {
    std::string broken = written();
    broken[broken.find("\"point\"")] = '\xff';
    write(broken);
    const Error error = refusal();
    EXPECT_EQ(error.details().line, 2);
    EXPECT_EQ(text(), broken);  // untouched
}

TEST_F(JournalFile, TrialOfOtherParametersIsAnError) {
    const std::string first = written();
    const std::string line = R"({"trial": 1, "point": [1], "outcome": "ok", "times_ms": [], "error_share": 0, "compile_s": 0, "score": 1, "elapsed_s": 0})";
    write(first + line + "\n" + first.substr(first.rfind('\n', first.size() - 2) + 1));
    EXPECT_EQ(refusal().details().line, 5);
}

TEST_F(JournalFile, AnotherFileKeepsItsContent) {
    for (const char *other : {"# notes", "{\"kernel\": 1}\n", "[]\n", "\n", "{"}) {
        write(other);
        if (std::string(other) == "{") {  // how a header begins: nothing else was ever written
            EXPECT_TRUE(Journal(path(), header).recorded().empty());
            continue;
        }
        EXPECT_NE(std::string(refusal().what()).find("this is no journal of attune"), std::string::npos) << other;
        EXPECT_EQ(text(), other);
    }
}

TEST_F(JournalFile, AnotherRunIsRefusedByName) {
    written();
    struct {
        std::function<void(JournalHeader &)> change;
        const char *says;
    } const cases[] = {
        {[](JournalHeader &h) { h.seed = 6; }, "the journal is of another seed: 5, expected 6; "},
        {[](JournalHeader &h) { h.search = "random"; }, "the journal is of another search: evolution, expected random; "},
        {[](JournalHeader &h) { h.space = "0"; }, "the journal is of another space (values or default): "},
        {[](JournalHeader &h) { h.key = "decode"; }, "the journal is of another kernel, shapes or machine: prefill f32 d64 causal on avx512, expected decode; "},
        {[](JournalHeader &h) { h.family = "cpu_split_kv"; }, "the journal is of another family: cpu_query_lanes, expected cpu_split_kv; "},
        {[](JournalHeader &h) { h.parameters.pop_back(); }, "the journal is of another list of parameters: "},
    };
    for (const auto &one : cases) {
        JournalHeader other = header;
        one.change(other);
        const std::string what = refusal(other).what();
        EXPECT_NE(what.find(one.says), std::string::npos) << what;
    }
    EXPECT_EQ(read_journal(path()).trials.size(), 3u);
}

TEST_F(JournalFile, AnotherFormatIsRefused) {
    std::string later = written();
    later.replace(later.find("\"attune_journal\":1"), 18, "\"attune_journal\":2");
    write(later);
    EXPECT_NE(std::string(refusal().what()).find("the journal has format 2, expected format 1"), std::string::npos);
}

TEST_F(JournalFile, OneProcessAtATime) {
    const Journal journal(path(), header);
    EXPECT_NE(std::string(refusal().what()).find("wait for the other process"), std::string::npos);
}

TEST_F(JournalFile, FolderThatIsMissingIsAnError) {
    const Error error = test::error_of([&] { Journal((folder_.path / "nowhere" / "journal").string(), header); });
    EXPECT_NE(std::string(error.what()).find("no such file or directory"), std::string::npos) << error.what();
    EXPECT_EQ(test::error_of([&] { read_journal(path()); }).details().code, ErrorCode::input);
    EXPECT_EQ(test::error_of([&] { read_journal(folder_.path.string()); }).details().code, ErrorCode::input);
    write("");
    EXPECT_EQ(test::error_of([&] { read_journal(path()); }).details().code, ErrorCode::input);
}

}  // namespace
}  // namespace attune::autotune
