"""Typical inputs are accepted with the value of a loop over samples, or refused in one line."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fisher_inputs import (
    ACCEPTED,
    CLASSES,
    SAMPLES,
    TIME,
    Calls,
    TimeFirst,
    hidden,
    plain,
    steps,
    x,
    y,
)
from torch import nn
from torch.utils.data import TensorDataset

import wpl


def squares(model, losses):
    """Yield the squared gradient of each loss, by name."""
    named = dict(model.named_parameters())
    for loss in losses:
        found = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
        yield {name: g.to_dense().square() for name, g in zip(named, found, strict=True)}


@pytest.mark.parametrize("name", ACCEPTED)
def test_is_accepted_and_equals_the_loop(name):
    case = ACCEPTED[name]
    each = list(squares(case.model, case.losses))
    found = wpl.diagonal_fisher(case.model, case.batches, **case.settings)
    assert found.samples == len(each)
    for key, f in found.items():
        expected = sum(square[key] for square in each) / len(each)
        torch.testing.assert_close(f, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", [n for n in ACCEPTED if n not in {"a generator", "a data loader"}])
def test_the_gradient_and_the_norms_equal_those_of_the_loop(name):
    case = ACCEPTED[name]
    named = dict(case.model.named_parameters())
    norms = wpl.gradient_norms(case.model, case.batches, **case.settings)
    each = [sum(g.sum() for g in square.values()) for square in squares(case.model, case.losses)]
    torch.testing.assert_close(norms[norms > 0], torch.stack(each).sqrt(), rtol=1e-9, atol=1e-15)
    if len(case.batches) > 1 or isinstance(case.batches[0], torch.Tensor):
        return
    batch = case.batches[0]
    if isinstance(batch, dict):
        arguments = (batch,)
    else:
        arguments = (batch[0] if len(batch) == 2 else tuple(batch[:-1]), batch[-1])
    if "loss" in case.settings and len(batch) > 2:
        return  # the loss depends on the batch
    found = wpl.gradient_and_fisher(case.model, *arguments, **case.settings)
    loss = sum(case.losses) / len(case.losses)
    torch.testing.assert_close(found.loss, loss.detach(), rtol=1e-9, atol=1e-12)
    expected = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
    for key, gradient in zip(named, expected, strict=True):
        torch.testing.assert_close(found.gradient[key], gradient.to_dense(), rtol=1e-9, atol=1e-12)


def over_labels(model, x, labels, settings):
    """Compute the expectation over the model's labels by enumeration, position by position."""
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    samples = 0
    for a, b in zip(x, labels, strict=True):
        counted = b != -100
        if not counted.any():
            continue
        samples += 1
        share = 1 / counted.sum().double() if settings.get("per") == "token" else 1
        z = model.logits(a)
        for position in counted.nonzero():
            out = z[tuple(position)]
            for chance, loss in model_labels(out, settings.get("likelihood", "categorical")):
                (square,) = squares(model, [loss * share])
                for name, g in square.items():
                    total[name] += chance.detach() * g
    return {name: t / samples for name, t in total.items()}


def model_labels(z, likelihood):
    """Return the probability of each label, and −log p or a function with the same gradient."""
    if likelihood == "categorical":
        return [(p, -torch.log_softmax(z, -1)[c]) for c, p in enumerate(z.softmax(-1))]
    if likelihood == "bernoulli":
        return [(torch.sigmoid(z), -F.logsigmoid(z)), (torch.sigmoid(-z), -F.logsigmoid(-z))]
    # the labels z ± 1, which have the variance of the Gaussian
    return [(torch.tensor(0.5), z), (torch.tensor(0.5), -z)]


LABELS = {
    "categorical": hidden(y(SAMPLES, TIME)),
    "bernoulli": hidden(y(SAMPLES, TIME, CLASSES, classes=2)),
    "gaussian": hidden(torch.ones(SAMPLES, TIME, CLASSES)),
}


@pytest.mark.parametrize("per", ["sequence", "token"])
@pytest.mark.parametrize("likelihood", LABELS)
def test_the_exact_kind_is_the_mean_over_labels_that_count(likelihood, per):
    torch.manual_seed(0)
    model, labels = plain(), LABELS[likelihood]
    settings = {"likelihood": likelihood, "per": per}
    found = wpl.diagonal_fisher(model, [(steps(), labels)], kind="exact", **settings)
    for name, f in over_labels(model, steps(), labels, settings).items():
        torch.testing.assert_close(found[name], f, rtol=1e-9, atol=1e-15)
    assert found.facts() | {"model": ""} == {
        "kind": "exact",
        "samples": SAMPLES - 1,
        "unit": per,
        "likelihood": likelihood,
        "floor": 0.0,
        "model": "",
    }


