#include "generator/cli/heat_map.h"
#include "generator/cli/picture/raster.h"
#include "generator/cli/picture/stroke_font.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace attune::cli {
namespace {

constexpr Colour red{200, 0, 0};

int count_of(const std::string &text, const std::string &part) {
    int count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) count++;
    return count;
}

TEST(Raster, FillsExactlyTheRectangle) {
    const Image image = rasterise({"", 10, 6, {Rectangle{2, 1, 3, 4, red}}}, 2);
    ASSERT_EQ(image.width, 20);
    ASSERT_EQ(image.height, 12);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width; x++)
            EXPECT_EQ(image.at(x, y), x >= 4 && x < 10 && y >= 2 && y < 10 ? red : white) << x << ", " << y;
}

TEST(Raster, CellsLeaveNoGap) {
    // 7 columns and 3 rows in 10 x 5 units: no cell is a whole number of pixels.
    Cells cells{0, 0, 10, 5, 7, {}, {red, ink}};
    for (int i = 0; i < 21; i++) cells.colours.push_back(i % 2);
    const Image image = rasterise({"", 10, 5, {cells}}, 2);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width; x++) EXPECT_NE(image.at(x, y), white) << x << ", " << y;
    EXPECT_EQ(image.at(0, 0), red);
    EXPECT_EQ(image.at(19, 9), red);  // cell 20
    EXPECT_EQ(image.at(19, 0), red);  // cell 6
    EXPECT_EQ(image.at(0, 9), red);   // cell 14
    EXPECT_EQ(image.at(4, 0), ink);   // cell 1
}

TEST(Raster, DashesHaveGapsOnTheWholeLine) {
    // Corners every 2 units do not begin a new dash: 5 drawn, 4 left out.
    Polyline line{{}, red, 1, true};
    for (int x = 0; x <= 40; x += 2) line.points.emplace_back(x, 3);
    const Image image = rasterise({"", 40, 6, {line}}, 2);
    for (double x = 0.5; x < 40; x++) {
        const double at = std::fmod(x, 9);
        if (at > 1 && at < 4) {
            EXPECT_EQ(image.at(int(2 * x), 6), red) << x;
        }
        if (at > 6 && at < 8) {
            EXPECT_EQ(image.at(int(2 * x), 6), white) << x;
        }
    }
}

TEST(Raster, StaysInsideThePicture) {
    const Image image = rasterise({"", 4, 4, {Rectangle{-5, -5, 100, 100, red}, Text{-20, 2, "outside"}, Dot{4, 4, 3, ink}, Polyline{{{-9, -9}, {99, 99}}, ink}}}, 1);
    EXPECT_EQ(image.rgb.size(), 4u * 4 * 3);
}

TEST(StrokeFont, KnowsAsciiAndShowsOthersAsABox) {
    const Glyph box = stroke_glyph(0x4E2D);
    for (uint32_t c = '!'; c <= '~'; c++) {
        const Glyph glyph = stroke_glyph(c);
        EXPECT_FALSE(glyph.strokes.empty()) << char(c);
        EXPECT_NE(glyph.strokes, box.strokes) << char(c);
        for (uint32_t other = '!'; other < c; other++) EXPECT_NE(glyph.strokes, stroke_glyph(other).strokes) << char(c) << char(other);
        for (const auto &stroke : glyph.strokes) {
            EXPECT_GE(stroke.size(), 2u) << char(c);
            for (const auto &[x, y] : stroke) EXPECT_TRUE(x >= 0 && x <= 4 && y >= 0 && y <= 8) << char(c);
        }
    }
}

TEST(Drawing, ReadsUtf8) {
    EXPECT_EQ(code_points("a\u00e9\u4e2d\U0001f600"), (std::vector<uint32_t>{'a', 0xE9, 0x4E2D, 0x1F600}));
    EXPECT_EQ(code_points("\xE4\xB8"), (std::vector<uint32_t>{0xFFFD}));     // cut short
    EXPECT_EQ(code_points("\x80z"), (std::vector<uint32_t>{0xFFFD, 'z'}));  // no beginning
}

TEST(Drawing, SvgEscapesWhatPeopleWrite) {
    const std::string svg = svg_text({"<a>", 9, 9, {Text{0, 0, "a < b && \"c\"\n"}}});
    EXPECT_NE(svg.find("<title>&lt;a&gt;</title>"), std::string::npos) << svg;
    EXPECT_NE(svg.find(">a &lt; b &amp;&amp; \"c\" </text>"), std::string::npos) << svg;
}

