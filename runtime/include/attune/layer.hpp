/// attune/layer.h in C++20: dense layers and whole layers whose arrays are spans, so that their sizes are checked, and packed weights that know
/// what they were packed for.
///
///   #include "encoder.h"                          // generated, as is encoder_layer
///   const attune::Layer encoder(&encoder_layer);
///   attune::PackedWeights packed;                 // once; w_q has a row an output and b_q an element an output, as PyTorch's nn.Linear
///   attune::Status status = encoder.pack({.query = {w_q, b_q}, .key = {w_k, b_k}, .value = {w_v, b_v}, .output = {w_o, b_o}}, packed);
///   attune::Workspace workspace;
///   if (status)
///       status = encoder({.input = x, .output = y, .weights = packed, .batch = 2, .seq_len = 128, .lengths = lengths}, workspace);
///   if (!status) std::cerr << status.message() << '\n';
///
/// A dense layer of its own, or a part of a layer, such as encoder.token_projection(), whose outputs encoder.attention() takes (packed_qkv):
///
///   const attune::Projection up(&up_kernel);
///   status = up.pack({w_up, b_up}, packed_up);
///   status = up({.input = y, .output = z, .weights = packed_up, .rows = 2 * 128}, workspace);
///
/// Spans are made of std::vector, std::array, std::span and their like; they own nothing. Elements are float for f32 and any 2-byte type
/// for f16 and bf16. A call allocates nothing once the workspace has grown, except the text of an error, and throws nothing.
/// Threads, lengths, errors and corner cases: attune/layer.h.
#ifndef ATTUNE_LAYER_HPP
#define ATTUNE_LAYER_HPP

#include "attune/attention.hpp"
#include "attune/layer.h"

#include <ranges>
#include <type_traits>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace attune {

namespace detail {
/// What a pointer P * and a size can be taken of.
template <class R, class P>
concept ElementRange = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> && std::ranges::borrowed_range<R> &&
    std::is_convertible_v<std::add_pointer_t<std::ranges::range_reference_t<R>>, std::add_pointer_t<P>>;
template <class Q, class P>
concept OtherVoid = std::is_void_v<Q> && !std::is_same_v<Q, P>;
}  // namespace detail

/// Elements side by side, of a type that is known by its size. `P` is void or const void. Empty: not given.
template <class P>
struct AnySpan {
    P *data = nullptr;
    size_t size = 0;  ///< elements
    size_t element_bytes = 0;

    AnySpan() = default;
    /// Of a type that is known at run time only.
    AnySpan(P *data, size_t size, size_t element_bytes) : data(size ? data : nullptr), size(size), element_bytes(element_bytes) {}
    template <detail::ElementRange<P> R>
    AnySpan(R &&range)
        : data(std::ranges::data(range)), size(std::ranges::size(range)), element_bytes(sizeof(std::ranges::range_value_t<R>)) {
        static_assert(std::is_same_v<std::ranges::range_value_t<R>, float> || sizeof(std::ranges::range_value_t<R>) == 2,
                      "elements are float, or 2 bytes wide for f16 and bf16");
    }
    /// What may be written may be read.
    template <detail::OtherVoid<P> Q>
    AnySpan(const AnySpan<Q> &span) : data(span.data), size(span.size), element_bytes(span.element_bytes) {}
};
using InputSpan = AnySpan<const void>;
using OutputSpan = AnySpan<void>;

/// How far sequences and rows are apart, in elements; both 0: dense.
struct RowStrides {
    int64_t batch = 0;
    int64_t row = 0;
};

/// A weight matrix as frameworks keep it: row n holds the weights of output n.
struct WeightMatrix {
    InputSpan weight;     ///< (outputs, inputs)
    InputSpan bias = {};  ///< (outputs); not given where there is none
    int64_t stride = 0;   ///< of a row, in elements; 0: dense
};

/// Those of a layer. Of a fused matrix these are three parts: spans of its rows.
struct LayerWeights {
    WeightMatrix query;                        ///< (heads * head_dim, d_model)
    WeightMatrix key;                          ///< (kv_heads * head_dim, d_model or d_context)
    WeightMatrix value;                        ///< (kv_heads * head_dim_v, d_model or d_context)
    WeightMatrix output;                       ///< (d_model, heads * head_dim_v)
    InputSpan query_norm = {}, key_norm = {};  ///< (head_dim) of layers with qk_norm
};

