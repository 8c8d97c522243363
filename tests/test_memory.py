"""What is protected of earlier children, how strongly, and the step that is taken against it."""

import pytest
import torch
from tiny_search import plasticity, training

from wpl_lab.search.descent import ExplodedError, check, step
from wpl_lab.search.memory import Memory
from wpl_lab.seeding import generator

SHAPES = {"a": (3, 2), "b": (4,), "c": (2,)}


def tensors(seed, *, positive=False):
    random = generator(seed)
    made = {name: torch.randn(shape, generator=random) for name, shape in SHAPES.items()}
    return {name: t.square() for name, t in made.items()} if positive else made


def memory(**changed):
    return Memory(tensors(0), **{"rate": 0.3, "largest_norm": 100.0, "uniform": False} | changed)


def test_it_starts_with_nothing_to_protect():
    made = memory()
    assert not any(f.any() for f in made.fisher.values())
    assert made.penalty(SHAPES, 1e6).loss(tensors(1)) == 0


def test_importance_is_a_running_average():
    """F ← (1 − η) F + η F̂, twice, by hand."""
    made = memory()
    first, second = (tensors(seed, positive=True) for seed in (1, 2))
    made.renew(tensors(3), first)
    made.renew(tensors(4), second)
    for name in SHAPES:
        torch.testing.assert_close(made.fisher[name], 0.7 * 0.3 * first[name] + 0.3 * second[name])


def test_a_tensor_of_the_average_is_kept_from_growing_beyond_its_norm():
    made, bare = memory(largest_norm=0.5), memory()
    estimate = tensors(1, positive=True)
    estimate["c"] *= 1e-3
    for one in (made, bare):
        one.renew(tensors(2), estimate)
    norms = {name: torch.linalg.vector_norm(f) for name, f in made.fisher.items()}
    assert norms["a"] == pytest.approx(0.5)
    torch.testing.assert_close(
        made.fisher["a"] / 0.5, torch.nn.functional.normalize(bare.fisher["a"], dim=(0, 1))
    )
    assert norms["c"] < 0.5
    assert torch.equal(made.fisher["c"], bare.fisher["c"]), "a short one is left alone"
    made.renew(tensors(2), {"b": torch.zeros(4)})
    assert made.fisher["b"].isfinite().all()


def test_only_what_a_child_uses_is_taken_in():
    made = memory()
    made.renew(tensors(1), tensors(1, positive=True))
    before = {name: (made.fisher[name].clone(), made.anchor[name].clone()) for name in SHAPES}
    now = tensors(2)
    made.renew(now, {"b": torch.ones(4)})
    assert torch.equal(made.anchor["b"], now["b"])
    assert not torch.equal(made.fisher["b"], before["b"][0])
    for name in ("a", "c"):
        assert torch.equal(made.fisher[name], before[name][0])
        assert torch.equal(made.anchor[name], before[name][1])


def test_the_anchor_is_a_copy():
    made, weights = memory(), tensors(1)
    made.renew(weights, tensors(1, positive=True))
    weights["a"] += 1
    assert torch.equal(made.anchor["a"], tensors(1)["a"])


def test_the_penalty_is_that_of_the_weights_named_each_once():
    """α/2 Σ F (θ − θ̂)² over ``a`` and ``b``; α is in the penalty, not in what is stored."""
    made, estimate, now = memory(), tensors(1, positive=True), tensors(3)
    made.renew(tensors(2), estimate)
    anchor = tensors(2)
    expected = sum((0.3 * estimate[n] * (now[n] - anchor[n]).square()).sum() for n in "ab")
    for alpha in (1.0, 10.0, 1.0):
        loss = made.penalty(["a", "unprotected", "b"], alpha).loss(now)
        torch.testing.assert_close(loss, alpha / 2 * expected)


def test_a_uniform_importance_has_the_same_mean():
    own, even = memory(), memory(uniform=True)
    for one in (own, even):
        one.renew(tensors(2), tensors(1, positive=True))
    mean = torch.cat([own.fisher[name].flatten() for name in "ab"]).mean()
    away = {name: anchor + 1 for name, anchor in own.anchor.items()}  # Σ F: all are 1 away
    losses = [one.penalty(["a", "b"], 2.0).loss(away) for one in (own, even)]
    torch.testing.assert_close(losses[1], losses[0])
    moved = {"a": even.anchor["a"].clone(), "b": even.anchor["b"] + torch.tensor([3.0, 0, 0, 0])}
    torch.testing.assert_close(even.penalty(["a", "b"], 2.0).loss(moved), 9 * mean)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [8, 8, 8, 8, 8, 8]),
        ({"warmup": 2}, [0, 0, 8, 8, 8, 8]),
        ({"decay_from": 2}, [8, 8, 8, 6, 4, 2]),
        ({"decay_from": 0, "warmup": 1}, [0, 20 / 3, 16 / 3, 4, 8 / 3, 4 / 3]),
    ],
)
def test_alpha_warms_up_and_decays_to_0_after_the_last_epoch(changed, expected):
    made = plasticity(alpha=8.0, **changed)
    assert [made.alpha_at(epoch, 6) for epoch in range(6)] == pytest.approx(expected)


def test_the_learning_rate_decays_after_the_first_epochs():
    made = training(learning_rate=2.0, decay=0.5, decay_from=3)
    assert [made.learning_rate_at(epoch) for epoch in range(6)] == [2, 2, 2, 1, 0.5, 0.25]


@pytest.mark.parametrize("shortened", [False, True])
def test_a_step_descends_and_weight_decay_is_not_shortened(shortened):
    start = tensors(0)
    parameters = {name: t.clone().requires_grad_() for name, t in start.items()}
    gradient = torch.cat([t.flatten() for t in start.values()]) * 2  # of Σ θ²
    step(
        parameters,
        sum(p.square().sum() for p in parameters.values()),
        learning_rate=0.1,
        gradient_norm=gradient.norm().item() / 4 if shortened else 1e3,
        weight_decay=0.5,
    )
    factor = 0.25 if shortened else 1.0
    for name, parameter in parameters.items():
        moved = start[name] - 0.1 * (factor * 2 * start[name] + 0.5 * start[name])
        torch.testing.assert_close(parameter.detach(), moved)


def test_the_gradient_of_an_earlier_step_is_forgotten():
    parameter = torch.ones(3, requires_grad=True)
    parameter.grad = torch.full((3,), 1e3)
    settings = {"learning_rate": 0.5, "gradient_norm": 100.0, "weight_decay": 0.0}
    step({"a": parameter}, parameter.sum(), **settings)
    assert torch.equal(parameter.detach(), torch.full((3,), 0.5))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 3.1])
def test_an_explosion_names_the_genotype(bad):
    assert check("0:tanh", 3.0, 3.0) == 3.0
    with pytest.raises(ExplodedError, match=r"0:tanh: the cross-entropy is .* nats, above 3"):
        check("0:tanh", bad, 3.0)
