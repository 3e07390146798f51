"""The best so far: over trials and over seconds, with every trial behind it and the failed ones above."""
from itertools import accumulate

from matplotlib.ticker import MaxNLocator

from drawing import DEFAULT, FAILED, TRIAL, TUNED, WIDTH, log_scale, marker, number, plt, score_limits, thin


def best_so_far(trials):
    return list(accumulate((trial.score for trial in trials), min))


def _failures(axis, result, at):
    """A row for each way to fail, at most five."""
    rows = sorted({trial.outcome for trial in result.failed})[:5]
    for row, outcome in enumerate(rows):
        here = [at(trial) for trial in result.failed if trial.outcome == outcome]
        x = thin([x for x in here if x is not None], 400)
        axis.plot(x, [row] * len(x), ls="", marker="x", ms=4, mew=1, color=FAILED, clip_on=False)
    axis.set_yticks(range(len(rows)), [outcome.replace("_", " ") for outcome in rows])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.tick_params(axis="x", bottom=False, labelbottom=False)
    axis.tick_params(axis="y", length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def _panel(axis, result, at, label, last):
    trials = sorted((trial for trial in result.measured if at(trial) is not None), key=at)
    low, high = score_limits(result.measured, 0.75, 2)
    dots = thin([trial for trial in trials if trial.score <= high])
    slower = thin([trial for trial in trials if trial.score > high], 400)
    axis.plot([at(t) for t in dots], [t.score for t in dots], ls="", marker="o", ms=3, mew=0, color=TRIAL, alpha=0.7, label="a trial")
    if slower:
        axis.plot([at(t) for t in slower], [high] * len(slower), ls="", marker="^", ms=3.5, mew=0, color=TRIAL, clip_on=False,
                  label="slower than the axis shows")
    axis.axhline(1, color=DEFAULT, lw=1, ls=(0, (4, 3)), label="default")
    best = best_so_far(trials)
    corners = [i for i in range(len(best)) if i == 0 or best[i] < best[i - 1]]
    x = [at(trials[i]) for i in corners] + [last]
    axis.step(x, [best[i] for i in corners] + [best[-1]], where="post", color=TUNED, lw=1.8, label="best so far", zorder=4)
    chosen = next((trial for trial in trials if trial.parameters == result.chosen), None)
    if chosen:
        marker(axis, [at(chosen)], [min(chosen.score, high)], TUNED, size=8, label="chosen", hollow=True)
    log_scale(axis, low, high, "y")
    axis.grid(True, axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=label == "trial"))
    axis.set_xlabel(label)


def curves(result):
    rows = len({trial.outcome for trial in result.failed})
    heights = [0.16 * min(rows, 5) + 0.1, 3] if rows else [3]
    figure, axes = plt.subplots(len(heights), 2, figsize=(WIDTH, sum(heights) + 0.5), height_ratios=heights, layout="constrained",
                                squeeze=False, sharex="col")
    end = max([trial.elapsed_s for trial in result.trials if trial.elapsed_s is not None] + [result.seconds or 0])
    unit, factor = ("seconds", 1) if end < 300 else ("minutes", 60) if end < 3 * 3600 else ("hours", 3600)
    of_trial = (lambda trial: trial.index, "trial", max(trial.index for trial in result.trials))
    of_time = (lambda trial: None if trial.elapsed_s is None else trial.elapsed_s / factor, unit, end / factor)
    for column, (at, label, last) in enumerate((of_trial, of_time)):
        if any(at(trial) is not None for trial in result.measured):
            _panel(axes[-1][column], result, at, label, last)
        axes[-1][column].set_xlim(-0.02 * (last or 1), 1.02 * (last or 1))
        if rows:
            _failures(axes[0][column], result, at)
    axes[-1][0].set_ylabel("time / time of the default")
    axes[-1][1].tick_params(labelleft=False)
    if rows:
        axes[0][1].tick_params(labelleft=False)
    handles, labels = axes[-1][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=6, handletextpad=0.4)
    return figure


def sentence(result):
    best = min(result.measured, key=lambda trial: trial.score)
    if best.score >= 1:
        return "No trial of the search was faster than the default."
    early = next(trial for trial in result.measured if trial.score <= 1 - 0.9 * (1 - best.score))
    return (f"The search's best took {number(best.score)} of the default's time (trial {best.index}); nine tenths of that gain were there at "
            f"trial {early.index}. The leaders were measured again side by side, so that the chosen one need not be the best of the curve.")
