#include "fake_kernel.h"

extern "C" {
#include "runtime/src/ask_ahead.h"
}

#include <gtest/gtest.h>

namespace {

/// Rows of 3 heads x 2 positions, 100 floats each and 4 between them.
struct AskAhead : testing::Test {
    float rows[1000];
    attune_dimension dim[3] = {{0, 100, 1, 0}, {0, 3, 208, 0}, {0, 2, 104, 0}};
    attune_buffer buffer{};
    attune_ahead ahead{};
    attune_scratch scratch{nullptr, 0, 0, &ahead};

    void SetUp() override {
        buffer.host = reinterpret_cast<uint8_t *>(rows);
        buffer.type_code = 2;
        buffer.type_bits = 32;
        buffer.dimensions = 3;
        buffer.dim = dim;
        attune_clear_ahead(&ahead);
    }
};

TEST_F(AskAhead, SpreadsAllLinesOverTheVisits) {
    attune_add_ahead(&ahead, &buffer);
    attune_spread_ahead(&ahead, 10);
    EXPECT_EQ(ahead.num_streams, 3);
    EXPECT_EQ(ahead.ask.bytes, 5 * 64);  // 6 rows of 7 lines
    int calls = 0;
    for (; ahead.current < ahead.num_streams; calls++)
        attune_ask_ahead(&scratch);
    EXPECT_EQ(calls, 9);
    attune_ask_ahead(&scratch);  // nothing is left
    EXPECT_EQ(ahead.current, 3);
}

TEST_F(AskAhead, TakesRowsOfSeveralLengths) {
    attune_add_ahead(&ahead, &buffer);
    dim[0].extent = 16;  // one line
    attune_add_ahead(&ahead, &buffer);
    attune_spread_ahead(&ahead, 1);
    EXPECT_EQ(ahead.ask.bytes, (6 * 7 + 6) * 64);
    attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.current, 5);
    EXPECT_EQ(ahead.ask.left, 0);
    attune_ask_ahead(&scratch);  // nothing is left
    EXPECT_EQ(ahead.current, 6);
}

TEST_F(AskAhead, WalksAHeadBeforeTheNext) {
    attune_add_ahead(&ahead, &buffer);
    attune_spread_ahead(&ahead, 3);
    attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.streams[0].rows, 0);
    EXPECT_EQ(ahead.streams[1].rows, 2);
    attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.current, 1);
    EXPECT_EQ(ahead.ask.next, buffer.host + 832 + 416 + 7 * 64);
}

TEST_F(AskAhead, TakesRowsWithoutAGapAsOne) {
    dim[2].stride = 100;
    attune_add_ahead(&ahead, &buffer);
    attune_spread_ahead(&ahead, 1);
    EXPECT_EQ(ahead.ask.bytes, 3 * 13 * 64);  // of 2 x 400 bytes
    attune_spread_ahead(&ahead, 4);
    for (int i = 0; i < 4; i++)
        attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.current, 3);
}

TEST_F(AskAhead, TakesListedRowsWithoutAGapAsOne) {
    const int32_t starts[] = {0, 64, 128, 640, 704, 512};  // of 4 lines each: three, two and one that follow each other
    attune_add_ahead_listed(&ahead, buffer.host, starts, 4, 256, 6);
    attune_spread_ahead(&ahead, 12);
    EXPECT_EQ(ahead.ask.bytes, 2 * 64);
    const attune_row_stream &stream = ahead.streams[0];
    attune_ask_ahead(&scratch);
    EXPECT_EQ(stream.rows, 3);
    EXPECT_EQ(ahead.ask.left, 3 * 256 - 128);
    EXPECT_EQ(ahead.ask.next, buffer.host + 128);
    for (int i = 1; i < 6; i++) attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.ask.left, 0);
    attune_ask_ahead(&scratch);
    EXPECT_EQ(stream.rows, 1);
    EXPECT_EQ(stream.starts, starts + 5);
    EXPECT_EQ(ahead.ask.next, buffer.host + 640 * 4 + 128);
    for (int i = 7; i < 12; i++) attune_ask_ahead(&scratch);
    EXPECT_EQ(stream.rows, 0);
    EXPECT_EQ(ahead.ask.left, 0);
    attune_ask_ahead(&scratch);  // nothing is left
    EXPECT_EQ(ahead.current, 1);
}

TEST_F(AskAhead, HasNothingToDoWithoutRowsOrVisits) {
    attune_ask_ahead(&scratch);
    dim[2].extent = 0;
    attune_add_ahead(&ahead, &buffer);
    EXPECT_EQ(ahead.num_streams, 0);
    dim[2].extent = 2;
    attune_add_ahead(&ahead, &buffer);
    attune_spread_ahead(&ahead, 0);
    attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.current, 0);
}

TEST_F(AskAhead, LeavesOutHeadsBeyondItsRoom) {
    dim[1].extent = 20;
    attune_add_ahead(&ahead, &buffer);
    attune_add_ahead(&ahead, &buffer);
    EXPECT_EQ(ahead.num_streams, 2 * ATTUNE_MAX_AHEAD_HEADS);
}

}  // namespace
