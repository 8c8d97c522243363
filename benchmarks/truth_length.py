"""Train every architecture of a small space alone, for longer and longer: does their order stand?

    python benchmarks/truth_length.py --train text images  # what docs/study/truth.csv lacks
    python benchmarks/truth_length.py                      # only renders docs/study/truth.md

The settings are those of params.yaml; the data is the file that the workflow has prepared. Both
tasks take about half an hour on one core.
"""

import argparse
import itertools
import math
from pathlib import Path

import pandas as pd
import yaml

from wpl.ranking import kendall
from wpl_lab.io.files import load_table, save_table, save_text
from wpl_lab.io.rendering import table
from wpl_lab.search.spaces.tasks import make_task
from wpl_lab.search.standalone import train_alone

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs/study/truth.csv"
DATA = {"text": "prepare_text/text", "images": "prepare_data/images"}
OF_SPACE = {"text": ("nodes",), "images": ("nodes", "alike", "operations")}
TIMES = (1, 2, 4)
"""Lengths, as multiples of the length of the ground truth."""
SEEDS = range(4)

INTRODUCTION = """\
# Does the order of the ground truth stand?

Every architecture of the small space is trained alone, for the length of the ground truth in
[params.yaml](../../params.yaml), and for twice and four times as long
(`benchmarks/truth_length.py`; the rows are in [truth.csv](truth.csv)). τ is Kendall's rank
correlation of two seeds, averaged over all pairs of different seeds: of the same length, and of
one length with the next. Where the order stands, the second is as high as the first. The last two
columns are standard deviations of the test cross-entropy in nats: between architectures (of means
over seeds), and between the seeds of one architecture."""
COLUMNS = [
    "batches",
    "seeds",
    "diverged",
    "τ, same length",
    "τ, with half the length",
    "between architectures",
    "between seeds",
]


def train(task_name: str, known: pd.DataFrame) -> pd.DataFrame:
    """Train at the lengths and with the seeds that are missing, and save after each.

    Args:
        task_name: "text" or "images".
        known: The rows so far.

    Returns:
        All rows.
    """
    own = yaml.safe_load((ROOT / "params.yaml").read_text())["search"][task_name]
    model = own["model"] | {key: own["small"][key] for key in OF_SPACE[task_name]}
    data = ROOT / f"results/{DATA[task_name]}.safetensors"
    task = make_task(task_name, data, device="cpu", model=model | {"drop_path": 0.0})
    shared = {k: own["training"][k] for k in ("gradient_norm", "weight_decay", "explosion")}
    cells = list(task.space.cells())
    for times, seed in itertools.product(TIMES, SEEDS):
        batches = times * own["standalone"]["batches"]
        done = known[(known["task"] == task_name) & (known["batches"] == batches)]
        if seed in {*done["seed"]}:
            continue
        rate = own["standalone"]["learning_rate"]
        runs = [(seed, cell) for cell in cells]
        rows = train_alone(task, runs, batches=batches, learning_rate=rate, **shared)
        found = pd.DataFrame(rows).assign(task=task_name).round({"test": 5})
        found = found[["task", "batches", "seed", "genotype", "test"]]
        known = pd.concat([known, found], ignore_index=True)
        save_table(FILE, known)
        print(task_name, batches, "batches, seed", seed, flush=True)
    return known


def tau_between(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Average Kendall's τ over all pairs of different seeds, one at either length.

    Args:
        one: Test cross-entropy, a row per architecture and a column per seed; NaN where training
            diverged, which leaves the architecture out of the pair.
        other: The same, at another length.

    Returns:
        The mean.
    """
    pairs = [pd.concat([one[a], other[b]], axis=1).dropna() for a in one for b in other if a != b]
    return sum(kendall(*pair.to_numpy().T) for pair in pairs) / len(pairs)


def report(rows: pd.DataFrame) -> str:
    """Render the table of all lengths as Markdown."""
    parts = [INTRODUCTION]
    for task, of_task in rows.groupby("task", sort=False):
        lines = []
        before = None
        for batches, of_length in of_task.groupby("batches"):
            nats = of_length.pivot(index="genotype", columns="seed", values="test")
            diverged = nats.isin([math.inf])
            nats = nats.mask(diverged)
            line = [
                batches,
                nats.shape[1],
                diverged.sum().sum(),
                f"{tau_between(nats, nats):.2f}",
                "" if before is None else f"{tau_between(before, nats):.2f}",
                f"{nats.mean(axis=1).std():.4f}",
                f"{nats.std(axis=1).mean():.4f}",
            ]
            lines.append([str(cell) for cell in line])
            before = nats
        parts += [f"## {task}", table(COLUMNS, lines)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", nargs="+", choices=[*DATA], default=[])
    rows = load_table(FILE) if FILE.exists() else pd.DataFrame(columns=["task", "batches", "seed"])
    for task_name in parser.parse_args().train:
        rows = train(task_name, rows)
    save_text(FILE.with_suffix(".md"), report(rows))


if __name__ == "__main__":
    main()