namespace detail {
/// A wish: what is read in order then comes ahead across 2 MB instead of 4 KB.
inline void ask_for_huge_pages([[maybe_unused]] void *data, [[maybe_unused]] size_t size) {
#ifdef __linux__
    if (data)
        madvise(data, size, MADV_HUGEPAGE);
#endif
}
}  // namespace detail

/// One piece of memory for the packed weights of many layers, in huge pages where the system has them: a model's weights are read one after the
/// other, and few rows then take three quarters of the time. What is packed into it lies side by side, in that order, and must not outlive it.
class WeightMemory {
public:
    WeightMemory() = default;
    /// `bytes`: the sum of the packed_size()s. size() is 0 where memory ran out, and pack then says so.
    explicit WeightMemory(size_t bytes) {
        const size_t rounded = (bytes + huge_page - 1) / huge_page * huge_page;
        data_ = rounded < bytes ? nullptr : static_cast<std::byte *>(std::aligned_alloc(huge_page, rounded));
        size_ = data_ ? rounded : 0;
        detail::ask_for_huge_pages(data_, size_);
    }
    WeightMemory(WeightMemory &&other) noexcept { *this = std::move(other); }
    WeightMemory &operator=(WeightMemory &&other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(used_, other.used_);
        return *this;
    }
    ~WeightMemory() { std::free(data_); }

    size_t size() const { return size_; }
    size_t used() const { return used_; }
    /// The next `bytes`, 64-byte aligned; null where there are no more so many.
    void *take(size_t bytes) {
        if (bytes > size_ - used_)
            return nullptr;
        return data_ + std::exchange(used_, std::min(size_, used_ + (bytes + 63) / 64 * 64));
    }

private:
    static constexpr size_t huge_page = size_t(2) << 20;
    std::byte *data_ = nullptr;
    size_t size_ = 0, used_ = 0;
};

