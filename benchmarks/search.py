"""Time searches with seeds side by side, compared with the earlier code, one seed after the other.

    python benchmarks/search.py

The earlier code is that of the commit BEFORE, extracted from git into a temporary folder. Both
versions run in turn, each in a process of its own, on the same random text and with the same
settings: searches of 16 units with WPL, and cells of the small space trained alone. Prints the
processor time per search and per cell, median and range of the ratios over rounds, and whether the
checkpoint of a seed is identical when it runs with fifteen others and alone.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BEFORE = "0bbea28"
ROOT = Path(__file__).parents[1]
ROUNDS = 3
SETTINGS = """
import json, sys, time
from pathlib import Path
import torch
from wpl_lab.data.text import Text
from wpl_lab.search.settings import Plasticity
folder = Path(sys.argv[1])
torch.set_num_threads(1)
random = torch.Generator().manual_seed(0)
tokens = torch.randint(500, (65_000,), generator=random)
text = Text(*tokens.split([52_000, 6_500, 6_500]), words=tuple(map(str, range(500))))
model = dict(nodes=2, hidden=16, batch_size=32, steps=20, score_rows=200, reward_scale=80.0,
             dropout=0.0, weight_drop=0.0, drop_path=0.0)
training = dict(epochs=2, children=3, batches=30, learning_rate=8.0, decay=1.0, decay_from=2,
                gradient_norm=0.25, weight_decay=0.0, explosion=3.0, candidates=10, exhaustive=32,
                ranked_every=2)
plasticity = dict(alpha=1.0, warmup=0, decay_from=None, rate=0.9, largest_norm=1e3,
                  kind="empirical", protect=("embedding", "bias", "input", "recurrent", "edge"))
alone = dict(batches=30, learning_rate=8.0, gradient_norm=0.25, weight_decay=0.0, explosion=3.0)
from wpl_lab.search.loop import search
from wpl_lab.search.standalone import train_alone
from wpl_lab.search.spaces.text_task import TextTask
def timed(run):
    start = time.process_time()
    run()
    return time.process_time() - start
"""
OLD = """
from wpl_lab.search.settings import Training
def searched():
    search(TextTask(text, seed=0, **model), seed=0, training=Training(**training), strategy=None,
           plasticity=Plasticity(uniform=False, **plasticity), checkpoint=folder / "old")
def cells():
    for cell in list(TextTask(text, seed=0, **model).space.cells())[::4]:
        train_alone(TextTask(text, seed=0, **model), cell, seed=0, **alone)
print(json.dumps([timed(searched), timed(cells) / 8]))
"""
NEW = """
from wpl_lab.arms import ARMS
from wpl_lab.search.settings import ArmTraining
task = TextTask(text, **model)
def searched(seeds, name):
    search(task, arm=ARMS["wpl"], training=ArmTraining(**training), strategy=None,
           plasticity=Plasticity(**plasticity),
           checkpoints={seed: folder / f"{name}{seed}" for seed in seeds})
def cells():
    train_alone(task, [(seed, cell) for seed in range(3) for cell in task.space.cells()], **alone)
times = [timed(lambda: searched(range(16), "beside")) / 16, timed(cells) / 96]
searched([3], "alone")
print(json.dumps([*times, (folder / "beside3").read_bytes() == (folder / "alone3").read_bytes()]))
"""


def ran(code: str, source: Path, folder: Path) -> list[float]:
    """Run one version in a process and a folder of its own, and return what it prints."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", SETTINGS + code, own],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
    return json.loads(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        archive = subprocess.run(
            ["git", "archive", BEFORE, "src"], cwd=ROOT, check=True, capture_output=True
        )
        (folder / "before").mkdir()
        subprocess.run(["tar", "x"], cwd=folder / "before", input=archive.stdout, check=True)
        rounds = [
            (ran(OLD, folder / "before" / "src", folder), ran(NEW, ROOT / "src", folder))
            for _ in range(ROUNDS)
        ]
    for at, what in enumerate(("search", "cell alone")):
        before, now = (
            statistics.median(side[at] for side in of) for of in zip(*rounds, strict=True)
        )
        ratios = sorted(new[at] / old[at] for old, new in rounds)
        print(
            f"{what:10} before {before:6.2f} s, now {now:6.2f} s, ratio "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    print(f"identical checkpoints with other seeds and alone: {all(new[2] for _, new in rounds)}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
