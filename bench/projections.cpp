#include "projections.h"

#include "generator/backend/projection_kernel.h"
#include "generator/cli/session.h"
#include "generator/reference/half.h"
#include "measure.h"
#include "onednn.h"
#include "openblas.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace attune::bench {

namespace {

constexpr struct { int in, out; } shapes[] = {{384, 384}, {384, 1536}, {1536, 384}, {1024, 4096}, {4096, 4096}};
constexpr int64_t row_counts[] = {1, 16, 128, 512};

constexpr int rounds = 7;
constexpr double slot_seconds = 0.03;              // of one side in a round
constexpr size_t weight_bytes = size_t{96} << 20;  // calls take turns with so many, as the layers of a model do: no cache holds them

struct Free {
    void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory allocate(size_t bytes) {
    constexpr size_t huge = 2 << 20;
    const size_t rounded = (bytes + huge - 1) / huge * huge;
    Memory memory(std::aligned_alloc(huge, rounded));
    if (!memory)
        throw std::bad_alloc();
    madvise(memory.get(), rounded, MADV_HUGEPAGE);
    return memory;
}

void check(attune_status status) {
    if (status != ATTUNE_OK)
        throw std::runtime_error(attune_last_error());
}

float number_at(DType dtype, const void *numbers, int64_t i) {
    const uint16_t half = dtype == DType::f32 ? 0 : static_cast<const uint16_t *>(numbers)[i];
    return dtype == DType::f32 ? static_cast<const float *>(numbers)[i] : dtype == DType::f16 ? f16_to_float(half) : bf16_to_float(half);
}

/// Even numbers of [-1/2, 1/2), rounded to the type.
void fill(DType dtype, void *numbers, int64_t count) {
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        const float x = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
        if (dtype == DType::f32)
            static_cast<float *>(numbers)[i] = x;
        else
            static_cast<uint16_t *>(numbers)[i] = dtype == DType::f16 ? float_to_f16(x) : float_to_bf16(x);
    }
}

/// A dense layer with `copies` of its weights, as rows and packed by each side.
class Problem {
public:
    Problem(const LoadedProjection &loaded, const DenseShape &shape)
        : shape_(shape), projection_(loaded.projection()), element_(static_cast<size_t>(dtype_bytes(shape.dtype))),
          plain_size_(element_ * static_cast<size_t>(shape.in_features * shape.out_features)), copies_(weight_bytes / plain_size_ + 1),
          packed_size_((attune_projection_packed_size(projection_) + 63) / 64 * 64), plain_(allocate(copies_ * plain_size_)),
          packed_(allocate(copies_ * packed_size_)), x_(allocate(element_ * static_cast<size_t>(shape.rows * shape.in_features))),
          bias_(allocate(element_ * static_cast<size_t>(shape.out_features))),
          y_(allocate(element_ * static_cast<size_t>(shape.rows * shape.out_features))) {
        fill(shape.dtype, x_.get(), shape.rows * shape.in_features);
        fill(shape.dtype, bias_.get(), shape.out_features);
        fill(shape.dtype, plain(0), shape.in_features * shape.out_features);
        for (size_t copy = 0; copy < copies_; copy++) {
            if (copy > 0)
                std::memcpy(plain(copy), plain(0), plain_size_);
            const attune_weights part = {plain(copy), bias_.get(), shape.out_features, 0};
            check(attune_projection_pack(projection_, &part, 1, static_cast<char *>(packed_.get()) + copy * packed_size_, packed_size_));
        }
        exec_.size = sizeof exec_;
        exec_.num_threads = 1;
        args_.size = sizeof args_;
        args_.version = ATTUNE_PROJECTION_ARGS_VERSION;
        args_.input = x_.get();
        args_.output = y_.get();
        args_.batch = 1;
        args_.rows = shape.rows;
        args_.exec = &exec_;
        args_.workspace_size = attune_projection_workspace_size(projection_, &args_);
        workspace_ = allocate(args_.workspace_size);
        args_.workspace = workspace_.get();
    }

    void run_attune() {
        args_.weights = static_cast<char *>(packed_.get()) + next() * packed_size_;
        check(attune_projection_run(projection_, &args_));
    }
    bool has_openblas() const { return shape_.dtype == DType::f32 && bench::has_openblas(); }
    /// Without the bias, which it does not add.
    void run_openblas() {
        openblas_product(static_cast<float *>(x_.get()), static_cast<float *>(plain(next())), static_cast<float *>(y_.get()), shape_.rows,
                         shape_.in_features, shape_.out_features);
    }
    /// Packs the weights for the fastest of oneDNN's ways; false where it has none.
    bool prepare_onednn();
    void run_onednn() { onednn_->run(static_cast<char *>(onednn_packed_.get()) + next() * onednn_size_); }
    std::string onednn_name() const { return onednn_->name(); }

