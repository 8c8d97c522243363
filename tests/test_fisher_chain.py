"""Chains of common modules are not intercepted, unless something changes that requires it."""

import fisher_oracle as oracle
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wpl import diagonal_fisher, gradient_and_fisher
from wpl.fisher import estimate


@pytest.fixture
def intercepted(monkeypatch):
    """Record the intercepted calls of models."""
    seen = []

    class Counted(estimate.Vmapped):
        def __init__(self, job, rows, call, inputs):
            seen.append(call)
            super().__init__(job, rows, call, inputs)

    monkeypatch.setattr(estimate, "Vmapped", Counted)
    return seen


def check(model, *shape, parameters=None):
    x, y = torch.randn(5, *shape).double(), torch.randint(4, (5,))
    found = diagonal_fisher(model.double(), [(x, y)], parameters=parameters)
    training = [module for module in model.modules() if module.training]
    expected = oracle.fisher(model.eval(), x, oracle.of_kind("empirical", y, 0))
    for module in training:
        module.training = True
    for name, value in found.items():
        atol = 1e-13 * expected[name].abs().max().item() + 1e-30
        torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=atol, msg=name)
    return found


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 4))


def convolutions():
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    return nn.Sequential(
        *(first, nn.Conv2d(3, 6, 1, groups=3, bias=False), nn.GELU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(6, 4)),
    )


def test_a_chain_is_not_intercepted(intercepted):
    check(perceptron(), 6)
    check(convolutions(), 2, 9, 9)
    shared = nn.Linear(4, 4)
    check(nn.Sequential(shared, nn.Tanh(), shared), 4)
    assert not intercepted


def test_a_chain_gives_the_same_bytes_as_the_intercepted_model(monkeypatch):
    x, y = torch.randn(5, 2, 9, 9), torch.randint(4, (5,))
    model = convolutions()
    alone = diagonal_fisher(model, [(x, y)])
    monkeypatch.setattr(estimate.Chain, "of", lambda *_: None)
    for name, f in diagonal_fisher(model, [(x, y)]).items():
        assert torch.equal(alone[name], f), name


def test_frozen_layers_and_subsets_of_parameters_of_a_chain():
    model = convolutions()
    model[0][0].requires_grad_(False)
    assert "0.0.weight" not in check(model, 2, 9, 9)
    assert list(check(model, 2, 9, 9, parameters=["6.bias"])) == ["6.bias"]


class Centred(nn.Linear):
    """A module in which samples interact."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


def centre(module, inputs):
    return tuple(x - x.mean(0) for x in inputs)


def with_subclass(model):
    model[2] = Centred(4, 4)


def with_hook(model):
    model[2].register_forward_pre_hook(centre)


def with_hook_on_the_chain(model):
    model.register_forward_hook(lambda module, inputs, out: out - out.mean(0))


def with_its_own_forward(model):
    layer = model[2]
    layer.forward = lambda x: F.linear(x - x.mean(0), layer.weight, layer.bias)


def with_parametrization(model):
    nn.utils.parametrizations.weight_norm(model[2])


def with_another_module(model):
    model.append(nn.Softmax(0))


@pytest.mark.parametrize(
    "change",
    [
        with_subclass,
        with_hook,
        with_hook_on_the_chain,
        with_its_own_forward,
        with_parametrization,
        with_another_module,
    ],
)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_change_after_an_estimate_is_noticed_by_the_next(intercepted, change):
    model = perceptron()
    check(model, 6)
    assert not intercepted
    change(model)
    check(model, 6)
    assert intercepted == [model]


def test_a_hook_on_all_modules_is_noticed(intercepted):
    handle = nn.modules.module.register_module_forward_pre_hook(centre)
    try:
        check(perceptron(), 6)
    finally:
        handle.remove()
    assert intercepted


def test_a_layer_without_the_batch_dimension_first_is_intercepted(intercepted):
    check(nn.Sequential(nn.Linear(6, 4), nn.Unflatten(0, (1, -1)), nn.Flatten(0, 1)), 6)
    check(nn.Sequential(nn.Linear(6, 4), nn.Flatten(0, 0)), 6)
    assert len(intercepted) == 2


def test_a_replaced_parameter_and_a_toggled_flag_are_noticed():
    model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Linear(4, 4))
    check(model, 6)
    model[0].weight = nn.Parameter(torch.randn(4, 6))
    model[2].bias = None
    model[1].p = 0.9
    found = check(model.train(), 6)
    assert set(found) == {"0.weight", "0.bias", "2.weight"}
    assert model[1].training


def test_inputs_are_not_changed_in_place():
    model = nn.Sequential(nn.ELU(inplace=True), nn.Flatten(), nn.Linear(6, 4))
    x, y = torch.randn(5, 6), torch.randint(4, (5,))
    before = x.clone()
    diagonal_fisher(model, [(x, y)])
    assert torch.equal(x, before)


def test_a_module_that_works_in_place_after_another_has_kept_its_output():
    """Autograd refuses this model; its values are those of the one that works out of place."""
    first, last = nn.Linear(6, 5), nn.Linear(5, 4)
    x, y = torch.randn(5, 6), torch.randint(4, (5,))
    for before in (nn.ReLU, nn.Sigmoid):
        chains = [
            nn.Sequential(first, before(), nn.ReLU(inplace=inplace), last)
            for inplace in (True, False)
        ]
        found, expected = (diagonal_fisher(chain, [(x, y)]) for chain in chains)
        for name, f in expected.items():
            assert torch.equal(found[name], f)


@pytest.mark.parametrize("kind", ["empirical", "exact"])
def test_the_gradient_of_a_chain_equals_that_of_autograd(intercepted, kind):
    shared = nn.Linear(6, 6)
    middle = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Hardtanh(inplace=True), nn.Flatten())
    model = nn.Sequential(middle, nn.Linear(12, 6), shared, nn.ReLU(), shared, nn.Linear(6, 4))
    x, y = torch.randn(5, 2, 3, 3), torch.randint(4, (5,))
    model, x = model.double(), x.double()
    found = gradient_and_fisher(model, x, y, kind=kind)
    names, weights = zip(*model.named_parameters(), strict=True)
    expected = torch.autograd.grad(F.cross_entropy(model(x), y), weights)
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(found.gradient[name], gradient, rtol=1e-10, atol=1e-14)
    alone = diagonal_fisher(model, [(x, y)], kind=kind)
    for name, f in alone.items():
        torch.testing.assert_close(found.fisher[name], f, rtol=1e-10, atol=1e-16)
    assert not intercepted


def test_targets_out_of_range_are_named():
    x = torch.randn(5, 6)
    for wrong in (-1, 4):
        y = torch.tensor([0, 1, 2, 3, wrong])
        with pytest.raises(ValueError, match=r"targets must lie in \[0, 4\)"):
            diagonal_fisher(perceptron(), [(x, y)])
