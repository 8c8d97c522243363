"""The weight plasticity loss: formula, fast gradient, proximal step, and errors."""

from functools import partial

import pytest
import torch
from torch import nn

from wpl import WeightPlasticity, diagonal_fisher, sgd_and_pull


@pytest.fixture
def weights():
    torch.manual_seed(0)
    shapes = {"layer.weight": (4, 3), "layer.bias": (4,), "scale": ()}
    draw = lambda: {name: torch.randn(shape).double() for name, shape in shapes.items()}  # noqa: E731
    return draw(), {name: f.abs() for name, f in draw().items()}, draw()


def test_is_the_formula(weights):
    anchor, fisher, theta = weights
    expected = 0.0
    for name in anchor:
        f, t, a = (tensors[name].flatten() for tensors in (fisher, theta, anchor))
        expected += sum(7.0 / 2 * f[i] * (t[i] - a[i]) ** 2 for i in range(len(f)))
    found = WeightPlasticity(anchor, fisher, 7.0).loss(theta)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_fast_gradient_equals_that_of_the_loss(weights):
    anchor, fisher, theta = weights
    slow = {name: t.clone().requires_grad_() for name, t in theta.items()}
    fast = {name: t.clone().requires_grad_() for name, t in theta.items()}
    fast["scale"].grad = torch.tensor(2.0).double()  # from an earlier backward pass
    plasticity = WeightPlasticity(anchor, fisher, 3.0)
    plasticity.loss(slow).backward()
    plasticity.add_gradient_(fast)
    slow["scale"].grad += 2.0
    for name in theta:
        torch.testing.assert_close(fast[name].grad, slow[name].grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("lr", [1e-3, 1e30])
def test_pull_is_the_proximal_step(weights, lr):
    """It is the minimum over x of the loss at x + ‖x − θ‖²/(2 lr), from its normal equation."""
    anchor, fisher, theta = weights
    pulled = {name: t.clone() for name, t in theta.items()}
    WeightPlasticity(anchor, fisher, 7.0).pull_(pulled, lr, momentum=0.75)
    for name, t in theta.items():
        f, precision = 7.0 * fisher[name], (1 - 0.75) / lr
        expected = (precision * t + f * anchor[name]) / (precision + f)
        torch.testing.assert_close(pulled[name], expected, rtol=1e-12, atol=0)


def test_pull_follows_a_schedule_of_the_learning_rate(weights):
    anchor, fisher, theta = weights
    plasticity = WeightPlasticity(anchor, fisher, 7.0)
    many = {name: t.clone() for name, t in theta.items()}
    one = {name: t.clone() for name, t in theta.items()}
    for lr in (0.1, 0.1, 0.2, 0.0, 0.1):
        plasticity.pull_(many, lr)
        WeightPlasticity(anchor, fisher, 7.0).pull_(one, lr)
    assert all(torch.equal(many[name], one[name]) for name in theta)


def test_pull_is_finite_for_an_infinite_strength(weights):
    anchor, fisher, theta = ({n: t.float() for n, t in tensors.items()} for tensors in weights)
    pulled = {name: t.clone() for name, t in theta.items()}
    WeightPlasticity(anchor, fisher, 1e37).pull_(pulled, 1e5)
    for name, t in pulled.items():
        torch.testing.assert_close(t, anchor[name])


@pytest.mark.parametrize("cached", [sgd_and_pull._CACHED, 3])
def test_the_combined_step_equals_sgd_and_then_pull(weights, monkeypatch, cached):
    anchor, fisher, theta = weights
    monkeypatch.setattr(sgd_and_pull, "_CACHED", cached)
    one = {name: t.clone().requires_grad_() for name, t in theta.items()}
    two = {name: t.clone().requires_grad_() for name, t in theta.items()}
    held = WeightPlasticity(without(anchor, "scale"), without(fisher, "scale"), 7.0)
    for lr in (0.1, 0.1, 0.2):
        for each in (one, two):
            sum(t.square().sum() for t in each.values()).backward()
        one["layer.bias"].grad = two["layer.bias"].grad = None
        sgd = torch.optim.SGD(two.values(), lr)
        sgd.step()
        held.pull_(two, lr)
        with torch.compiler.set_stance("force_eager"):  # without a compiler
            held.sgd_step_(one, lr)
    for name, t in two.items():
        torch.testing.assert_close(one[name], t, rtol=1e-12, atol=0)
        assert not torch.equal(t, theta[name])


def test_the_combined_step_is_compiled_once_for_all_learning_rates(weights, monkeypatch):
    anchor, fisher, theta = weights
    compiled = []
    monkeypatch.setattr(sgd_and_pull, "_CACHED", 0)
    both = torch.compile(
        sgd_and_pull._both_,
        backend=lambda graph, _: compiled.append(graph) or graph.forward,
        fullgraph=True,
    )
    monkeypatch.setattr(sgd_and_pull, "_compiled", lambda: both)
    held = WeightPlasticity(anchor, fisher, 7.0)
    for lr in (0.1, 0.2, 0.3):
        for t in theta.values():
            t.grad = torch.ones_like(t)
        held.sgd_step_(theta, lr)
    assert len(compiled) == 1


HALVES = [torch.bfloat16, torch.float16]


def in_half_precision(dtype, alpha):
    """A loss in half precision, weights that have drifted, and all of it in double precision.

    α F spans ten orders of magnitude, and the drift four: squares of it would underflow.
    """
    torch.manual_seed(0)
    anchor = torch.randn(500).to(dtype)
    theta = (anchor + torch.randn(500) * torch.logspace(-4, 0, 500)).to(dtype)
    fisher = torch.logspace(-8, 2, 500)[torch.randperm(500)]
    held = WeightPlasticity({"w": anchor}, {"w": fisher}, alpha)
    return held, theta, (theta.double(), anchor.double(), alpha * fisher.double())


def assert_rounded(found, exact, dtype, *, ulps=0.51):
    """Assert that a result is the exact one, rounded, or off by some units in the last place."""
    low = exact.to(dtype)
    above = torch.nextafter(low.abs(), torch.tensor(torch.inf, dtype=dtype))
    assert found.dtype == dtype
    assert found.isfinite().all()
    assert ((found.double() - exact).abs() <= ulps * (above - low.abs()).double()).all()


@pytest.mark.parametrize("dtype", HALVES)
def test_in_half_precision_the_loss_and_its_gradient_are_those_of_double_precision(dtype):
    """Of drifts that are rounded themselves."""
    held, theta, (t, a, strength) = in_half_precision(dtype, 500.0)
    one, two = (theta.clone().requires_grad_() for _ in range(2))
    loss = held.loss({"w": one})
    loss.backward()
    held.add_gradient_({"w": two})
    drift = (t - a).to(dtype).double()
    expected = (strength * drift.square()).sum() / 2
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    for found in (one.grad, two.grad):
        assert_rounded(found, strength * drift, dtype)


@pytest.mark.parametrize("alpha", [1e-3, 1e3, 1e9])
@pytest.mark.parametrize("dtype", HALVES)
def test_in_half_precision_a_pull_is_that_of_double_precision_rounded_once(dtype, alpha):
    held, theta, (t, a, strength) = in_half_precision(dtype, alpha)
    c = 1e-3 * strength
    pulled = theta.clone()
    held.pull_({"w": pulled}, 1e-3)
    assert_rounded(pulled, (t + c * a) / (1 + c), dtype, ulps=0.6)


@pytest.mark.parametrize("cached", [sgd_and_pull._CACHED, 3])
@pytest.mark.parametrize("dtype", HALVES)
def test_in_half_precision_a_step_of_sgd_and_pull_is_rounded_once(monkeypatch, dtype, cached):
    monkeypatch.setattr(sgd_and_pull, "_CACHED", cached)
    held, theta, (t, a, strength) = in_half_precision(dtype, 1e3)
    c = 1e-4 * strength
    theta.grad = torch.randn(500).to(dtype)
    with torch.compiler.set_stance("force_eager"):
        held.sgd_step_({"w": theta}, 1e-4)
    expected = (t - 1e-4 * theta.grad.double() + c * a) / (1 + c)
    assert_rounded(theta.detach(), expected, dtype, ulps=0.6)


def test_weights_may_be_in_another_precision_than_their_anchor(weights):
    anchor, fisher, theta = weights
    held = WeightPlasticity(anchor, fisher, 7.0)
    single = {name: t.float() for name, t in theta.items()}
    held.pull_(single, 0.1)
    held.pull_(theta, 0.1)
    for name, t in theta.items():
        torch.testing.assert_close(single[name], t.float(), rtol=1e-6, atol=1e-6)


def test_in_half_precision_strengths_stay_in_single():
    """Of Fisher information in half precision, too, and where a weight grows."""
    ones, fisher = torch.ones(2).half(), torch.full((2,), 1e-3).half()
    held = WeightPlasticity({"w": ones}, {"w": fisher}, 1e9)
    held.grow({"w": torch.ones(3).half()})
    strength = held.state_dict()["strength.w"]
    expected = torch.tensor([1e9 * float(fisher[0])] * 2 + [0.0])
    torch.testing.assert_close(strength, expected, rtol=1e-6, atol=0)


def descend(plasticity, theta, steps, *, proximal, lr, momentum):
    """Run SGD on the penalty plus a linear loss, Σ θ."""
    theta = {name: t.clone().requires_grad_() for name, t in theta.items()}
    sgd = torch.optim.SGD(theta.values(), lr, momentum=momentum)
    for _ in range(steps):
        sgd.zero_grad()
        sum(t.sum() for t in theta.values()).backward()
        if not proximal:
            plasticity.add_gradient_(theta)
        sgd.step()
        if proximal:
            plasticity.pull_(theta, lr, momentum=momentum)
    return {name: t.detach() for name, t in theta.items()}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_pull_and_gradient_converge_to_the_same_weights(weights, momentum):
    anchor, fisher, theta = weights
    fisher = {name: f + 0.1 for name, f in fisher.items()}
    plasticity = WeightPlasticity(anchor, fisher, 5.0)
    for proximal in (False, True):
        settings = {"proximal": proximal, "lr": 0.05, "momentum": momentum}
        found = descend(plasticity, theta, 1500, **settings)
        for name in theta:
            expected = anchor[name] - 1 / (5.0 * fisher[name])
            torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-12)


