"""Language models side by side, compared with a plain one with autograd."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from plain_language_model import PlainLanguageModel

from wpl.fisher.estimate import diagonal_fisher
from wpl_lab.search.spaces.dropping import Dropping
from wpl_lab.search.spaces.recurrence import LARGEST_NORM
from wpl_lab.search.spaces.recurrent import RecurrentGenotype, RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModels, initial_weights, used_weights
from wpl_lab.seeding import generator

WORDS, HIDDEN, BATCH, TIME = 11, 6, 4, 7
CELLS = ["0:tanh 1:relu 0:identity", "0:sigmoid 0:tanh 2:relu", "0:relu 1:identity 2:tanh"]
NOTHING = {"dropout": 0.0, "weight_drop": 0.0, "drop_path": 0.0}


def cell(text):
    return RecurrentGenotype.parse(text)


def weights(runs, *, nodes=3, hidden=HIDDEN, scale=5.0, dtype=torch.float64):
    """Return weights of several runs, large enough for nonlinear activations."""
    each = [
        initial_weights(WORDS, nodes=nodes, hidden=hidden, generator=generator(run, "init"))
        for run in range(runs)
    ]
    return {name: scale * torch.stack([of[name] for of in each]).to(dtype) for name in each[0]}


def of_run(stacked, run):
    return {name: weight[run] for name, weight in stacked.items()}


def tokens(children, seed=0, time=TIME + 1, batch=BATCH):
    return torch.randint(WORDS, (children, batch, time), generator=generator(seed, "tokens"))


def errors_of(models, read, targets):
    """Compute the gradient of the summed cross-entropy with respect to the logits, by child."""

    def error_of(child):
        p = torch.softmax(models.logits(read, child), 1)
        labels = targets[child].t().flatten()
        return p - F.one_hot(labels, WORDS).to(p)

    return error_of


def plain_gradients(made, inputs, targets):
    logits = made(inputs)
    F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").backward()
    return made.gradients()


def test_an_edge_has_one_matrix_for_all_activations():
    names = set(weights(1))
    edges = {f"edge.{a}_{b}" for b in range(1, 4) for a in range(b)}
    assert names == {"embedding", "bias", "input", "recurrent"} | edges
    assert "edge.1_3" in used_weights(cell("0:tanh 1:relu 1:tanh"))


def test_initial_weights_come_from_the_generator_only():
    before = torch.get_rng_state()
    first, again = (of_run(weights(1, scale=1.0), 0) for _ in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
    drawn = torch.cat([w.flatten() for name, w in first.items() if name != "bias"])
    assert -0.1 <= drawn.min() < -0.09
    assert 0.09 < drawn.max() <= 0.1
    assert not first["bias"].any()


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("runs", [[0, 1, 2], [2, 0, 0, 1, 2], [1]])
def test_logits_and_gradients_equal_those_of_autograd_through_each_model(runs, dropped):
    """Gradients are summed over the children of a run; there is an initial state, and dropout."""
    stacked, texts = weights(3), tokens(len(runs))
    inputs, targets = texts[..., :-1], texts[..., 1:]
    children = [(run, cell(CELLS[i % 3])) for i, run in enumerate(runs)]
    drawn = None
    if dropped:
        drawn = Dropping(dropout=0.4, weight_drop=0.3, drop_path=0.3).draw(
            [generator(i) for i in range(len(runs))], nodes=3, hidden=HIDDEN, batch=BATCH
        )
    state = torch.randn(len(runs), BATCH, HIDDEN, generator=generator(5), dtype=torch.float64)
    models = RecurrentModels(stacked, children)
    read = models.read(inputs, state.transpose(1, 2), drawn)
    found = models.gradients(read, errors_of(models, read, targets))
    expected = {name: torch.zeros_like(weight) for name, weight in stacked.items()}
    for i, (run, genotype) in enumerate(children):
        made = PlainLanguageModel(
            of_run(stacked, run), genotype, state=state[i], dropped=drawn, child=i
        )
        for name, gradient in plain_gradients(made, inputs[i], targets[i]).items():
            expected[name][run] += gradient
        logits = models.logits(read, i).unflatten(0, (TIME, BATCH)).transpose(0, 1)
        torch.testing.assert_close(logits, made(inputs[i]).detach())
        assert logits.std() > 0.01
    for name, gradient in expected.items():
        if name in found:
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-11)
        else:
            assert not gradient.any()


@pytest.mark.parametrize("text", CELLS)
def test_used_weights_are_those_with_a_gradient(text):
    stacked, texts = weights(1), tokens(1)
    models = RecurrentModels(stacked, [(0, cell(text))])
    read = models.read(texts[..., :-1])
    gradients = models.gradients(read, errors_of(models, read, texts[..., 1:]))
    used = used_weights(cell(text))
    assert len(used) == len(set(used)), "no duplicates"
    assert set(used) == set(gradients)
    assert all(gradient.any() for gradient in gradients.values())


def test_a_cell_does_not_depend_on_the_weights_of_other_cells_or_runs():
    stacked, genotype = weights(2), cell(CELLS[0])
    models = RecurrentModels(stacked, [(1, genotype)])
    before = models.logits(models.read(tokens(1)), 0)
    for name, weight in stacked.items():
        weight[0] = torch.nan
        if name not in used_weights(genotype):
            weight[1] = torch.nan
    assert torch.equal(models.logits(models.read(tokens(1)), 0), before)


@pytest.mark.parametrize("runs", [[0, 1, 2], [2, 0]])
def test_squared_gradients_per_row_are_the_fisher_information_of_the_single_model(runs):
    stacked, texts = weights(3), tokens(len(runs))
    inputs, targets = texts[..., :-1], texts[..., 1:]
    children = [(run, cell(text)) for run, text in zip(runs, CELLS, strict=False)]
    models = RecurrentModels(stacked, children)
    read = models.read(inputs)
    errors = map(errors_of(models, read, targets), range(len(runs)))
    rows = [error.unflatten(0, (TIME, BATCH)).transpose(0, 1) for error in errors]
    squares = models.squares(read, rows)
    for i, (run, genotype) in enumerate(children):
        made = PlainLanguageModel(of_run(stacked, run), genotype)
        names = [name.replace(".", "/") for name in used_weights(genotype)]
        expected = diagonal_fisher(made, [(inputs[i], targets[i])], parameters=names)
        for name, f in expected.items():
            own = squares[name.replace("/", ".")][run] / BATCH
            torch.testing.assert_close(own, f, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("keep", [True, False])
def test_two_windows_with_a_carried_state_equal_one_long_window(keep):
    models, words = RecurrentModels(weights(3), list(enumerate(map(cell, CELLS)))), tokens(3)
    whole = models.read(words, keep=keep)
    first = models.read(words[..., :3], keep=keep)
    second = models.read(words[..., 3:], first.trace.states[-1], keep=keep)
    torch.testing.assert_close(second.outputs, whole.outputs[:, 3 * BATCH :])
    anew = models.read(words[..., 3:], keep=keep)
    assert (anew.outputs - second.outputs).abs().max() > 1e-6, "the state has an effect"


@pytest.mark.parametrize("dropping", [NOTHING, {**NOTHING, "dropout": 0.3, "drop_path": 0.2}])
def test_the_bits_of_a_model_do_not_depend_on_the_other_models(dropping):
    """This holds if matrices fill whole cache lines, as products depend on alignment."""
    stacked = weights(8, nodes=2, hidden=16, dtype=torch.float32)
    texts = tokens(8, batch=16)
    cells = list(itertools.islice(RecurrentSpace(2).cells(), 3, None, 4))
    found = []
    for some in (range(8), [5], [5, 2]):
        own = {name: weight[list(some)] for name, weight in stacked.items()}
        models = RecurrentModels(own, [(i, cells[run]) for i, run in enumerate(some)])
        randoms = [generator(run) for run in some]
        drawn = Dropping(**dropping).draw(randoms, nodes=2, hidden=16, batch=16)
        read = models.read(texts[list(some)][..., :-1], dropped=drawn)
        gradients = models.gradients(read, errors_of(models, read, texts[list(some)][..., 1:]))
        at = list(some).index(5)
        names = used_weights(cells[5])
        found.append([models.logits(read, at), *(gradients[name][at] for name in names)])
    for name, one, *others in zip(["logits", *names], *found, strict=True):
        assert all(torch.equal(one, other) for other in others), name


def test_dropout_differs_between_children_and_preserves_the_mean():
    dropping = Dropping(dropout=0.3, weight_drop=0.4, drop_path=0.25)
    drawn = dropping.draw([generator(0), generator(1)], nodes=2, hidden=50, batch=200)
    shapes = {"embedded": (2, 200, 50), "recurrent": (2, 100, 50), "output": (2, 200, 50)}
    for (name, shape), p in zip(shapes.items(), (0.3, 0.4, 0.3), strict=True):
        factors = getattr(drawn, name)
        assert factors.shape == shape
        assert factors.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
        assert abs(factors.mean() - 1) < 4 * (p / (1 - p) / factors.numel()) ** 0.5
        assert not torch.equal(*factors), "masks differ"
    assert drawn.paths.shape == (2, 2, 1, 200)
    assert abs(drawn.paths.mean() - 0.75) < 4 * (0.25 * 0.75 / 800) ** 0.5
    again = dropping.draw([generator(1)], nodes=2, hidden=50, batch=200)
    assert torch.equal(again.recurrent[0], drawn.recurrent[1]), "masks depend on its generator only"
    assert Dropping(**NOTHING).draw([generator(0)], nodes=2, hidden=5, batch=2) is None


def test_no_hidden_state_exceeds_the_largest_norm():
    cells = list(RecurrentSpace(2).cells())
    models = RecurrentModels(weights(1, nodes=2, scale=500.0), [(0, c) for c in cells])
    states = models.read(tokens(1).expand(len(cells), -1, -1)).trace.states
    longest = torch.linalg.vector_norm(states, dim=2).max().item()
    assert 0.999 * LARGEST_NORM < longest < LARGEST_NORM * (1 + 1e-9)
