"""What the plots share: colours, scales, thinning of many points, and a figure as text for the page."""
import io
import logging
import re
import warnings

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # not that it builds its font cache, the first time
import matplotlib  # noqa: E402  after the line above

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  after the choice of a back end
from matplotlib.ticker import MaxNLocator  # noqa: E402

DEFAULT, TUNED, TRIAL, FAILED, LIMIT = "#30638e", "#d1495b", "#98a4ae", "#d98e04", "#22272b"
WIDTH = 10.0  # inches; the page scales it to its own width
MOST_POINTS = 1500
warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has other fonts
# text.parse_math: a $ in a name is a $.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "attune", "font.size": 8, "axes.titlesize": 9, "axes.spines.top": False,
                     "axes.spines.right": False, "axes.edgecolor": "#6b757d", "axes.linewidth": 0.6, "axes.labelcolor": "#3a4248",
                     "xtick.color": "#3a4248", "ytick.color": "#3a4248", "xtick.major.width": 0.6, "ytick.major.width": 0.6,
                     "grid.color": "#e6e9ec", "grid.linewidth": 0.6, "axes.axisbelow": True, "text.parse_math": False,
                     "legend.frameon": False, "figure.constrained_layout.h_pad": 0.06, "figure.constrained_layout.w_pad": 0.06,
                     "figure.facecolor": "none", "axes.facecolor": "none"})


def thin(items, most=MOST_POINTS):
    """At most so many, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def number(value):
    """Three digits, without exponents where people would not write one."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:.3g}"


def score_limits(trials, share, most):
    """Of a logarithmic axis of scores: the best at the bottom, at the top what `share` of the trials stay below, at most `most`: one schedule
    that is a hundred times slower must not flatten the rest."""
    scores = sorted(trial.score for trial in trials)
    low, high = min(scores[0], 1.0), max(min(scores[int(share * (len(scores) - 1))], most), 1.0)
    return with_margin(low, high)


def with_margin(low, high):
    """A little more than low to high, on a logarithmic axis."""
    factor = max((high / low) ** 0.06, 1.03)
    return low / factor, high * factor


def marker(axis, x, y, colour, size=6, shape="o", label=None, hollow=False):
    axis.plot(x, y, ls="", marker=shape, ms=size, mfc="none" if hollow else colour, mec=colour if hollow else "white",
              mew=1.4 if hollow else 0.7, label=label, zorder=5, clip_on=False)


def log_scale(axis, low, high, name):
    """A logarithmic axis ('x' or 'y') whose ticks are read without thinking: 1, 2 and 5, or round steps within less than a decade."""
    if high / low < 6:
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    else:
        ticks = [m * 10.0**e for e in range(-12, 16) for m in (1, 2, 5)]
        if sum(low <= tick <= high for tick in ticks) > 9:
            ticks = [tick for tick in ticks if f"{tick:e}".startswith("1.0")]
    ticks = [tick for tick in ticks if low <= tick <= high]
    getattr(axis, f"set_{name}scale")("log")
    getattr(axis, f"set_{name}lim")(low, high)
    getattr(axis, f"set_{name}ticks")(ticks, [f"{tick:.4g}" for tick in ticks])
    getattr(axis, f"set_{name}ticks")([], minor=True)


def inline(figure, name):
    """SVG for the inside of a page: no prolog, no metadata, and identifiers that no other figure of the page has."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    plt.close(figure)
    svg = text.getvalue()
    svg = svg[svg.index("<svg"):]
    own = re.compile(r'((?:\bid=")|(?:href="#)|(?:url\(#))')
    return re.sub(r"<[^>]+>", lambda tag: own.sub(rf"\1{name}-", tag.group()), svg)  # in texts and attributes < and > are escaped