def test_fewer_and_longer_pulls_converge_to_the_same_weights(weights):
    anchor, fisher, theta = weights
    plasticity = WeightPlasticity(anchor, {name: f + 0.1 for name, f in fisher.items()}, 5.0)
    found = {name: t.clone() for name, t in theta.items()}
    for step in range(2000):
        for t in found.values():
            t.sub_(0.05)  # SGD on Σ θ
        if step % 4 == 3:
            plasticity.pull_(found, 4 * 0.05)
    for name, t in found.items():
        expected = anchor[name] - 1 / (5.0 * (fisher[name] + 0.1))
        torch.testing.assert_close(t, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("times", "diverges"), [(0.98, False), (1.02, True)])
def test_the_guard_predicts_where_sgd_diverges(weights, momentum, times, diverges):
    anchor, fisher, theta = weights
    largest = max(f.max().item() for f in fisher.values())
    alpha = times * 2 * (1 + momentum) / (0.05 * largest)
    plasticity = WeightPlasticity(anchor, fisher, alpha)
    settings = {"lr": 0.05, "momentum": momentum}
    found = descend(plasticity, theta, 2000, proximal=False, **settings)
    assert any((t.abs() > 1e3).any() for t in found.values()) == diverges
    if diverges:
        with pytest.raises(ValueError, match=r"SGD diverges on 'layer\.weight': lr α max F"):
            plasticity.check_stable(**settings)
        pulled = descend(plasticity, theta, 2000, proximal=True, **settings)
        assert all((t.abs() < 1e3).all() for t in pulled.values())
    else:
        plasticity.check_stable(**settings)


