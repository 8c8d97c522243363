"""Architectures trained alone: the truth that a search is held against."""

import pytest
import torch
from test_text_task import QUIET
from tiny_search import PairTask, text_task

from wpl_lab.search.descent import ExplodedError
from wpl_lab.search.standalone import train_alone

SETTINGS = {
    "batches": 12,
    "learning_rate": 2.0,
    "gradient_norm": 1.0,
    "weight_decay": 1e-5,
    "explosion": 5.0,
}


def alone(task, text="0:tanh 0:relu", *, seed=0, **changed):
    return train_alone(task, task.space.parse(text), seed=seed, **SETTINGS | changed)


def test_the_same_seed_gives_the_same_result_and_another_does_not():
    first, again, other = (alone(text_task(seed=seed), seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["select"] != other["select"]
    assert first["test"] != other["test"]


def test_what_is_dropped_depends_on_the_seed():
    first, other = (alone(text_task(seed=0, dropout=0.5), seed=seed) for seed in (0, 1))
    assert first["select"] != other["select"]
    first, other = (alone(text_task(seed=0, **QUIET), seed=seed) for seed in (0, 1))
    assert first["select"] == other["select"]


def test_the_learning_rate_falls_to_0_in_the_second_half():
    """Gradients are longer than what they are shortened to, so that each step is lr times that."""
    task, seen = text_task(**QUIET), []
    original = task.loss

    def weights():
        return torch.cat([p.detach().flatten().double() for p in task.model.parameters()])

    def loss(*given):
        seen.append(weights())
        return original(*given)

    task.loss = loss
    alone(task, batches=8, learning_rate=2.0, gradient_norm=0.01, weight_decay=0.0)
    steps = [(b - a).norm().item() for a, b in zip(seen, [*seen[1:], weights()], strict=True)]
    expected = [2, 2, 2, 2, 2, 1.5, 1, 0.5]
    assert steps == pytest.approx([0.01 * rate for rate in expected], rel=1e-3)


def test_select_and_test_are_scores_of_their_parts_and_work_leaves_the_test_out():
    task, counted = text_task(), 0

    def count(module, given, output):
        nonlocal counted
        counted += given[0].numel() * (3 if torch.is_grad_enabled() else 1)

    hook = task.model.register_forward_hook(count)
    row = alone(task)
    hook.remove()
    child = task.child(task.space.parse(row["genotype"]))
    for part in ("select", "test"):
        assert row[part] == task.score(child, part).nats
    assert row["select"] != row["test"]
    assert row["work"] == counted - task.predictions("test")
    assert (row["genotype"], row["seed"]) == ("0:tanh 0:relu", 0)


def test_it_learns_and_leaves_the_weights_of_other_cells_alone():
    task, fresh = (text_task(**QUIET, hidden=12) for _ in "ab")
    row = alone(task, batches=300)
    assert row["select"] < 0.8 * task.guessing
    used = set(task.used(task.space.parse(row["genotype"])))
    for name, parameter in task.model.named_parameters():
        assert torch.equal(parameter, fresh.model.get_parameter(name)) == (name not in used)


def test_an_explosion_is_named():
    task = text_task()
    task.loss = lambda child, *rest: type(task).loss(task, child, *rest) * float("nan")
    with pytest.raises(ExplodedError, match="0:tanh 0:relu: the cross-entropy is nan nats"):
        alone(task)


def test_a_task_without_text_is_trained_alike():
    task = PairTask()
    before = task.score(task.child(task.best), "select").nats
    row = alone(task, "2-1", batches=200)
    assert row["genotype"] == "2-1"
    assert row["select"] < 0.5 * before
