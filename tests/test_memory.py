"""The anchor and importance of earlier children, the penalty, and the training step with it."""

import pytest
import torch
from tiny_search import plasticity, training

from wpl_lab.arms import ARMS
from wpl_lab.search.descent import clip_, divergence, step_, used_by
from wpl_lab.search.memory import Memory
from wpl_lab.seeding import generator

SHAPES = {"a": (3, 2), "b": (4,), "c": (2,)}
RUNS = 2


def tensors(seed, *, positive=False):
    """Return tensors of two runs."""
    random = generator(seed)
    made = {n: torch.randn(RUNS, *shape, generator=random) for n, shape in SHAPES.items()}
    return {name: t.square() for name, t in made.items()} if positive else made


def of_run(stacked, run):
    return {name: t[run] for name, t in stacked.items()}


def memory(**changed):
    settings = {"rate": 0.3, "largest_norm": 100.0, "arm": ARMS["wpl"]} | changed
    nothing = {name: torch.zeros_like(t) for name, t in tensors(0).items()}
    return Memory(nothing, tensors(0), **settings)


def used(first="abc", second=None):
    """Return which weights are used in both runs."""
    return used_by([list(first), list(first if second is None else second)], tensors(0))


def test_it_protects_nothing_at_the_start():
    for run, penalty in enumerate(memory().penalties([[*"abc"]] * RUNS, 1e6)):
        assert penalty.loss(of_run(tensors(1), run)) == 0


def test_importance_is_a_running_average():
    """F ← (1 − η) F + η F̂ is compared with two updates by hand."""
    made = memory()
    first, second = (tensors(seed, positive=True) for seed in (1, 2))
    made.renew(tensors(3), first, used())
    made.renew(tensors(4), second, used())
    for name in SHAPES:
        torch.testing.assert_close(made.fisher[name], 0.7 * 0.3 * first[name] + 0.3 * second[name])


def test_the_average_is_clipped_to_the_largest_norm_per_tensor():
    made, bare = memory(largest_norm=0.5), memory()
    estimate = tensors(1, positive=True)
    estimate["c"] *= 1e-3
    for one in (made, bare):
        one.renew(tensors(2), estimate, used())
    for run in range(RUNS):
        norms = {name: torch.linalg.vector_norm(f[run]) for name, f in made.fisher.items()}
        assert norms["a"] == pytest.approx(0.5)
        wanted = bare.fisher["a"][run] / torch.linalg.vector_norm(bare.fisher["a"][run]) / 2
        torch.testing.assert_close(made.fisher["a"][run], wanted)
        assert norms["c"] < 0.5
    assert torch.equal(made.fisher["c"], bare.fisher["c"]), "a smaller norm is not changed"
    made.renew(tensors(2), {"b": torch.zeros(RUNS, 4)}, used("b"))
    assert made.fisher["b"].isfinite().all()


def test_only_the_weights_used_by_the_child_of_a_run_are_updated():
    made = memory()
    made.renew(tensors(1), tensors(1, positive=True), used())
    before = {name: (made.fisher[name].clone(), made.anchor[name].clone()) for name in SHAPES}
    now = tensors(2)
    made.renew(now, {"b": torch.ones(RUNS, 4), "c": torch.ones(RUNS, 2)}, used("b", "c"))
    for run, taken in enumerate("bc"):
        assert torch.equal(made.anchor[taken][run], now[taken][run])
        assert not torch.equal(made.fisher[taken][run], before[taken][0][run])
        for name in {*"abc"} - {taken}:
            assert torch.equal(made.fisher[name][run], before[name][0][run])
            assert torch.equal(made.anchor[name][run], before[name][1][run])


def test_the_anchor_is_a_copy():
    made, weights = memory(), tensors(1)
    made.renew(weights, tensors(1, positive=True), used())
    weights["a"] += 1
    assert torch.equal(made.anchor["a"], tensors(1)["a"])


def test_the_penalty_includes_the_weights_that_each_run_uses():
    """It is α/2 Σ F (θ − θ̂)²; α is not part of the stored F."""
    made, estimate, now = memory(), tensors(1, positive=True), tensors(3)
    made.renew(tensors(2), estimate, used())
    anchor = tensors(2)
    for alpha in (1.0, 10.0, 1.0):
        penalties = made.penalties(["ab", ["b", "unprotected", "c"]], alpha)
        for run, names in enumerate(("ab", "bc")):
            expected = sum(
                (0.3 * estimate[n][run] * (now[n][run] - anchor[n][run]).square()).sum()
                for n in names
            )
            loss = penalties[run].loss(of_run(now, run))
            torch.testing.assert_close(loss, alpha / 2 * expected)


def test_a_uniform_importance_has_the_same_mean_in_each_run():
    own, even = memory(), memory(arm=ARMS["l2"])
    for one in (own, even):
        one.renew(tensors(2), tensors(1, positive=True), used())
    for run, names in enumerate(("ab", "bc")):
        mean = torch.cat([own.fisher[name][run].flatten() for name in names]).mean()
        moved = {name: anchor.clone() for name, anchor in of_run(even.anchor, run).items()}
        moved["b"][1] += 3.0
        loss = even.penalties(["ab", "bc"], 2.0)[run].loss(moved)
        torch.testing.assert_close(loss, 9 * mean)


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


@pytest.mark.parametrize("clipped", [False, True])
def test_a_step_descends_and_weight_decay_is_not_clipped(clipped):
    """The first of two runs has a gradient that is clipped, and does not use ``c``."""
    weights, start = tensors(0), tensors(0)
    gradients = {name: 2 * t for name, t in start.items()}
    gradients["c"][0] = 0
    length = torch.cat([g[0].flatten() for g in gradients.values()]).norm().item()
    gradients = {n: torch.stack([g[0], g[1] / 1e3]) for n, g in gradients.items()}
    expected = {n: g.clone() for n, g in gradients.items()}
    clip_(gradients, length / 4 if clipped else 1e3)
    step_(weights, gradients, used("ab", "abc"), learning_rate=0.1, weight_decay=0.5)
    for name, before in start.items():
        factors = torch.tensor([0.25 if clipped else 1.0, 1.0]).view(-1, *[1] * (before.ndim - 1))
        decay = 0.5 * before
        if name == "c":
            decay[0] = 0
        moved = before - 0.1 * (factors * expected[name] + decay)
        torch.testing.assert_close(weights[name], moved)
    assert torch.equal(weights["c"][0], start["c"][0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 3.1])
def test_an_error_about_divergence_names_the_genotype(bad):
    assert divergence(4, "0:tanh", 3.0, 3.0) is None
    found = divergence(4, "0:tanh", bad, 3.0)
    assert found.child == 4
    assert found.error == f"0:tanh: the cross-entropy is {bad:g} nats, above 3"