@pytest.mark.parametrize("call", ["check_stable", "pull_"])
@pytest.mark.parametrize(
    ("lr", "momentum", "message"),
    [
        (-0.1, 0.0, "lr must be a number from 0; got -0.1"),
        (float("nan"), 0.0, "lr must be a number from 0; got nan"),
        (0.1, 1.0, r"momentum must lie in \[0, 1\); got 1.0"),
    ],
)
def test_rates_out_of_range_are_refused(weights, call, lr, momentum, message):
    anchor, fisher, theta = weights
    arguments = (lr,) if call == "check_stable" else (theta, lr)
    with pytest.raises(ValueError, match=message):
        getattr(WeightPlasticity(anchor, fisher, 1.0), call)(*arguments, momentum=momentum)


def test_the_combined_step_refuses_invalid_learning_rates(weights):
    anchor, fisher, theta = weights
    with pytest.raises(ValueError, match="lr must be a number from 0; got inf"):
        WeightPlasticity(anchor, fisher, 1.0).sgd_step_(theta, float("inf"))


def test_zero_at_the_anchor_and_linear_in_alpha(weights):
    anchor, fisher, theta = weights
    at_anchor = {name: a.clone().requires_grad_() for name, a in anchor.items()}
    plasticity = WeightPlasticity(anchor, fisher, 1e6)
    plasticity.add_gradient_(at_anchor)
    assert plasticity.loss(at_anchor) == 0
    assert all((a.grad == 0).all() for a in at_anchor.values())
    one, two = (WeightPlasticity(anchor, fisher, alpha).loss(theta) for alpha in (1.5, 3.0))
    torch.testing.assert_close(2 * one, two, rtol=1e-12, atol=0)
    assert WeightPlasticity(anchor, fisher, 0.0).loss(theta) == 0


