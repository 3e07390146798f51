#include "tests/spec/spec_file.h"

namespace attune {
namespace {

struct MessageCase {
    const char *name;
    const char *toml;
    const char *what;
    ErrorCode code = ErrorCode::usage;
};
void PrintTo(const MessageCase &c, std::ostream *out) { *out << c.name; }

class SpecMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(SpecMessages, NameFileValueExpectationAndCure) {
    std::string what;
    const ErrorDetails details = test::error_of(GetParam().toml, &what);
    EXPECT_EQ(what, GetParam().what);
    EXPECT_EQ(details.code, GetParam().code);
    EXPECT_NE(details.argument, "");
    EXPECT_NE(details.value, "");
    EXPECT_NE(details.expected, "");
    EXPECT_NE(details.cure, "");
    EXPECT_GT(details.line, 0);
    EXPECT_GT(details.column, 0);
}

#define KERNEL_KEYS "name, dtype, compute_dtype, head_dim, head_dim_v, group, scale, mask, score, normalizer, sink, feature_map, decay, beta, outputs, block_mask, block_size, phases, algorithm, kv_dtype, kv_quantization, kv_layout, page_size, rope, value"
#define SCALE "expected a positive number from 1e-30 to 1e30, or an expression of head_dim; "
#define SCALE_CURE "leave it out for 1/sqrt(head_dim), or give the number, such as 0.125"
#define GROUP "expected an integer from 1 to 1024 or \"any\"; give num_heads / num_kv_heads, or \"any\" where it is known at run time only"
#define GPU_TARGETS "cuda, cuda_mma, cuda_sm75, cuda_sm86, opencl, vulkan, metal, d3d12, webgpu"
#define HEAD_DIM "an integer from 1 to 1024; give the number of elements of one head, such as 64"
INSTANTIATE_TEST_SUITE_P(Spec, SpecMessages, testing::Values(
    MessageCase{"unknown_key", "[kernel]\nhead_dmi = 64",
                "spec.toml:2:1: unknown key head_dmi in [kernel], expected one of " KERNEL_KEYS "; did you mean head_dim"},
    MessageCase{"unknown_key_far", "[kernel]\ncolour = \"red\"",
                "spec.toml:2:1: unknown key colour in [kernel], expected one of " KERNEL_KEYS "; remove it"},
    MessageCase{"unknown_table", "[kernl]\nhead_dim = 64",
                "spec.toml:1:2: unknown table kernl, expected [kernel], [params], [targets], [layer] or [projection]; did you mean [kernel]"},
    MessageCase{"unknown_table_far", "[extra]",
                "spec.toml:1:2: unknown table extra, expected [kernel], [params], [targets], [layer] or [projection]; remove it"},
    MessageCase{"key_outside_a_table", "head_dim = 64",
                "spec.toml:1:1: key head_dim stands outside a table, expected it in [kernel]; put it under [kernel]"},
    MessageCase{"kernel_is_a_number", "kernel = 3",
                "spec.toml:1:1: kernel is 3, expected a table [kernel]; write [kernel], once, and its keys below it"},
    MessageCase{"kernel_is_an_array_of_tables", "[[kernel]]\nhead_dim = 64",
                "spec.toml:1:3: kernel is a list, expected a table [kernel]; write [kernel], once, and its keys below it"},
    MessageCase{"unknown_target_key", "[targets]\ncpus = [\"avx2\"]",
                "spec.toml:2:1: unknown key cpus in [targets], expected one of cpu, gpu; did you mean cpu"},
    MessageCase{"quoted_dotted_key", "\"kernel.head_dim\" = 64",
                "spec.toml:1:1: unknown key \"kernel.head_dim\", expected [kernel], [params], [targets], [layer] or [projection]; remove it"},
    MessageCase{"empty_key", "[kernel]\n\"\" = 64",
                "spec.toml:2:1: unknown key \"\" in [kernel], expected one of " KERNEL_KEYS "; remove it"},
    MessageCase{"rope_of_prefill", "[kernel]\nrope = {style = \"half\"}",
                "spec.toml:2:8: rope is given with phases prefill, expected it beside phases decode; write phases = [\"decode\"], or leave it out"},
    MessageCase{"unknown_layer_key", "[layer]\nx = 1",
                "spec.toml:2:1: unknown key x in [layer], expected one of name, d_model, d_context, heads, kv_heads, bias, output_bias, qk_norm, rope; remove it"},
    MessageCase{"empty_layer", "[layer]",
                "spec.toml:1:2: [layer] is empty, expected name, d_model, d_context, heads, kv_heads, bias, output_bias, qk_norm, rope; write its keys below it"},
    MessageCase{"later_dtype", "[kernel]\ndtype = \"i8\"",
                "spec.toml:2:9: dtype i8 is known, but not in this version, expected one of f32, f16, bf16; convert the arrays to one of these types"},
    MessageCase{"both_phases", "[kernel]\nphases = [\"prefill\", \"decode\"]",
                "spec.toml:2:10: phases is [\"prefill\", \"decode\"], expected one of prefill, decode; make a kernel for each phase"},
    MessageCase{"decode_of_block_lists", "[kernel]\nphases = [\"decode\"]\nblock_mask = \"csr\"",
                "spec.toml:2:10: phases is decode beside block_mask, expected decode without it; leave it out, or write phases = [\"prefill\"]"},
    MessageCase{"decode_of_pairs", "[kernel]\nphases = [\"decode\"]\noutputs = [\"out\", \"weights\"]",
                "spec.toml:2:10: phases is decode beside a matrix of pairs in outputs, expected decode without it; leave it out, or write phases = [\"prefill\"]"},
    MessageCase{"decode_of_sigmoid", "[kernel]\nphases = [\"decode\"]\nnormalizer = \"sigmoid\"",
                "spec.toml:2:10: phases is decode beside normalizer sigmoid, expected decode without it; leave it out, or write phases = [\"prefill\"]"},
    MessageCase{"two_architectures", "[targets]\ncpu = [\"avx2\", \"neon\"]",
                "spec.toml:2:7: targets.cpu is [\"avx2\", \"neon\"], expected targets of one architecture, as neon is of aarch64 and the others of x86-64; make a kernel for each architecture"},
    MessageCase{"neon_with_gpu", "[targets]\ncpu = [\"neon\"]\ngpu = [\"cuda\"]",
                "spec.toml:3:7: targets.gpu is [\"cuda\"], expected no devices beside the CPU target neon, as their host code is x86-64's; leave out neon or the devices"},
    MessageCase{"gpu_unknown", "[targets]\ngpu = [\"voodoo\"]",
                "spec.toml:2:7: targets.gpu has voodoo, expected a list of some of " GPU_TARGETS "; use [\"cuda\"], or some of the others, or leave it out"},
    MessageCase{"gpu_twice", "[targets]\ngpu = [\"cuda\", \"cuda\"]",
                "spec.toml:2:7: targets.gpu has cuda twice, expected a list of some of " GPU_TARGETS "; write cuda once"},
    MessageCase{"gpu_string", "[targets]\ngpu = \"cuda\"",
                "spec.toml:2:7: targets.gpu is \"cuda\", expected a list of some of " GPU_TARGETS "; write [\"cuda\"]"},
    MessageCase{"head_dim_zero", "[kernel]\nhead_dim = 0",
                "spec.toml:2:12: head_dim is 0, expected " HEAD_DIM},
    MessageCase{"head_dim_too_large", "[kernel]\nhead_dim = 1025",
                "spec.toml:2:12: head_dim is 1025, expected " HEAD_DIM},
    MessageCase{"head_dim_negative", "[kernel]\nhead_dim = -1",
                "spec.toml:2:12: head_dim is -1, expected " HEAD_DIM},
    MessageCase{"head_dim_fraction", "[kernel]\nhead_dim = 64.5",
                "spec.toml:2:12: head_dim is 64.5, expected " HEAD_DIM},
    MessageCase{"head_dim_string", "[kernel]\nhead_dim = \"64\"",
                "spec.toml:2:12: head_dim is \"64\", expected an integer from 1 to 1024; remove the quotes"},
    MessageCase{"head_dim_exponent", "[kernel]\nhead_dim = 1e3",
                "spec.toml:2:12: head_dim is 1e3, expected " HEAD_DIM},
    MessageCase{"head_dim_huge", "[kernel]\nhead_dim = 9223372036854775807",
                "spec.toml:2:12: head_dim is 9223372036854775807, expected " HEAD_DIM},
    MessageCase{"head_dim_beyond_64_bits", "[kernel]\nhead_dim = 9223372036854775808",
                "spec.toml:2:31: error while parsing decimal integer: '9223372036854775808' is not representable in 64 bits, expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"head_dim_bool", "[kernel]\nhead_dim = true",
                "spec.toml:2:12: head_dim is true, expected " HEAD_DIM},
    MessageCase{"head_dim_list", "[kernel]\nhead_dim = [64]",
                "spec.toml:2:12: head_dim is [64], expected " HEAD_DIM},
    MessageCase{"head_dim_table", "[kernel]\nhead_dim = {}",
                "spec.toml:2:12: head_dim is a table, expected " HEAD_DIM},
    MessageCase{"head_dim_date", "[kernel]\nhead_dim = 1979-05-27",
                "spec.toml:2:12: head_dim is 1979-05-27, expected " HEAD_DIM},
    MessageCase{"head_dim_nan", "[kernel]\nhead_dim = nan",
                "spec.toml:2:12: head_dim is nan, expected " HEAD_DIM},
    MessageCase{"head_dim_v_zero", "[kernel]\nhead_dim_v = 0",
                "spec.toml:2:14: head_dim_v is 0, expected an integer from 1 to 1024; give the number of elements of one head of value, or leave it out where it equals head_dim"},
    MessageCase{"group_zero", "[kernel]\ngroup = 0",
                "spec.toml:2:9: group is 0, " GROUP},
    MessageCase{"group_word", "[kernel]\ngroup = \"all\"",
                "spec.toml:2:9: group is \"all\", " GROUP},
    MessageCase{"group_fraction", "[kernel]\ngroup = 1.5",
                "spec.toml:2:9: group is 1.5, " GROUP},
    MessageCase{"group_too_large", "[kernel]\ngroup = 1025",
                "spec.toml:2:9: group is 1025, " GROUP},
    MessageCase{"scale_zero", "[kernel]\nscale = 0",
                "spec.toml:2:9: scale is 0, " SCALE SCALE_CURE},
    MessageCase{"scale_negative", "[kernel]\nscale = -0.5",
                "spec.toml:2:9: scale is -0.5, " SCALE SCALE_CURE},
    MessageCase{"scale_nan", "[kernel]\nscale = nan",
                "spec.toml:2:9: scale is nan, " SCALE SCALE_CURE},
    MessageCase{"scale_inf", "[kernel]\nscale = inf",
                "spec.toml:2:9: scale is inf, " SCALE SCALE_CURE},
    MessageCase{"scale_too_large_for_f32", "[kernel]\nscale = 1e39",
                "spec.toml:2:9: scale is 1e39, " SCALE SCALE_CURE},
    MessageCase{"scale_text", "[kernel]\nscale = \"large\"",
                "spec.toml:2:10: scale: unknown name large, expected head_dim, a number or a function; a scale is the same for all of a kernel: use head_dim, or put the rest into score"},
    MessageCase{"scale_of_positions", "[kernel]\nscale = \"1.0 / kv\"",
                "spec.toml:2:16: scale: unknown name kv, expected head_dim, a number or a function; a scale is the same for all of a kernel: use head_dim, or put the rest into score"},
    MessageCase{"scale_of_zero", "[kernel]\nscale = \"1 - head_dim / 64\"",
                "spec.toml:2:9: scale is 1 - head_dim / 64, " SCALE SCALE_CURE},
    MessageCase{"scale_boolean_expression", "[kernel]\nscale = \"head_dim > 3\"",
                "spec.toml:2:10: scale: the expression is true or false, expected a number; write select(condition, then, else), or put it into mask"},
    MessageCase{"scale_bool", "[kernel]\nscale = true",
                "spec.toml:2:9: scale is true, " SCALE SCALE_CURE},
    MessageCase{"scale_empty", "[kernel]\nscale = \"\"",
                "spec.toml:2:10: scale: the expression is empty, expected an expression; leave it out"},
    MessageCase{"scale_list", "[kernel]\nscale = [1.0]",
                "spec.toml:2:9: scale is [1.0], " SCALE SCALE_CURE},
    MessageCase{"dtype_unknown", "[kernel]\ndtype = \"f64\"",
                "spec.toml:2:9: dtype is f64, expected one of f32, f16, bf16; convert the arrays to one of these types"},
    MessageCase{"dtype_alias", "[kernel]\ndtype = \"float16\"",
                "spec.toml:2:9: dtype is float16, expected one of f32, f16, bf16; write f16"},
    MessageCase{"dtype_number", "[kernel]\ndtype = 32",
                "spec.toml:2:9: dtype is 32, expected one of f32, f16, bf16; convert the arrays to one of these types"},
    MessageCase{"dtype_empty", "[kernel]\ndtype = \"\"",
                "spec.toml:2:9: dtype is \"\", expected one of f32, f16, bf16; convert the arrays to one of these types"},
    MessageCase{"mask_unknown", "[kernel]\nmask = \"casual\"",
                "spec.toml:2:9: mask: unknown name casual, expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, a parameter, a function or a helper; did you mean causal"},
    MessageCase{"mask_in_three_quotes", "[kernel]\nmask = \"\"\"\ncausal &&\n  casual\"\"\"",
                "spec.toml:4:3: mask: unknown name casual, expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, a parameter, a function or a helper; did you mean causal"},
    MessageCase{"mask_of_one_line_in_three_quotes", "[kernel]\nmask = '''causal && casual'''",
                "spec.toml:2:21: mask: unknown name casual, expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, a parameter, a function or a helper; did you mean causal"},
    MessageCase{"mask_number", "[kernel]\nmask = 3",
                "spec.toml:2:8: mask is 3, expected an expression in quotes, or none; write an expression in quotes, such as \"causal && window(255)\""},
    MessageCase{"mask_list", "[kernel]\nmask = [\"causal\"]",
                "spec.toml:2:8: mask is [\"causal\"], expected an expression in quotes, or none; write an expression in quotes, such as \"causal && window(255)\""},
    MessageCase{"score_boolean", "[kernel]\nscore = true",
                "spec.toml:2:9: score is true, expected an expression in quotes, or none; write an expression in quotes, such as \"softcap(s, 50)\""},
    MessageCase{"score_mask", "[kernel]\nscore = \"causal\"",
                "spec.toml:2:10: score: the expression is true or false, expected a number; write select(condition, then, else), or put it into mask"},
    MessageCase{"normalizer_unknown", "[kernel]\nnormalizer = \"softmx\"",
                "spec.toml:2:14: normalizer is softmx, expected one of softmax, softmax_plus_one, sigmoid, relu, linear; did you mean softmax"},
    MessageCase{"sink_number", "[kernel]\nsink = 3",
                "spec.toml:2:8: sink is 3, expected the name of a parameter f32[h]; give the parameter's name, such as \"sinks\""},
    MessageCase{"sink_name", "[kernel]\nsink = \"kv\"",
                "spec.toml:2:9: sink: kv cannot name a parameter: it is a word of the expression language, expected another name; choose another name"},
    MessageCase{"sink_type", "[kernel]\nsink = \"a\"\n[params]\na = \"f32\"",
                "spec.toml:2:8: the sink a is f32, expected f32[h]; declare a = \"f32[h]\""},
    MessageCase{"sink_with_sigmoid", "[kernel]\nsink = \"a\"\nnormalizer = \"sigmoid\"",
                "spec.toml:2:8: sink is given with normalizer sigmoid, expected it with softmax, whose sum it joins; remove the sink, or the normalizer"},
    MessageCase{"lse_with_sigmoid", "[kernel]\nnormalizer = \"sigmoid\"\noutputs = [\"out\", \"lse\"]",
                "spec.toml:3:11: outputs has lse with normalizer sigmoid, expected no lse, as sigmoid weights have no sum of exponentials; remove lse"},
    MessageCase{"linear_with_a_window", "[kernel]\nnormalizer = \"linear\"\nmask = \"causal && window(255)\"",
                "spec.toml:3:8: mask is causal && window(255) with normalizer linear, expected none or causal: a running state is the sum of all keys so far, and forgets which they were; use one of these, or softmax"},
    MessageCase{"linear_with_a_score", "[kernel]\nnormalizer = \"linear\"\nscore = \"softcap(s, 5)\"",
                "spec.toml:3:9: score is softcap(s, 5) with normalizer linear, expected no score, as no pair has a logit of its own; leave it out, or use softmax"},
    MessageCase{"linear_with_weights", "[kernel]\nnormalizer = \"linear\"\noutputs = [\"out\", \"weights\"]",
                "spec.toml:3:11: outputs has weights with normalizer linear, expected no matrix of pairs, which a running state is there to avoid; leave it out"},
    MessageCase{"linear_decode", "[kernel]\nnormalizer = \"linear\"\nphases = [\"decode\"]",
                "spec.toml:3:10: phases is decode beside normalizer linear, expected decode without it; leave it out, or write phases = [\"prefill\"]"},
    MessageCase{"feature_map_of_softmax", "[kernel]\nfeature_map = \"relu\"",
                "spec.toml:2:15: feature_map is given with normalizer softmax, expected it beside normalizer linear; write normalizer = \"linear\", or leave it out"},
    MessageCase{"feature_map_unknown", "[kernel]\nnormalizer = \"linear\"\nfeature_map = \"elu\"",
                "spec.toml:3:15: feature_map is elu, expected one of elu_plus_one, relu, identity; did you mean relu"},
    MessageCase{"decay_type", "[kernel]\nnormalizer = \"linear\"\nmask = \"causal\"\ndecay = \"g\"\n[params]\ng = \"f32[h]\"",
                "spec.toml:4:9: the decay g is f32[h], expected f32[b, kv, hkv] or f32[b, kv, hkv, 64]; declare g = \"f32[b, kv, hkv, 64]\", or give another head_dim"},
    MessageCase{"decay_without_causal", "[kernel]\nnormalizer = \"linear\"\ndecay = \"g\"",
                "spec.toml:3:9: decay is given without a mask, expected mask causal, as what a key leaves of the state depends on what was before it; write mask = \"causal\""},
    MessageCase{"two_matrices", "[kernel]\noutputs = [\"out\", \"weights\", \"logits_raw\"]",
                "spec.toml:2:11: outputs has logits_raw and weights, expected one matrix of all pairs; keep one of them, and make another kernel for the other"},
    MessageCase{"weights_with_a_block_mask", "[kernel]\nblock_mask = \"csr\"\noutputs = [\"out\", \"weights\"]",
                "spec.toml:3:11: outputs has weights with a block mask, expected logits_raw beside block_mask, as the lists are not looked at there; remove it, or the block mask"},
    MessageCase{"block_mask_unknown", "[kernel]\nblock_mask = \"dense\"",
                "spec.toml:2:14: block_mask is dense, expected one of csr; write \"csr\", or leave it out"},
    MessageCase{"block_size_alone", "[kernel]\nblock_size = [64, 64]",
                "spec.toml:2:14: block_size is given without a block mask, expected it beside block_mask; remove it, or write block_mask = \"csr\""},
    MessageCase{"block_size_odd", "[kernel]\nblock_mask = \"csr\"\nblock_size = [64, 65]",
                "spec.toml:3:14: block_size has 65, expected a list of two multiples of 16 up to 1024; use [128, 128]"},
    MessageCase{"block_size_one", "[kernel]\nblock_mask = \"csr\"\nblock_size = [64]",
                "spec.toml:3:14: block_size is [64], expected a list of two multiples of 16 up to 1024; use [128, 128]"},
    MessageCase{"block_size_number", "[kernel]\nblock_mask = \"csr\"\nblock_size = 64",
                "spec.toml:3:14: block_size is 64, expected a list of two multiples of 16 up to 1024; use [128, 128]"},
    MessageCase{"param_unused", "[params]\nn = \"i32\"",
                "spec.toml:2:5: parameter n is declared, but nothing reads it, expected parameters that mask, score, sink, decay or beta read; remove it, or use it"},
    MessageCase{"param_type", "[kernel]\nmask = \"kv < n\"\n[params]\nn = \"i33\"",
                "spec.toml:4:6: params.n: unknown type i33, expected one of i32, f32, f16, bf16, bool; write one of them, such as i32[b, kv]"},
    MessageCase{"param_name", "[params]\nkv = \"i32\"",
                "spec.toml:2:7: params.kv: kv cannot name a parameter: it is a word of the expression language, expected another name; choose another name"},
    MessageCase{"param_number", "[params]\nn = 32",
                "spec.toml:2:5: params.n is 32, expected parameters as NAME: TYPE; write n = \"i32\", or another type in quotes"},
    MessageCase{"param_dotted", "[params]\na.b = \"i32\"",
                "spec.toml:2:1: params.a is a table, expected parameters as NAME: TYPE; write a = \"i32\", or another type in quotes"},
    MessageCase{"params_string", "params = \"n: i32\"",
                "spec.toml:1:1: params is n: i32, expected a table [params]; write [params], once, and its keys below it"},
    MessageCase{"params_list", "[[params]]\nn = \"i32\"",
                "spec.toml:1:3: params is a list, expected a table [params]; write [params], once, and its keys below it"},
    MessageCase{"params_in_kernel", "[kernel]\nparams = \"n: i32\"",
                "spec.toml:2:1: key params stands in [kernel], expected a table [params]; write [params], and NAME = \"TYPE\" below it"},
    MessageCase{"blocks_missing", "[kernel]\nmask = \"causal && blocks('nowhere.npy', 64)\"",
                "spec.toml:2:26: mask: nowhere.npy is not readable: no such file or directory, expected an .npy file; check the path and its permissions"},
    MessageCase{"compute_dtype_unknown", "[kernel]\ncompute_dtype = \"i4\"",
                "spec.toml:2:17: compute_dtype is i4, expected one of f32, f16, i8; did you mean i8"},
    MessageCase{"compute_dtype_needs_halves", "[kernel]\ndtype = \"bf16\"\ncompute_dtype = \"f16\"",
                "spec.toml:3:17: compute_dtype is f16 with dtype bf16, expected it beside dtype f16, whose range products in half precision have; "
                "write dtype = \"f16\", or leave compute_dtype out"},
    MessageCase{"algorithm_unknown", "[kernel]\nalgorithm = \"onlin\"",
                "spec.toml:2:13: algorithm is onlin, expected one of auto, fixed_reference, online, full_row; did you mean online"},
    MessageCase{"outputs_unknown", "[kernel]\noutputs = [\"out\", \"lsee\"]",
                "spec.toml:2:11: outputs has lsee, expected a list of some of out, lse, logits_raw, logits_biased, logits, weights; did you mean lse"},
    MessageCase{"outputs_without_out", "[kernel]\noutputs = [\"lse\"]",
                "spec.toml:2:11: outputs is [\"lse\"], expected a list with \"out\", and \"lse\" where it is wanted; use [\"out\"] or [\"out\", \"lse\"]"},
    MessageCase{"outputs_empty", "[kernel]\noutputs = []",
                "spec.toml:2:11: outputs is [], expected a list with \"out\", and \"lse\" where it is wanted; use [\"out\"] or [\"out\", \"lse\"]"},
    MessageCase{"outputs_twice", "[kernel]\noutputs = [\"out\", \"out\"]",
                "spec.toml:2:11: outputs has out twice, expected a list of some of out, lse, logits_raw, logits_biased, logits, weights; write out once"},
    MessageCase{"outputs_string", "[kernel]\noutputs = \"out\"",
                "spec.toml:2:11: outputs is \"out\", expected a list of some of out, lse, logits_raw, logits_biased, logits, weights; write [\"out\"]"},
    MessageCase{"outputs_numbers", "[kernel]\noutputs = [1]",
                "spec.toml:2:11: outputs has 1, expected a list of some of out, lse, logits_raw, logits_biased, logits, weights; use [\"out\"] or [\"out\", \"lse\"]"},
    MessageCase{"phases_empty", "[kernel]\nphases = []",
                "spec.toml:2:10: phases is [], expected a list of some of prefill, decode; use [\"prefill\"] or [\"decode\"]"},
    MessageCase{"targets_empty", "[targets]\ncpu = []",
                "spec.toml:2:7: targets.cpu is [], expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; use [\"auto\"], or some of the others"},
    MessageCase{"targets_unknown", "[targets]\ncpu = [\"avx3\"]",
                "spec.toml:2:7: targets.cpu has avx3, expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; did you mean avx2"},
    MessageCase{"targets_string", "[targets]\ncpu = \"avx2\"",
                "spec.toml:2:7: targets.cpu is \"avx2\", expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; write [\"avx2\"]"},
    MessageCase{"targets_twice", "[targets]\ncpu = [\"avx2\", \"avx2\"]",
                "spec.toml:2:7: targets.cpu has avx2 twice, expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; write avx2 once"},
    MessageCase{"targets_auto_and_more", "[targets]\ncpu = [\"auto\", \"avx2\"]",
                "spec.toml:2:7: targets.cpu is [\"auto\", \"avx2\"], expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; auto is all of them, so it stands alone"},
    MessageCase{"name_empty", "[kernel]\nname = \"\"",
                "spec.toml:2:8: name is \"\", expected a C identifier of at most 63 characters; choose a name, or leave the key out"},
    MessageCase{"name_digit", "[kernel]\nname = \"2fast\"",
                "spec.toml:2:8: name is \"2fast\", expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_dash", "[kernel]\nname = \"my-kernel\"",
                "spec.toml:2:8: name is \"my-kernel\", expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_not_ascii", "[kernel]\nname = \"größe\"",
                "spec.toml:2:8: name is \"größe\", expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_keyword_c", "[kernel]\nname = \"while\"",
                "spec.toml:2:8: name is while, expected a C identifier that is no word of C or C++ or its library; choose another name"},
    MessageCase{"name_keyword_cpp", "[kernel]\nname = \"class\"",
                "spec.toml:2:8: name is class, expected a C identifier that is no word of C or C++ or its library; choose another name"},
    MessageCase{"name_library", "[kernel]\nname = \"memcpy\"",
                "spec.toml:2:8: name is memcpy, expected a C identifier that is no word of C or C++ or its library; choose another name"},
    MessageCase{"name_underscore", "[kernel]\nname = \"_kernel\"",
                "spec.toml:2:8: name is _kernel, expected a C identifier without leading or double underscores, which are reserved; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_double_underscore", "[kernel]\nname = \"my__kernel\"",
                "spec.toml:2:8: name is my__kernel, expected a C identifier without leading or double underscores, which are reserved; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_too_long", "[kernel]\nname = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                "spec.toml:2:8: name is aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, expected a C identifier of at most 63 characters; choose a shorter name"},
    MessageCase{"name_number", "[kernel]\nname = 5",
                "spec.toml:2:8: name is 5, expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"name_control", "[kernel]\nname = \"a\\nb\"",
                "spec.toml:2:8: name is \"a\\nb\", expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter"},
    MessageCase{"toml_syntax", "[kernel]\nhead_dim =",
                "spec.toml:2:11: error while parsing key-value pair: encountered end-of-file, expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_duplicate", "[kernel]\nhead_dim = 1\nhead_dim = 2",
                "spec.toml:3:12: error while parsing key-value pair: cannot redefine existing integer 'head_dim', expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_unclosed", "[kernel\n",
                "spec.toml:1:8: error while parsing table header: expected ']', saw '\\n', expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_utf8", "[kernel]\nname = \"\xff\"",
                "spec.toml:2:8: encountered invalid utf-8 sequence, expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_letter", "[kernel]\ngr\xc3\xb6\xc3\x9f" "e = 1",
                "spec.toml:2:3: error while parsing key-value pair: expected '=', saw 'ö', expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_first_letter", "[kernel]\n\xc3\xa4 = 1",
                "spec.toml:2:1: error while parsing root table: expected keys, tables, whitespace or comments, saw 'ä', expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_bad_table_name", "[kernel]\nhead_dim = 64\n[[[a]]]\n[targets]\n",
                "spec.toml:3:1: a table or key has no name that can be read, expected valid TOML; compare with https://toml.io/en/v1.0.0"},
    MessageCase{"toml_dots", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1",
                "spec.toml:1:130: a line with more than 64 dots, expected tables no deeper than [kernel] and [targets]; shorten the line"}
    ), [](const auto &info) { return info.param.name; });

TEST(SpecMessages, FlagsAreNamedAsTyped) {
    const auto what = [](const char *key, const char *text, const char *flag) -> std::string {
        RawSpec raw;
        set_spec_flag(raw, key, text, flag);
        try {
            validate_spec(raw);
        } catch (const Error &error) {
            EXPECT_EQ(error.details().argument, flag);
            EXPECT_EQ(error.details().file, "");
            return error.what();
        }
        return "no error";
    };
    EXPECT_EQ(what("kernel.head_dim", "1025", "--head-dim"),
              "--head-dim is 1025, expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.head_dim", "64.0", "--head-dim"),
              "--head-dim is 64.0, expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.head_dim", "", "--head-dim"),
              "--head-dim is \"\", expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.head_dim", "99999999999999999999", "--head-dim"),
              "--head-dim is 99999999999999999999, expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.head_dim", "64\nname=1", "--head-dim"),
              "--head-dim is 64\\nname=1, expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.head_dim", "many", "--head-dim"),
              "--head-dim is many, expected an integer from 1 to 1024; give the number of elements of one head, such as 64");
    EXPECT_EQ(what("kernel.group", "0", "--group"),
              "--group is 0, expected an integer from 1 to 1024 or \"any\"; give num_heads / num_kv_heads, or \"any\" where it is known at run time only");
    EXPECT_EQ(what("kernel.scale", "nan", "--scale"), "--scale is nan, " SCALE SCALE_CURE);
    EXPECT_EQ(what("kernel.scale", "big", "--scale"),
              "--scale:1: unknown name big, expected head_dim, a number or a function; a scale is the same for all of a kernel: use head_dim, or put the rest into score");
    EXPECT_EQ(what("kernel.mask", "casual", "--mask"),
              "--mask:1: unknown name casual, expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, a parameter, a function or a helper; did you mean causal");
    EXPECT_EQ(what("kernel.score", "softcap(s)", "--score"), "--score:10: too few arguments of softcap, expected softcap(s, c); write the missing ones");
    EXPECT_EQ(what("kernel.sink", "float", "--sink"),
              "--sink:1: float cannot name a parameter: it is a word of the expression language, expected another name; choose another name");
    EXPECT_EQ(what("kernel.block_size", "64", "--block-size"), "--block-size is 64, expected a list of two multiples of 16 up to 1024; use [128, 128]");
    EXPECT_EQ(what("params", "n: i32", "--params"),
              "parameter n is declared, but nothing reads it, expected parameters that mask, score, sink, decay or beta read; remove it, or use it");
    EXPECT_EQ(what("params", "a: i32; b2 i32", "--params"),
              "--params is b2 i32, expected parameters as NAME: TYPE; write NAME: TYPE, such as w: i32, and ; between two of them");
    EXPECT_EQ(what("params", "a: i32; a: f32", "--params"), "--params declares a twice, expected parameters as NAME: TYPE; declare a once");
    EXPECT_EQ(what("params", "a: i32; ids: i33[b]", "--params"),
              "--params:14: unknown type i33, expected one of i32, f32, f16, bf16, bool; write one of them, such as i32[b, kv]");
    EXPECT_EQ(what("params", " ; ", "--params"),
              "--params is  ; , expected parameters as NAME: TYPE; write NAME = \"TYPE\" in a table [params], such as slopes = \"f32[h]\"");
    EXPECT_EQ(what("kernel.dtype", "", "--dtype"),
              "--dtype is \"\", expected one of f32, f16, bf16; convert the arrays to one of these types");
    EXPECT_EQ(what("kernel.name", "9", "--name"),
              "--name is \"9\", expected a C identifier of at most 63 characters; choose letters, digits and single underscores, starting with a letter");
    EXPECT_EQ(what("kernel.outputs", "out,,lse", "--outputs"),
              "--outputs has \"\", expected a list of some of out, lse, logits_raw, logits_biased, logits, weights; use [\"out\"] or [\"out\", \"lse\"]");
    EXPECT_EQ(what("kernel.outputs", "", "--outputs"),
              "--outputs is \"\", expected a list with \"out\", and \"lse\" where it is wanted; use [\"out\"] or [\"out\", \"lse\"]");
    EXPECT_EQ(what("targets.cpu", "avx2,avx2", "--target"),
              "--target has avx2 twice, expected a list of some of auto, sse41, avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx, neon; write avx2 once");
    EXPECT_EQ(what("kernel.mask", "\xff\x1b", "--mask"),
              "--mask:1: unexpected \\xff, expected names, numbers, && || ! < <= > >= == != + - * / % ( ) [ ] and ,; remove it");
}

TEST(SpecMessages, MissingFile) {
    try {
        read_spec_file("/nowhere/spec.toml");
        FAIL();
    } catch (const Error &error) {
        EXPECT_STREQ(error.what(), "/nowhere/spec.toml: the specification cannot be read: no such file or directory, "
                                   "expected a specification in TOML; check the path and its permissions");
        EXPECT_EQ(error.details().code, ErrorCode::input);
        EXPECT_EQ(error.details().argument, "SPEC");
        EXPECT_EQ(error.details().value, "/nowhere/spec.toml");
    }
}

TEST(SpecMessages, UnreadablePaths) {
    for (const std::string path : {"", "/", "/tmp", "/dev/zero", "/dev/null/x"}) {
        try {
            read_spec_file(path);
            ADD_FAILURE() << path;
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input) << path;
        }
    }
}

}  // namespace
}  // namespace attune
