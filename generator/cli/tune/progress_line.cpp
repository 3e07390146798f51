#include "generator/cli/tune/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace attune::cli {

namespace {

constexpr double plain_every_s = 10;
constexpr int bar_columns = 24;

std::string clock_text(double seconds) {
    const auto whole = static_cast<int64_t>(std::max(seconds, 0.0));
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string bar(int64_t done, int64_t all) {
    const int filled = all > 0 ? static_cast<int>(std::min(done, all) * bar_columns / all) : 0;
    return "[" + std::string(filled, '#') + std::string(bar_columns - filled, '.') + "]";
}

}  // namespace

ProgressLine::ProgressLine(const autotune::Space &space, bool shown)
    : space_(space), shown_(shown), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
    if (drawn_)
        std::fputc('\n', stderr);
}

void ProgressLine::show(const autotune::Progress &progress) {
    if (!shown_ || (!terminal_ && last_s_ > 0 && progress.elapsed_s - last_s_ < plain_every_s))
        return;
    last_s_ = std::max(progress.elapsed_s, 1e-3);
    const std::string what = progress.remeasuring ? "leaders again" : "trials";
    const std::string best = fmt::format("best {:.3f} x the default: {}", 1 / progress.best_score, space_.text(progress.best));
    const std::string text =
        fmt::format("{} {}/{}, {} left, {}", what, progress.done, progress.trials, clock_text(progress.remaining_s), best);
    if (terminal_)
        fmt::print(stderr, "\r\033[K{} {}", bar(progress.done, progress.trials), text);
    else
        fmt::print(stderr, "attune: {}\n", text);
    drawn_ = terminal_;
    std::fflush(stderr);
}

}  // namespace attune::cli
