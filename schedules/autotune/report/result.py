"""The result of a tuning as `attune tune --json` prints it, checked. A number that JSON has no word for (null) is None, never NaN."""
from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

CURE = "write it with 'attune tune … --json'"
LENGTHS = re.compile(r"\b(sq|skv)=(\d+)")
HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # what XML or UTF-8 cannot hold


class InputError(Exception):
    """What, found, expected, cure: one line."""


@dataclass
class Trial:
    index: int
    parameters: dict  # name -> value
    outcome: str
    elapsed_s: float | None
    score: float | None  # relative to the default, smaller is better; None unless measured
    predicted_ms: float | None
    median_ms: list
    message: str


@dataclass
class Leader:
    """A point that was measured again beside the default. Lists have an entry for each shape."""
    parameters: dict
    trial: int
    score: float | None
    median_ms: list
    spread: list
    gflops: list
    intensity: list
    share_of_limit: list


@dataclass
class Rule:
    """A row of the table that calls follow: those of at most so many queries, or keys, take this point. 0: whatever the number."""
    calls: str  # "where seq_len_q <= 128"
    most_seq_len_q: int
    most_seq_len_kv: int
    parameters: dict

    def takes(self, shape):
        """Whether calls of "b=1,…,sq=512,skv=512" are of this rule."""
        length = {name: int(digits) for name, digits in LENGTHS.findall(shape)}
        return all(not most or length.get(name, math.inf) <= most for name, most in (("sq", self.most_seq_len_q), ("skv", self.most_seq_len_kv)))


@dataclass
class Level:
    name: str
    gbs: float  # of one thread


@dataclass
class Result:
    kernel: str
    target: str
    family: str
    threads: int
    shapes: list
    cpu: str
    peak_gflops: float | None  # of one thread
    levels: list
    parameters: list  # names
    default: dict
    chosen: dict
    speed_up: float | None
    by_shape: list  # (shape, point, speed-up)
    table: list  # rules, of which a call takes the first that fits; empty: one schedule for all
    table_speed_up: float | None
    leaders: list
    stopped_by: str
    resumed: int
    seconds: float | None
    trials: list
    measured: list = field(init=False)  # trials with a score
    failed: list = field(init=False)

    def __post_init__(self):
        self.measured = [t for t in self.trials if t.score is not None]
        self.failed = [t for t in self.trials if t.outcome != "ok"]

    @property
    def default_leader(self):
        return next(leader for leader in self.leaders if leader.trial == 0)

    @property
    def chosen_leader(self):
        return next((leader for leader in self.leaders if leader.parameters == self.chosen), self.default_leader)

    @property
    def default_stays(self):
        return self.chosen == self.default

    def changes(self, point):
        """"tile_q=4 unroll=1": what differs from the default."""
        return " ".join(f"{name}={point[name]}" for name in self.parameters if point[name] != self.default[name])


def clean(text):
    return HIDDEN.sub("\ufffd", text)


def _shown(value):
    text = json.dumps(value)
    return clean(text if len(text) <= 40 else text[:37] + "…")


