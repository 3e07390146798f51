"""What each parameter does: the scores of the trials by its value, the parameter that explains most of them first."""
import math

from drawing import DEFAULT, TRIAL, TUNED, WIDTH, log_scale, marker, plt, score_limits, thin

COLUMNS = 4
MOST_DOTS = 480  # of a panel


def by_value(result, name):
    """value -> its trials, for values that were measured."""
    groups = {}
    for trial in result.measured:
        groups.setdefault(trial.parameters[name], []).append(trial)
    return dict(sorted(groups.items()))


def share_explained(result, name):
    """Share of the variance of log(score) between the parameter's values, less what as many values would explain by chance (epsilon
    squared); 0 to 1. None: one value, or too few trials to tell."""
    groups = [[math.log(trial.score) for trial in trials] for trials in by_value(result, name).values()]
    count = sum(map(len, groups))
    if len(groups) < 2 or count <= len(groups):
        return None
    mean = sum(map(sum, groups)) / count
    total = sum((x - mean) ** 2 for group in groups for x in group)
    if total <= 0:
        return None
    within = sum((x - sum(group) / len(group)) ** 2 for group in groups for x in group)
    return min(max(1 - within / (count - len(groups)) * (count - 1) / total, 0.0), 1.0)


def ranked(result):
    """(name, share or None), the one that matters most first."""
    shares = [(name, share_explained(result, name)) for name in result.parameters]
    return sorted(shares, key=lambda pair: -1 if pair[1] is None else pair[1], reverse=True)


def shown(result):
    """Parameters that were measured at two values or more, in order."""
    return [(name, share) for name, share in ranked(result) if len(by_value(result, name)) > 1]


def _median(sorted_scores):
    half = len(sorted_scores) // 2
    return sorted_scores[half] if len(sorted_scores) % 2 else (sorted_scores[half - 1] + sorted_scores[half]) / 2


def _panel(axis, result, name, share, low, high):
    groups = by_value(result, name)
    for place, (value, trials) in enumerate(groups.items()):
        scores = sorted(trial.score for trial in trials)
        some = thin(scores, max(MOST_DOTS // len(groups), 12))
        x = [place + 0.5 * ((i * 0.618034) % 1 - 0.5) for i in range(len(some))]  # spread evenly, the same every time
        axis.plot(x, [min(score, high) for score in some], ls="", marker="o", ms=2.6, mew=0, color=TRIAL, alpha=0.75)
        axis.plot([place - 0.32, place + 0.32], [min(_median(scores), high)] * 2, color="#22272b", lw=1.6, solid_capstyle="butt", zorder=4)
        axis.plot([place - 0.2, place + 0.2], [min(scores[0], high)] * 2, color=TUNED, lw=1.2, solid_capstyle="butt", zorder=4)
    values = list(groups)
    step = -(-len(values) // 12)
    axis.set_xticks(range(0, len(values), step), [str(value) for value in values[::step]], rotation=45 if len(values) > 7 else 0)
    axis.set_xlim(-0.6, len(values) - 0.4)
    log_scale(axis, low, high, "y")
    axis.axhline(1, color=DEFAULT, lw=0.8, ls=(0, (4, 3)))
    for point, colour, shift in ((result.default, DEFAULT, -0.12), (result.chosen, TUNED, 0.12)):
        if point[name] in groups:
            x = values.index(point[name]) + (shift if result.default[name] == result.chosen[name] else 0)
            marker(axis, [x], [low], colour, size=7, shape="^")
    axis.grid(True, axis="y")
    axis.set_title(name, loc="left", color="#22272b")
    if share is not None:
        axis.set_title(f"{100 * share:.0f} %", loc="right", color="#5b666e")


def effects(result):
    names = shown(result)
    rows = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(WIDTH, 2.05 * rows + 0.35), squeeze=False, sharey=True, layout="constrained")
    low, high = score_limits(result.measured, 0.97, 5)
    for i, axis in enumerate(axes.flat):
        if i < len(names):
            _panel(axis, result, *names[i], low, high)
        else:
            axis.set_axis_off()
    figure.supylabel("time / time of the default", fontsize=8, color="#3a4248")
    # Handles of their own: a panel has dozens of lines.
    line = lambda colour, width, **more: plt.Line2D([], [], color=colour, lw=width, **more)  # noqa: E731
    handles = [line(TRIAL, 0, marker="o", ms=3), line("#22272b", 1.6), line(TUNED, 1.2), line(DEFAULT, 0, marker="^", ms=6),
               line(TUNED, 0, marker="^", ms=6)]
    figure.legend(handles, ["a trial", "median of the value", "best of the value", "default's value", "chosen value"],
                  loc="outside upper left", ncols=5, handletextpad=0.5)
    return figure
