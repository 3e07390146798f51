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

TEST_F(AskAhead, AsksForRunsOfALengthInTurns) {
    // Rows of 4 lines: a run that begins amid its page, three whole ones of 3 rows, and one that ends before its page does.
    const int32_t starts[] = {0, 640, 320, 960, 192};
    attune_add_ahead_listed(&ahead, buffer.host, starts, 4, 256, {12, 1, 3});
    attune_spread_ahead(&ahead, 24);
    EXPECT_EQ(ahead.ask.bytes, 2 * 64);
    const attune_row_stream &stream = ahead.streams[0];
    for (int i = 0; i < 2; i++)
        attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.num_turns, 1);
    EXPECT_EQ(ahead.turns[0], buffer.host);
    EXPECT_EQ(ahead.at, ahead.end);
    EXPECT_EQ(stream.rows, 11);
    attune_ask_ahead(&scratch);  // a line of each, one more than are due
    EXPECT_EQ(ahead.num_turns, 3);
    EXPECT_EQ(ahead.turns[1], buffer.host + 320 * 4);
    EXPECT_EQ(ahead.at, 64);
    EXPECT_EQ(ahead.end, 3 * 256);
    EXPECT_EQ(ahead.owed, 1);
    for (int i = 3; i < 20; i++)
        attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.at, ahead.end);
    EXPECT_EQ(ahead.owed, 0);
    EXPECT_EQ(stream.rows, 2);
    for (int i = 20; i < 24; i++)
        attune_ask_ahead(&scratch);
    EXPECT_EQ(ahead.turns[0], buffer.host + 192 * 4);
    EXPECT_EQ(ahead.at, ahead.end);
    EXPECT_EQ(ahead.end, 2 * 256);
    EXPECT_EQ(stream.rows, 0);
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
