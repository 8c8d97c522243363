"""Closed forms of the Fisher information, compared with its definition for many architectures."""

import fisher_oracle as oracle
import pytest
import torch
from fisher_models import KNOWN, MIXING, UNKNOWN, build

from wpl import diagonal_fisher, explain

KINDS = ("empirical", "mc", "exact", "sketch")
pytestmark = [
    pytest.mark.filterwarnings("ignore:enable_nested_tensor"),  # of torch
    pytest.mark.filterwarnings("ignore:samples are differentiated one at a time"),
    pytest.mark.filterwarnings("ignore:Product is called for each sample"),
    pytest.mark.filterwarnings("ignore:.* had no part in the loss"),
]


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        atol = 1e-13 * value.abs().max().item() + 1e-30
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=atol, msg=name)


def check(model, inputs, labels, kind, size=None, copies=2):
    expected = oracle.fisher(model, inputs, oracle.of_kind(kind, labels, 5), copies)
    batches = zip(inputs.split(size or len(inputs)), labels.split(size or len(inputs)), strict=True)
    found = diagonal_fisher(model, batches, kind=kind, generator=torch.Generator().manual_seed(5))
    assert_equal(found, expected)


def left_over(model, inputs):
    """List the parameters of a model that have no closed form."""
    ways = explain(model, inputs).items()
    return [name for name, way in ways if way != "no use" and not way.startswith("closed form")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", KNOWN)
def test_known_layers(name, kind):
    model, inputs, labels = build(KNOWN, name)
    check(model, inputs, labels, kind)


@pytest.mark.parametrize("name", KNOWN)
def test_known_layers_have_closed_forms(name):
    model, inputs, _ = build(KNOWN, name)
    assert left_over(model, inputs) == []


@pytest.mark.parametrize(("table", "name"), [(t, n) for t in (KNOWN, UNKNOWN) for n in t])
def test_a_forward_pass_neither_leaves_the_device_nor_reads_a_value(table, name):
    """The device "meta" has no values, and refuses an operation with a tensor of another device."""
    model, inputs, *_ = build(table, name)
    expected = left_over(model, inputs)
    assert left_over(model.to("meta"), inputs.to("meta")) == expected


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_does_not_depend_on_the_batch_size(name, size):
    model, inputs, labels = build(KNOWN, name, batch=5)
    check(model, inputs, labels, "mc", size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNKNOWN)
def test_parameters_without_a_closed_form(name, kind):
    model, inputs, labels, slow = build(UNKNOWN, name)
    check(model, inputs, labels, kind)
    assert set(left_over(model, inputs)) == set(slow)


TIME_FIRST = {"LSTM over samples", "transformer over samples"}


@pytest.mark.parametrize("name", sorted(TIME_FIRST))
def test_a_model_with_time_first_is_refused(name):
    model, inputs, labels = build(MIXING, name)
    with pytest.raises(ValueError, match="has batch_first=False, and takes the first dimension"):
        diagonal_fisher(model, [(inputs, labels)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(MIXING.keys() - TIME_FIRST))
def test_a_sample_is_a_row_even_if_the_model_mixes_rows(name, kind):
    model, inputs, labels = build(MIXING, name)
    check(model, inputs, labels, kind, copies=1)