/// 0 below the diagonal's left, else equal weights.
std::vector<float> causal_weights(int64_t n) {
    std::vector<float> w(n * n);
    for (int64_t q = 0; q < n; q++)
        for (int64_t kv = 0; kv <= q; kv++) w[q * n + kv] = 1.0f / float(q + 1);
    return w;
}

TEST(HeatMap, LabelsBothAxesAndTheScale) {
    const std::vector<float> w = causal_weights(3);
    HeatMapLabels labels;
    labels.title = "w.npy";
    labels.rows.labels = {"red", "green", "blue"};
    labels.keys.labels = {"one", "two", "three"};
    const std::string svg = svg_text(draw_heat_map({{"head 0", 3, 3, w.data()}}, labels));
    for (const char *text : {">red<", ">green<", ">blue<", ">one<", ">two<", ">three<", ">0 (hidden)<", ">weight<", ">0.2<", ">1<", ">keys →<", ">← queries<"})
        EXPECT_EQ(count_of(svg, text), 1) << text;
}

TEST(HeatMap, TellsHiddenFromSmall) {
    const std::vector<float> w = {1, 0, 0.999f, 0.001f};
    const Drawing drawing = draw_heat_map({{"", 2, 2, w.data()}}, {});
    const Cells &cells = std::get<Cells>(*std::find_if(drawing.items.begin(), drawing.items.end(), [](const auto &item) { return std::holds_alternative<Cells>(item); }));
    const auto colour = [&](int i) { return cells.palette[cells.colours[i]]; };
    EXPECT_NE(colour(1), colour(3));
    EXPECT_EQ(colour(3), white);
    EXPECT_EQ(colour(0), (Colour{8, 40, 74}));
    // Darker with each step, so that it prints in grey.
    for (size_t i = 1; i + 1 < cells.palette.size(); i++)
        EXPECT_LT(cells.palette[i].red + cells.palette[i].green + cells.palette[i].blue, cells.palette[i - 1].red + cells.palette[i - 1].green + cells.palette[i - 1].blue);
}

TEST(HeatMap, StaysReadableAtEachSize) {
    for (int64_t n : {1, 2, 16, 100, 257, 1000}) {
        const std::vector<float> w = causal_weights(n);
        HeatMapLabels labels;
        for (int64_t i = 0; i < n; i++) labels.keys.labels.push_back("token" + std::to_string(i));
        const Drawing drawing = draw_heat_map({{"", n, n, w.data()}}, labels);
        EXPECT_LE(drawing.width, 1000) << n;
        EXPECT_LE(drawing.height, 900) << n;
        double last = -100;
        for (const auto &item : drawing.items) {
            if (const Cells *cells = std::get_if<Cells>(&item)) {
                EXPECT_LE(cells->colours.size(), 256u * 256) << n;
            }
            const Text *text = std::get_if<Text>(&item);
            if (!text || !text->upward || !text->text.starts_with("token")) continue;
            EXPECT_GE(text->x - last, 10.9) << n;  // letters of 11 do not overlap
            last = text->x;
        }
        EXPECT_GT(last, 0) << n;
    }
}

TEST(HeatMap, ACellShowsTheLargestOfItsWeights) {
    const int64_t n = 512;  // two rows and keys a cell
    std::vector<float> w(n * n, 0);
    w[5 * n + 7] = 1;
    const Drawing drawing = draw_heat_map({{"", n, n, w.data()}}, {});
    for (const auto &item : drawing.items)
        if (const Cells *cells = std::get_if<Cells>(&item)) {
            ASSERT_EQ(cells->columns, 256u);
            EXPECT_EQ(cells->palette[cells->colours[2 * 256 + 3]], (Colour{8, 40, 74}));
            return;
        }
    FAIL() << "no cells";
}

TEST(HeatMap, ManyHeadsShareOneScale) {
    const std::vector<float> w = causal_weights(4);
    std::vector<WeightsMatrix> panels;
    for (int i = 0; i < 6; i++) panels.push_back({"head " + std::to_string(i), 4, 4, w.data()});
    const std::string svg = svg_text(draw_heat_map(panels, {}));
    for (int i = 0; i < 6; i++) EXPECT_EQ(count_of(svg, ">head " + std::to_string(i) + "<"), 1);
    EXPECT_EQ(count_of(svg, ">weight<"), 1);
}

}  // namespace
}  // namespace attune::cli
