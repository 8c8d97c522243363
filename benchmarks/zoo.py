"""Time the empirical Fisher information of published architectures, relative to a plain pass.

A row has the time as a multiple of one forward and backward pass on the same batch, the time of a
loop over samples likewise, the error compared with a loop in double precision, the share of weights
with a closed form, and the peak memory as a multiple of that of the plain pass. ``--before`` is the
folder ``src`` of another version of wpl, which is measured in the same process.

    python benchmarks/zoo.py [--only NAME]... [--part 1/4] [--rounds 5] [--before FOLDER]
"""

import argparse
import csv
import importlib
import sys
import time
import warnings
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import torch
import torch.nn.functional as F
import zoo_models
from torch.profiler import ProfilerActivity, profile

HERE = Path(__file__).parent
COLUMNS = ["model", "parameters", "ms", "ratio", "before", "loop", "closed", "memory"]
COLUMNS += ["error", "way"]


def load(folder=None):
    """Import wpl, from a folder if one is given; other versions may be loaded already."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "wpl"]:
        del sys.modules[name]
    sys.path.insert(0, folder or sys.path[0])
    try:
        package = importlib.import_module("wpl")
        return SimpleNamespace(
            diagonal_fisher=package.diagonal_fisher, explain=getattr(package, "explain", None)
        )
    finally:
        del sys.path[0]


def loss_of(model, x, y):
    logits = model(x)
    return F.cross_entropy(logits.flatten(0, -2), y.flatten(), reduction="sum")


def plain(model, x, y):
    parameters = [p for p in model.parameters() if p.requires_grad]

    def run():
        with torch.enable_grad():
            return torch.autograd.grad(loss_of(model, x, y) / len(x), parameters, allow_unused=True)

    return run


def loop(model, x, y, *, twice=False):
    """Square the gradient of each sample; with ``twice``, from a batch of two copies of it."""
    parameters = [p for p in model.parameters() if p.requires_grad]

    def run():
        total = [torch.zeros_like(p) for p in parameters]
        for n in range(len(x)):
            row = [n, n] if twice else [n]
            loss = loss_of(model, x[row], y[row]) / len(row)
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
            for t, g in zip(total, found, strict=True):
                if g is not None:
                    t.addcmul_(g, g, value=1 / len(x))
        return total

    return run


def timed(run):
    start = time.process_time()
    kept = run()
    took = time.process_time() - start
    del kept
    return took


def interleave(runs, rounds):
    """Time all methods in turn; return median times relative to the plain pass, and its time."""
    for run in runs.values():
        run()
    ratios = {name: [] for name in runs}
    base = []
    for _ in range(rounds):
        base.append(timed(runs["plain"]))
        for name, run in list(runs.items())[1:]:
            took = timed(run)
            base.append(timed(runs["plain"]))
            ratios[name].append(2 * took / (base[-2] + base[-1]))
    return {name: median(each) for name, each in ratios.items() if each}, median(base)


def peak(run):
    """Measure the peak memory of new tensors, in bytes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = run()
    del kept
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return max(accumulate(size for _, size in sorted(changes, key=itemgetter(0))))


def error(model, x, y, package):
    """Compute the maximum over parameters of ‖F − F_loop‖ / ‖F_loop‖, in double precision."""
    model = model.double()
    x = x.double() if x.is_floating_point() else x
    wanted = {n: p for n, p in model.named_parameters() if p.requires_grad}
    expected = dict(zip(wanted, loop(model, x, y, twice=True)(), strict=True))
    fisher = package.diagonal_fisher(model, [(x, y)])
    least = 1e-12 * max(f.norm() for f in expected.values())
    return max(
        float((fisher[n] - f).norm() / f.norm().clamp(min=least)) for n, f in expected.items()
    )


def measure(name, make, versions, rounds):
    model, x, y = zoo_models.build(make)
    row = dict.fromkeys(COLUMNS, "") | {"model": name}
    row["parameters"] = sum(p.numel() for p in model.parameters())
    runs = {"plain": plain(model, x, y)}
    for key, package in versions.items():
        runs[key] = lambda package=package: package.diagonal_fisher(model, [(x, y)])
    runs["loop"] = loop(model, x, y)
    ratios, base = interleave(runs, rounds)
    row["ms"] = f"{1e3 * base:.1f}"
    row |= {key: f"{ratios[key]:.2f}" for key in ("ratio", "before", "loop") if key in ratios}
    row["memory"] = f"{peak(runs['ratio']) / peak(runs['plain']):.2f}"
    ways = versions["ratio"].explain(model, x)
    row |= shares(model, ways)
    row["error"] = f"{error(model, x, y, versions['ratio']):.0e}"
    return row


def shares(model, ways):
    """Compute the share of weights with a closed form for all uses, and what the others need."""
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    slow = {n: w for n, w in ways.items() if not all(u.startswith("closed") for u in w.split("; "))}
    closed = 1 - sum(sizes[n] for n in slow) / sum(sizes[n] for n in ways)
    kinds = sorted({use for way in slow.values() for use in way.split("; ")})
    return {"closed": f"{closed:.3f}", "way": " | ".join(kinds)[:300]}


def draw(rows, path):
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    rows = sorted((row for row in rows if row["ratio"]), key=lambda row: float(row["ratio"]))
    _, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for key, marker in (("loop", "."), ("before", "x"), ("ratio", "o")):
        shown = [(k, float(row[key])) for k, row in enumerate(rows) if row[key]]
        label = {"loop": "loop over samples", "ratio": "wpl"}.get(key, key)
        axes.scatter(*zip(*shown, strict=True), marker=marker, s=16, label=label) if shown else None
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", xlabel="architecture", ylabel="time of one forward and backward pass")
    axes.set_yticks([1, 1.5, 2, 3, 4, 6, 8], ["1", "1.5", "2", "3", "4", "6", "8"])
    axes.legend(frameon=False)
    plt.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="part of a name")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", help="folder with another version of the package wpl")
    parser.add_argument("--output", type=Path, default=HERE / "zoo.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    versions = {"before": load(options.before)} if options.before else {}
    versions["ratio"] = load()
    part, parts = map(int, options.part.split("/"))
    every = list(zoo_models.zoo().items())[part - 1 :: parts]
    rows = []
    for name, make in every:
        if options.only and not any(only in name for only in options.only):
            continue
        try:
            row = measure(name, make, versions, options.rounds)
        except Exception as error:  # anything that a model raises, or a missing package
            row = dict.fromkeys(COLUMNS, "") | {"model": name}
            row["way"] = f"fails: {type(error).__name__}: {error}"[:300]
        rows.append(row)
        print(*(f"{row[c]:>6}" for c in COLUMNS[1:-1]), name, row["way"][:100], flush=True)
        with options.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    draw(rows, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
