// What is read off a listing of machine code, and how many blocks a multiprocessor holds.
#include "generator/gpu/occupancy.h"
#include "generator/gpu/sass_listing.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

/// A loop around two that multiply, one of which has a branch out of its middle, and one that copies; labels of nvdisasm -c.
const char listing[] = R"(
	.section	.text.kernel,"ax",@progbits
kernel:
.text.kernel:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/                   S2R R3, SR_TID.X ;
.L_x_1:
        /*0020*/                   LDS.128 R4, [R8] ;
        /*0030*/                   FFMA R12, R4.reuse, R5, R12 ;
        /*0040*/              @!P1 FFMA.FTZ R13, R4, R6, R13 ;
        /*0050*/               @P2 BRA `(.L_x_2) ;
        /*0060*/               @P0 BRA `(.L_x_1) ;
.L_x_2:
        /*0070*/                   HMMA.16816.F32 R24, R4, R16, R24 ;
        /*0080*/               @P0 BRA `(.L_x_2) ;
.L_x_3:
        /*0090*/                   LDG.E R4, desc[UR4][R2.64] ;
        /*00a0*/               @P0 BRA `(.L_x_3) ;
        /*00b0*/               @P3 BRA `(.L_x_0) ;
        /*00c0*/                   EXIT ;
.L_x_4:
        /*00d0*/                   BRA `(.L_x_4);
        /*00e0*/                   NOP;
)";

TEST(SassListing, CountsTheInstructionsOfInnermostLoopsThatMultiply) {
    const std::vector<SassLoop> loops = innermost_product_loops(listing);
    ASSERT_EQ(loops.size(), 2u);
    EXPECT_EQ(loops[0].label, ".L_x_1");
    EXPECT_EQ(loops[0].opcodes, (std::map<std::string, int>{{"LDS", 1}, {"FFMA", 2}, {"BRA", 2}}));
    EXPECT_EQ(loops[0].instructions, 5);
    EXPECT_DOUBLE_EQ(loops[0].product_share(), 0.4);
    EXPECT_EQ(loops[1].label, ".L_x_2");
    EXPECT_DOUBLE_EQ(loops[1].product_share(), 0.5);
    EXPECT_TRUE(innermost_product_loops("").empty());
}

TEST(SassListing, ALoopEndsWithTheLastBranchBackToItsLabel) {
    const std::vector<SassLoop> loops = innermost_product_loops(".L_x_0:\n/*0000*/ FFMA R1, R2, R3, R1 ;\n/*0010*/ @P0 BRA `(.L_x_0) ;\n"
                                                                "/*0020*/ MOV R4, R5 ;\n/*0030*/ @P1 BRA `(.L_x_0) ;\n");
    ASSERT_EQ(loops.size(), 1u);
    EXPECT_EQ(loops[0].instructions, 4);
}

struct OccupancyCase {
    const char *name;
    int capability, registers;
    int64_t shared_bytes;
    int threads, blocks, warps;
    const char *limit;
};
// What CUDA's occupancy calculator says of them.
const OccupancyCase occupancy_cases[] = {
    {"registers", 90, 128, 80 << 10, 256, 2, 16, "registers"},
    {"registers_in_units", 80, 129, 0, 256, 1, 8, "registers"},  // 136 for each, of which a quarter of a multiprocessor holds three warps
    {"shared_memory", 86, 64, 34 << 10, 128, 2, 8, "shared memory"},
    {"warps", 75, 32, 0, 1024, 1, 32, "warps"},
    {"blocks", 80, 16, 0, 32, 32, 32, "blocks"},
};

TEST(Occupancy, IsTheLeastOfWhatAMultiprocessorHas) {
    for (const OccupancyCase &row : occupancy_cases) {
        SCOPED_TRACE(row.name);
        Occupancy found;
        ASSERT_TRUE(estimate_occupancy(row.capability, row.registers, row.shared_bytes, row.threads, found));
        EXPECT_EQ(found.blocks, row.blocks);
        EXPECT_EQ(found.warps, row.warps);
        EXPECT_STREQ(found.limit, row.limit);
    }
    Occupancy found;
    EXPECT_FALSE(estimate_occupancy(30, 32, 0, 32, found));
    EXPECT_FALSE(estimate_occupancy(90, 32, 0, 0, found));
}

}  // namespace
}  // namespace attune
