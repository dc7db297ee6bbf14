"""Benchmarks: time and memory of the steps that a reader waits for, as a table and as JSON.

    make bench
    python Testing/bench/run.py --only fingerprint --json out/bench.json --compare out/before.json

Each `bench_*.py` beside this file has a list `BENCHMARKS`. These are no tests: they pass whatever the clock says.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FEWEST_RUNS, MOST_RUNS, ENOUGH_SECONDS = 3, 50, 2.0


@dataclass(frozen=True)
class Benchmark:
    """One step to time.

    :param name: what is timed and on how much, as the table shows it.
    :param prepare: makes the inputs, untimed, and returns the call to time; it runs once.
    """

    name: str
    prepare: Callable[[], Callable[[], object]]


@dataclass(frozen=True)
class Timing:
    """Seconds over all runs, and the largest memory in MB that Python and numpy held during one more run."""

    name: str
    runs: int
    median_s: float
    fastest_s: float
    slowest_s: float
    peak_mb: float


def measure(benchmark: Benchmark) -> Timing:
    """Run a benchmark once to warm up, then until it has taken enough time, then once to see its memory."""
    call = benchmark.prepare()
    call()
    seconds: list[float] = []
    while len(seconds) < FEWEST_RUNS or (sum(seconds) < ENOUGH_SECONDS and len(seconds) < MOST_RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Timing(benchmark.name, len(seconds), statistics.median(seconds), min(seconds), max(seconds), peak / 1e6)


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """Those of every `bench_*.py` in the folder."""
    for file in sorted(folder.glob("bench_*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        yield from (Benchmark(name, prepare) for name, prepare in module.BENCHMARKS)


def main() -> None:
    """Read the options, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TEXT", default="", help="run those whose name contains TEXT")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the timings")
    parser.add_argument("--compare", metavar="FILE", type=Path, help="show the change against an earlier --json")
    options = parser.parse_args()
    before = json.loads(options.compare.read_text(encoding="utf-8"))["timings"] if options.compare else []
    medians = {item["name"]: item["median_s"] for item in before}

    timings = []
    print(f"{'median':>10} {'fastest':>10} {'slowest':>10} {'memory':>9} {'runs':>4}  what")
    for benchmark in benchmarks(Path(__file__).parent):
        if options.only not in benchmark.name:
            continue
        timing = measure(benchmark)
        timings.append(timing)
        change = f"  ({timing.median_s / medians[timing.name]:.2f}×)" if timing.name in medians else ""
        times = " ".join(f"{1000 * value:7.2f} ms" for value in (timing.median_s, timing.fastest_s, timing.slowest_s))
        print(f"{times} {timing.peak_mb:6.1f} MB {timing.runs:4d}  {timing.name}{change}", flush=True)
    if options.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        result = {"machine": machine, "timings": [asdict(timing) for timing in timings]}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not timings:
        sys.exit(f'No benchmark has "{options.only}" in its name.')


if __name__ == "__main__":
    main()
