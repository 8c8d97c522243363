"""The diagonal Fisher information, compared with a loop over samples and labels in float64."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from fisher_models import KNOWN, MIXING, UNKNOWN, build
from torch import nn

from wpl import diagonal_fisher, gradient_and_fisher
from wpl.fisher.engines import intercept

KINDS = ("empirical", "mc", "exact", "sketch")
pytestmark = [
    pytest.mark.filterwarnings("ignore:samples are differentiated one at a time"),
    pytest.mark.filterwarnings("ignore:Product is called for each sample"),
]


def perceptron():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 4))


def rows(*shape):
    return torch.randn(*shape, dtype=torch.float64), torch.randint(4, shape[:1])


def score(model, x, y):
    """Compute the gradient of the log-likelihood of one sample."""
    logits = model(x[None])
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1), reduction="sum")
    return torch.autograd.grad(-loss, list(model.parameters()))


def expectation(model, inputs):
    """Sum over all labels of all positions, each weighted by its probability."""
    total = [torch.zeros_like(p) for p in model.parameters()]
    for x in inputs:
        p = model(x[None])[0].detach().softmax(-1).reshape(-1, model(x[None]).shape[-1])
        for labels in itertools.product(range(p.shape[1]), repeat=len(p)):
            weight = torch.prod(p[torch.arange(len(p)), list(labels)])
            for t, g in zip(total, score(model, x, torch.tensor(labels)), strict=True):
                t.add_(weight * g**2)
    return [t / len(inputs) for t in total]


@pytest.mark.parametrize("name", ["perceptron", "LSTM", "GRU", "transformer", "tied"])
def test_exact_is_the_expectation_over_all_labels(name):
    """The oracle enumerates sequences of labels; the library uses independence of positions."""
    model, inputs, labels = build(KNOWN, name, batch=2)
    if labels.ndim == 2:
        inputs, labels = inputs[:, :2], labels[:, :2]
    found = diagonal_fisher(model, [(inputs, labels)], kind="exact")
    for (key, _), value in zip(model.named_parameters(), expectation(model, inputs), strict=True):
        torch.testing.assert_close(found[key], value, rtol=1e-10, atol=1e-15, msg=key)


def test_is_not_the_square_of_the_mean_gradient():
    torch.manual_seed(0)
    model, (x, y) = perceptron().double().eval(), rows(64, 6)
    loss = F.cross_entropy(model(x), y)
    wrong = torch.autograd.grad(loss, model[3].weight)[0] ** 2
    right = diagonal_fisher(model, [(x, y)])["3.weight"]
    assert right.sum() > 10 * wrong.sum()


def test_mc_tends_to_exact():
    torch.manual_seed(0)
    model, (x, y) = perceptron().double(), rows(5, 6)
    exact = diagonal_fisher(model, [(x, y)], kind="exact")
    many = [(x.repeat(4000, 1), y.repeat(4000))]
    mc = diagonal_fisher(model, many, kind="mc", generator=torch.Generator().manual_seed(0))
    for name, f in exact.items():
        torch.testing.assert_close(mc[name], f, rtol=0.1, atol=0.02 * f.max().item())


@pytest.mark.parametrize("confidence", [1, 10])
def test_sketch_tends_to_exact_and_includes_rare_labels(confidence):
    torch.manual_seed(0)
    model, (x, y) = perceptron().double(), rows(5, 6)
    with torch.no_grad():
        model[3].weight.mul_(confidence)
    exact = diagonal_fisher(model, [(x, y)], kind="exact")
    error = {}
    for kind in ("mc", "sketch"):
        seed = torch.Generator().manual_seed(0)
        found = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed, draws=4000)
        error[kind] = max((found[name] - f).norm() / f.norm() for name, f in exact.items())
    assert error["sketch"] < 0.05
    assert confidence == 1 or error["sketch"] < error["mc"]


def test_the_floor_is_added():
    torch.manual_seed(0)
    model, data = perceptron().double(), rows(5, 6)
    plain, raised = (diagonal_fisher(model, [data], floor=floor) for floor in (0.0, 0.25))
    assert all(torch.equal(raised[name], f + 0.25) for name, f in plain.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(
    ("table", "name"),
    [(KNOWN, n) for n in ("perceptron", "searched cell", "LSTM", "highway cell", "frozen")]
    + [(UNKNOWN, n) for n in ("scaled", "a part of a weight", "two shifts", "hidden in a function")]
    + [(MIXING, "centred")],
)
def test_gradient_and_fisher_equal_those_of_two_passes(table, name, batch, kind):
    model, x, y, *_ = build(table, name, batch)
    seed = torch.Generator().manual_seed
    found = gradient_and_fisher(model, x, y, kind=kind, generator=seed(1))
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    logits = torch.cat(
        [model(x[n : n + 1]) for n in range(batch)]
    )  # also for models whose samples interact
    loss = F.cross_entropy(logits.flatten(0, -2), y.flatten(), reduction="sum") / batch
    expected = torch.autograd.grad(loss, [model.get_parameter(name) for name in names])
    torch.testing.assert_close(found.loss, loss.detach())
    assert list(found.gradient) == names
    for key, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(found.gradient[key], gradient, rtol=1e-10, atol=1e-15)
    alone = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed(1))
    for key, f in alone.items():
        torch.testing.assert_close(found.fisher[key], f, rtol=1e-10, atol=1e-18)
    assert all(p.grad is None for p in model.parameters())


def test_only_the_requested_parameters_are_estimated():
    model, (x, y) = perceptron().double(), rows(5, 6)
    everything = diagonal_fisher(model, [(x, y)])
    some = diagonal_fisher(model, [(x, y)], parameters=iter(["3.bias"]))
    assert list(some) == ["3.bias"]
    torch.testing.assert_close(some["3.bias"], everything["3.bias"], rtol=1e-12, atol=0)


def test_frozen_parameters_are_left_out_unless_requested():
    model, (x, y) = perceptron().double(), rows(5, 6)
    model[0].requires_grad_(requires_grad=False)
    assert list(diagonal_fisher(model, [(x, y)])) == ["3.weight", "3.bias"]
    assert diagonal_fisher(model, [(x, y)], parameters=["0.bias"])["0.bias"].sum() > 0


def test_does_not_change_the_model():
    model, (x, y) = perceptron().double(), rows(5, 6)
    model.train()
    model[0].eval()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    first, again = (diagonal_fisher(model, [(x, y)])["0.weight"] for _ in range(2))
    assert torch.equal(first, again), "dropout is off"
    assert [m.training for m in model] == [False, True, True, True]
    assert model[0].weight.grad is None
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "true"}, "kind must be one of empirical, mc, exact, sketch; got 'true'"),
        ({"parameters": ["0.wieght"]}, "no parameter '0.wieght'; it has 0.weight"),
        ({"parameters": []}, "no parameters"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"floor": -1.0}, "floor must be finite and not negative; got -1.0"),
        ({"batches": []}, "no samples"),
        ({"batches": [(torch.ones(2, 6), torch.tensor([0, 4]))]}, r"\[0, 4\); got 0 to 4"),
        ({"batches": [(torch.ones(2, 6), torch.tensor([0]))]}, "2 rows, the targets 1"),
        ({"batches": [(torch.ones(2, 3, 2, 6), torch.ones(2).long())]}, "expected targets"),
        ({"batches": [(torch.ones(2, 6) * torch.nan, torch.tensor([0, 1]))]}, "is not finite"),
    ],
)
def test_names_the_culprit(change, message):
    arguments = {"batches": [(torch.ones(2, 6), torch.tensor([0, 1]))], **change}
    with pytest.raises(ValueError, match=message):
        diagonal_fisher(perceptron(), **arguments)


def test_a_tied_parameter_has_one_value_under_all_its_names():
    torch.manual_seed(0)
    model, x, y = build(KNOWN, "LSTM")
    names = ["decoder.weight", "embedding.weight"]
    fisher = diagonal_fisher(model, [(x, y)], parameters=names)
    assert list(fisher) == names
    assert torch.equal(fisher["decoder.weight"], fisher["embedding.weight"])
    whole = diagonal_fisher(model, [(x, y)])
    torch.testing.assert_close(fisher["decoder.weight"], whole["embedding.weight"])


@pytest.mark.parametrize("kind", ["mc", "exact", "sketch"])
def test_targets_are_used_by_the_empirical_kind_only(kind):
    torch.manual_seed(0)
    model, (x, y) = perceptron().double(), rows(5, 6)
    found = [
        diagonal_fisher(model, [(x, t)], kind=kind, generator=torch.Generator().manual_seed(0))
        for t in (y, torch.full_like(y, -1))
    ]
    assert all(torch.equal(found[0][name], f) for name, f in found[1].items())


@pytest.mark.parametrize("kind", KINDS)
def test_computing_gradients_in_chunks_does_not_change_the_result(monkeypatch, kind):
    model, x, y, _ = build(UNKNOWN, "scaled")
    seed = torch.Generator().manual_seed
    whole = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed(0))
    monkeypatch.setattr(intercept, "ELEMENTS", 20)
    pieces = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed(0))
    for name, f in whole.items():
        torch.testing.assert_close(pieces[name], f, rtol=1e-12, atol=1e-18)


def test_a_model_that_is_random_in_eval_mode_is_refused():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(F.dropout(x, 0.5, training=True))

    with pytest.raises(ValueError, match="draws random numbers in eval mode"):
        diagonal_fisher(Noisy(6, 4).double(), [rows(5, 6)])


def test_batch_norm_without_running_statistics_is_refused():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="batch norm '1' keeps no running statistics"):
        diagonal_fisher(model, [rows(5, 6)])
    assert model.training
