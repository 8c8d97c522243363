"""The weight plasticity loss for several tasks: fixed and online anchors, growing heads, state."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy

from wpl import WeightPlasticity, diagonal_fisher

ALPHAS = (3.0, 0.5, 20.0)


def draw(seed, **shapes):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(s, generator=generator).double() for name, s in shapes.items()}


def task(k, **shapes):
    """Return an anchor, importances, some of which are 0, and a strength."""
    fisher = {name: f.clamp(min=0) for name, f in draw(100 + k, **shapes).items()}
    return draw(k, **shapes), fisher, ALPHAS[k]


SHAPES = {"body": (4, 3), "scale": ()}
TASKS = [task(k, **SHAPES) for k in range(3)]


def held(*tasks):
    plasticity = WeightPlasticity(*tasks[0])
    for one in tasks[1:]:
        plasticity.add_anchor(*one)
    return plasticity


def gradient(plasticity, theta):
    theta = {name: t.clone().requires_grad_() for name, t in theta.items()}
    plasticity.add_gradient_(theta)
    return {name: t.grad for name, t in theta.items()}


def test_the_loss_of_several_tasks_is_the_sum_of_theirs():
    theta = draw(9, **SHAPES)
    apart = [WeightPlasticity(*one) for one in TASKS]
    together = held(*TASKS)
    expected = sum(one.loss(theta) for one in apart)
    torch.testing.assert_close(together.loss(theta), expected, rtol=1e-12, atol=0)
    slopes = [gradient(one, theta) for one in apart]
    for name, found in gradient(together, theta).items():
        expected = sum(slope[name] for slope in slopes)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_order_of_tasks_does_not_matter_and_a_task_may_be_added_twice():
    theta = draw(9, **SHAPES)
    a, b, c = TASKS
    torch.testing.assert_close(held(a, b, c).loss(theta), held(c, a, b).loss(theta))
    twice = WeightPlasticity(a[0], a[1], 2 * a[2]).loss(theta)
    torch.testing.assert_close(held(a, a).loss(theta), twice, rtol=1e-12, atol=0)


def test_the_pull_of_several_tasks_converges_to_the_minimum_of_their_losses():
    theta = draw(9, **SHAPES)
    plasticity = held(*TASKS)
    for _ in range(200):
        plasticity.pull_(theta, 10.0)
    free = {name: sum(fisher[name] for _, fisher, _ in TASKS) == 0 for name in SHAPES}
    for name, slope in gradient(plasticity, theta).items():
        assert slope.abs().max() < 1e-9
        assert torch.equal(theta[name][free[name]], draw(9, **SHAPES)[name][free[name]])


@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_online_the_anchor_moves_and_the_strength_decays(decay):
    theta = draw(9, **SHAPES)
    plasticity = WeightPlasticity(*TASKS[0])
    for one in TASKS[1:]:
        plasticity.move_anchor(*one, decay=decay)
    strength = {
        name: sum(
            alpha * decay ** (2 - k) * fisher[name] for k, (_, fisher, alpha) in enumerate(TASKS)
        )
        for name in SHAPES
    }
    expected = WeightPlasticity(TASKS[2][0], strength, 1.0).loss(theta)
    torch.testing.assert_close(plasticity.loss(theta), expected, rtol=1e-12, atol=0)


def test_online_a_head_that_is_not_trained_again_keeps_its_anchor():
    old, new = task(0, body=(3,), head=(2,)), task(1, body=(3,), second=(2,))
    plasticity = WeightPlasticity(*old)
    plasticity.move_anchor(*new, decay=0.5)
    theta = draw(9, body=(3,), head=(2,), second=(2,))
    head = {name: {"head": old[k]["head"]} for k, name in enumerate(("anchor", "fisher"))}
    expected = WeightPlasticity(**head, alpha=0.5 * old[2]).loss(theta)
    second = {name: {"second": new[k]["second"]} for k, name in enumerate(("anchor", "fisher"))}
    expected += WeightPlasticity(**second, alpha=new[2]).loss(theta)
    strength = 0.5 * old[2] * old[1]["body"] + new[2] * new[1]["body"]
    body = {"anchor": {"body": new[0]["body"]}, "fisher": {"body": strength}}
    expected += WeightPlasticity(**body, alpha=1.0).loss(theta)
    torch.testing.assert_close(plasticity.loss(theta), expected, rtol=1e-12, atol=0)


def test_each_task_keeps_its_rows_of_a_growing_head():
    """The head has two classes, then four, then five."""
    heads = [task(k, head=(rows, 3), bias=(rows,)) for k, rows in enumerate((2, 4, 5))]
    plasticity = held(*heads)
    theta = draw(9, head=(5, 3), bias=(5,))
    expected = sum(
        WeightPlasticity(*one).loss({n: t[: len(one[0][n])] for n, t in theta.items()})
        for one in heads
    )
    torch.testing.assert_close(plasticity.loss(theta), expected, rtol=1e-12, atol=0)


def test_rows_added_later_are_not_anchored():
    first = task(0, head=(2, 3))
    plasticity = WeightPlasticity(*first)
    theta = draw(9, head=(4, 3))
    with pytest.raises(ValueError, match=r"'head' has shape \(4, 3\); its anchor has \(2, 3\)"):
        plasticity.loss(theta)
    plasticity.grow(theta)
    expected = WeightPlasticity(*first).loss({"head": theta["head"][:2]})
    torch.testing.assert_close(plasticity.loss(theta), expected, rtol=1e-12, atol=0)
    assert (gradient(plasticity, theta)["head"][2:] == 0).all()


@pytest.mark.parametrize("shape", [(1, 3), (2,), (2, 3, 1)])
def test_a_head_must_not_shrink(shape):
    plasticity = WeightPlasticity(*task(0, head=(2, 3)))
    for change in (plasticity.add_anchor, lambda *one: plasticity.move_anchor(*one, decay=1)):
        with pytest.raises(ValueError, match=r"'head' has shape .* its anchor has \(2, 3\), which"):
            change(*task(1, head=shape))


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\]"):
        held(TASKS[0]).move_anchor(*TASKS[1], decay=decay)


def test_the_state_is_saved_and_loaded(tmp_path):
    theta = draw(9, **SHAPES)
    plasticity = held(*TASKS)
    save_file(plasticity.state_dict(), tmp_path / "plasticity.safetensors")
    state = load_file(tmp_path / "plasticity.safetensors")
    again = WeightPlasticity.from_state_dict(state)
    assert again.loss(theta) == plasticity.loss(theta)
    other = held(TASKS[0])
    other.pull_(draw(9, **SHAPES), 0.1)
    other.load_state_dict(state)
    for one in (plasticity, again, other):
        one.add_anchor(*TASKS[0])
        one.pull_(theta, 0.0)
    assert again.loss(theta) == plasticity.loss(theta) == other.loss(theta)


def test_a_loaded_state_is_a_copy():
    state = held(*TASKS).state_dict()
    plasticity = WeightPlasticity.from_state_dict(state)
    before = plasticity.loss(draw(9, **SHAPES))
    for tensor in state.values():
        tensor.add_(1)
    assert plasticity.loss(draw(9, **SHAPES)) == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("strength.body"), r"'strength\.body' is missing from the state"),
        (lambda s: s.pop("anchor.body"), r"'strength\.body' is unknown in the state"),
        (lambda s: s.update({"strength.scale": torch.ones(2)}), r"'scale' has shape \(2,\)"),
        (lambda s: s.clear(), "anchor names no weights"),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(spoil, message):
    plasticity = held(*TASKS)
    before, state = plasticity.loss(draw(9, **SHAPES)), plasticity.state_dict()
    spoil(state)
    with pytest.raises(ValueError, match=message):
        plasticity.load_state_dict(state)
    assert plasticity.loss(draw(9, **SHAPES)) == before


def test_a_pull_follows_the_parameter_groups_of_an_optimiser():
    shapes = {"slow": (3,), "fast": (3,), "frozen": (3,)}
    theta = {name: nn.Parameter(t) for name, t in draw(9, **shapes).items()}
    start = draw(9, **shapes)
    groups = [
        {"params": [theta["slow"]]},
        {"params": [theta["fast"]], "lr": 0.4, "momentum": 0.5},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    one = task(0, **shapes)
    plasticity = WeightPlasticity(*one)
    expected = {name: t.clone() for name, t in start.items()}
    for _ in range(3):
        for name, lr, momentum in (("slow", 0.1, 0.0), ("fast", 0.4, 0.5)):
            rate = lr * schedule.get_last_lr()[0] / 0.1
            alone = WeightPlasticity({name: one[0][name]}, {name: one[1][name]}, one[2])
            alone.pull_(expected, rate, momentum=momentum)
        plasticity.pull_(theta, optimizer)
        optimizer.step()
        schedule.step()
    for name, t in expected.items():
        torch.testing.assert_close(theta[name].detach(), t, rtol=1e-12, atol=0)
    assert torch.equal(theta["frozen"].detach(), start["frozen"])


def test_a_growing_head_retains_three_tasks():
    """Each task has labels that depend on other inputs, and classes of its own."""
    torch.manual_seed(0)
    x = torch.randn(400, 9)
    answers = [3 * k + x[:, 3 * k : 3 * k + 3].argmax(1) for k in range(3)]
    after = {}
    for alpha in (0.0, 300.0):
        torch.manual_seed(1)
        body, head, plasticity = nn.Linear(9, 32), None, None
        for k, y in enumerate(answers):
            wider = nn.Linear(32, 3 * k + 3)
            with torch.no_grad():
                if head:
                    wider.weight[: 3 * k], wider.bias[: 3 * k] = head.weight, head.bias
            head = wider
            model = nn.Sequential(body, nn.Tanh(), head)
            weights = dict(model.named_parameters())
            if plasticity:
                plasticity.grow(weights)
            adam = torch.optim.Adam(model.parameters(), 0.01)
            for _ in range(150):
                adam.zero_grad()
                cross_entropy(model(x)[:, 3 * k :], y - 3 * k).backward()
                if plasticity:
                    plasticity.add_gradient_(weights)
                adam.step()
            fisher = diagonal_fisher(Own(model, 3 * k), [(x, y - 3 * k)])
            named = {name.removeprefix("model."): f for name, f in fisher.items()}
            if plasticity:
                plasticity.add_anchor(weights, named, alpha)
            else:
                plasticity = WeightPlasticity(weights, named, alpha)
        after[alpha] = [
            float((model(x)[:, 3 * k : 3 * k + 3].argmax(1) + 3 * k == y).double().mean())
            for k, y in enumerate(answers)
        ]
    assert min(after[300.0]) > 0.85
    assert min(after[0.0]) < 0.7


class Own(nn.Module):
    """Return the logits of a task's own classes."""

    def __init__(self, model, first):
        super().__init__()
        self.model, self.first = model, first

    def forward(self, x):
        return self.model(x)[:, self.first :]