    double gflop() const { return 2e-9 * static_cast<double>(shape_.rows * shape_.in_features * shape_.out_features); }

    /// Runs one side into an output of NaNs.
    bool is_right_after(const std::function<void()> &run, bool with_bias = true) {
        std::memset(y_.get(), 0xff, element_ * static_cast<size_t>(shape_.rows * shape_.out_features));
        run();
        return is_right(with_bias);
    }

private:
    /// Whether the last output is right, at a dozen places: within k roundings of a sum of k terms of like size, and the rounding to the type.
    bool is_right(bool with_bias) const {
        const double rounding = shape_.dtype == DType::f32 ? 0 : shape_.dtype == DType::f16 ? 0x1p-11 : 0x1p-8;
        for (int64_t i = 0; i < 12; i++) {
            const int64_t row = i * (shape_.rows - 1) / 11, n = i * (shape_.out_features - 1) / 11;
            double sum = with_bias ? number_at(shape_.dtype, bias_.get(), n) : 0, magnitude = std::abs(sum);
            for (int64_t k = 0; k < shape_.in_features; k++) {
                const double term = double{number_at(shape_.dtype, x_.get(), row * shape_.in_features + k)} *
                                    number_at(shape_.dtype, plain(0), n * shape_.in_features + k);
                sum += term;
                magnitude += std::abs(term);
            }
            const double bound = 0x1p-24 * static_cast<double>(shape_.in_features + 1) * magnitude;
            if (!(std::abs(number_at(shape_.dtype, y_.get(), row * shape_.out_features + n) - sum) <=
                  bound + rounding * (std::abs(sum) + bound)))
                return false;
        }
        return true;
    }
    void *plain(size_t copy) const { return static_cast<char *>(plain_.get()) + copy * plain_size_; }
    size_t next() { return turn_++ % copies_; }

    const DenseShape shape_;
    const attune_projection *projection_;
    const size_t element_, plain_size_, copies_, packed_size_;
    Memory plain_, packed_, x_, bias_, y_, workspace_, onednn_packed_;
    attune_exec exec_{};
    attune_projection_args args_{};
    std::unique_ptr<OneDnnLayer> onednn_;
    size_t onednn_size_ = 0, turn_ = 0;
};

double fastest_seconds(const std::function<void()> &run) {
    double best = 1e30, spent = 0;
    do {
        const double begin = seconds_now(1);
        run();
        const double seconds = seconds_now(1) - begin;
        best = std::min(best, seconds);
        spent += seconds;
    } while (spent < slot_seconds);
    return best;
}

bool Problem::prepare_onednn() {
    double fastest = 1e30;
    for (auto &way : onednn_layers(shape_, x_.get(), bias_.get(), y_.get())) {
        const size_t size = (way->packed_size() + 63) / 64 * 64;
        Memory packed = allocate(copies_ * size);
        for (size_t copy = 0; copy < copies_; copy++)
            way->pack(plain(copy), static_cast<char *>(packed.get()) + copy * size);
        std::swap(onednn_, way), std::swap(onednn_packed_, packed);
        const size_t size_before = std::exchange(onednn_size_, size);
        run_onednn();  // the first makes its code
        const double seconds = fastest_seconds([&] { run_onednn(); });
        if (seconds < fastest)
            fastest = seconds;
        else
            std::swap(onednn_, way), std::swap(onednn_packed_, packed), onednn_size_ = size_before;
    }
    return onednn_ != nullptr;
}

/// A library beside Attune.
struct Rival {
    std::string missing = {};  ///< why there are no figures; "": there are
    bool is_right = true;
    double seconds = 1e30, ratio = 0;  ///< of the fastest call; median of the rounds' ratios
    std::vector<double> ratios = {};

