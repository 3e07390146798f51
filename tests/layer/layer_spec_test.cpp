#include "generator/spec/error.h"
#include "generator/spec/layer_spec.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

LayerSpec layer(const std::string &toml) { return validate_layer(read_spec_text(toml, "layer.toml")); }
ProjectionSpec projection(const std::string &toml) { return validate_projection(read_spec_text(toml, "projection.toml")); }

TEST(LayerSpecs, FillInWhatFollows) {
    const LayerSpec spec = layer("[layer]\nname = \"encoder\"\nd_model = 384\nheads = 12\nkv_heads = 4\n[kernel]\nmask = \"causal\"\ndtype = \"f16\"\n");
    EXPECT_EQ(spec.attention.head_dim, 32);
    EXPECT_EQ(spec.attention.group, 3);
    EXPECT_EQ(spec.attention.name, "encoder_attention");
    EXPECT_FALSE(spec.attention.lse);
    EXPECT_EQ(spec.token_projection().name, "encoder_projection");
    EXPECT_EQ(spec.token_projection().out_features, 384 + 2 * 128);
    EXPECT_EQ(spec.output_projection().in_features, 384);
    EXPECT_EQ(spec.output_projection().dtype, DType::f16);
    EXPECT_TRUE(spec.token_projection().bias);
}

TEST(LayerSpecs, CrossLayersHaveTwoProjections) {
    const LayerSpec spec = layer("[layer]\nd_model = 64\nd_context = 96\nheads = 2\nbias = false\n[kernel]\nhead_dim = 16\nhead_dim_v = 24\n");
    EXPECT_EQ(spec.token_projection().out_features, 32);
    EXPECT_EQ(spec.context_projection().in_features, 96);
    EXPECT_EQ(spec.context_projection().out_features, 2 * 16 + 2 * 24);
    EXPECT_EQ(spec.output_projection().in_features, 48);
    EXPECT_FALSE(spec.context_projection().bias);
    EXPECT_TRUE(spec.output_projection().bias);
}

TEST(LayerSpecs, AProjectionsIdDependsOnEveryKey) {
    const ProjectionSpec spec = projection("[projection]\nin_features = 3\nout_features = 5\n");
    EXPECT_EQ(spec.name, spec.id());
    for (const char *other : {"in_features = 4\nout_features = 5", "in_features = 3\nout_features = 6", "in_features = 3\nout_features = 5\nbias = false",
                              "in_features = 3\nout_features = 5\nactivation = \"gelu\"", "in_features = 3\nout_features = 5\ndtype = \"bf16\""})
        EXPECT_NE(projection(std::string("[projection]\n") + other).id(), spec.id()) << other;
}

struct Message {
    const char *toml, *text;
};

TEST(LayerSpecs, ErrorsNameKeyValueExpectationAndCure) {
    const Message messages[] = {
        {"[layer]\nheads = 12\n", "layer.d_model is missing, expected an integer from 1 to 65536; give the elements of a token, such as 384"},
        {"[layer]\nd_model = 384\n", "layer.heads is missing"},
        {"[layer]\nd_model = 384\nheads = 10\n", "layer.toml:3:9: layer.heads is 10 with d_model 384, expected a divisor of d_model where head_dim is not given; give head_dim in [kernel], or another number of heads"},
        {"[layer]\nd_model = 384\nheads = 12\nkv_heads = 5\n", "layer.kv_heads is 5 with 12 heads, expected a divisor of heads"},
        {"[layer]\nd_model = 384\nheads = 12\nbias = 1\n", "layer.bias is 1, expected true or false"},
        {"[layer]\nd_model = 384\nhaeds = 12\n", "unknown key haeds in [layer], expected one of name, d_model, d_context, heads, kv_heads, bias, output_bias, qk_norm, rope; did you mean heads"},
        {"[layer]\nd_model = 384\nheads = 12\n[kernel]\ngroup = 2\n", "group is 2 in a layer, expected 1, heads / kv_heads; leave it out"},
        {"[layer]\nd_model = 384\nheads = 12\n[kernel]\nphases = [\"decode\"]\n", "phases is decode, expected what layers do"},
        {"[layer]\nd_model = 384\nheads = 12\n[kernel]\nmask = \"causl\"\n", "did you mean causal"},
        {"[layer]\nd_model = 384\nheads = 12\nqk_norm = true\n", "layer.qk_norm is true, expected a table of some of eps; write qk_norm = {eps = 1e-6}, or leave it out"},
        {"[layer]\nd_model = 384\nheads = 12\nqk_norm = {eps = 2.0}\n", "layer.qk_norm has eps=2.0, expected eps, a number from 1e-12 to 1"},
        {"[layer]\nd_model = 384\nd_context = 64\nheads = 12\nrope = {style = \"half\"}\n", "layer.rope is given with d_context"},
        {"[layer]\nd_model = 384\nheads = 12\nrope = {style = \"helf\"}\n", "layer.rope has style = helf, expected half or interleaved"},
        {"[layer]\nd_model = 0\nheads = 12\n", "layer.d_model is 0, expected an integer from 1 to 65536"},
    };
    for (const Message &message : messages) {
        try {
            layer(message.toml);
            FAIL() << "no error: " << message.toml;
        } catch (const Error &error) {
            EXPECT_NE(std::string::npos, std::string(error.what()).find(message.text)) << error.what();
        }
    }
    const Message of_projections[] = {
        {"[projection]\nin_features = 384\n", "projection.out_features is missing"},
        {"[projection]\nin_features = 384\nout_features = 5\nactivation = \"gellu\"\n", "projection.activation is gellu, expected one of none, relu, gelu, silu; did you mean gelu"},
        {"[projection]\nin_features = 384\nout_features = 5\n[kernel]\nmask = \"causal\"\n", "expected the keys of [projection] and targets.cpu; remove it"},
    };
    for (const Message &message : of_projections) {
        try {
            projection(message.toml);
            FAIL() << "no error: " << message.toml;
        } catch (const Error &error) {
            EXPECT_NE(std::string::npos, std::string(error.what()).find(message.text)) << error.what();
        }
    }
}

TEST(LayerSpecs, AreNoAttentionKernels) {
    for (const char *toml : {"[layer]\nd_model = 384\nheads = 12\n", "[projection]\nin_features = 3\nout_features = 5\n"}) {
        try {
            validate_spec(read_spec_text(toml, "x.toml"));
            FAIL() << "no error: " << toml;
        } catch (const Error &error) {
            EXPECT_NE(std::string::npos, std::string(error.what()).find("use attune build")) << error.what();
        }
    }
    EXPECT_THROW(validate_spec(read_spec_text("[layer]\n", "x.toml")), Error);
}

}  // namespace
}  // namespace attune
