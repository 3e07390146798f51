// Merging is the union of sets, whatever they hold.
#include "tests/tuned_db/samples.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace attune {
namespace {

/// Few values for each field, so that databases share records and keys.
TunedRecord some_record() {
    TunedRecord record = test::sample_record(*rc::gen::inRange(0, 3));
    record.device = *rc::gen::element<std::string>("zen4", "zen5", "generic");
    record.target = *rc::gen::element<std::string>("avx2", "avx512");
    record.parameters["block_q"] = *rc::gen::element(96, 192);
    record.provenance.date = *rc::gen::element<std::string>("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    if (*rc::gen::arbitrary<bool>())
        record.more["note"] = *rc::gen::element<std::string>("1", "[2,3]", "{\"a\":null}");
    return record;
}

TunedDatabase some_database() {
    TunedDatabase out;
    const int count = *rc::gen::inRange(0, 8);
    for (int i = 0; i < count; i++)
        out.add({some_record(), *rc::gen::element<std::string>("a", "b"), *rc::gen::inRange(1, 9)});
    if (*rc::gen::arbitrary<bool>())
        out.foreign.insert(*rc::gen::element<std::string>("{\"schema\":3}", "{\"schema\":4}"));
    if (*rc::gen::arbitrary<bool>())
        out.broken.insert(*rc::gen::element<std::string>("{", "x"));
    return out;
}

/// Origins too.
bool identical(const TunedDatabase &a, const TunedDatabase &b) {
    return a == b && std::equal(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end(), [](const auto &x, const auto &y) {
               return x.second.file == y.second.file && x.second.line == y.second.line && x.second.record == y.second.record;
           });
}

TEST(MergeTuned, IsAssociativeCommutativeAndIdempotent) {
    EXPECT_TRUE(rc::check([] {
        const TunedDatabase a = some_database(), b = some_database(), c = some_database();
        RC_ASSERT(identical(merge_tuned(a, a), a));
        RC_ASSERT(identical(merge_tuned(a, b), merge_tuned(b, a)));
        RC_ASSERT(identical(merge_tuned(merge_tuned(a, b), c), merge_tuned(a, merge_tuned(b, c))));
        RC_ASSERT(identical(merge_tuned(a, {}), a));
    }));
}

TEST(MergeTuned, LosesNothingAndReadsBack) {
    EXPECT_TRUE(rc::check([] {
        const TunedDatabase a = some_database(), b = some_database(), both = merge_tuned(a, b);
        for (const TunedDatabase *one : {&a, &b})
            for (const auto &[text, row] : one->rows)
                RC_ASSERT(both.rows.contains(text));
        const TunedReading again = read_tuned_text(both.text(), "memory");
        RC_ASSERT(again.database == both);
        RC_ASSERT(again.problems.size() == both.foreign.size() + both.broken.size());
    }));
}

TEST(MergeTuned, FindDoesNotDependOnTheOrder) {
    EXPECT_TRUE(rc::check([] {
        const TunedDatabase a = some_database(), b = some_database();
        const TunedDatabase one = merge_tuned(a, b), other = merge_tuned(b, a);
        for (const char *device : {"zen4", "zen5", "haswell", "any"}) {
            const TunedRow *x = one.find(test::sample_record().spec, "avx2", device), *y = other.find(test::sample_record().spec, "avx2", device);
            RC_ASSERT((x == nullptr) == (y == nullptr));
            if (x)
                RC_ASSERT(x->record == y->record);
        }
    }));
}

TEST(PruneTuned, ChangesNothingTwice) {
    EXPECT_TRUE(rc::check([] {
        const TunedDatabase a = some_database();
        const PruneRules rules{.best = *rc::gen::arbitrary<bool>(), .attune = "", .halide = ""};
        const TunedDatabase once = prune_tuned(a, rules);
        RC_ASSERT(prune_tuned(once, rules) == once);
        if (!rules.best)  // what is used stays
            for (const char *target : {"avx2", "avx512"}) {
                const TunedRow *x = a.find(test::sample_record().spec, target, "zen4"), *y = once.find(test::sample_record().spec, target, "zen4");
                RC_ASSERT((x == nullptr) == (y == nullptr));
                if (x)
                    RC_ASSERT(x->record == y->record);
            }
    }));
}

}  // namespace
}  // namespace attune
