#include "generator/spec/keys.h"
#include "generator/spec/layer_spec.h"
#include "generator/spec/nearest.h"

#include "tests/spec/spec_file.h"

#include <set>

namespace attune {
namespace {

TEST(Keys, NamesFlagsAndArgumentsAreUnique) {
    std::set<std::string> keys, flags, arguments;
    for (const SpecKey &key : spec_keys()) {
        EXPECT_TRUE(keys.insert(key.key()).second) << key.key();
        EXPECT_TRUE(key.flag_name().empty() || flags.insert(key.flag_name()).second) << key.flag_name();
        EXPECT_TRUE(key.cmake_argument().empty() || arguments.insert(key.cmake_argument()).second) << key.cmake_argument();
        EXPECT_EQ(find_spec_key(key.key()), &key);
        if (key.kind != KeyKind::later) {
            EXPECT_STRNE(key.help, "") << key.key();
            EXPECT_STRNE(key.cure, "") << key.key();
            EXPECT_STRNE(key.type, "") << key.key();
        }
    }
    EXPECT_EQ(find_spec_key("kernel.none"), nullptr);
}

TEST(Keys, SpellFlagsAndArgumentsAsTheDesignDoes) {
    EXPECT_EQ(find_spec_key("kernel.head_dim_v")->flag_name(), "--head-dim-v");
    EXPECT_EQ(find_spec_key("kernel.head_dim_v")->cmake_argument(), "HEAD_DIM_V");
    EXPECT_EQ(find_spec_key("targets.cpu")->flag_name(), "");
    EXPECT_EQ(find_spec_key("targets.cpu")->cmake_argument(), "TARGETS");
    EXPECT_EQ(find_spec_key("params")->flag_name(), "--params");
    EXPECT_EQ(find_spec_key("params")->cmake_argument(), "PARAMS");
}

TEST(Keys, EveryWordOfTheTableIsAccepted) {
    for (const SpecKey &key : spec_keys()) {
        if (key.kind == KeyKind::settings || key.kind == KeyKind::parameter) continue;  // names, each with a value; types of what is named
        const bool of_projection = key.key().starts_with("projection.");
        for (const std::string &word : key.allowed) {
            RawSpec raw;
            if (key.key() == "kernel.compute_dtype") set_spec_flag(raw, "kernel.dtype", "f16", "--dtype");  // the type that has all of them
            if (key.key().starts_with("kernel.kv_")) set_spec_flag(raw, "kernel.phases", "decode", "--phases");
            if (key.key() == "kernel.feature_map") set_spec_flag(raw, "kernel.normalizer", "linear", "--normalizer");
            if (key.key() == "kernel.kv_quantization") set_spec_flag(raw, "kernel.kv_dtype", "i8", "--kv-dtype");
            const bool with_out = key.key() == "kernel.outputs" && word != "out";  // nothing stands there without it
            set_spec_flag(raw, key.key(), with_out ? "out," + word : word, "--flag");
            if (of_projection) {
                for (const char *size : {"projection.in_features", "projection.out_features"}) set_spec_flag(raw, size, "8", "--flag");
                EXPECT_NO_THROW(validate_projection(raw)) << key.key() << " " << word;
                continue;
            }
            EXPECT_NO_THROW(validate_spec(raw)) << key.key() << " " << word;
        }
        for (const std::string &word : key.later) {
            RawSpec raw;
            set_spec_flag(raw, key.key(), word, "--flag");
            EXPECT_THROW(validate_spec(raw), Error) << key.key() << " " << word;
        }
    }
}

TEST(Nearest, FindsTypingMistakesOnly) {
    const std::vector<std::string> words = {"head_dim", "group", "mask", "dtype"};
    EXPECT_EQ(nearest("head_dmi", words), "head_dim");  // a swap is one mistake
    EXPECT_EQ(nearest("headdim", words), "head_dim");
    EXPECT_EQ(nearest("groups", words), "group");
    EXPECT_EQ(nearest("msak", words), "mask");
    EXPECT_EQ(nearest("colour", words), "");
    EXPECT_EQ(nearest("", words), "");
    EXPECT_EQ(nearest(std::string(1000000, 'a'), words), "");
}

}  // namespace
}  // namespace attune
