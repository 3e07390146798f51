"""Times every contestant on one problem, in turns."""
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import machine
from .contestants import Contestant, Path, Unsupported
from .problem import LARGEST_ERROR, Problem

SLOT_SECONDS = 0.03  # of one contestant in a round
SHORT_CALL = 0.02  # a shorter one is called once before its slot, as the caches hold another's arrays
PAUSE = 0.002  # before a slot: threads of the one before go to sleep
SLOWER = 1.3  # than the library's fastest way at first sight: this way is not measured further
LONG_CALL = 0.4  # of such only the fastest way is: a run has to end
LOOKS = 2  # after the first call; ONNX Runtime's second is still five times slower than its third, as its arena grows


@dataclass
class Budget:
    """seconds: for the rounds of one problem, which are as many as fit between the two numbers."""

    seconds: float = 3.0
    fewest: int = 3
    most: int = 11


@dataclass
class Result:
    """One cell of the table."""

    contestant: str
    path: str = ""
    median_ms: float = 0.0  # over the rounds, of a round's median call
    best_ms: float = 0.0
    gflops: float = 0.0  # of median_ms
    share: float = 0.0  # of the machine's limit
    ratio: float = 0.0  # its time over Attune's in the same round, the median over the rounds
    error: float = 0.0
    reason: str = ""  # why there is none of this


@dataclass
class Row:
    """One line: a problem on a number of threads."""

    shape: str
    dtype: str
    threads: int
    flops: int
    bytes: int
    peak_gflops: float = 0.0
    limit_gflops: float = 0.0
    rounds: int = 0
    results: list[Result] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # ways that computed something else
    failed: list[str] = field(default_factory=list)  # ways that threw, of contestants with others


@dataclass
class Way:
    """A path that takes part, and its seconds: at first sight, then of the calls of each round."""

    contestant: str
    path: Path
    error: float
    seconds: float
    slots: list[list[float]] = field(default_factory=list)

    def medians(self) -> np.ndarray:
        return np.array([np.median(slot) for slot in self.slots])


def seconds_now(threads: int) -> float:
    """One thread: CPU time of this process, so that neighbours who take the core turns do not count. More: the wall's."""
    return time.process_time() if threads == 1 else time.perf_counter()


def timed(run: Callable[[], object], threads: int) -> float:
    begin = seconds_now(threads)
    run()
    return seconds_now(threads) - begin


def _fastest_ways(contestant: Contestant, problem: Problem, threads: int) -> tuple[list[Way], list[str], list[str]]:
    """Those that are right and near the fastest; what others computed wrong; why others cannot compute it."""
    ways, wrong, reasons = [], [], []
    for make in contestant.paths(problem, threads):
        try:
            path = make()
            path.run()  # allocates, compiles, wakes threads
            error = problem.error(path.output())
            if not error < (path.largest_error or LARGEST_ERROR[problem.dtype]):  # true for NaN
                wrong.append(f"{contestant.NAME} {path.name}: error {error:.1e} in {problem.shape.name} {problem.dtype}")
                continue
            ways.append(Way(contestant.NAME, path, error, min(timed(path.run, threads) for _ in range(LOOKS))))
        except Exception as failure:  # the libraries' own have no common base
            reasons.append((str(failure).splitlines() or [type(failure).__name__])[0][:120])
    fastest = min((way.seconds for way in ways), default=0)
    near = fastest if fastest > LONG_CALL else SLOWER * fastest
    return [way for way in ways if way.seconds <= near], wrong, reasons


def _slot(way: Way, threads: int) -> list[float]:
    time.sleep(PAUSE)
    if way.seconds < SHORT_CALL:
        way.path.run()
    times = [timed(way.path.run, threads)]
    while sum(times) < SLOT_SECONDS:
        times.append(timed(way.path.run, threads))
    return times


def measure(problem: Problem, contestants: list[Contestant], threads: int, budget: Budget, read_gbs: float) -> Row:
    s = problem.shape
    moved = sum(array.nbytes for array in (problem.query, problem.key, problem.value))
    moved += problem.query.nbytes // s.head_dim * s.value_dim
    row = Row(s.name, problem.dtype, threads, s.flops(), moved)
    ways: list[Way] = []
    for contestant in contestants:
        try:
            fast, wrong, reasons = _fastest_ways(contestant, problem, threads)
        except Unsupported as refusal:
            fast, wrong, reasons = [], [], [str(refusal)]
        ways += fast
        row.wrong += wrong or (reasons if contestant.NAME == "attune" and not fast else [])
        if fast:
            row.failed += [f"{contestant.NAME} in {s.name} {problem.dtype}: {reason}" for reason in reasons]
        else:
            row.results.append(Result(contestant.NAME, reason="; ".join(wrong + reasons)))

    peaks = [machine.peak_gflops(problem.dtype, threads)]
    round_seconds = sum(max(way.seconds, SLOT_SECONDS) + PAUSE for way in ways)
    row.rounds = int(np.clip(budget.seconds / max(round_seconds, 1e-9), budget.fewest, budget.most))
    for number in range(row.rounds):
        for turn in np.roll(np.arange(len(ways)), number):  # who follows whom stays, who begins changes
            ways[turn].slots.append(_slot(ways[turn], threads))
    peaks.append(machine.peak_gflops(problem.dtype, threads))
    row.peak_gflops = max(peaks)
    row.limit_gflops = machine.limit_gflops(row.peak_gflops, read_gbs, row.flops, row.bytes)

    own = next((way.medians() for way in ways if way.contestant == "attune"), None)
    for way in sorted(ways, key=lambda way: np.median(way.medians())):
        if any(result.contestant == way.contestant for result in row.results):
            continue  # the library's fastest way counts
        seconds = float(np.median(way.medians()))
        gflops = row.flops / seconds * 1e-9
        ratio = float(np.median(way.medians() / own)) if own is not None else 0.0
        row.results.append(Result(way.contestant, way.path.name, seconds * 1e3, min(map(min, way.slots)) * 1e3, gflops,
                                  gflops / row.limit_gflops, ratio, way.error))
    names = [contestant.NAME for contestant in contestants]
    row.results.sort(key=lambda result: names.index(result.contestant))
    return row
