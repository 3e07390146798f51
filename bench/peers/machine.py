"""The machine that the numbers are of: its processor and cores, who else is busy, and what it could do at best."""
import os
import platform
import time
from pathlib import Path

from .native import COMPUTE_DTYPE, library

PEAK_SECONDS = 0.02


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines[: lines.index("")] if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"


def _busy_ticks() -> dict[int, int]:
    """Ticks that each usable CPU has not been idle: /proc/stat counts user, nice, system, idle, iowait, irq, softirq, steal, …"""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    rows = {words[0]: list(map(int, words[1:])) for words in lines if words[0].startswith("cpu")}
    return {cpu: sum(rows[f"cpu{cpu}"][:8]) - sum(rows[f"cpu{cpu}"][3:5]) for cpu in os.sched_getaffinity(0)}


def idlest_cpus(count: int) -> list[int]:
    """The CPUs to pin to: those that did least in the last third of a second."""
    before = _busy_ticks()
    time.sleep(0.3)
    after = _busy_ticks()
    return sorted(sorted(after, key=lambda cpu: after[cpu] - before[cpu])[:count])


def description() -> dict[str, object]:
    return {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "system": platform.platform(), "load": round(os.getloadavg()[0], 1),
            "date": time.strftime("%Y-%m-%d %H:%M"), "python": platform.python_version()}


def peak_gflops(dtype: str, threads: int) -> float:
    """Of products of this type, computed as Attune is asked to, from registers only: generator/cli/peak.cpp."""
    return library().attune_peer_peak_gflops(dtype.encode(), os.environ.get(COMPUTE_DTYPE, "f32").encode(), threads, PEAK_SECONDS)


def read_gbs(threads: int) -> float:
    """Of memory that no cache holds."""
    return library().attune_peer_read_gbs(threads, 0.1)


def limit_gflops(peak: float, gbs: float, flops: int, bytes_moved: int) -> float:
    """The roofline: min(peak, intensity * bandwidth), GFLOP/s. bytes_moved: query, key, value and output once."""
    return min(peak, flops / bytes_moved * gbs)