class _Reader:
    """A value and the way to it, for messages."""

    def __init__(self, value, file, way=""):
        self.value, self.file, self.way = value, file, way

    def fail(self, expected):
        return InputError(f"{self.file}: {self.way or 'the file'} is {_shown(self.value)}, expected {expected}; {CURE}")

    def of(self, kind, expected):
        if not isinstance(self.value, kind) or isinstance(self.value, bool):
            raise self.fail(expected)
        return self.value

    def __getitem__(self, key):
        if key not in self.of(dict, "an object"):
            raise InputError(f"{self.file}: {self.way or 'the file'} has no {key}, expected the result of a tuning; {CURE}")
        return _Reader(self.value[key], self.file, f"{self.way}.{key}" if self.way else key)

    def get(self, key, default):
        return self[key] if key in self.of(dict, "an object") else _Reader(default, self.file, f"{self.way}.{key}")

    def items(self):
        return [_Reader(value, self.file, f"{self.way}[{i}]") for i, value in enumerate(self.of(list, "a list"))]

    def text(self):
        return clean(self.of(str, "a text"))

    def integer(self):
        if abs(self.of(int, "an integer")) >= 2**63:
            raise self.fail("an integer of 64 bits")
        return self.value

    def number(self):
        """None: null, or beyond what a double holds."""
        if self.value is None:
            return None
        try:
            value = float(self.of((int, float), "a number"))
        except OverflowError:
            return None
        return value if math.isfinite(value) else None

    def positive(self):
        value = self.number()
        return value if value is not None and value > 0 else None

    def numbers(self, shapes):
        values = [item.positive() for item in self.items()]
        if len(values) != shapes:
            raise InputError(f"{self.file}: {self.way} has {len(values)} numbers, expected {shapes}, one for each shape; {CURE}")
        return values

    def point(self, names):
        return {name: self[name].integer() for name in names}


def _load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected the result of a tuning; {CURE}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8
        raise InputError(f"{path}: {error}, expected JSON; {CURE}") from None


def _trial(item, names, shapes):
    score = item.get("score", None).positive()
    outcome = item["outcome"].text()
    return Trial(index=item["index"].integer(), parameters=item["parameters"].point(names), outcome=outcome,
                 elapsed_s=item.get("elapsed_s", None).number(), score=score if outcome == "ok" else None,
                 predicted_ms=item.get("predicted_ms", None).positive(),
                 median_ms=item["median_ms"].numbers(shapes) if outcome == "ok" else [], message=item.get("message", "").text())


def _leader(item, names, shapes):
    return Leader(parameters=item["parameters"].point(names), trial=item["trial"].integer(), score=item["score"].positive(),
                  **{key: item[key].numbers(shapes) for key in ("median_ms", "spread", "gflops", "intensity", "share_of_limit")})


def _table(item, names):
    """The rules and what they win; the last takes what the others leave."""
    if item.value is None:
        return [], None
    rules = [Rule(rule["calls"].text(), rule["most_seq_len_q"].integer(), rule["most_seq_len_kv"].integer(), rule["parameters"].point(names))
             for rule in item["rules"].items()]
    return [*rules, Rule("otherwise", 0, 0, item["otherwise"].point(names))], item["speed_up"].positive()


def read_result(path):
    """Raises InputError."""
    root = _Reader(_load(path), path)
    names = [item["name"].text() for item in root["parameters"].items()]
    shapes = [item.text() for item in root["shapes"].items()]
    if not shapes:
        raise root["shapes"].fail("at least one shape")
    machine = root["machine"]
    table, table_speed_up = _table(root.get("table", None), names)
    levels = [Level(item["level"].text(), item["gbs"].positive()) for item in machine["levels"].items()]
    result = Result(
        kernel=root["kernel"].text(), target=root["target"].text(), family=root["family"].text(), threads=root["threads"].integer(),
        shapes=shapes, cpu=machine["cpu"].text(), peak_gflops=machine["peak_gflops"].positive(),
        levels=[level for level in levels if level.gbs], parameters=names, default=root["default"].point(names),
        chosen=root["chosen"].point(names), speed_up=root["speed_up"].positive(),
        by_shape=[(item["shape"].text(), item["chosen"].point(names), item["speed_up"].positive()) for item in root["by_shape"].items()],
        table=table, table_speed_up=table_speed_up,
        leaders=[_leader(item, names, len(shapes)) for item in root["leaders"].items()], stopped_by=root["stopped_by"].text(),
        resumed=root["resumed"].integer(), seconds=root["seconds"].number(),
        trials=[_trial(item, names, len(shapes)) for item in root["trials"].items()])
    if all(leader.trial != 0 for leader in result.leaders):
        raise InputError(f"{path}: leaders has no trial 0, expected the default among them; {CURE}")
    return result
