"""The diagonal Fisher information against a loop over samples and labels in float64."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import wpl.fisher as fisher_module
from wpl import diagonal_fisher

KINDS = ("empirical", "mc", "exact")
# Of torch, for attention: slow under vmap, and right.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


class LanguageModel(nn.Module):
    """An LSTM whose embedding is also its decoder."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 5)
        self.lstm = nn.LSTM(5, 5, batch_first=True)
        self.decoder = nn.Linear(5, 7)
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(self.lstm(self.embedding(x))[0])


class Reused(nn.Module):
    """One layer applied three times."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        for _ in range(3):
            x = self.layer(x).tanh()
        return self.head(x)


def perceptron():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 4))


def convolution():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.uniform_()
    norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        norm,
        nn.ReLU(),
        nn.Conv2d(3, 3, 1, groups=3, bias=False),
        nn.GroupNorm(3, 3),
        nn.Flatten(),
        nn.Linear(12, 4),
    )


def transformer():
    block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
    return nn.Sequential(nn.Embedding(7, 4), block, nn.Linear(4, 7))


def rows(*shape):
    return torch.randn(*shape, dtype=torch.float64), torch.randint(4, shape[:1])


def tokens(batch, time):
    return torch.randint(7, (batch, time)), torch.randint(7, (batch, time))


CASES = {
    "perceptron": (perceptron, lambda: rows(9, 6)),
    "reused": (Reused, lambda: rows(9, 6)),
    "convolution": (convolution, lambda: rows(9, 16)),
    "tied LSTM": (LanguageModel, lambda: tokens(4, 3)),
    "transformer": (transformer, lambda: tokens(4, 3)),
}


@pytest.fixture(params=CASES)
def case(request):
    torch.manual_seed(0)
    model, data = CASES[request.param]
    return model().double(), *data()


def score(model, x, y):
    """One sample's gradient of its log-likelihood."""
    logits = model(x[None])
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1), reduction="sum")
    return torch.autograd.grad(-loss, list(model.parameters()))


def loop(model, inputs, labels):
    """Sum the squares of one sample's gradient after the other."""
    total = [torch.zeros_like(p) for p in model.parameters()]
    for x, y in zip(inputs, labels, strict=True):
        for t, g in zip(total, score(model, x, y), strict=True):
            t.add_(g**2)
    return [t / len(inputs) for t in total]


def expectation(model, inputs):
    """Go through all labels of all positions, each weighted with its probability."""
    total = [torch.zeros_like(p) for p in model.parameters()]
    for x in inputs:
        p = model(x[None])[0].detach().softmax(-1).reshape(-1, model(x[None]).shape[-1])
        for labels in itertools.product(range(p.shape[1]), repeat=len(p)):
            weight = torch.prod(p[torch.arange(len(p)), list(labels)])
            for t, g in zip(total, score(model, x, torch.tensor(labels)), strict=True):
                t.add_(weight * g**2)
    return [t / len(inputs) for t in total]


def draws(model, inputs, generator):
    """Draw labels one position after the other, by walking along the cumulative distribution."""
    p = model(inputs).detach().softmax(-1)
    labels = []
    for q in p.reshape(-1, p.shape[-1]):
        u = torch.rand((), generator=generator, dtype=torch.float64)
        labels.append(next(c for c in range(len(q)) if u <= q[: c + 1].sum() or c == len(q) - 1))
    return torch.tensor(labels).reshape(p.shape[:-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 9])
def test_equals_the_loop(case, kind, size):
    model, inputs, labels = case
    model.eval()
    if kind == "exact":
        inputs, labels = inputs[:2], labels[:2]
        expected = expectation(model, inputs)
    else:
        if kind == "mc":
            labels = draws(model, inputs, torch.Generator().manual_seed(5))
        expected = loop(model, inputs, labels)
    batches = zip(inputs.split(size), labels.split(size), strict=True)
    found = diagonal_fisher(model, batches, kind=kind, generator=torch.Generator().manual_seed(5))
    for (name, _), value in zip(model.named_parameters(), expected, strict=True):
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-15, msg=name)


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


