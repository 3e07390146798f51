"""Two pictures of the rows: bars of every contestant below the machine's limit, and the roofline."""
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  after the choice of a back end
import numpy as np  # noqa: E402

Row = dict
COLORS = {"attune": "#d1495b", "onnxruntime": "#30638e", "openvino": "#7a9e9f", "torch": "#edae49"}
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "peers", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False})


def _panels(rows: list[Row]) -> tuple[list[str], list[int]]:
    order = ["f32", "f16", "bf16"]
    return [d for d in order if any(row["dtype"] == d for row in rows)], sorted({row["threads"] for row in rows})


def _gflops(row: Row, name: str) -> float:
    return next((r["gflops"] for r in row["results"] if r["contestant"] == name), 0.0)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def bars(rows: list[Row], names: list[str], caption: str, path: Path) -> None:
    """A panel a type and number of threads; GFLOP/s on visible pairs, the limit as a line."""
    dtypes, threads = _panels(rows)
    size = (9 * len(threads), 3.2 * len(dtypes))
    figure, axes = plt.subplots(len(dtypes), len(threads), figsize=size, squeeze=False, layout="constrained")
    for i, dtype in enumerate(dtypes):
        for j, count in enumerate(threads):
            axis, here = axes[i][j], [row for row in rows if (row["dtype"], row["threads"]) == (dtype, count)]
            at, width = np.arange(len(here)), 0.8 / len(names)
            for k, name in enumerate(names):
                axis.bar(at + (k - (len(names) - 1) / 2) * width, [_gflops(row, name) for row in here], width, label=name,
                         color=COLORS.get(name))
            axis.hlines([row["limit_gflops"] for row in here], at - 0.45, at + 0.45, color="black", lw=1, label="limit of the machine")
            axis.set_title(f"{dtype}, {count} thread{'s' * (count > 1)}", loc="left")
            axis.set_ylabel("GFLOP/s, visible pairs")
            axis.set_xticks(at, [row["shape"] for row in here], rotation=35, ha="right")
    axes[0][0].legend(frameon=False, ncols=len(names) + 1, loc="upper left", bbox_to_anchor=(0, 1.3))
    figure.supxlabel(caption, x=0.01, ha="left")
    _save(figure, path)


def roofline(rows: list[Row], names: list[str], caption: str, path: Path) -> None:
    """A panel a type, one thread: GFLOP/s over FLOPs a byte of query, key, value and output."""
    dtypes, threads = _panels(rows)
    count = threads[0]
    figure, axes = plt.subplots(1, len(dtypes), figsize=(5 * len(dtypes), 4), squeeze=False, layout="constrained", sharey=True)
    for axis, dtype in zip(axes[0], dtypes):
        here = [row for row in rows if (row["dtype"], row["threads"]) == (dtype, count)]
        peak, gbs = max(row["peak_gflops"] for row in here), here[0]["read_gbs"]
        x = np.geomspace(1, 2 * max(row["flops"] / row["bytes"] for row in here), 100)
        axis.loglog(x, np.minimum(peak, gbs * x), color="black", lw=1)
        for name in names:
            points = [(row["flops"] / row["bytes"], _gflops(row, name)) for row in here if _gflops(row, name)]
            if points:
                axis.scatter(*zip(*points), s=14, label=name, color=COLORS.get(name))
        axis.set_title(f"{dtype}, {count} thread{'s' * (count > 1)}: {peak:.0f} GFLOP/s, {gbs:.0f} GB/s", loc="left")
        axis.set_xlabel("FLOPs a byte")
    axes[0][0].set_ylabel("GFLOP/s, visible pairs")
    axes[0][0].legend(frameon=False)
    figure.supxlabel(caption, x=0.01, ha="left")
    _save(figure, path)
