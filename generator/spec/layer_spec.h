#pragma once
#include "generator/spec/spec.h"

namespace attune {

/// What a projection does with a sum before it stores it.
///   relu(x) = max(x, 0)    gelu(x) = x/2 (1 + erf(x / sqrt 2))    silu(x) = x / (1 + exp(-x))
enum class Activation { none, relu, gelu, silu };
const char *activation_name(Activation);  ///< "gelu"; "none"

/// A dense layer as the user asks for it: y(n, r) = activation(bias(n) + sum_k weight(k, n) x(k, r)).
struct ProjectionSpec {
    std::string name;         ///< C identifier of the generated functions; default: the id
    DType dtype = DType::f32; ///< of x, y and weights; the bias is f32, and so are sums
    int in_features = 0, out_features = 0;  ///< k and n, 1 … 65536
    bool bias = true;
    Activation activation = Activation::none;
    std::vector<std::string> targets;  ///< as in AttentionSpec

    /// One line that is equal for equal projections; name and targets are not part of it.
    std::string canonical() const;
    std::string id() const;  ///< "attune_projection_f32_384x1536_<hash8>"
    bool operator==(const ProjectionSpec &) const = default;
};

/// A multi-head attention layer as the user asks for it: tokens of d_model are projected to queries, keys and values, attention mixes values,
/// and its heads side by side are projected back.
///   query = x W_q + b_q      key, value = c W_k + b_k, c W_v + b_v      c: x itself, or the context of a cross layer
///   y     = attention(turned(normed(query)), turned(normed(key)), value) W_o + b_o
/// normed(x)  = x / sqrt(mean(x^2) + eps) g, of each head, with qk_norm (Henry et al. 2020, arXiv:2010.04245; RMSNorm: arXiv:1910.07467)
/// turned(x)  = x turned by its token's position, with rope
/// Vaswani et al. 2017, section 3.2.2; grouped heads: Ainslie et al. 2023 (arXiv:2305.13245).
struct LayerSpec {
    std::string name;
    int d_model = 0;           ///< of tokens and output, 1 … 65536
    int d_context = 0;         ///< of the context's tokens; 0: there is none, keys and values are of the tokens themselves
    int heads = 0, kv_heads = 0;
    bool bias = true;          ///< of the projections to queries, keys and values
    bool output_bias = true;
    double qk_norm_eps = 0;    ///< 0: queries and keys are not normed
    RopeSpec rope;             ///< of queries and keys; not of a cross layer
    AttentionSpec attention;   ///< of one head; its name is "<name>_attention"

    bool is_cross() const { return d_context > 0; }
    int query_columns() const { return heads * attention.head_dim; }
    int key_columns() const { return kv_heads * attention.head_dim; }
    int value_columns() const { return kv_heads * attention.head_dim_v; }
    /// Of tokens: "<name>_projection", to queries, keys and values side by side; of a cross layer to queries alone.
    ProjectionSpec token_projection() const;
    /// Of the context: "<name>_context_projection", to keys and values side by side. Of a cross layer alone.
    ProjectionSpec context_projection() const;
    ProjectionSpec output_projection() const;  ///< "<name>_output"
};

/// What a specification's file describes, by its tables.
bool describes_projection(const RawSpec &raw);
bool describes_layer(const RawSpec &raw);
/// Checks every key and value and fills in the defaults, as validate_spec does. Throw Error(usage).
ProjectionSpec validate_projection(const RawSpec &raw);
LayerSpec validate_layer(const RawSpec &raw);

}  // namespace attune
