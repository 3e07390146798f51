"""How well the cost model ranks: its prediction against what was measured."""
import math

from drawing import DEFAULT, TRIAL, TUNED, log_scale, marker, number, plt, thin, with_margin


def pairs(result):
    """(predicted ms, measured ms, trial), both over all shapes: geometric means."""
    found = []
    for trial in result.measured:
        if trial.predicted_ms and all(trial.median_ms):
            found.append((trial.predicted_ms, math.exp(sum(map(math.log, trial.median_ms)) / len(trial.median_ms)), trial))
    return found


def ranks(values):
    """1 for the smallest; equal values share their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result, i = [0.0] * len(values), 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            result[order[k]] = (i + j) / 2 + 1
        i = j + 1
    return result


def rank_correlation(xs, ys):
    """Spearman's; None where one of the lists is constant or there are fewer than three."""
    if len(xs) < 3:
        return None
    a, b = ranks(xs), ranks(ys)
    mean = (len(xs) + 1) / 2
    top = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    bottom = math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))
    return top / bottom if bottom > 0 else None


def predicted(result):
    points = pairs(result)
    figure, axis = plt.subplots(figsize=(5.6, 3.7), layout="constrained")
    xs, ys = [p for p, _, _ in points], [m for _, m, _ in points]
    ratio = sorted(y / x for x, y in zip(xs, ys))[len(xs) // 2]
    ends = with_margin(min(xs), max(xs))
    axis.plot(ends, [ratio * x for x in ends], color="#6b757d", lw=0.8, ls=(0, (2, 2)), label=f"{number(ratio)} × the prediction")
    some = thin(points)
    axis.plot([p for p, _, _ in some], [m for _, m, _ in some], ls="", marker="o", ms=3.4, mew=0, color=TRIAL, alpha=0.75, label="a trial")
    for point, colour, label in ((result.default, DEFAULT, "default"), (result.chosen, TUNED, "chosen")):
        here = [(p, m) for p, m, trial in points if trial.parameters == point][:1]
        if here and not (label == "chosen" and result.default_stays):
            marker(axis, *zip(*here), colour, size=7, label=label)
    log_scale(axis, *ends, "x")
    log_scale(axis, *with_margin(min(ys), max(ys)), "y")
    axis.grid(True, axis="y")
    axis.set_xlabel("predicted, ms")
    axis.set_ylabel("measured, ms")
    axis.legend(loc="upper left")
    return figure


def sentences(result):
    points = pairs(result)
    by_model, by_time = sorted(points, key=lambda p: p[0]), sorted(points, key=lambda p: p[1])
    place = 1 + sum(p[0] < by_time[0][0] for p in points)
    correlation = rank_correlation([p[0] for p in points], [p[1] for p in points])
    text = [] if correlation is None else [f"Rank correlation {correlation:.2f} over {len(points)} trials.".replace("-", "−")]
    text.append(f"The fastest trial is number {place} of {len(points)} by the model.")
    text.append(f"The model's first takes {by_model[0][1] / by_time[0][1]:.2f} times as long as the fastest trial.")
    text.append("The model ranks schedules; it is not meant to foretell a time.")
    return text