    void measure(double ours, const std::function<void()> &run) {
        const double theirs = fastest_seconds(run);
        seconds = std::min(seconds, theirs);
        ratios.push_back(theirs / ours);
        ratio = median(ratios);
    }
    std::string ms_text() const { return !is_right ? "WRONG" : missing.empty() ? fmt::format("{:.3f}", 1e3 * seconds) : missing; }
    std::string ratio_text() const { return is_right && missing.empty() ? fmt::format("{:.2f}", ratio) : ""; }
    void add_json(nlohmann::ordered_json &row, const std::string &name) const {
        const bool measured = is_right && missing.empty();
        row[name + "_ms"] = measured ? nlohmann::ordered_json(1e3 * seconds) : nullptr;
        row[name + "_over_attune"] = measured ? nlohmann::ordered_json(ratio) : nullptr;
    }
};

struct Figures {
    double peak = 0, attune = 1e30;  ///< GFLOP/s, median; seconds of the fastest call
    bool right = false;
    Rival openblas, onednn;
};

Figures measure(Problem &problem, const CpuTarget &target) {
    Figures figures;
    figures.right = problem.is_right_after([&] { problem.run_attune(); });
    const bool has_openblas = problem.has_openblas(), has_onednn = problem.prepare_onednn();
    figures.openblas.missing = has_openblas ? "" : "-";
    figures.onednn.missing = has_onednn ? "" : onednn_version().empty() ? "-" : "unimplemented";
    if (has_openblas)
        figures.openblas.is_right = problem.is_right_after([&] { problem.run_openblas(); }, false);
    if (has_onednn)
        figures.onednn.is_right = problem.is_right_after([&] { problem.run_onednn(); });
    std::vector<double> peaks;
    for (int round = 0; round < rounds; round++) {
        peaks.push_back(peak_gflops(target, 1));
        const double ours = fastest_seconds([&] { problem.run_attune(); });
        figures.attune = std::min(figures.attune, ours);
        if (has_openblas)
            figures.openblas.measure(ours, [&] { problem.run_openblas(); });
        if (has_onednn)
            figures.onednn.measure(ours, [&] { problem.run_onednn(); });
    }
    figures.peak = median(peaks);
    return figures;
}

}  // namespace

int print_projections(const std::vector<const CpuTarget *> &targets, DType dtype, const std::string &filter, bool json) {
    std::vector<std::vector<std::string>> cells = {
        {"projection", "ms", "GFLOP/s", "of peak", "OpenBLAS, ms", "OpenBLAS / Attune", "oneDNN, ms", "oneDNN / Attune"}};
    nlohmann::ordered_json rows_json = nlohmann::ordered_json::array();
    int wrong = 0;
    if (const std::string version = onednn_version(); !version.empty())
        std::fprintf(stderr, "onednn: %s\n", version.c_str());
    for (const CpuTarget *target : targets)
        for (const auto &[in, out] : shapes) {
            if (!target->serves(dtype))
                continue;
            std::unique_ptr<LoadedProjection> loaded;
            for (const int64_t rows : row_counts) {
                const std::string name = fmt::format("{} {}x{} {}", target->name, in, out, rows);
                if (name.find(filter) == std::string::npos)
                    continue;
                std::fprintf(stderr, "  %s\n", name.c_str());
                if (!loaded)
                    loaded = load_projection({.name = "bench_projection",
                                              .dtype = dtype,
                                              .in_features = in,
                                              .out_features = out,
                                              .bias = true,
                                              .activation = Activation::none,
                                              .targets = {}},
                                             *target);
                Problem problem(*loaded, {dtype, in, out, rows});
                const Figures f = measure(problem, *target);
                const double gflops = problem.gflop() / f.attune;
                wrong += !f.right + !f.openblas.is_right + !f.onednn.is_right;
                cells.push_back({name + (f.right ? "" : " WRONG"), fmt::format("{:.3f}", 1e3 * f.attune), fmt::format("{:.1f}", gflops),
                                 fmt::format("{:.0f} %", 100 * gflops / f.peak), f.openblas.ms_text(), f.openblas.ratio_text(),
                                 f.onednn.ms_text(), f.onednn.ratio_text()});
                nlohmann::ordered_json row = {{"target", target->name}, {"dtype", dtype_name(dtype)},
                                              {"in_features", in},      {"out_features", out},
                                              {"rows", rows},           {"threads", 1},
                                              {"right", f.right},       {"ms", 1e3 * f.attune},
                                              {"gflops", gflops},       {"peak_gflops", f.peak}};
                f.openblas.add_json(row, "openblas");
                f.onednn.add_json(row, "onednn");
                row["onednn_code"] = f.onednn.missing.empty() ? nlohmann::ordered_json(problem.onednn_name()) : nullptr;
                rows_json.push_back(std::move(row));
            }
        }
    std::fputs(json ? (rows_json.dump(1) + "\n").c_str()
                    : cli::align_table(cells, {false, true, true, true, true, true, true, true}).c_str(),
               stdout);
    return wrong;
}

}  // namespace attune::bench
