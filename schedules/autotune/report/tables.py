"""Tables: facts of the run, parameters, shapes, the schedules of lengths, leaders, failures. Every text passes html.escape."""
from html import escape

from drawing import number
from effects import by_value, ranked

MOST_FAILURES = 30
MOST_TEXT = 400
STOPPED_BY = {"trials": "the number of trials", "seconds": "the budget", "stop": "an interrupt", "exhausted": "the end of the space"}


def percent(share):
    return "–" if share is None else f"{100 * share:.1f} %" if 0.0005 <= share < 0.0995 else f"{100 * share:.0f} %"


def times(score):
    """As fast as the default, from a score."""
    return "–" if score is None else f"{1 / score:.3f}"


def count(n, word):
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def duration(seconds):
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


def breakable(text):
    """Between the parts of a shape."""
    return escape(text).replace(",", ",<wbr>")


def table(head, rows, left=1, classes=None):
    """Cells are HTML already; the first `left` columns and those named * are texts, the others numbers. classes: one for each row."""
    is_text = [i < left or name.startswith("*") for i, name in enumerate(head)]
    cell = lambda tag, i, html: f"<{tag}{' class=text' if is_text[i] else ''}>{html}</{tag}>"  # noqa: E731
    heads = "".join(cell("th", i, name.lstrip("*")) for i, name in enumerate(head))
    lines = ["<div class=scroll><table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
    for row, name in zip(rows, classes or [""] * len(rows)):
        lines.append(f"<tr{f' class={name}' if name else ''}>" + "".join(cell("td", i, html) for i, html in enumerate(row)) + "</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def facts(result):
    rows = [("target", result.target), ("CPU", result.cpu), ("threads", f"{result.threads:,}"), ("schedule family", result.family),
            ("trials", count(len(result.trials), "trial") + (f", {len(result.failed):,} failed" if result.failed else "")
             + (f", {result.resumed:,} of an earlier run" if result.resumed else "")),
            ("time", duration(result.seconds)), ("ended by", STOPPED_BY.get(result.stopped_by, result.stopped_by)),
            ("shape" if len(result.shapes) == 1 else "shapes", " · ".join(result.shapes[:12]) + (" …" if len(result.shapes) > 12 else ""))]
    return "<dl>" + "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in rows) + "</dl>"


def parameters(result):
    rows, classes = [], []
    for name, share in ranked(result):
        default, chosen = result.default[name], result.chosen[name]
        rows.append([f"<code>{escape(name)}</code>", f"{default}", f"{chosen}", f"{len(by_value(result, name))}", percent(share)])
        classes.append("changed" if default != chosen else "")
    return table(["parameter", "default", "chosen", "values measured", "share of the differences"], rows, classes=classes)


def shapes(result):
    default, tuned = result.default_leader, result.chosen_leader
    best = {shape: (point, speed_up) for shape, point, speed_up in result.by_shape}
    head = ["shape", "default, ms", "tuned, ms", "× default", "GFLOP/s, tuned", "of the limit, default", "of the limit, tuned"]
    if best:
        head += ["best for this shape alone, × default", "*its schedule"]
    rows = []
    for i, shape in enumerate(result.shapes):
        before, after = default.median_ms[i], tuned.median_ms[i]
        row = [f"<code>{breakable(shape)}</code>", number(before), number(after), f"{before / after:.3f}" if before and after else "–",
               number(tuned.gflops[i]), percent(default.share_of_limit[i]), percent(tuned.share_of_limit[i])]
        if best:
            point, speed_up = best.get(shape, (result.default, None))
            row += ["–" if speed_up is None else f"{speed_up:.3f}", schedule(result, point)]
        rows.append(row)
    return table(head, rows)


def lengths(result):
    """The table that calls follow, with the shapes that were tuned for beside the rule that takes them."""
    default = result.default_leader
    shapes_of = [[] for _ in result.table]
    for i, shape in enumerate(result.shapes):
        taken = next(n for n, rule in enumerate(result.table) if rule.takes(shape))
        leader = next((leader for leader in result.leaders if leader.parameters == result.table[taken].parameters), None)
        before, after = default.median_ms[i], leader.median_ms[i] if leader else None
        faster = f" {before / after:.3f} ×" if before and after else ""
        shapes_of[taken].append(f"<code>{breakable(shape)}</code>{faster}")
    rows = [[escape(rule.calls), schedule(result, rule.parameters), "<br>".join(shapes)] for rule, shapes in zip(result.table, shapes_of)]
    return table(["calls", "*differs from the default in", "*shapes that were tuned for, × default"], rows)


def schedule(result, point):
    changes = result.changes(point)
    return f"<code>{escape(changes)}</code>" if changes else "default"


def leaders(result):
    head = ["trial", "× default", "spread", *(f"ms at {breakable(shape)}" for shape in result.shapes), "*differs from the default in"]
    rows, classes = [], []
    for leader in result.leaders:
        spread = max((s for s in leader.spread if s is not None), default=None)
        rows.append(["default" if leader.trial == 0 else f"{leader.trial}", times(leader.score), percent(spread),
                     *map(number, leader.median_ms), schedule(result, leader.parameters)])
        classes.append("default" if leader.trial == 0 else "tuned" if leader.parameters == result.chosen else "")
    return table(head, rows, classes=classes)


def failures(result):
    """A row for each outcome and message, the most frequent first."""
    groups = {}
    for trial in result.failed:
        groups.setdefault((trial.outcome, trial.message), []).append(trial)
    order = sorted(groups.items(), key=lambda item: -len(item[1]))
    rows = []
    for (outcome, message), trials in order[:MOST_FAILURES]:
        short = message if len(message) <= MOST_TEXT else message[:MOST_TEXT] + " …"
        rows.append([escape(outcome.replace("_", " ")), f"{len(trials):,}", f"{trials[0].index}", schedule(result, trials[0].parameters),
                     escape(short)])
    more = f"<p class=note>{count(len(order) - MOST_FAILURES, 'other message')} not shown.</p>" if len(order) > MOST_FAILURES else ""
    return table(["outcome", "trials", "first", "*its schedule differs from the default in", "*message"], rows) + more
