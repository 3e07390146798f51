"""python -m peers: the flags of ./dev bench peers, a process for each number of threads, and what is made of their rows."""
import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import machine, table
from .contestants import installed
from .native import COMPUTE_DTYPE
from .shapes import SHAPES

DTYPES = ("f32", "f16", "bf16")
SECONDS, QUICK_SECONDS = 3.0, 0.4  # of measuring a problem


def progress(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench peers", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Attune beside other libraries: the same arrays, cores and clock, in turns.",
        epilog="example:\n  ./dev bench peers --shape llama --dtype f32,bf16 --threads 1 --json llama.json\n\n"
               f"shapes: {' '.join(shape.name for shape in SHAPES)}\n"
               "exit status: 0, 1 a contestant computed something wrong, 2 usage")
    parser.add_argument("--torch", action="store_true", help="install PyTorch first (5 GB); once installed it takes part without this flag")
    parser.add_argument("--shape", metavar="FILTER", action="append", default=[],
                        help="shapes whose name contains this; may be repeated [all]")
    parser.add_argument("--dtype", metavar="LIST", default=",".join(DTYPES), help="f32,f16,bf16 [all]")
    parser.add_argument("--compute-dtype", choices=("f16", "i8"), help="of Attune's kernels, with the error of such products; f16: of dtype f16 alone")
    parser.add_argument("--threads", metavar="LIST", default="1,2", help="numbers of threads [1,2]")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look: numbers move")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows here too")
    parser.add_argument("--save", metavar="FOLDER", type=Path, default=Path(os.environ["ATTUNE_PEER_LIBRARY"]).parent / "peers-results",
                        help="for peers.json, peers.csv, bars.svg and roofline.svg [bench/peers-results in the build folder]")
    given = parser.parse_args()
    given.dtypes = given.dtype.split(",")
    if unknown := set(given.dtypes) - set(DTYPES):
        parser.error(f"--dtype: unknown {', '.join(sorted(unknown))}, expected one or more of {','.join(DTYPES)}")
    if given.compute_dtype == "f16" and given.dtypes != ["f16"]:
        parser.error(f"--dtype is {given.dtype}, expected f16 beside --compute-dtype f16")
    if given.compute_dtype:
        os.environ[COMPUTE_DTYPE] = given.compute_dtype
    cores = len(os.sched_getaffinity(0))
    try:
        given.counts = [int(text) for text in given.threads.split(",")]
    except ValueError:
        parser.error(f"--threads is {given.threads}, expected numbers such as 1,2")
    if not all(0 < count <= cores for count in given.counts):
        parser.error(f"--threads is {given.threads}, expected 1 to {cores}, the cores that this process may use")
    given.problems = [(shape.name, dtype) for shape in SHAPES for dtype in given.dtypes
                      if dtype in shape.dtypes and (not given.shape or any(part in shape.name for part in given.shape))]
    if not given.problems:
        parser.error(f"no shape of these types contains {' or '.join(given.shape)}; --help lists them")
    return given


def rows_of(problems: list[tuple[str, str]], threads: int, seconds: float) -> list[dict]:
    """From a process of its own. Where a library crashes, the problem's row says so, and a new process goes on behind it."""
    environment = {**os.environ, **{f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}}
    rows = []
    while len(rows) < len(problems):
        left = problems[len(rows):]
        with subprocess.Popen([sys.executable, "-m", "peers.turns", str(threads), str(seconds)], text=True, env=environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(json.dumps(left))
            process.stdin.close()
            for name, dtype in left:
                progress(f"{threads} thread{'s' * (threads > 1)}, {len(rows) + 1} of {len(problems)}: {name} {dtype}")
                line = process.stdout.readline()
                if not line:
                    break
                rows.append(json.loads(line))
        if len(rows) < len(problems):
            if process.returncode >= 0:
                sys.exit(f"peers: the measuring process ended with {process.returncode} (its message is above)")
            name, dtype = problems[len(rows)]
            crash = f"{signal.Signals(-process.returncode).name} in {name} {dtype}, {threads} threads"
            progress(crash)
            rows.append({"shape": name, "dtype": dtype, "threads": threads, "flops": 0, "bytes": 1, "peak_gflops": 0.0, "limit_gflops": 0.0,
                         "rounds": 0, "read_gbs": 0.0, "wrong": [crash], "results": []})
    return rows


def json_text(report: dict) -> str:
    """A row a line, five digits."""
    def rounded(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value:.5g}")
        if isinstance(value, dict):
            return {key: rounded(part) for key, part in value.items()}
        return [rounded(part) for part in value] if isinstance(value, list) else value

    head = json.dumps({key: value for key, value in report.items() if key != "rows"}, indent=1)
    return head[:-2] + ',\n "rows": [\n' + ",\n".join(f"  {json.dumps(rounded(row))}" for row in report["rows"]) + "\n ]\n}\n"


def save(folder: Path, report: dict, names: list[str]) -> None:
    from . import picture

    rows = [row for row in report["rows"] if row["results"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.json").write_text(json_text(report))
    (folder / "peers.csv").write_text(table.csv_text(rows))
    caption = f"{report['machine']['cpu']}, {report['machine']['date']}; " + "; ".join(report["versions"].values())
    picture.bars(rows, names, caption, folder / "bars.svg")
    picture.roofline(rows, names, caption, folder / "roofline.svg")
    progress(f"wrote peers.json, peers.csv, bars.svg and roofline.svg to {folder}")


def main() -> int:
    given = flags()
    contestants, missing = installed()
    names = [contestant.NAME for contestant in contestants]
    report = {"machine": machine.description(), "versions": {c.NAME: f"{c.NAME} {c.version()}" for c in contestants}, "rows": []}
    load = report["machine"]["load"]
    if load > 0.5:
        progress(f"the machine is busy (load {load:.1f}): ratios hold, times of two threads may not")
    for threads in given.counts:
        report["rows"] += rows_of(given.problems, threads, QUICK_SECONDS if given.quick else SECONDS)
    report["rows"].sort(key=lambda row: given.problems.index((row["shape"], row["dtype"])))  # threads of a problem one below the other

    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    print("; ".join(report["versions"].values()))
    print(table.text_table(report["rows"], names), end="")
    for name in missing:
        print(f"- {name}: not installed, skipped" + ("; ./dev bench peers --torch installs it" if name == "torch" else ""))
    wrong = [line for row in report["rows"] for line in row["wrong"]]
    for line in dict.fromkeys(wrong):
        print(f"- WRONG: {line}")
    for line in dict.fromkeys(line for row in report["rows"] for line in row.get("failed", [])):
        print(f"- a way failed: {line}")
    if given.json:
        given.json.write_text(json_text(report))
    save(given.save, report, names)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