def test_only_the_parameters_asked_for():
    model, (x, y) = perceptron().double(), rows(5, 6)
    everything = diagonal_fisher(model, [(x, y)])
    some = diagonal_fisher(model, [(x, y)], parameters=iter(["3.bias"]))
    assert list(some) == ["3.bias"]
    torch.testing.assert_close(some["3.bias"], everything["3.bias"], rtol=1e-12, atol=0)


def test_frozen_parameters_are_left_out_unless_asked_for():
    model, (x, y) = perceptron().double(), rows(5, 6)
    model[0].requires_grad_(requires_grad=False)
    assert list(diagonal_fisher(model, [(x, y)])) == ["3.weight", "3.bias"]
    assert diagonal_fisher(model, [(x, y)], parameters=["0.bias"])["0.bias"].sum() > 0


def test_leaves_the_model_as_it_was():
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
        ({"kind": "true"}, "kind must be one of empirical, mc, exact; got 'true'"),
        ({"parameters": ["0.wieght"]}, "no parameter '0.wieght'; it has 0.weight"),
        ({"parameters": []}, "no parameters"),
        ({"batches": []}, "no samples"),
        ({"batches": [(torch.ones(2, 6), torch.tensor([0, 4]))]}, r"\[0, 4\); got 0 to 4"),
        ({"batches": [(torch.ones(2, 6), torch.tensor([0]))]}, "expected targets"),
        ({"batches": [(torch.ones(2, 3, 2, 6), torch.ones(2))]}, "expected logits"),
        ({"batches": [(torch.ones(2, 6) * torch.nan, torch.tensor([0, 1]))]}, "is not finite"),
    ],
)
def test_names_the_culprit(change, message):
    arguments = {"batches": [(torch.ones(2, 6), torch.tensor([0, 1]))], **change}
    with pytest.raises(ValueError, match=message):
        diagonal_fisher(perceptron(), **arguments)


def test_a_tied_parameter_has_one_value_under_all_its_names():
    torch.manual_seed(0)
    model, (x, y) = LanguageModel().double(), tokens(3, 2)
    names = ["decoder.weight", "embedding.weight"]
    fisher = diagonal_fisher(model, [(x, y)], parameters=names)
    assert list(fisher) == names
    assert torch.equal(fisher["decoder.weight"], fisher["embedding.weight"])
    whole = diagonal_fisher(model, [(x, y)])
    torch.testing.assert_close(fisher["decoder.weight"], whole["embedding.weight"])


@pytest.mark.parametrize("kind", ["mc", "exact"])
def test_targets_are_used_by_the_empirical_kind_only(kind):
    torch.manual_seed(0)
    model, (x, y) = perceptron().double(), rows(5, 6)
    found = [
        diagonal_fisher(model, [(x, t)], kind=kind, generator=torch.Generator().manual_seed(0))
        for t in (y, torch.full_like(y, -1))
    ]
    assert all(torch.equal(found[0][name], f) for name, f in found[1].items())


@pytest.mark.parametrize("kind", KINDS)
def test_memory_for_gradients_is_bounded_without_effect_on_the_result(monkeypatch, kind):
    torch.manual_seed(0)
    model, (x, y) = transformer().double(), tokens(3, 2)
    seed = torch.Generator().manual_seed
    whole = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed(0))
    monkeypatch.setattr(fisher_module, "_SCRATCH", 1000)
    pieces = diagonal_fisher(model, [(x, y)], kind=kind, generator=seed(0))
    for name, f in whole.items():
        torch.testing.assert_close(pieces[name], f, rtol=1e-12, atol=1e-18)


def test_a_model_that_draws_in_eval_mode_is_refused():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(F.dropout(x, 0.5, training=True))

    with pytest.raises(RuntimeError, match="random"):
        diagonal_fisher(Noisy(6, 4).double(), [rows(5, 6)])


def test_batch_norm_without_running_statistics_is_refused():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="batch norm '1' keeps no running statistics"):
        diagonal_fisher(model, [rows(5, 6)])
    assert model.training