@pytest.mark.parametrize("kind", ["mc", "sketch"])
@pytest.mark.parametrize("likelihood", LABELS)
def test_drawn_kinds_approximate_the_exact_one(likelihood, kind):
    torch.manual_seed(0)
    model, data = plain(), [(steps(), LABELS[likelihood])]
    exact = wpl.diagonal_fisher(model, data, kind="exact", likelihood=likelihood)
    seed = torch.Generator().manual_seed(3)
    settings = {"likelihood": likelihood, "kind": kind, "draws": 1500, "generator": seed}
    found = wpl.diagonal_fisher(model, data, **settings)
    for name, f in exact.items():
        torch.testing.assert_close(found[name].sum(), f.sum(), rtol=0.1, atol=0)


@pytest.mark.parametrize("kind", ["mc", "sketch"])
@pytest.mark.parametrize("likelihood", LABELS)
def test_draws_do_not_depend_on_the_batches_or_the_masked_labels(likelihood, kind):
    model, labels = plain(), LABELS[likelihood]
    cut = [(steps()[:2], labels[:2]), (steps()[2:], labels[2:])]
    found = [
        wpl.diagonal_fisher(
            model,
            data,
            kind=kind,
            likelihood=likelihood,
            generator=torch.Generator().manual_seed(0),
        )
        for data in ([(steps(), labels)], cut)
    ]
    for name, f in found[0].items():
        torch.testing.assert_close(found[1][name], f, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("batches", [[(x(), None)], [x()], [(x(),)], [[x()]]])
@pytest.mark.parametrize("kind", ["mc", "exact", "sketch"])
def test_kinds_without_labels_need_no_targets(batches, kind):
    model, seed = plain(), torch.Generator().manual_seed
    found = wpl.diagonal_fisher(model, batches, kind=kind, generator=seed(0))
    expected = wpl.diagonal_fisher(model, [(x(), y())], kind=kind, generator=seed(0))
    assert all(torch.equal(found[name], f) for name, f in expected.items())


class Words(nn.Linear):
    def forward(self, x):
        return "words"


ONE, ONE3 = torch.ones(SAMPLES, 1).double(), torch.ones(SAMPLES, CLASSES).double()
BERNOULLI, GAUSSIAN = {"likelihood": "bernoulli"}, {"likelihood": "gaussian"}
REFUSED = {
    "one pair": (plain, (x(), y()), {}, r"one batch, \(inputs, targets\); expected an iterable"),
    "one tensor": (plain, x(), {"kind": "mc"}, "one batch, Tensor; expected an iterable"),
    "one dictionary": (plain, {"x": x(), "labels": y()}, {}, "one batch, dict; expected an iter"),
    "a list of inputs and targets": (plain, [x(), y()], {"kind": "mc"}, "batches of inputs alone"),
    "a number": (plain, 5, {}, "batches is a int; expected an iterable of batches"),
    "a data set": (plain, TensorDataset(x(), y()), {}, "a sample, not a batch; wrap the data set"),
    "samples": (plain, [(x()[0], 1)], {}, r"one number, with inputs \(5,\): this is a sample"),
    "numpy inputs": (plain, [(np.ones((2, 5)), y(2))], {}, r"batch\[0\] is a numpy array"),
    "numpy labels": (plain, [(x(), np.ones(6))], {}, r"batch\[1\] is a numpy array; expected a"),
    "sparse inputs": (
        plain,
        [(x().to_sparse(), y())],
        {},
        r"\[0\] is torch.sparse_coo; expected",
    ),
    "sparse labels": (plain, [(x(), y().to_sparse())], {}, r"batch\[1\] is torch.sparse_coo; exp"),
    "nested inputs": (
        plain,
        [(torch.nested.as_nested_tensor(list(steps()), layout=torch.jagged), y())],
        {},
        r"batch\[0\] is a nested tensor; expected a padded one",
    ),
    "a list of labels": (plain, [(x(), [1, 2])], {}, "targets are a list; expected a tensor"),
    "boxes": (plain, [(x(), {"boxes": y()})], {}, "targets are a dict; .* give loss="),
    "lists in a dictionary": (plain, [{"x": [1], "labels": [1]}], {}, "targets are a list"),
    "no targets": (plain, [x()], {}, r"expected batches \(inputs, targets\); got inputs alone"),
    "words for inputs": (plain, [(["a", "b"], y(2))], {}, "got a list without tensors"),
    "nothing": (plain, [None], {}, "one row for each sample; got a NoneType without tensors"),
    "a function": (lambda: torch.sin, [(x(), y())], {}, "a builtin.*; expected a torch.nn.Module"),
    "targets of other samples": (plain, [(x(), y(5))], {}, "inputs have 6 rows, the targets 5"),
    "inputs of other samples": (
        plain,
        [(x(), x(5), y())],
        {},
        "one row for each sample; got tensors with 5, 6 rows",
    ),
    "an unknown name": (
        plain,
        [{"p": x(), "labels": y()}],
        {},
        r"cannot be called with the batch \(float64 \(6, 5\) on cpu.*unexpected keyword",
    ),
    "too many inputs": (plain, [(x(), x(), y())], {}, "cannot be called .* takes 2 positional"),
    "another device": (
        plain,
        [(x().to("meta"), y())],
        {},
        r"float64 \(6, 5\) on meta",
    ),
    "targets on another device": (
        plain,
        [(x(), y().to("meta"))],
        {},
        "the targets are on meta, the model's outputs on cpu",
    ),
    "another type": (plain, [(x().float(), y())], {}, r"float32 \(6, 5\) on cpu\)"),
    "words": (lambda: Words(5, 3), [(x(), y())], {}, "the model returns a str without logits"),
    "one logit": (lambda: plain(classes=1), [(x(), 0 * y())], {}, "one logit.*'bernoulli'"),
    "a flat logit": (
        lambda: Calls(lambda logits, p: logits(p).squeeze(-1), classes=1),
        [(x(), 0 * y())],
        {},
        "one logit of one class, outputs .*says nothing: F is 0",
    ),
    "labels between classes": (plain, [(x(), 0.9 * y())], {}, "targets are float32; categorical"),
    "one-hot labels": (plain, [(x(), F.one_hot(y()))], {}, r"got \(6, 3\) \(one-hot\?"),
    "no such class": (plain, [(x(), y() + 1)], {}, r"must lie in \[0, 3\); got 1 to 3"),
    "a negative class": (plain, [(x(), y() - 1)], {}, r"must lie in \[0, 3\); got -1 to 1"),
    "time or classes": (
        plain,
        [(steps(time=CLASSES), y(SAMPLES, CLASSES))],
        {},
        r"cannot tell time from class in logits \(6, 3, 3\): give class_dim=-1",
    ),
    "time first": (
        lambda: TimeFirst(turned=False),
        [(y(TIME, SAMPLES), y(TIME, SAMPLES))],
        {},
        "LSTM has batch_first=False, and takes the first dimension for time",
    ),
    "time first, no labels": (
        lambda: TimeFirst(turned=False),
        [y(TIME, SAMPLES)],
        {"kind": "mc"},
        "the outputs of a row depend on the other rows",
    ),
    "only hidden targets": (plain, [(x(), y().fill_(-100))], {}, "no samples"),
    "no likelihood": (plain, [(x(), y())], {"likelihood": "poisson"}, "likelihood must be one of"),
    "no unit": (plain, [(x(), y())], {"per": "word"}, "per must be one of sequence, token"),
    "chances above 1": (
        plain,
        [(x(), 2 * x()[:, :3].abs() + 1)],
        {"likelihood": "bernoulli"},
        r"\[0, 1\]",
    ),
    "infinite values": (plain, [(x(), x()[:, :3] / 0)], {"likelihood": "gaussian"}, "finite"),
    "other labels": (plain, [(x(), x())], {"likelihood": "gaussian"}, r"expected targets \(6, 3\)"),
    "classes of yes or no": (
        plain,
        [(x(), y(SAMPLES, CLASSES, classes=2))],
        {"likelihood": "bernoulli", "class_dim": 1},
        "class_dim is for categorical outputs",
    ),
    "a loss without a distribution": (
        plain,
        [(x(), y())],
        {"loss": lambda o, b: o.sum(1), "kind": "mc"},
        "expected kind='empirical' and no likelihood",
    ),
    "a loss that draws its noise": (
        plain,
        [(x(), y())],
        {"loss": lambda o, b: (o - torch.randn_like(o)).square().mean(1)},
        "draws random numbers .* expected them, like the noise .* in the batch",
    ),
    "a loss of every class": (
        plain,
        [(x(), y())],
        {"loss": lambda o, b: o},
        "one value for each sample",
    ),
    "padding without labels": (
        lambda: Calls(lambda logits, p, attention_mask: logits(p)),
        [{"p": steps(), "attention_mask": y(SAMPLES, TIME, classes=2)}],
        {"kind": "mc"},
        "padding .attention_mask. and no labels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_line(name):
    make, batches, settings, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        wpl.diagonal_fisher(make(), batches, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(SAMPLES,), (SAMPLES, TIME)])
def test_probabilities_in_place_of_logits_cause_a_warning(shape):
    model = Calls(lambda logits, p: logits(p).softmax(-1))
    inputs = x() if len(shape) == 1 else steps()
    with pytest.warns(UserWarning, match="sum to one: probabilities\\? Expected logits"):
        wpl.diagonal_fisher(model, [(inputs, y(*shape))])


def test_there_are_sixty_inputs():
    assert len(ACCEPTED) + len(REFUSED) >= 60
