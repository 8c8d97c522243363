"""F is exact for all idioms between layers and all uses of weights."""

import fisher_oracle as oracle
import pytest
import torch
import torch.nn.functional as F
from fisher_idioms import IDIOMS, TIME, USES, WIDTH, Between, With
from torch import nn
from torch.utils.checkpoint import checkpoint

from wpl import diagonal_fisher, explain, gradient_and_fisher

pytestmark = pytest.mark.filterwarnings("ignore:Scaled is called for each sample")


def data(batch=5):
    torch.manual_seed(1)
    return torch.randn(batch, TIME, WIDTH).double(), torch.randint(3, (batch, TIME))


def check(model, x, y, copies=2):
    torch.manual_seed(0)
    model = model.double().eval()
    expected = oracle.fisher(model, x, oracle.of_kind("empirical", y, 0), copies)
    found = diagonal_fisher(model, [(x, y)])
    for name, value in expected.items():
        atol = 1e-13 * value.abs().max().item() + 1e-30
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=atol, msg=name)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_is_exact(name, batch):
    check(Between(IDIOMS[name]), *data(batch), copies=1)


@pytest.mark.parametrize("name", IDIOMS)
def test_layers_around_an_idiom_keep_their_closed_forms(name):
    x, _ = data()
    assert set(explain(Between(IDIOMS[name]).double(), x).values()) == {"closed form (linear)"}


@pytest.mark.parametrize("batch", [1, TIME, 5])
@pytest.mark.parametrize("name", USES)
def test_a_use_of_weights_is_exact(name, batch):
    use, shapes, _ = USES[name]
    torch.manual_seed(0)
    check(With(use, **shapes), *data(batch))


@pytest.mark.parametrize("name", USES)
def test_a_use_of_weights_needs_no_further_pass(name):
    use, shapes, closed = USES[name]
    ways = explain(With(use, **shapes).double(), data()[0])
    assert all(
        ways[shape].startswith("closed form" if closed else "per sample") for shape in shapes
    )
    assert ways["first.weight"] == "closed form (linear)"


def test_samples_that_interact_weakly_are_not_summed():
    """In a batch, 1e-5 of the sum over all samples would change F by several per cent."""
    torch.manual_seed(0)
    model = Between(lambda h: h - 1e-5 * h.sum(0)).double()
    x, y = torch.randn(1024, TIME, WIDTH).double(), torch.randint(3, (1024, TIME))
    alone = Between(lambda h: h - 1e-5 * h).double()
    alone.load_state_dict(model.state_dict())
    found, expected = (diagonal_fisher(m, [(x, y)]) for m in (model, alone))
    for name, f in expected.items():
        torch.testing.assert_close(found[name], f, rtol=1e-9, atol=0)


