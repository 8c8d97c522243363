"""Time the empirical Fisher information of several libraries, relative to a plain training pass.

All methods run in turn in one process on one thread, so that other processes disturb all equally.

    python benchmarks/fisher.py [--seconds 20] [--case "LeNet, 128"]...
"""

import argparse
import csv
import time
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from statistics import median, quantiles

import fisher_cases
import torch
from fisher_peers import METHODS, loop, plain, prepare
from torch.profiler import ProfilerActivity, profile

HERE = Path(__file__).parent
COLUMNS = ["case", "method", "ratio", "low", "high", "ms", "error", "memory", "note"]


def relative_error(found, expected):
    """Compute the maximum over parameters of ‖F − F_loop‖ / ‖F_loop‖."""
    errors = [
        float((found[name] - f).norm() / f.norm().clamp(min=1e-30))
        for name, f in expected.items()
        if name in found  # some libraries rename parameters
    ]
    return max(errors)


def reference(case):
    """Compute F by the loop in double precision."""
    model, x, y = fisher_cases.build(case)
    x = x.double() if x.is_floating_point() else x
    return {name: f.float() for name, f in loop(model.double(), x, y)().items()}


def timed(run):
    """Measure processor time, which does not count interruptions by other processes.

    An untimed run before brings the model back into the caches, as other methods ran meanwhile.
    """
    run()
    start = time.process_time()
    kept = run()
    return time.process_time() - start, kept


def interleave(runs, seconds):
    """Time all methods in turn, slow ones less often, relative to the plain passes around each."""
    spent = dict.fromkeys(runs, 0.0)
    ratios = {name: [] for name in runs}
    times = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or any(len(each) < 3 for each in times.values()):
        base, _ = timed(runs["plain"])
        times["plain"].append(base)
        for name, run in runs.items():
            few = len(times[name]) < 3
            if name == "plain" or not (few or spent[name] < seconds / len(runs)):
                continue
            took, _ = timed(run)
            spent[name] += took
            again, _ = timed(runs["plain"])
            times["plain"].append(again)
            times[name].append(took)
            ratios[name].append(2 * took / (base + again))
            base = again
    return ratios, times


def measure(case, seconds):
    expected = reference(case)
    model, x, y = fisher_cases.build(case)
    runs, rows = {"plain": plain(model, x, y)}, []
    for name in METHODS:
        run, result = prepare(name, *fisher_cases.build(case))
        row = dict.fromkeys(COLUMNS, "") | {"case": case, "method": name}
        if run is None:
            row["note"] = result
        else:
            runs[name] = run
            row["error"] = f"{relative_error(result, expected):.1e}"
        rows.append(row)
    ratios, times = interleave(runs, seconds)
    runs["plain"]()
    model.zero_grad()
    peaks = {name: peak(run) for name, run in runs.items()}
    for row in rows:
        name = row["method"]
        if name in runs:
            low, _, high = quantiles(ratios[name], n=4)
            row |= {"ratio": f"{median(ratios[name]):.2f}", "low": f"{low:.2f}"}
            row |= {"high": f"{high:.2f}", "ms": f"{1e3 * median(times[name]):.1f}"}
            row["memory"] = f"{peaks[name] / peaks['plain']:.2f}"
    return rows


def peak(run):
    """Measure the peak memory of new tensors, in bytes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = run()
    del kept
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return max(accumulate(size for _, size in sorted(changes, key=itemgetter(0))))


def draw(rows, path):
    import matplotlib as mpl

    mpl.use("svg" if path.suffix == ".svg" else "agg")
    import matplotlib.pyplot as plt

    cases = list(dict.fromkeys(row["case"] for row in rows))
    _, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    width = 0.8 / len(METHODS)
    for k, method in enumerate(METHODS):
        mine = {r["case"]: float(r["ratio"]) for r in rows if r["method"] == method and r["ratio"]}
        at = [cases.index(case) + (k - len(METHODS) / 2) * width for case in mine]
        axes.bar(at, mine.values(), width, label=method, align="edge")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel="time of one forward and backward pass")
    axes.set_xticks(range(len(cases)), cases, rotation=20, ha="right")
    axes.legend(ncols=4, fontsize="small", frameon=False)
    plt.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="for each case")
    parser.add_argument("--case", action="append", choices=list(fisher_cases.CASES))
    parser.add_argument("--output", type=Path, default=HERE / "fisher.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = options.case or list(fisher_cases.CASES)
    rows = []
    for case in cases:
        for row in measure(case, options.seconds):
            spread = f"({row['low']} to {row['high']})" if row["ratio"] else row["note"]
            print(f"{case:18} {row['method']:20} {row['ratio']:>7} {spread:18}", end=" ")
            print(f"{row['ms']:>8} ms  error {row['error']:8} memory {row['memory']}", flush=True)
            rows.append(row)
        with options.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    draw(rows, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
