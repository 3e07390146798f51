"""The page: sections around the plots and tables, put into page.html."""
from html import escape
from pathlib import Path
from string import Template

import tables
from curves import curves
from curves import sentence as curve_sentence
from drawing import inline
from effects import effects, shown
from predicted import pairs, predicted
from predicted import sentences as predicted_sentences
from roofline import drawable, roofline


def plot(figure, name, label):
    svg = inline(figure, name).replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    return f"<figure>{svg}</figure>"


def note(text):
    return f"<p class=note>{escape(text)}</p>"


def noise(result):
    """A word of warning where times moved by more than what was gained."""
    spreads = [s for leader in (result.default_leader, result.chosen_leader) for s in leader.spread if s is not None]
    if not spreads or result.speed_up is None or max(spreads) < result.speed_up - 1:
        return ""
    return (f"<p class=warning>Times spread by up to {tables.percent(max(spreads))}, more than was gained: measure once more on a "
            "quiet machine before you rely on it.</p>")


def headline(result):
    if result.default_stays:
        return "<p class=headline>The default schedule stays</p>" + note("No other was faster when measured beside it.")
    factor = "–" if result.speed_up is None else f"{result.speed_up:.3f}"
    more = ""
    if result.table and result.table_speed_up is not None:
        more = note(f"{result.table_speed_up:.3f} × with a schedule for each range of lengths, below.")
    text = "Median over rounds in which all leaders take turns" + (", geometric mean over the shapes." if len(result.shapes) > 1 else ".")
    return (f"<p class=headline><b>{factor} ×</b> as fast as the default</p><p class=chosen>{tables.schedule(result, result.chosen)}</p>"
            + note(text) + more + noise(result))


def curves_section(result):
    if len(result.trials) == 1 or not result.measured:
        return note("Nothing but the default was measured.")
    return note(curve_sentence(result)) + plot(curves(result), "curves", "best time so far over trials and over seconds")


def effects_section(result):
    if not shown(result):
        return note("No parameter was measured at more than one value.")
    text = ("Each dot is a trial at the parameter's value, whatever the others were. The percentage is the share of the differences between "
            "trials that the value alone goes with, less what chance would give. A search looks longer where it is fast: read it as a hint. "
            "Dots at the upper edge are slower still.")
    return note(text) + plot(effects(result), "effects", "scores by the value of each parameter")


def roofline_section(result):
    if not drawable(result):
        return note("The result holds no limits of the machine.") + tables.shapes(result)
    text = (f"Limits of {tables.count(result.threads, 'thread')}, measured on this machine. A shape's limit is the time of its arithmetic or "
            "of reading its tensors once, whichever is longer.")
    return note(text) + plot(roofline(result), "roofline", "roofline with default, tuned and limit") + tables.shapes(result)


def lengths_section(result):
    if not result.table:
        return note("One schedule for all lengths: " + ("no table of several would save enough." if result.by_shape else "tuned without --by-shape."))
    factor = "–" if result.table_speed_up is None else f"{result.table_speed_up:.3f}"
    text = (f"{factor} × as fast as the default, geometric mean over the shapes. The kernel takes the first row that fits a call's lengths; "
            "rows and builds hold this table.")
    return note(text) + tables.lengths(result)


def predicted_section(result):
    if len(pairs(result)) < 2:
        return note("The result holds no predictions to compare.")
    words = "".join(f"<p>{escape(text)}</p>" for text in predicted_sentences(result))
    return f"<div class=beside>{plot(predicted(result), 'predicted', 'predicted against measured time')}<div>{words}</div></div>"


def parameters_section(result):
    return note("In colour where the chosen value is not the default's. The last column is explained below.") + tables.parameters(result)


def leaders_section(result):
    text = "Measured again in turn with the default. Spread: from the first to the third quartile, over the median; of the worst shape."
    return note(text) + tables.leaders(result)


def failures_section(result):
    return tables.failures(result) if result.failed else note("No trial failed.")


SECTIONS = (
    ("best", "Best so far", curves_section),
    ("parameters", "Parameters", parameters_section),
    ("effects", "What each parameter does", effects_section),
    ("roofline", "Roofline and shapes", roofline_section),
    ("lengths", "Schedules by length", lengths_section),
    ("predicted", "Predicted and measured", predicted_section),
    ("leaders", "Leaders", leaders_section),
    ("failures", "Failures", failures_section),
)


def page(result):
    sections = "\n".join(f'<section id="{name}">\n<h2>{title}</h2>\n{make(result)}\n</section>' for name, title, make in SECTIONS)
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(f"attune tune: {result.kernel}"), kernel=escape(result.kernel), headline=headline(result),
                               facts=tables.facts(result), sections=sections)
