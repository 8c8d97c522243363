"""Two models in sequence: runs side by side compared with single ones, and properties of arms."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wpl import WeightPlasticity, diagonal_fisher, exact_omega
from wpl_lab.adam import Adam
from wpl_lab.arms import ARMS
from wpl_lab.data.images import Images
from wpl_lab.seeding import batch_order, generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.dense_anchor import DenseAnchor
from wpl_lab.two_models.first import train_first
from wpl_lab.two_models.importance import estimate_fisher
from wpl_lab.two_models.path_integral import PathIntegral
from wpl_lab.two_models.remedies import estimate_mas, estimate_omega
from wpl_lab.two_models.second import Strengths, train_second
from wpl_lab.two_models.split import train_split
from wpl_lab.two_models.training_settings import First, Fisher, Second

TRAINING = {"batch_size": 16, "learning_rate": 5e-3, "weight_decay": 1e-3}
FIRST = First(stops=(0.4, 0.6), check_every=5, depth=4, iterations=120, **TRAINING)
SECOND = Second(depth=5, iterations=40, record_every=20, **TRAINING)
STOPS = ["converged", "0.4", "0.6"]


@pytest.fixture(scope="module")
def images():
    """Make 5×5 images of four classes that are easy to learn."""
    draw = torch.Generator().manual_seed(0)
    prototypes = torch.randint(0, 200, (4, 1, 5, 5), generator=draw)
    labels = {p: torch.arange(n) % 4 for p, n in (("train", 160), ("valid", 60), ("test", 80))}
    pixels = {
        p: (prototypes[y] + torch.randint(0, 56, (len(y), 1, 5, 5), generator=draw)).byte()
        for p, y in labels.items()
    }
    # Some test labels are wrong, so that test scores differ from scores on other parts.
    labels["test"][:20] = (labels["test"][:20] + 1) % 4
    return Images(pixels, labels, {})


def first(images, seeds, **changes):
    return train_first(images, replace(FIRST, **changes), seeds=seeds, width=6)


@pytest.fixture(scope="module")
def trained(images):
    models, _, table = first(images, [0, 1, 2])
    fisher = estimate_fisher(models, images, Fisher(kind="empirical", samples=50), seeds=[0, 1, 2])
    return models, table, fisher


def second(images, trained, arm, alphas=(0.0,), shared=2, estimates=None, numbers=None, **changes):
    """Train the second model with an arm, whose own strength is the first of the given ones."""
    models, _, fisher = trained
    return train_second(
        images,
        models,
        {"fisher": fisher, **(estimates or {})},
        arm=ARMS[arm],
        strengths=Strengths(alpha=alphas[0], alphas=alphas, numbers=numbers or {}),
        shared=shared,
        width=6,
        **{"settings": SECOND, "seeds": [0, 1, 2], "stops": STOPS, **changes},
    )


def final(history, model="first"):
    return history[history["iteration"] == 40][f"accuracy_{model}"].to_numpy()


def test_a_seed_is_the_same_whichever_seeds_it_is_trained_with(images, trained):
    models, _, fisher = trained
    alone, way, _ = first(images, [1])
    swapped, swapped_way, _ = first(images, [5, 2, 1])
    for kind in ("fall", "moved"):
        for name, w in way[kind].items():
            assert torch.equal(w[:, 0], swapped_way[kind][name][:, 2])
    for name, p in models.items():
        assert torch.equal(p[:, 1], alone[name][:, 0])
        assert torch.equal(p[:, 1], swapped[name][:, 2])
    one = (
        {n: p[:, 1:2] for n, p in models.items()},
        None,
        {n: f[:, 1:2] for n, f in fisher.items()},
    )
    many, history = second(images, trained, "wpl", [1.0, 100.0])
    few, alone = second(images, one, "wpl", [100.0], seeds=[1])
    for name, p in many.items():
        assert torch.equal(p[:, 1, 1], few[name][:, 0, 0])
    mine = history[(history["seed"] == 1) & (history["alpha"] == 100.0)]
    pd.testing.assert_frame_equal(mine.reset_index(drop=True).assign(own=True), alone)
    assert (history["own"] == (history["alpha"] == 1.0)).all()


def one_at_a_time(model, images, purpose, iterations, after_backward=None):
    """Train an ordinary module with torch.optim.Adam in double precision."""
    inputs, labels = images.flat("train")
    adam = torch.optim.Adam(
        model.parameters(), TRAINING["learning_rate"], weight_decay=TRAINING["weight_decay"]
    )
    order = batch_order(
        len(inputs),
        batch_size=16,
        iterations=iterations,
        generator=generator(1, purpose, "batches"),
    )
    for picks in order:
        adam.zero_grad()
        F.cross_entropy(model(inputs[picks].double()), labels[picks]).backward()
        if after_backward:
            after_backward(model)
        adam.step()


def fresh(purpose, depth):
    widths = [25, *[6] * (depth - 1), 4]
    weights = mlp.init(widths, [generator(1, purpose, "init")])
    return mlp.module({name: p[0] for name, p in weights.items()}).double()


@pytest.mark.parametrize("arm", ["wpl", "l2"])
def test_both_models_equal_ordinary_modules(images, trained, arm):
    a = fresh("train_first", 4)
    one_at_a_time(a, images, "train_first", 120)
    models, _, fisher = trained
    for name, p in a.named_parameters():
        torch.testing.assert_close(models[name][0, 1].double(), p, rtol=1e-3, atol=1e-4)

    inputs, labels = images.flat("train")
    picks = torch.randperm(160, generator=generator(1, "estimate_fisher", "samples"))[:50]
    expected = diagonal_fisher(a, [(inputs[picks].double(), labels[picks])])
    for name, f in expected.items():
        found = fisher[name][0, 1].double()
        torch.testing.assert_close(found, f, rtol=2e-2, atol=2e-2 * f.max().item())

    b, shared = fresh("train_second", 5), mlp.layer_names(2)
    anchor = {name: a.get_parameter(name).detach().clone() for name in shared}
    b.load_state_dict(anchor, strict=False)
    importance = {name: expected[name] for name in shared}
    if arm == "l2":
        mean = torch.cat([f.flatten() for f in importance.values()]).mean()
        importance = {name: torch.full_like(f, mean) for name, f in importance.items()}
    plasticity = WeightPlasticity(anchor, importance, 50.0)

    def pull(model):
        plasticity.add_gradient_(dict(model.named_parameters()))

    one_at_a_time(b, images, "train_second", 40, pull)
    weights, _ = second(images, trained, arm, [50.0])
    for name, p in b.named_parameters():
        torch.testing.assert_close(weights[name][0, 0, 1].double(), p, rtol=1e-2, atol=1e-3)


def score(weights, images, part):
    """Compute the accuracy of one model in the ordinary way."""
    inputs, labels = images.flat(part)
    return (mlp.module(weights)(inputs).argmax(1) == labels).double().mean().item()


def test_stops_use_validation_data_and_scores_test_data(images, trained):
    models, table, _ = trained
    for i, stop in enumerate(STOPS):
        for seed, row in enumerate(table[table["stop"] == stop].itertuples()):
            model = {name: p[i, seed] for name, p in models.items()}
            assert row.accuracy_valid == pytest.approx(score(model, images, "valid"))
            assert row.accuracy_test == pytest.approx(score(model, images, "test"))
            assert stop == "converged" or row.accuracy_valid >= float(stop)


def test_a_stop_is_the_first_check_at_which_its_accuracy_is_reached(images, trained):
    _, table, _ = trained
    before = table[(table["stop"] == "0.6") & (table["seed"] == 0)]["iteration"].item() - 5
    weights, *_ = first(images, [0], stops=(), iterations=before)
    assert score({name: p[0, 0] for name, p in weights.items()}, images, "valid") < 0.6


def test_records_are_the_scores_of_both_models_on_test_data(images, trained):
    models, _, _ = trained
    weights, history = second(images, trained, "wpl", [5.0])
    last = history[history["iteration"] == 40]
    for i, stop in enumerate(STOPS):
        row = last[(last["stop"] == stop) & (last["seed"] == 2)]
        b = {name: p[i, 0, 2] for name, p in weights.items()}
        a = {name: p[i, 2] for name, p in models.items()}
        a |= {name: b[name] for name in mlp.layer_names(2)}
        assert row["accuracy_second"].item() == pytest.approx(score(b, images, "test"))
        assert row["accuracy_first"].item() == pytest.approx(score(a, images, "test"))


def test_a_stop_that_is_never_reached_is_named(images):
    with pytest.raises(ValueError, match=r"seed 3 did not reach a validation accuracy of 0\.99"):
        first(images, [3], stops=(0.99,), iterations=10)


def test_divergence_is_named(images, trained):
    with pytest.raises(FloatingPointError, match=r"none.*'stop': 'converged'.*layer1.weight"):
        second(images, trained, "none", settings=replace(SECOND, learning_rate=1e30))


def test_none_is_wpl_of_strength_zero(images, trained):
    none, history = second(images, trained, "none")
    for arm in ("wpl", "l2"):
        weights, same = second(images, trained, arm, [0.0])
        assert all(torch.equal(none[name], p) for name, p in weights.items())
        assert (final(history) == final(same)).all()


def test_frozen_does_not_change_the_first_model_and_trains_the_rest(images, trained):
    models, _, _ = trained
    weights, history = second(images, trained, "frozen")
    for name in mlp.layer_names(2):
        assert torch.equal(weights[name][:, 0], models[name])
    started = history[history["iteration"] == 0]
    assert (final(history) == started["accuracy_first"].to_numpy()).all()
    assert (final(history, "second") > started["accuracy_second"].to_numpy()).mean() > 0.9


def test_an_infinitely_strong_anchor_holds_the_weights(images, trained):
    models, _, _ = trained
    drift = {}
    for arm, alpha in (("none", 0.0), ("l2", 1e2), ("l2", 1e6)):
        weights, _ = second(images, trained, arm, [alpha])
        drift[arm, alpha] = sum(
            (weights[n][:, 0] - models[n]).abs().mean().item() for n in mlp.layer_names(2)
        )
    assert drift["l2", 1e6] < drift["l2", 1e2] < drift["none", 0.0]


def test_joint_trains_both_models(images, trained):
    models, _, _ = trained
    weights, history = second(images, trained, "joint")
    private = set(models) - set(mlp.layer_names(2))
    assert {name for name in weights if name.startswith("first.")} == {
        f"first.{n}" for n in private
    }
    none = second(images, trained, "none")[1]
    assert final(history).mean() > final(none).mean()


def test_arms_are_paired(images, trained):
    starts = [second(images, trained, arm)[1].query("iteration == 0") for arm in ("none", "frozen")]
    columns = ["stop", "seed", "accuracy_first", "accuracy_second"]
    pd.testing.assert_frame_equal(*(s[columns] for s in starts))


@pytest.mark.parametrize("kind", ["empirical", "mc", "exact"])
def test_importance_is_the_fisher_information_of_its_kind(images, trained, kind):
    models, _, _ = trained
    found = estimate_fisher(models, images, Fisher(kind=kind, samples=40), seeds=[0, 1, 2])
    again = estimate_fisher(models, images, Fisher(kind=kind, samples=40), seeds=[0, 1, 2])
    inputs, labels = images.flat("train")
    picks = torch.randperm(160, generator=generator(2, "estimate_fisher", "samples"))[:40]
    draws = generator(2, "estimate_fisher", "labels")
    expected = diagonal_fisher(
        mlp.module({name: p[1, 2] for name, p in models.items()}),
        [(inputs[picks], labels[picks])],
        kind=kind,
        generator=draws,
    )
    for name, f in expected.items():
        assert torch.equal(found[name][1, 2], f)
        assert torch.equal(found[name], again[name])


def test_too_many_samples_are_refused(images, trained):
    with pytest.raises(ValueError, match=r"fisher\.samples is 161, but there are only 160"):
        estimate_fisher(trained[0], images, Fisher(kind="mc", samples=161), seeds=[0, 1, 2])


def test_importance_of_mas_is_the_mean_gradient_of_the_squared_output(images, trained):
    """It is compared with autograd for each sample and output in double precision."""
    models, _, _ = trained
    found = estimate_mas(models, images, seeds=[0, 1, 2], samples=20)
    inputs, _ = images.flat("train")
    picks = torch.randperm(160, generator=generator(2, "estimate_fisher", "samples"))[:20]
    model = mlp.module({name: p[1, 2] for name, p in models.items()}).double()
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for x in inputs[picks].double():
        model.zero_grad()
        sum(logit**2 for logit in model(x.unsqueeze(0))[0]).backward()
        for name, p in model.named_parameters():
            total[name] += p.grad.abs() / 20
    for name, expected in total.items():
        torch.testing.assert_close(found[name][1, 2].double(), expected, rtol=1e-4, atol=1e-5)


def test_path_integral_is_the_sum_over_steps(images):
    """It is computed from recorded gradients and steps, and approximates the fall of the loss."""
    theta = mlp.init([25, 6, 4], [generator(s, "init") for s in (0, 1)])
    start = {name: p.clone() for name, p in theta.items()}
    adam, path = Adam(theta.values(), 1e-3, 0.1), PathIntegral(theta)
    inputs, labels = images.flat("train")
    x, y = inputs.T.expand(2, -1, -1), labels.expand(2, -1)
    written = {name: torch.zeros_like(p) for name, p in start.items()}
    losses = []
    for _ in range(30):
        each = F.cross_entropy(mlp.forward(theta, x), y, reduction="none").mean(1)  # (run)
        losses.append(each.detach())
        adam.zero_grad()
        each.sum().backward()
        before = {name: p.detach().clone() for name, p in theta.items()}
        with path.step():
            adam.step()
        for name, p in theta.items():
            written[name] -= p.grad * (p.detach() - before[name])
    state = path.state()
    for name, p in theta.items():
        torch.testing.assert_close(state[f"fall.{name}"], written[name])
        assert torch.equal(state[f"moved.{name}"], p.detach() - start[name])
    fall = sum(written[name].flatten(1).sum(1) for name in theta)
    end = F.cross_entropy(mlp.forward(theta, x), y, reduction="none").mean(1).detach()
    torch.testing.assert_close(fall, losses[0] - end, rtol=0.05, atol=0)


def test_a_stop_has_the_path_integral_up_to_it(images, trained):
    _, table, _ = trained
    _, way, _ = first(images, [0, 1, 2])
    reached = table[(table["stop"] == "0.6") & (table["seed"] == 1)]["iteration"].item()
    _, short, _ = first(images, [1], stops=(), iterations=reached)
    for kind in ("fall", "moved"):
        for name, w in short[kind].items():
            assert torch.equal(w[0, 0], way[kind][name][2, 1]), name


def test_omega_of_every_model_equals_that_of_the_library(images, trained):
    models, _, _ = trained
    how = {"curvature": "ggn", "damping": 0.01, "precision": 0.1}
    found = estimate_omega(models, images, seeds=[0, 1, 2], samples=40, shared=2, **how)["omega"]
    inputs, labels = images.flat("train")
    picks = torch.randperm(160, generator=generator(1, "estimate_fisher", "samples"))[:40]
    model = mlp.module({name: p[2, 1] for name, p in models.items()})
    data = [(inputs[picks], labels[picks])]
    expected = exact_omega(model, data, shared=mlp.layer_names(2), **how)
    assert torch.equal(found[2, 1], expected.float())


def test_dense_anchor_is_the_gradient_of_its_quadratic_form():
    torch.manual_seed(0)
    shapes = {"weight": (2, 3), "bias": (2,)}
    stops, alphas, seeds = 2, [1.0, 10.0, 50.0], 2
    anchor = {name: torch.randn(12, *shape).double() for name, shape in shapes.items()}
    theta = {name: torch.randn_like(a).requires_grad_() for name, a in anchor.items()}
    root = torch.randn(stops, seeds, 8, 8).double()
    omega = root @ root.mT
    expected = []
    for stop in range(stops):
        for alpha in alphas:
            for seed in range(seeds):
                run = len(expected)
                v = torch.cat([(theta[n][run] - anchor[n][run]).flatten() for n in shapes])
                expected.append(alpha / 2 * v @ omega[stop, seed] @ v)
    sum(expected).backward()
    by_autograd = {name: t.grad.clone() for name, t in theta.items()}
    for t in theta.values():
        t.grad = torch.ones_like(t)  # of the loss
    DenseAnchor(anchor, omega, alphas).add_gradient_(theta)
    for name, t in theta.items():
        torch.testing.assert_close(t.grad - 1, by_autograd[name], rtol=1e-10, atol=1e-10)


def test_a_diagonal_omega_is_wpl(images, trained):
    """It is as strong as WPL at the same α, for any scale."""
    _, _, fisher = trained
    rows = torch.cat([fisher[name].flatten(2) for name in mlp.layer_names(2)], 2)
    omega = {"omega": {"omega": 7 * torch.diag_embed(rows)}}
    wpl, _ = second(images, trained, "wpl", [5.0, 50.0])
    dense, _ = second(images, trained, "omega", [5.0, 50.0], estimates=omega)
    for name, p in wpl.items():
        torch.testing.assert_close(dense[name], p, rtol=1e-3, atol=1e-4)


def test_an_arm_is_anchored_by_the_importance_in_its_entry(images, trained):
    """The importance of the two shared layers is scaled by hand to the mean of their F, by run."""
    models, _, fisher = trained
    _, path, _ = first(images, [0, 1, 2])
    own = {
        name: path["fall"][name].clamp(min=0) / (path["moved"][name].square() + 0.1)
        for name in mlp.layer_names(2)
    }
    total, wanted = (sum(of[n].flatten(2).sum(2) for n in own) for of in (own, fisher))
    factor = wanted / total  # (stop, seed)
    by_hand = {n: o * factor.reshape(3, 3, *[1] * (o.ndim - 2)) for n, o in own.items()}
    expected, _ = second(images, (models, None, {**fisher, **by_hand}), "wpl", [50.0])
    found, _ = second(images, trained, "si", [50.0], estimates=path, numbers={"damping": 0.1})
    for name, p in expected.items():
        torch.testing.assert_close(found[name], p, rtol=1e-3, atol=1e-4)


SPLIT = {
    "seeds": [0, 1],
    "width": 6,
    "first": First(stops=(0.4,), check_every=5, depth=3, iterations=120, **TRAINING),
    "second": Second(depth=5, iterations=200, record_every=100, **TRAINING),
    "fisher": Fisher(kind="empirical", samples=500),
}
STRENGTHS = {
    "none": Strengths(alpha=0.0, alphas=[0.0]),
    "ewc": Strengths(alpha=1.0, alphas=[1.0, 30.0]),
    "l2": Strengths(alpha=1e6, alphas=[1e6]),
    "si": Strengths(alpha=1e6, alphas=[1e6], numbers={"damping": 0.1}),
    "mas": Strengths(alpha=1e6, alphas=[1e6]),
    "joint": Strengths(alpha=0.0, alphas=[0.0]),
}


@pytest.fixture
def opposed(images):
    """Return images of the first two classes, and the same images with opposite labels."""
    kept = {p: y < 2 for p, y in images.labels.items()}
    pixels = {p: images.pixels[p][k].repeat(2, 1, 1, 1) for p, k in kept.items()}
    labels = {p: images.labels[p][k] for p, k in kept.items()}
    return Images(pixels, {p: torch.cat([y, 3 - y]) for p, y in labels.items()}, {})


def test_split_is_the_two_models_experiment_with_every_layer_shared(opposed):
    images = opposed
    history = train_split(images, arms=STRENGTHS, **SPLIT)
    assert set(history["shared"]) == {3}
    ends = history[history["iteration"] == 200].set_index(["arm", "alpha", "seed"])
    start = history[history["iteration"] == 0].set_index(["arm", "alpha", "seed"])
    assert (start["accuracy_first"] > 0.6).all()
    mean = ends.groupby(["arm", "alpha"])["accuracy_first"].mean()
    assert mean["none", 0.0] < 0.3
    for arm in ("l2", "si", "mas"):
        assert mean[arm, 1e6] > mean["none", 0.0], arm
    assert mean["joint", 0.0] == pytest.approx(0.5, abs=0.15), "it sees both labels"

    # By hand: labels 0, 1 are the first task, and 2, 3 the second, with the same two outputs.
    halves = []
    for half in (0, 1):
        kept = {p: images.labels[p] // 2 == half for p in images.labels}
        pixels = {p: images.pixels[p][k] for p, k in kept.items()}
        halves.append(Images(pixels, {p: images.labels[p][k] % 2 for p, k in kept.items()}, {}))
    a, b = halves
    models, _, _ = train_first(a, replace(SPLIT["first"], stops=()), seeds=[0, 1], width=6)
    fisher = estimate_fisher(models, a, Fisher(kind="empirical", samples=80), seeds=[0, 1])
    settings = replace(SPLIT["second"], depth=3)
    changes = {"settings": settings, "seeds": [0, 1], "stops": ["converged"]}
    weights, by_hand = second(
        b, (models, None, fisher), "ewc", [1.0, 30.0], 3, first_images=a, **changes
    )
    found = history[history["arm"] == "ewc"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, by_hand)
    network = {name: p[0, 1, 1] for name, p in weights.items()}
    row = ends.loc["ewc", 30.0, 1]
    assert row["accuracy_first"] == pytest.approx(score(network, a, "test"))
    assert row["accuracy_second"] == pytest.approx(score(network, b, "test"))


def test_a_module_and_stacked_runs_agree():
    weights = mlp.init([5, 4, 3], [generator(s, "init") for s in (0, 1)])
    x = torch.randn(2, 5, 7)
    stacked = mlp.forward(weights, x)  # (run, class, sample)
    for run in range(2):
        model = mlp.module({name: p[run] for name, p in weights.items()})
        torch.testing.assert_close(model(x[run].T).T, stacked[run])


def test_initial_weights_have_the_distribution_of_a_linear_layer():
    torch.manual_seed(0)
    mine = mlp.init([200, 300, 2], [generator(0, "init")])
    linear = nn.Linear(200, 300)
    for name, p in linear.named_parameters():
        assert mine[f"layer1.{name}"].abs().max().item() == pytest.approx(200**-0.5, rel=0.03)
        ratio = mine[f"layer1.{name}"].std() / p.std()
        assert ratio.item() == pytest.approx(1, abs=0.01 if name == "weight" else 0.15)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_named(bad):
    weights = mlp.init([5, 4, 3], [generator(s, "init") for s in (0, 1)])
    mlp.check_finite(weights, ["first run", "second run"])
    weights["layer2.bias"][1, 0] = bad
    with pytest.raises(FloatingPointError, match=r"second run: layer2\.bias is not finite"):
        mlp.check_finite(weights, ["first run", "second run"])