def test_batch_norm_of_one_sample_against_finite_differences():
    """The oracle is tested, too, because torch itself is wrong here by more than half."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(2))
    model.append(With(lambda m, h: h.transpose(1, 2).tanh().mean(1) @ m.w, w=(3, WIDTH)))
    model[3].first = nn.Identity()
    model = model.double().eval()
    x, y = torch.randn(1, 2, 4, 5).double(), torch.tensor([1])
    found = diagonal_fisher(model, [(x, y)])
    expected = oracle.fisher(model, x, oracle.of_kind("empirical", y, 0))
    for name in ("0.weight", "1.weight"):
        parameter = model.get_parameter(name).data.view(-1)
        numeric = []
        for k in range(len(parameter)):
            value, losses = parameter[k].item(), []
            for step in (1e-6, -1e-6):
                parameter[k] = value + step
                losses.append(F.cross_entropy(model(x), y))
            parameter[k] = value
            numeric.append((losses[0] - losses[1]) / 2e-6)
        squares = torch.stack(numeric).square().view_as(found[name])
        torch.testing.assert_close(found[name], squares, rtol=1e-6, atol=1e-12)
        torch.testing.assert_close(expected[name], squares, rtol=1e-6, atol=1e-12)


class Cached(nn.Module):
    """A module that caches a function of a parameter in eval mode, like LeViT and TinyViT."""

    def __init__(self):
        super().__init__()
        self.layer, self.b = nn.Linear(WIDTH, 3), nn.Parameter(torch.randn(3))
        self.cache = None

    def train(self, mode=True):
        self.cache = None if mode else self.cache
        return super().train(mode)

    def forward(self, x):
        if self.training:
            return self.layer(x) * self.b.exp()
        if self.cache is None:
            self.cache = self.b.exp()
        return self.layer(x) * self.cache


def test_a_parameter_without_a_path_to_the_loss_is_named():
    model, (x, y) = Cached().double().eval(), data()
    with torch.no_grad():
        model(x)
    with pytest.warns(UserWarning, match=r"'b' had no part in the loss.*call model.train\(\)"):
        assert not diagonal_fisher(model, [(x, y)])["b"].any()
    check(model.train().eval(), x, y)


@pytest.mark.parametrize("slow", ["a function of one's own", "a decision by NumPy"])
def test_slow_ways_are_warned_of_once(slow):
    if slow in USES:
        use, shapes, _ = USES[slow]
        model, reason = With(use, **shapes), r"Scaled is called for each sample.*no rule"
    else:
        model, reason = (
            Between(lambda h: h * (h.detach().numpy().sum() > 0)),
            "one at a time.*RuntimeError",
        )
    model, (x, y) = model.double(), data()
    with pytest.warns(UserWarning, match=reason) as caught:
        diagonal_fisher(model, [(x, y)] * 3)
    assert len(caught) == 1


def test_a_model_with_activation_checkpointing_is_computed_sample_by_sample():
    model = Between(lambda h: checkpoint(torch.tanh, h, use_reentrant=False))
    with pytest.warns(UserWarning, match="one at a time"):
        check(model, *data())


def test_a_compiled_model_gives_the_same_values():
    x, y = data()
    model = Between(torch.tanh).double()
    plain = diagonal_fisher(model, [(x, y)])
    found = diagonal_fisher(torch.compile(model), [(x, y)])
    for name, f in plain.items():
        torch.testing.assert_close(found[f"_orig_mod.{name}"], f)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_scripted_model_is_computed_sample_by_sample():
    model = torch.jit.script(nn.Sequential(nn.Linear(WIDTH, 4), nn.Tanh(), nn.Linear(4, 3)))
    with pytest.warns(UserWarning, match="one at a time"):
        check(model, *data())


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:samples are diff")
def test_a_scripted_part_of_a_model():
    model = Between(torch.tanh)
    x, y = data()
    model.first = torch.jit.script(model.first)
    check(model, x, y)


def test_single_precision_of_half_precision_weights():
    """In half precision, squares below 6e-8 would be 0."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 3))
    with torch.no_grad():
        model[2].weight.mul_(1e-4)
    x, y = torch.randn(64, WIDTH), torch.randint(3, (64,))
    exact = diagonal_fisher(model, [(x, y)])["0.weight"]
    half = diagonal_fisher(model.half(), [(x.half(), y)])["0.weight"]
    assert half.dtype == torch.float32
    assert exact.max() < 6e-8
    torch.testing.assert_close(half, exact, rtol=0.1, atol=0.05 * exact.max().item())


@pytest.mark.parametrize("name", ["a norm by hand", "a standardised weight", "joined weights"])
def test_the_gradient_of_weights_without_a_closed_form(name):
    use, shapes, _ = USES[name]
    torch.manual_seed(0)
    model, (x, y) = With(use, **shapes).double(), data()
    found = gradient_and_fisher(model, x, y).gradient
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten()) * TIME
    for key, expected in zip(
        found, torch.autograd.grad(loss, list(model.parameters())), strict=True
    ):
        torch.testing.assert_close(found[key], expected, rtol=1e-10, atol=1e-14)
