"""The Fisher information: random settings of layers, memory and precision."""

import math

import fisher_oracle as oracle
import pytest
import torch
import torch.nn.functional as F
from fisher_models import KNOWN, build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from wpl import diagonal_fisher, gradient_and_fisher
from wpl.fisher.accumulation.squares import Total
from wpl.fisher.batches import tensors_in
from wpl.fisher.layers.convolution import convolution

quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))
sizes = st.integers(1, 3)


def check(model, inputs, labels, kind="empirical", **settings):
    expected = oracle.fisher(model, inputs, oracle.of_kind(kind, labels, 0))
    seed = torch.Generator().manual_seed(0)
    found = diagonal_fisher(model, [(inputs, labels)], kind=kind, generator=seed, **settings)
    for name, value in expected.items():
        atol = 1e-13 * value.abs().max().item() + 1e-30
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=atol, msg=name)


@quick
@given(
    kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2, 4]),
    multiple=st.integers(1, 2),
    size=st.tuples(st.integers(6, 9), st.integers(6, 9)),
    batch=st.integers(1, 4),
    bias=st.booleans(),
)
def test_any_convolution(kernel, stride, padding, dilation, groups, multiple, size, batch, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4 * multiple, kernel, stride, padding, dilation, groups, bias)
    model = nn.Sequential(layer, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    check(model.double(), torch.randn(batch, 4, *size).double(), torch.randint(4, (batch,)))


@quick
@given(
    kind=st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]),
    layers=st.integers(1, 2),
    ways=st.booleans(),
    bias=st.booleans(),
    batch=st.integers(1, 4),
    time=st.integers(1, 4),
    first=st.booleans(),
)
def test_any_recurrent_layer(kind, layers, ways, bias, batch, time, first):
    torch.manual_seed(0)
    layer = kind(3, 4, layers, bias=bias, batch_first=first, bidirectional=ways)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return layer(x)[0] if first else layer(x.transpose(0, 1))[0].transpose(0, 1)

    inputs = torch.randn(batch, time, 3).double()
    labels = torch.randint(4, (batch, time))
    check(Model().double(), inputs, labels, "sketch", class_dim=-1)


@quick
@given(
    path=st.lists(st.sampled_from(["transpose", "flatten", "permute", "layer"]), max_size=5),
    batch=st.integers(1, 4),
    time=st.integers(1, 4),
)
def test_samples_are_traced_through_any_layout(path, batch, time):
    """Dimensions are reordered between layers; batches may have as many samples as time steps."""
    torch.manual_seed(0)
    layers = nn.ModuleList(nn.Linear(5, 5) for _ in path)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x):
            first = True  # samples before time steps
            for step, layer in zip(path, layers, strict=True):
                if step == "transpose":
                    x, first = layer(x.transpose(0, 1)), not first
                elif step == "flatten":
                    x = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
                elif step == "permute":
                    x = layer(x.permute(2, 0, 1).permute(1, 2, 0).contiguous())
                else:
                    x = layer(x).tanh()
            return x if first else x.transpose(0, 1)

    model = Model().double()
    if len(layers):
        check(model, torch.randn(batch, time, 5).double(), torch.randint(5, (batch, time)))


