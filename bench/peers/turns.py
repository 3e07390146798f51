"""The process that measures with one number of threads: python -m peers.turns THREADS SECONDS, problems as JSON on stdin, a row a line on
stdout. A process of its own, because libraries read pinning and OMP_NUM_THREADS once."""
import json
import os
import sys
from dataclasses import asdict

from . import machine


def main() -> None:
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    os.sched_setaffinity(0, machine.idlest_cpus(threads))  # before the libraries start threads
    from .contestants import installed
    from .measure import Budget, measure
    from .problem import Problem
    from .shapes import SHAPES

    shapes = {shape.name: shape for shape in SHAPES}
    contestants, _ = installed()
    read_gbs = machine.read_gbs(threads)
    for name, dtype in json.load(sys.stdin):
        row = measure(Problem(shapes[name], dtype), contestants, threads, Budget(seconds), read_gbs)
        print(json.dumps(asdict(row) | {"read_gbs": read_gbs}), flush=True)


if __name__ == "__main__":
    main()
