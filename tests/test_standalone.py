"""Stand-alone training of architectures, which gives the ground truth of a search."""

import itertools
import math

import pytest
import torch
from tiny_search import Altered, PairTask, text_task, tiny_text

from wpl_lab.search.standalone import train_alone

SETTINGS = {
    "batches": 12,
    "learning_rate": 2.0,
    "gradient_norm": 1.0,
    "weight_decay": 1e-5,
    "explosion": 5.0,
}
QUIET = {"dropout": 0.0, "weight_drop": 0.0, "drop_path": 0.0}


def alone(task, text="0:tanh 0:relu", *, seed=0, **changed):
    (row,) = train_alone(task, [(seed, task.space.parse(text))], **SETTINGS | changed)
    return row


class Watched:
    """A task that records the weights before each training step and at the end."""

    def __init__(self, task):
        self._task, self.seen, self.weights_now = task, [], {}

    def __getattr__(self, name):
        return getattr(self._task, name)

    def children(self, weights, children):
        made, self.weights_now = self._task.children(weights, children), weights
        gradients = made.gradients

        def watched(*given):
            self.seen.append({n: w.clone() for n, w in weights.items()})
            return gradients(*given)

        made.gradients = watched
        return made


def test_the_same_seed_gives_the_same_result_and_another_does_not():
    first, again, other = (alone(text_task(), seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["select"] != other["select"]
    assert first["test"] != other["test"]


def test_dropout_depends_on_the_seed():
    class OneStart(type(text_task())):
        def weights(self, seed):
            return super().weights(0)

    for dropped, same in ((0.5, False), (0.0, True)):
        task = text_task(**QUIET | {"dropout": dropped})
        task.__class__ = OneStart
        first, other = (alone(task, seed=seed) for seed in (0, 1))
        assert (first["select"] == other["select"]) == same


def test_a_result_does_not_depend_on_the_other_cells():
    """This holds if matrices fill whole cache lines, as products depend on alignment."""
    task = text_task(tiny_text(valid=200, test=200), hidden=16, batch_size=16, score_rows=16)
    cells = list(task.space.cells())
    runs = [(seed, cell) for seed in range(3) for cell in cells[::5]]
    together = train_alone(task, runs, **SETTINGS)
    for at in (0, 4, 13):
        assert train_alone(task, runs[at : at + 1], **SETTINGS) == together[at : at + 1]
    assert len({row["select"] for row in together}) == len(runs)


def test_the_learning_rate_decays_to_0_in_the_second_half():
    """All gradients are clipped, so that the length of a step is the learning rate times 0.01."""
    task = Watched(text_task(**QUIET))
    alone(task, batches=8, learning_rate=2.0, gradient_norm=0.01, weight_decay=0.0)
    flat = [
        torch.cat([w.flatten().double() for w in weights.values()])
        for weights in [*task.seen, task.weights_now]
    ]
    steps = [(b - a).norm().item() for a, b in itertools.pairwise(flat)]
    expected = [2, 2, 2, 2, 2, 1.5, 1, 0.5]
    assert steps == pytest.approx([0.01 * rate for rate in expected], rel=1e-3)


def test_select_and_test_are_scores_of_their_parts_and_the_test_is_no_work():
    task = Watched(text_task())
    row = alone(task)
    child = task.children(task.weights_now, [(0, task.space.parse(row["genotype"]))])
    for part in ("select", "test"):
        assert [row[part]] == [score.nats for score in child.scores(part)]
    assert row["select"] != row["test"]
    assert row["work"] == 12 * 3 * 2 * 3 + task.predictions("select")
    assert (row["genotype"], row["seed"], row["batches"]) == ("0:tanh 0:relu", 0, 12)
    matrices = 4  # 8 × 4 each: of the input, of node 0 and of two edges
    assert row["parameters"] == 20 * 4 + 20 + matrices * 32


def test_it_learns_without_changing_the_weights_of_other_cells():
    task = Watched(text_task(**QUIET, hidden=12))
    row = alone(task, batches=300)
    assert row["select"] < 0.8 * task.guessing
    used = set(task.used(task.space.parse(row["genotype"])))
    for name, before in task.weights(0).items():
        assert torch.equal(task.weights_now[name][0], before) == (name not in used)


def test_a_divergence_is_a_result_and_does_not_affect_other_cells():
    task = text_task()
    runs = [(0, cell) for cell in list(task.space.cells())[:3]]

    def second_is_lost(losses):
        return losses * torch.tensor([1.0, math.nan, 1.0])

    rows = train_alone(Altered(task, [5], second_is_lost), runs, **SETTINGS)
    assert [row["diverged"] for row in rows] == [False, True, False]
    assert rows[1]["select"] == rows[1]["test"] == rows[1]["test_error"] == math.inf
    assert rows[::2] == train_alone(task, runs, **SETTINGS)[::2]


def test_a_task_without_text_is_trained_in_the_same_way():
    task = PairTask()
    weights = {name: weight[None] for name, weight in task.weights(0).items()}
    (before,) = task.children(weights, [(0, task.best)]).scores("select")
    row = alone(task, "2-1", batches=200)
    assert row["genotype"] == "2-1"
    assert row["select"] < 0.5 * before.nats