class Largest(TorchDispatchMode):
    """Record the size in bytes of the largest tensor created."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for t in tensors_in(out):
            self.bytes = max(self.bytes, t.untyped_storage().nbytes())
        return out


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(300, 300)), (64, 300)),
        (lambda: nn.Sequential(nn.Linear(300, 300)), (64, 12, 300)),
        (lambda: nn.Sequential(nn.Linear(64, 64)), (512, 12, 64)),
        (lambda: nn.Sequential(nn.Conv2d(32, 64, 5), nn.Flatten()), (64, 32, 6, 6)),
        (lambda: nn.Sequential(nn.Conv2d(64, 64, 5, groups=2), nn.Flatten()), (64, 64, 6, 6)),
    ],
)
def test_no_tensor_holds_the_gradients_of_all_samples(monkeypatch, model, shape):
    for name in ("SCRATCH", "TILE"):
        monkeypatch.setattr(f"wpl.fisher.accumulation.squares.{name}", 2**19)
        monkeypatch.setattr(f"wpl.fisher.layers.convolution.{name}", 2**19)
    monkeypatch.setattr("wpl.fisher.layers.embedding.SCRATCH", 2**19)
    torch.manual_seed(0)
    model, x = model(), torch.randn(shape)
    logits = model(x)
    y = torch.randint(logits.shape[-1], logits.shape[:-1])
    with Largest() as largest:
        diagonal_fisher(model, [(x, y)])
    parameter = max(p.numel() for p in model.parameters())
    allowed = max(4 * parameter, 4 * x.numel(), 4 * logits.numel(), 2 * 2**19)
    assert largest.bytes <= allowed * 1.1 < 4 * parameter * len(x) / 2


@pytest.mark.parametrize(
    ("function", "weight", "image", "geometry"),
    [
        (F.conv2d, (16, 3, 3, 2), (5, 4), {"stride": 2, "padding": (1, 0), "dilation": (1, 2)}),
        (F.conv2d, (3, 3, 3, 2), (5, 4), {"stride": 2, "padding": (1, 0), "dilation": (1, 2)}),
        (F.conv1d, (16, 3, 3), (7,), {"stride": 2, "padding": 1, "dilation": 2}),
        (F.conv1d, (3, 3, 3), (7,), {"stride": 2, "padding": 1, "dilation": 2}),
    ],
)
def test_convolutions_of_few_and_many_positions(function, weight, image, geometry):
    """Squares come from patches or from one grouped convolution; both equal the definition."""
    torch.manual_seed(0)
    w = torch.randn(weight, dtype=torch.double, requires_grad=True)
    x = torch.randn(5, 3, *image, dtype=torch.double)
    outputs = function(x, w, **geometry)
    g = torch.randn_like(outputs)
    expected = sum(
        torch.autograd.grad(outputs[n], w, g[n], retain_graph=True)[0] ** 2 for n in range(len(x))
    )
    total = Total(w)
    ((_, form), _) = convolution(x, w, **geometry)
    form(g).add_squares_(total)
    torch.testing.assert_close(total.take(), expected, rtol=1e-12, atol=1e-12)


def test_rounding_does_not_grow_with_the_number_of_batches():
    """In single precision, 1 + 2⁻²⁵ is 1: a sum over many samples would stop growing."""
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    x = torch.full((6000, 1), 0.1)
    x[0] = 1000.0
    y = torch.zeros(6000, dtype=torch.long)
    batches = zip(x.split(1), y.split(1), strict=True)
    found = diagonal_fisher(model, batches)["weight"]
    expected = 0.25 * x.double().square().mean()
    torch.testing.assert_close(found.double(), expected.expand(2, 1), rtol=1e-6, atol=0)
    naive = torch.zeros(())
    for square in (0.25 * x.square()).flatten():
        naive += square
    assert abs(naive / 6000 / expected - 1) > 1e-5


@pytest.mark.parametrize(
    "name", ["perceptron", "searched cell", "LSTM", "transformer", "highway cell"]
)
def test_sums_under_autocast_are_in_single_precision(name):
    model, x, y = build(KNOWN, name)
    model, x = model.float(), x.float() if x.is_floating_point() else x
    exact = diagonal_fisher(model, [(x, y)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = diagonal_fisher(model, [(x, y)])
        both = gradient_and_fisher(model, x, y).fisher
    for key, f in exact.items():
        assert found[key].dtype == both[key].dtype == torch.float32
        assert (found[key] - f).norm() < 0.1 * f.norm()
        torch.testing.assert_close(both[key], found[key], rtol=0.1, atol=0.05 * f.max().item())


def test_parameters_in_half_precision():
    torch.manual_seed(0)
    model, x, y = nn.Linear(6, 4), torch.randn(64, 6), torch.randint(4, (64,))
    exact = diagonal_fisher(model, [(x, y)])
    half = diagonal_fisher(model.bfloat16(), [(x.bfloat16(), y)])
    for name, f in exact.items():
        assert half[name].dtype == torch.float32
        assert (half[name] - f).norm() < 0.05 * f.norm()


def test_an_input_changed_in_place_is_an_error_as_in_training():
    class Changed(nn.Linear):
        def forward(self, x):
            h = x * 1
            out = super().forward(h)
            h.zero_()
            return out

    with pytest.raises(RuntimeError, match="changed in place"):
        diagonal_fisher(Changed(6, 4), [(torch.randn(5, 6), torch.randint(4, (5,)))])


def test_a_subset_needs_no_backward_pass_below_it():
    reached = []

    class Watch(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, gradient):
            reached.append(1)
            return gradient

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.low, self.high = nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, x):
            return self.high(F.relu(Watch.apply(self.low(x))))

    data = [(torch.randn(5, 6), torch.randint(4, (5,)))]
    diagonal_fisher(Model(), data, parameters=["high.weight"])
    assert not reached
    diagonal_fisher(Model(), data, parameters=["low.weight"])
    assert reached


def test_a_sketch_is_unbiased():
    """Its mean is within four standard errors of the exact value for nearly all weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 5)).double()
    data = [(torch.randn(3, 4).double(), torch.randint(5, (3,)))]
    exact = diagonal_fisher(model, data, kind="exact")
    seed = torch.Generator().manual_seed(0)
    draws = [diagonal_fisher(model, data, kind="sketch", generator=seed) for _ in range(1000)]
    for name, f in exact.items():
        each = torch.stack([draw[name] for draw in draws])
        error = each.std(0) / math.sqrt(len(draws))
        assert ((each.mean(0) - f).abs() <= 4 * error + 1e-15).all(), name
