"""The roofline: default, tuned and the limit of each shape, below what the machine can compute and read."""
import math

from drawing import DEFAULT, LIMIT, TUNED, WIDTH, log_scale, marker, number, plt

SHAPES = "osD^vPX*"
MOST_IN_LEGEND = 8


def points(result):
    """(shape's number, intensity, default, tuned, limit) in FLOPs a byte and GFLOP/s; of shapes with all of them."""
    default, tuned = result.default_leader, result.chosen_leader
    found = []
    for i in range(len(result.shapes)):
        numbers = (default.intensity[i], default.gflops[i], tuned.gflops[i], tuned.share_of_limit[i])
        if all(numbers):
            found.append((i, *numbers[:3], tuned.gflops[i] / tuned.share_of_limit[i]))
    return found


def drawable(result):
    return bool(result.peak_gflops and result.levels and points(result))


def level_labels(levels, threads):
    """(text, GB/s): one for each level, one together for those whose lines lie too close for two."""
    groups = []
    for level in sorted(levels, key=lambda level: level.gbs):
        if groups and level.gbs < 1.4 * groups[-1][-1].gbs:
            groups[-1].append(level)
        else:
            groups.append([level])
    labels = []
    for group in groups:
        names = ", ".join(f"{level.name} {number(level.gbs * threads)}" for level in levels if level in group)
        labels.append((f"{names} GB/s", group[-1].gbs * threads))
    return labels


def _roofs(axis, result, peak, low, high, floor):
    for level in result.levels:
        gbs = level.gbs * result.threads
        axis.plot([low, peak / gbs], [gbs * low, peak], color=LIMIT, lw=0.9, alpha=0.75)
    for text, gbs in level_labels(result.levels, result.threads):
        start = max(low, floor / gbs) * 1.12
        if start < peak / gbs:
            axis.text(start, gbs * start * 1.06, text, rotation=math.degrees(math.atan(gbs)), rotation_mode="anchor",
                      transform_rotates_text=True, fontsize=7, color="#3a4248", va="bottom")
    first = min(peak / (level.gbs * result.threads) for level in result.levels)
    axis.plot([first, high], [peak] * 2, color=LIMIT, lw=1.3)
    axis.text(high / 1.03, peak * 1.06, f"peak {number(peak)} GFLOP/s", ha="right", va="bottom", fontsize=7, color="#3a4248")


def _legend(result, drawn):
    def entry(label, marker="o", **more):
        return plt.Line2D([], [], ls="", marker=marker, label=label, **more)

    entries = [entry("limit of the shape", "_", ms=11, mew=2, color=LIMIT), entry("default", color=DEFAULT)]
    if not result.default_stays:
        entries.append(entry("tuned", color=TUNED))
    if 1 < len(drawn) <= MOST_IN_LEGEND:
        entries += [entry(result.shapes[i], SHAPES[i % len(SHAPES)], mfc="none", color="#3a4248") for i, *_ in drawn]
    return entries


def roofline(result):
    figure, axis = plt.subplots(figsize=(WIDTH, 4.3), layout="constrained")
    drawn = points(result)
    peak = result.peak_gflops * result.threads
    knees = [peak / (level.gbs * result.threads) for level in result.levels]
    low, high = min([p[1] for p in drawn] + knees) / 4, max([p[1] for p in drawn] + knees) * 4
    floor = max(min([min(p[2:4]) / 2.5 for p in drawn] + [peak / knee * low for knee in knees]), peak / 2000)
    log_scale(axis, low, high, "x")
    log_scale(axis, floor, max([peak] + [p[4] for p in drawn]) * 1.6, "y")
    _roofs(axis, result, peak, low, high, floor)
    for i, intensity, default, tuned, limit in drawn:
        axis.plot([intensity] * 2, [default, limit], color="#b9c1c7", lw=0.9, zorder=2)
        axis.plot([intensity], [limit], ls="", marker="_", ms=13, mew=2, color=LIMIT, zorder=4)
        shape = SHAPES[i % len(SHAPES)]
        marker(axis, [intensity], [default], DEFAULT, size=7, shape=shape)
        if not result.default_stays:
            marker(axis, [intensity], [tuned], TUNED, size=7, shape=shape)
    figure.legend(handles=_legend(result, drawn), loc="outside right upper", fontsize=7.5)
    axis.set_xlabel("FLOPs a byte of query, key, value and output")
    axis.set_ylabel("GFLOP/s of visible pairs")
    axis.grid(True)
    return figure
