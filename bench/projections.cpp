#include "projections.h"

#include "generator/backend/projection_kernel.h"
#include "generator/cli/session.h"
#include "measure.h"
#include "openblas.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>

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

/// A dense layer with `copies` of its weights, as rows and packed.
class Problem {
public:
    Problem(const LoadedProjection &loaded, int in, int out, int64_t rows)
        : in_(in), out_(out), rows_(rows), projection_(loaded.projection()), copies_(weight_bytes / weights() / sizeof(float) + 1),
          packed_size_((attune_projection_packed_size(projection_) + 63) / 64 * 64), plain_(allocate(copies_ * weights() * sizeof(float))),
          packed_(allocate(copies_ * packed_size_)), x_(static_cast<size_t>(rows * in)), y_(static_cast<size_t>(rows * out)) {
        fill(x_.data(), x_.size());
        fill(plain(0), weights());
        for (size_t copy = 0; copy < copies_; copy++) {
            std::copy_n(plain(0), weights(), plain(copy));
            const attune_weights part = {plain(copy), nullptr, out, 0};
            check(attune_projection_pack(projection_, &part, 1, packed(copy), packed_size_));
        }
        exec_.size = sizeof exec_;
        exec_.num_threads = 1;
        args_.size = sizeof args_;
        args_.version = ATTUNE_PROJECTION_ARGS_VERSION;
        args_.input = x_.data();
        args_.output = y_.data();
        args_.batch = 1;
        args_.rows = rows;
        args_.exec = &exec_;
        args_.workspace_size = attune_projection_workspace_size(projection_, &args_);
        workspace_ = allocate(args_.workspace_size);
        args_.workspace = workspace_.get();
    }

    void run_attune() {
        args_.weights = packed(next());
        check(attune_projection_run(projection_, &args_));
    }
    void run_openblas() { openblas_product(x_.data(), plain(next()), y_.data(), rows_, in_, out_); }

    double gflop() const { return 2e-9 * static_cast<double>(rows_) * in_ * out_; }

    /// Whether the last output is the product, at a dozen places: within k roundings of a sum of k terms of like size.
    bool is_right() const {
        for (int64_t i = 0; i < 12; i++) {
            const int64_t row = i * (rows_ - 1) / 11, n = i * (out_ - 1) / 11;
            double sum = 0, magnitude = 0;
            for (int64_t k = 0; k < in_; k++) {
                const double term = double{x_[static_cast<size_t>(row * in_ + k)]} * plain(0)[n * in_ + k];
                sum += term;
                magnitude += std::abs(term);
            }
            if (!(std::abs(y_[static_cast<size_t>(row * out_ + n)] - sum) <= 0x1p-24 * static_cast<double>(in_) * magnitude))
                return false;
        }
        return true;
    }

private:
    size_t weights() const { return static_cast<size_t>(in_) * static_cast<size_t>(out_); }
    float *plain(size_t copy) const { return static_cast<float *>(plain_.get()) + copy * weights(); }
    void *packed(size_t copy) const { return static_cast<char *>(packed_.get()) + copy * packed_size_; }
    size_t next() { return turn_++ % copies_; }

    /// Even numbers of [-1/2, 1/2).
    static void fill(float *numbers, size_t count) {
        uint32_t state = 1;
        for (size_t i = 0; i < count; i++) {
            state = state * 1664525u + 1013904223u;
            numbers[i] = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
        }
    }

    const int64_t in_, out_, rows_;
    const attune_projection *projection_;
    const size_t copies_, packed_size_;
    Memory plain_, packed_, workspace_;
    std::vector<float> x_, y_;
    attune_exec exec_{};
    attune_projection_args args_{};
    size_t turn_ = 0;
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

struct Figures {
    double peak = 0, attune = 1e30, openblas = 1e30,
           ratio = 0;  ///< GFLOP/s, median; seconds of the fastest call; median of the rounds' ratios
    bool right = false;
};

Figures measure(Problem &problem, const CpuTarget &target) {
    Figures figures;
    problem.run_attune();
    figures.right = problem.is_right();
    std::vector<double> ratios, peaks;
    for (int round = 0; round < rounds; round++) {
        peaks.push_back(peak_gflops(target, 1));
        const double ours = fastest_seconds([&] { problem.run_attune(); });
        figures.attune = std::min(figures.attune, ours);
        if (has_openblas()) {
            const double theirs = fastest_seconds([&] { problem.run_openblas(); });
            figures.openblas = std::min(figures.openblas, theirs);
            ratios.push_back(theirs / ours);
        }
    }
    figures.peak = median(peaks);
    if (!ratios.empty())
        figures.ratio = median(ratios);
    return figures;
}

}  // namespace

int print_projections(const std::vector<const CpuTarget *> &targets, const std::string &filter, bool json) {
    std::vector<std::vector<std::string>> cells = {{"projection", "ms", "GFLOP/s", "of peak", "OpenBLAS, ms", "OpenBLAS / Attune"}};
    nlohmann::ordered_json rows_json = nlohmann::ordered_json::array();
    int wrong = 0;
    for (const CpuTarget *target : targets)
        for (const auto &[in, out] : shapes) {
            if (!target->serves(DType::f32))
                continue;
            std::unique_ptr<LoadedProjection> loaded;
            for (const int64_t rows : row_counts) {
                const std::string name = fmt::format("{} {}x{} {}", target->name, in, out, rows);
                if (name.find(filter) == std::string::npos)
                    continue;
                std::fprintf(stderr, "  %s\n", name.c_str());
                if (!loaded)
                    loaded = load_projection({.name = "bench_projection",
                                              .dtype = DType::f32,
                                              .in_features = in,
                                              .out_features = out,
                                              .bias = false,
                                              .activation = Activation::none,
                                              .targets = {}},
                                             *target);
                Problem problem(*loaded, in, out, rows);
                const Figures f = measure(problem, *target);
                const double gflops = problem.gflop() / f.attune;
                wrong += !f.right;
                cells.push_back({name + (f.right ? "" : " WRONG"), fmt::format("{:.3f}", 1e3 * f.attune), fmt::format("{:.1f}", gflops),
                                 fmt::format("{:.0f} %", 100 * gflops / f.peak), f.ratio > 0 ? fmt::format("{:.3f}", 1e3 * f.openblas) : "",
                                 f.ratio > 0 ? fmt::format("{:.2f}", f.ratio) : ""});
                rows_json.push_back({{"target", target->name},
                                     {"in_features", in},
                                     {"out_features", out},
                                     {"rows", rows},
                                     {"threads", 1},
                                     {"right", f.right},
                                     {"ms", 1e3 * f.attune},
                                     {"gflops", gflops},
                                     {"peak_gflops", f.peak},
                                     {"openblas_ms", f.ratio > 0 ? nlohmann::ordered_json(1e3 * f.openblas) : nullptr},
                                     {"openblas_over_attune", f.ratio > 0 ? nlohmann::ordered_json(f.ratio) : nullptr}});
            }
        }
    std::fputs(json ? (rows_json.dump(1) + "\n").c_str() : cli::align_table(cells, {false, true, true, true, true, true}).c_str(), stdout);
    return wrong;
}

}  // namespace attune::bench