def test_later_changes_of_the_weights_do_not_move_the_anchor(weights):
    anchor, fisher, _ = weights
    plasticity = WeightPlasticity(anchor, fisher, 1.0)
    moved = {name: a.add_(1) for name, a in anchor.items()}
    assert plasticity.loss(moved) > 0


def test_each_of_several_stacked_models_has_its_strength(weights):
    stack = lambda tensors: {n: torch.stack([t, 2 * t]) for n, t in tensors.items()}  # noqa: E731
    anchor, fisher, theta = map(stack, weights)
    both = WeightPlasticity(anchor, fisher, torch.tensor([3.0, 5.0])).loss(theta)
    alone = sum(
        WeightPlasticity(*({n: t[i] for n, t in d.items()} for d in (anchor, fisher)), alpha).loss(
            {n: t[i] for n, t in theta.items()}
        )
        for i, alpha in enumerate((3.0, 5.0))
    )
    torch.testing.assert_close(both, alone, rtol=1e-12, atol=0)


def test_three_lines_protect_a_model():
    """Two tasks share one weight matrix; the second task uses other rows than the first."""
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    first, second = torch.randn(256, 6), torch.randn(256, 6)
    labels, others = first[:, :3].argmax(1), second[:, 3:].argmax(1)

    def train(x, y, plasticity=None):
        adam = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(150):
            adam.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            if plasticity:
                plasticity.add_gradient_(dict(model.named_parameters()))
            adam.step()

    def score():
        return (model(first).argmax(1) == labels).double().mean().item()

    train(first, labels)
    trained, before = {n: p.clone() for n, p in model.state_dict().items()}, score()
    anchor = {n: p.detach().clone() for n, p in model.named_parameters()}
    fisher = diagonal_fisher(model, [(first, labels)])
    after = {}
    for alpha in (0.0, 1e4):
        model.load_state_dict(trained)
        train(second, others, WeightPlasticity(anchor, fisher, alpha))
        after[alpha] = score()
    assert before > 0.9
    assert after[0.0] < 0.7
    assert after[1e4] > 0.85


def without(tensors, name):
    return {n: t for n, t in tensors.items() if n != name}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, f: (a, without(f, "scale"), 1.0), "'scale' is missing from fisher"),
        (lambda a, f: (without(a, "scale"), f, 1.0), "'scale' is missing from anchor"),
        (lambda a, f: ({}, {}, 1.0), "anchor names no weights"),
        (
            lambda a, f: (a, f | {"layer.bias": torch.ones(3)}, 1.0),
            r"'layer.bias' has shape \(3,\)",
        ),
        (lambda a, f: (a, f | {"scale": torch.tensor(-0.5)}, 1.0), "'scale' is negative: -0.5"),
        (lambda a, f: (a, f | {"scale": torch.tensor(torch.nan)}, 1.0), "'scale' is not finite"),
        (lambda a, f: (a, f, -1.0), "alpha is negative: -1"),
        (lambda a, f: (a, f, float("inf")), "alpha is not finite"),
        (lambda a, f: (a, f, torch.ones(2)), r"alpha must be a number or have shape \(4,\)"),
        (lambda a, f: (a | {"scale": torch.tensor(torch.inf)}, f, 1.0), "the anchor of 'scale' is"),
        (
            lambda a, f: (*({n: x.float() for n, x in d.items()} for d in (a, f)), 1e39),
            "alpha times the Fisher information of 'layer.weight' is not finite",
        ),
    ],
)
def test_names_the_culprit(weights, spoil, message):
    anchor, fisher, _ = weights
    with pytest.raises(ValueError, match=message):
        WeightPlasticity(*spoil(anchor, fisher))


@pytest.mark.parametrize("call", ["loss", "add_gradient_", "pull_", "sgd_step_"])
def test_names_the_weight_that_does_not_fit(weights, call):
    anchor, fisher, theta = weights
    plasticity = WeightPlasticity(anchor, fisher, 1.0)
    use = getattr(plasticity, call)
    use = partial(use, lr=0.1) if call in {"pull_", "sgd_step_"} else use
    with pytest.raises(ValueError, match="'scale' is missing from parameters"):
        use(without(theta, "scale"))
    with pytest.raises(ValueError, match=r"'layer.bias' has shape \(5,\); its anchor has \(4,\)"):
        use(theta | {"layer.bias": torch.ones(5)})