/// Weights as one layer reads them, on this CPU: made by its pack(), in memory of their own or in a WeightMemory. Moves, and leaves nothing behind.
class PackedWeights {
public:
    PackedWeights() = default;
    PackedWeights(PackedWeights &&other) noexcept
        : own_(std::move(other.own_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          packed_for_(std::exchange(other.packed_for_, nullptr)), name_(std::exchange(other.name_, "")) {}
    PackedWeights &operator=(PackedWeights other) noexcept {
        own_ = std::move(other.own_);  // swaps
        data_ = other.data_, size_ = other.size_, packed_for_ = other.packed_for_, name_ = other.name_;
        return *this;
    }

    explicit operator bool() const { return data_ != nullptr; }
    const void *data() const { return data_; }
    size_t size() const { return size_; }

private:
    friend struct PackedView;
    friend class Projection;
    friend class Layer;
    template <class Pack>
    Status fill(size_t bytes, const void *packed_for, const char *name, WeightMemory *memory, const Pack &pack);

    Workspace own_;
    const void *data_ = nullptr;
    size_t size_ = 0;
    const void *packed_for_ = nullptr;  // attune_projection or attune_layer
    const char *name_ = "";
};

/// What calls take.
struct PackedView {
    const void *data = nullptr;
    const void *packed_for = nullptr;  ///< null: not known
    const char *name = "";

    PackedView() = default;
    PackedView(const PackedWeights &packed) : data(packed.data_), packed_for(packed.packed_for_), name(packed.name_) {}
    /// What a C function packed.
    explicit PackedView(const void *packed) : data(packed) {}
};

/// One call of a dense layer.
struct ProjectionArgs {
    InputSpan input;          ///< (batch, rows, in_features)
    OutputSpan output;        ///< (batch, rows, out_features); overlaps no input
    PackedView weights = {};  ///< what pack() made
    int64_t batch = 1;
    int64_t rows = 0;
    RowStrides stride_input = {}, stride_output = {};
    int32_t num_threads = 0;                     ///< 0: attune_num_threads()
    attune_parallel_for parallel_for = nullptr;  ///< null: Attune's threads
    void *parallel_context = nullptr;
};

/// A generated dense layer, or none (false). Copies are cheap.
class Projection {
public:
    Projection() = default;
    /// <name>_kernel of a generated header.
    explicit Projection(const attune_projection *projection) : projection_(projection), info_(attune_projection_describe(projection)) {}

    explicit operator bool() const { return info_.in_features > 0; }
    const attune_projection *get() const { return projection_; }
    const attune_projection_info &info() const { return info_; }
    std::string_view name() const { return info_.name; }

    /// The target that it runs with on this machine; empty where none fits.
    std::string_view target() const {
        const char *target = *this ? attune_projection_target(projection_) : nullptr;
        return target ? target : "";
    }
    bool supported() const { return !target().empty(); }

    /// Bytes of its packed weights; 0 where it does not run here.
    size_t packed_size() const { return attune_projection_packed_size(projection_); }
    /// Matrices whose outputs stand side by side, in order. They need not stay. Into `memory`, or memory of the weights' own; after an error `packed`
    /// is empty.
    Status pack(std::span<const WeightMatrix> parts, PackedWeights &packed, WeightMemory *memory = nullptr) const;
    Status pack(const WeightMatrix &matrix, PackedWeights &packed, WeightMemory *memory = nullptr) const {
        return pack(std::span(&matrix, 1), packed, memory);
    }

    /// Runs it. Grows the workspace as needed.
    Status operator()(const ProjectionArgs &args, Workspace &workspace) const;
    /// Bytes of workspace that it needs; 0 also where args are in error.
    size_t workspace_size(const ProjectionArgs &args) const;

private:
    Status check(const ProjectionArgs &args) const;
    void convert(const ProjectionArgs &from, attune_projection_args &to, attune_exec &exec) const;

    const attune_projection *projection_ = nullptr;
    attune_projection_info info_ = attune_projection_describe(nullptr);
};

/// One call of a layer.
struct LayerArgs {
    InputSpan input;          ///< (batch, seq_len, d_model)
    InputSpan context = {};   ///< (batch, seq_len_context, d_context) of a cross layer
    OutputSpan output;        ///< (batch, seq_len, d_model); overlaps no input
    PackedView weights = {};  ///< what pack() made
    int64_t batch = 1;
    int64_t seq_len = 0;
    int64_t seq_len_context = 0;
    RowStrides stride_input = {}, stride_context = {}, stride_output = {};
    std::span<const int32_t> lengths = {};  ///< tokens in use of each sequence; empty: all. Others are seen by none; their output is b_o
    std::span<const int32_t> lengths_context = {};  ///< the same of the context
    std::span<const int32_t> positions = {};        ///< with rope: seq_len for all sequences, or as many for each; empty: 0, 1, 2, …
    const void *params = nullptr;                   ///< the attention's <name>_attention_params; layers without parameters have none
    int32_t num_threads = 0;
    attune_parallel_for parallel_for = nullptr;
    void *parallel_context = nullptr;
};

/// A generated multi-head attention layer, or none (false). Copies are cheap.
class Layer {
public:
    Layer() = default;
    /// <name>_layer of a generated header.
    explicit Layer(const attune_layer *layer) : layer_(layer), info_(attune_layer_describe(layer)) {}

    explicit operator bool() const { return info_.d_model > 0; }
    const attune_layer *get() const { return layer_; }
    const attune_layer_info &info() const { return info_; }
    std::string_view name() const { return info_.name; }
    std::string_view target() const { return token_projection().target(); }
    bool supported() const { return !target().empty(); }

    /// Its parts, to be called for themselves, with weights of their own.
    Projection token_projection() const { return Projection(info_.token_projection); }
    Projection context_projection() const { return Projection(info_.context_projection); }  ///< of a cross layer; else none
    Kernel attention() const { return Kernel(info_.attention); }
    Projection output_projection() const { return Projection(info_.output_projection); }

    /// As of a projection.
    size_t packed_size() const { return attune_layer_packed_size(layer_); }
    Status pack(const LayerWeights &weights, PackedWeights &packed, WeightMemory *memory = nullptr) const;

    Status operator()(const LayerArgs &args, Workspace &workspace) const;
    size_t workspace_size(const LayerArgs &args) const;

private:
    Status check(const LayerWeights &weights) const;
    Status check(const LayerArgs &args) const;
    void convert(const LayerArgs &from, attune_layer_args &to, attune_exec &exec) const;

    const attune_layer *layer_ = nullptr;
    attune_layer_info info_ = attune_layer_describe(nullptr);
};

// ---- what the calls above do: sizes of spans are checked here, all else by the C functions ----

namespace detail {

/// A projection or layer, as errors name it.
struct DenseName {
    const char *kind, *name, *dtype;
    std::string text() const { return std::string(kind) + " " + name; }
};
/// A span, and the rows that it must hold. Their names are put together in errors alone: calls allocate nothing.
struct RowsSpan {
    const char *name;
    InputSpan span;
    const char *rows_name, *columns_name;
    int64_t batch, rows, columns;
    RowStrides stride = {};
    bool is_matrix = false;  ///< there is one, and no word of a batch
};

inline Status check_type(const DenseName &of, const char *name, const InputSpan &span) {
    const bool is_float = std::string_view(of.dtype) == "f32";
    return span.size == 0 || span.element_bytes == (is_float ? 4 : 2)
               ? Status()
               : fail(ATTUNE_SHAPE_MISMATCH, std::string(name) + " has elements of " + text(int64_t(span.element_bytes)) + " bytes, but " +
                                                 of.text() + " was generated for " + of.dtype + "; generate one with dtype " +
                                                 (is_float ? "f16 or bf16" : "f32"));
}
inline Status check_rows(const DenseName &of, const RowsSpan &r) {
    if (Status s = check_type(of, r.name, r.span); !s)
        return s;
    if (r.batch < 0 || r.rows < 0 || r.stride.batch < 0 || r.stride.row < 0)
        return Status();  // the C function says so
    const bool is_dense = !r.stride.batch && !r.stride.row;
    const double count = double(r.batch) * double(r.rows), columns = double(r.columns);
    const double to_last = double(r.batch - 1) * double(r.stride.batch) + double(r.rows - 1) * double(r.stride.row);
    const double wanted = count == 0 ? 0 : is_dense ? count * columns : to_last + columns;
    if (wanted > 0x1p53 || (is_dense ? double(r.span.size) == wanted : double(r.span.size) >= wanted))
        return Status();  // or larger than the C function allows
    return fail(ATTUNE_SHAPE_MISMATCH, std::string(r.name) + " has " + text(int64_t(r.span.size)) + " elements but must have " +
                                           (is_dense ? "" : "at least ") + text(int64_t(wanted)) + ": " +
                                           (r.is_matrix ? "" : "batch " + text(r.batch) + " x ") + r.rows_name + " " + text(r.rows) +
                                           " x " + r.columns_name + " " + text(r.columns) + (is_dense ? "" : " with these strides"));
}
/// `count` elements for all of `what`.
inline Status check_vector(const DenseName &of, const char *name, const InputSpan &span, int64_t count, const char *what) {
    if (span.size && int64_t(span.size) != count)
        return fail(ATTUNE_SHAPE_MISMATCH,
                    std::string(name) + " has " + text(int64_t(span.size)) + " elements but must have " + text(count) + ", " + what);
    return check_type(of, name, span);
}
inline Status check_matrix(const DenseName &of, const std::string &name, const WeightMatrix &m, int64_t outputs, int64_t inputs) {
    if (Status s = check_rows(of, {(name + ".weight").c_str(), m.weight, "outputs", "inputs", 1, outputs, inputs, {0, m.stride}, true}); !s)
        return s;
    return check_vector(of, (name + ".bias").c_str(), m.bias, outputs, "one an output");
}
inline Status check_packed(const DenseName &of, const PackedView &weights, const void *wanted) {
    return !weights.packed_for || weights.packed_for == wanted
               ? Status()
               : fail(ATTUNE_INVALID_ARGUMENT, std::string("weights were packed for ") + weights.name + " but must be those of " +
                                                   of.text() + "; pack them with it");
}
/// Of rows of `inputs`: the last may end with its weights.
inline int64_t outputs_of(const WeightMatrix &m, int64_t inputs) {
    const int64_t stride = m.stride > inputs ? m.stride : inputs;
    return (int64_t(m.weight.size) + stride - inputs) / stride;
}
inline attune_weights weights_of(const WeightMatrix &m, int64_t outputs) {
    return {.weight = m.weight.data, .bias = m.bias.data, .outputs = outputs, .stride = m.stride};
}
inline void set_stride(int64_t (&to)[2], const RowStrides &from) {
    to[0] = from.batch;
    to[1] = from.row;
}

}  // namespace detail

template <class Pack>
Status PackedWeights::fill(size_t bytes, const void *packed_for, const char *name, WeightMemory *memory, const Pack &pack) {
    *this = PackedWeights();
    if (!memory && !own_.grow(bytes ? bytes : 64))  // without a target there are none to pack: the C function says why
        return detail::fail(ATTUNE_OUT_OF_MEMORY, "packed weights of " + std::string(name) + " need " + std::to_string(bytes) +
                                                      " bytes, which could not be allocated; free some");
    void *to = memory ? memory->take(bytes) : own_.data();
    if (!to)
        return detail::fail(ATTUNE_OUT_OF_MEMORY, "memory has " + std::to_string(memory->size() - memory->used()) + " bytes left but " +
                                                      name + " needs " + std::to_string(bytes) +
                                                      "; make it as large as all packed_size() together");
    if (Status status = Status::of(pack(to)); !status) {
        *this = PackedWeights();
        return status;
    }
    data_ = to, size_ = bytes, packed_for_ = packed_for, name_ = name;
    return Status();
}

inline Status Projection::pack(std::span<const WeightMatrix> parts, PackedWeights &packed, WeightMemory *memory) const {
    std::vector<attune_weights> matrices;
    for (const WeightMatrix &part : parts) {
        const std::string name = "weights[" + std::to_string(matrices.size()) + "]";
        const int64_t outputs = parts.size() == 1 ? info_.out_features : detail::outputs_of(part, std::max(info_.in_features, 1));
        if (*this)
            if (Status s = detail::check_matrix({"projection", info_.name, info_.dtype}, name, part, outputs, info_.in_features); !s)
                return packed = {}, s;
        matrices.push_back(detail::weights_of(part, outputs));
    }
    return packed.fill(packed_size(), projection_, info_.name, memory, [&](void *to) {
        return attune_projection_pack(projection_, matrices.data(), int32_t(matrices.size()), to, packed_size());
    });
}

inline Status Projection::check(const ProjectionArgs &a) const {
    const detail::DenseName of{"projection", info_.name, info_.dtype};
    if (!*this)
        return Status();  // the C function says so
    if (Status s = detail::check_rows(of, {"input", a.input, "rows", "in_features", a.batch, a.rows, info_.in_features, a.stride_input});
        !s)
        return s;
    if (Status s =
            detail::check_rows(of, {"output", a.output, "rows", "out_features", a.batch, a.rows, info_.out_features, a.stride_output});
        !s)
        return s;
    return detail::check_packed(of, a.weights, projection_);
}

inline void Projection::convert(const ProjectionArgs &from, attune_projection_args &to, attune_exec &exec) const {
    exec = detail::exec_of(from);
    to = {.size = sizeof to,
          .version = ATTUNE_PROJECTION_ARGS_VERSION,
          .input = from.input.data,
          .output = from.output.data,
          .weights = from.weights.data,
          .batch = from.batch,
          .rows = from.rows,
          .stride_input = {},
          .stride_output = {},
          .workspace = nullptr,
          .workspace_size = 0,
          .exec = &exec};
    detail::set_stride(to.stride_input, from.stride_input);
    detail::set_stride(to.stride_output, from.stride_output);
}

inline size_t Projection::workspace_size(const ProjectionArgs &args) const {
    attune_projection_args a;
    attune_exec exec;
    convert(args, a, exec);
    return attune_projection_workspace_size(projection_, &a);
}

inline Status Projection::operator()(const ProjectionArgs &args, Workspace &workspace) const {
    if (Status status = check(args); !status)
        return status;
    attune_projection_args a;
    attune_exec exec;
    convert(args, a, exec);
    return detail::run_in(workspace, attune_projection_workspace_size(projection_, &a), a,
                          [&](const auto *call) { return attune_projection_run(projection_, call); });
}

inline Status Layer::check(const LayerWeights &w) const {
    const detail::DenseName of{"layer", info_.name, info_.dtype};
    const int64_t d_source = info_.d_context ? info_.d_context : info_.d_model;
    const struct {
        const char *name;
        const WeightMatrix &matrix;
        int64_t outputs, inputs;
    } matrices[] = {{"query", w.query, int64_t(info_.heads) * info_.head_dim, info_.d_model},
                    {"key", w.key, int64_t(info_.kv_heads) * info_.head_dim, d_source},
                    {"value", w.value, int64_t(info_.kv_heads) * info_.head_dim_v, d_source},
                    {"output", w.output, info_.d_model, int64_t(info_.heads) * info_.head_dim_v}};
    for (const auto &m : matrices)
        if (Status s = detail::check_matrix(of, m.name, m.matrix, m.outputs, m.inputs); !s)
            return s;
    for (const auto &[name, norm] : {std::pair("query_norm", w.query_norm), std::pair("key_norm", w.key_norm)})
        if (Status s = detail::check_vector(of, name, norm, info_.head_dim, "the head_dim of the layer"); !s && info_.has_qk_norm)
            return s;
    return Status();
}

inline Status Layer::pack(const LayerWeights &w, PackedWeights &packed, WeightMemory *memory) const {
    if (*this)
        if (Status s = check(w); !s)
            return packed = {}, s;
    const attune_layer_weights weights = {.query = detail::weights_of(w.query, 0),  // the layer knows how many
                                          .key = detail::weights_of(w.key, 0),
                                          .value = detail::weights_of(w.value, 0),
                                          .output = detail::weights_of(w.output, 0),
                                          .query_norm = w.query_norm.data,
                                          .key_norm = w.key_norm.data};
    return packed.fill(packed_size(), layer_, info_.name, memory,
                       [&](void *to) { return attune_layer_pack(layer_, &weights, to, packed_size()); });
}

inline Status Layer::check(const LayerArgs &a) const {
    using namespace detail;
    const DenseName of{"layer", info_.name, info_.dtype};
    if (!*this)
        return Status();
    if (Status s = check_rows(of, {"input", a.input, "seq_len", "d_model", a.batch, a.seq_len, info_.d_model, a.stride_input}); !s)
        return s;
    if (Status s = check_rows(of, {"output", a.output, "seq_len", "d_model", a.batch, a.seq_len, info_.d_model, a.stride_output}); !s)
        return s;
    const RowsSpan context{"context", a.context,         "seq_len_context", "d_context",
                           a.batch,   a.seq_len_context, info_.d_context,   a.stride_context};
    if (Status s = check_rows(of, context); !s && info_.d_context)
        return s;  // else the C function says that there is none
    if (Status s = check_entries("lengths", a.lengths, a.batch); !s)
        return s;
    if (Status s = check_entries("lengths_context", a.lengths_context, a.batch); !s)
        return s;
    if (Status s = check_positions(a.positions, a.seq_len, a.batch); !s)
        return s;
    return check_packed(of, a.weights, layer_);
}

inline void Layer::convert(const LayerArgs &from, attune_layer_args &to, attune_exec &exec) const {
    exec = detail::exec_of(from);
    to = {};
    to.size = sizeof to;
    to.version = ATTUNE_LAYER_ARGS_VERSION;
    to.input = from.input.data;
    to.context = from.context.data;
    to.output = from.output.data;
    to.weights = from.weights.data;
    to.batch = from.batch;
    to.seq_len = from.seq_len;
    to.seq_len_context = from.seq_len_context;
    detail::set_stride(to.stride_input, from.stride_input);
    detail::set_stride(to.stride_context, from.stride_context);
    detail::set_stride(to.stride_output, from.stride_output);
    to.lengths = detail::array(from.lengths);
    to.lengths_context = detail::array(from.lengths_context);
    to.positions = detail::array(from.positions);
    to.stride_positions = int64_t(from.positions.size()) == from.seq_len ? 0 : from.seq_len;
    to.params = from.params;
    to.exec = &exec;
}

inline size_t Layer::workspace_size(const LayerArgs &args) const {
    attune_layer_args a;
    attune_exec exec;
    convert(args, a, exec);
    return attune_layer_workspace_size(layer_, &a);
}

inline Status Layer::operator()(const LayerArgs &args, Workspace &workspace) const {
    if (Status status = check(args); !status)
        return status;
    attune_layer_args a;
    attune_exec exec;
    convert(args, a, exec);
    return detail::run_in(workspace, attune_layer_workspace_size(layer_, &a), a,
                          [&](const auto *call) { return attune_layer_run(layer_, call); });
}

}  // namespace attune
#endif
