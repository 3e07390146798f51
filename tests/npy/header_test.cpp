#include "generator/cli/npy/header.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(NpyHeader, ReadsWhatNumpyWrites) {
    NpyHeader header;
    EXPECT_EQ(parse_npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }             \n", header), "");
    EXPECT_EQ(header.descr, "<f4");
    EXPECT_FALSE(header.fortran_order);
    EXPECT_EQ(header.shape, (std::vector<int64_t>{2, 3}));
}

TEST(NpyHeader, ReadsOtherSpellings) {
    NpyHeader header;
    EXPECT_EQ(parse_npy_header("{\"shape\":(7L,),\"descr\":\"|b1\",\"fortran_order\":True}", header), "");
    EXPECT_EQ(header.descr, "|b1");
    EXPECT_TRUE(header.fortran_order);
    EXPECT_EQ(header.shape, (std::vector<int64_t>{7}));
    EXPECT_EQ(parse_npy_header(" { 'descr' : '<i4' , 'fortran_order' : False , 'shape' : ( ) } ", header), "");
    EXPECT_TRUE(header.shape.empty());
    EXPECT_EQ(parse_npy_header("{'descr': [('a', '<f4'), ('b', '<i4', (2,))], 'fortran_order': False, 'shape': (1, 2)}", header), "");
    EXPECT_TRUE(header.is_record);
}

struct WrongHeader {
    const char *text, *wrong;
};

TEST(NpyHeader, SaysWhatIsWrong) {
    for (const auto &[text, wrong] : {
             WrongHeader{"", "no dictionary"},
             {"[]", "no dictionary"},
             {"{descr: '<f4'}", "no dictionary of names"},
             {"{'descr' '<f4'}", "no dictionary of names"},
             {"{'descr': '<f4', 'fortran_order': False, }", "no key 'shape'"},
             {"{'fortran_order': False, 'shape': (), }", "no key 'descr'"},
             {"{}", "no key 'descr'"},
             {"{'descr': '<f4', 'descr': '<f4'}", "key 'descr' twice"},
             {"{'descr': '<f4', 'order': 'C'}", "unknown key 'order'"},
             {"{'descr': 4}", "a 'descr' that is no type"},
             {"{'descr': '<f4", "a 'descr' that is no type"},
             {"{'descr': [('a', '<f4')", "a 'descr' that is no type"},
             {"{'fortran_order': 0}", "a 'fortran_order' that is neither True nor False"},
             {"{'shape': 3}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (3)}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (-3,)}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (-0,)}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (3.0,)}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (3, 4", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (3,", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (,)}", "a 'shape' that is no tuple of sizes"},
             {"{'shape': (9223372036854775808,)}", "a 'shape' that is no tuple of sizes"},
             {"{'descr': '<f4', 'fortran_order': False, 'shape': ()", "a dictionary without its end"},
             {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "text after the dictionary"},
         }) {
        NpyHeader header;
        EXPECT_EQ(parse_npy_header(text, header), wrong) << text;
    }
}

TEST(NpyHeader, IsWrittenAsNumpyDoes) {
    EXPECT_EQ(npy_header_text("<f4", {}), "{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
    EXPECT_EQ(npy_header_text("<f4", {5}), "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }");
    EXPECT_EQ(npy_header_text("<f2", {1, 8, 512, 64}), "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 8, 512, 64), }");
}

}  // namespace
}  // namespace attune
