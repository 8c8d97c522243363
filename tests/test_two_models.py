"""Two models in sequence: runs side by side against one at a time; what each arm promises."""

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wpl import WeightPlasticity, diagonal_fisher
from wpl.images import Images
from wpl.seeding import batch_order, generator
from wpl.two_models import comparison, mlp
from wpl.two_models.findings import findings
from wpl.two_models.first import train_first
from wpl.two_models.importance import estimate_fisher, uniform
from wpl.two_models.second import train_second

TRAINING = {"batch_size": 16, "learning_rate": 5e-3, "weight_decay": 1e-3}
FIRST = {"stops": [0.4, 0.6], "check_every": 5, "depth": 4, "width": 6, "iterations": 120}
SECOND = {"depth": 5, "width": 6, "iterations": 40, "record_every": 20}
STOPS = ["converged", "0.4", "0.6"]


@pytest.fixture(scope="module")
def images():
    """Four classes of 5×5 images, easy to learn."""
    draw = torch.Generator().manual_seed(0)
    prototypes = torch.randint(0, 200, (4, 1, 5, 5), generator=draw)
    labels = {p: torch.arange(n) % 4 for p, n in (("train", 160), ("valid", 60), ("test", 80))}
    pixels = {
        p: (prototypes[y] + torch.randint(0, 56, (len(y), 1, 5, 5), generator=draw)).byte()
        for p, y in labels.items()
    }
    return Images(pixels, labels, {})


def first(images, seeds):
    return train_first(images, seeds=seeds, **FIRST, **TRAINING)


@pytest.fixture(scope="module")
def trained(images):
    models, table = first(images, [0, 1, 2])
    fisher = estimate_fisher(models, images, seeds=[0, 1, 2], kind="empirical", samples=50)
    return models, table, fisher


def second(images, trained, arm, alphas=(0.0,), shared=2, **changes):
    settings = {"seeds": [0, 1, 2], "stops": STOPS, **SECOND, **TRAINING, **changes}
    models, _, fisher = trained
    return train_second(
        images, models, fisher, arm=arm, alphas=list(alphas), shared=shared, **settings
    )


def final(history, model="first"):
    return history[history["iteration"] == 40][f"accuracy_{model}"].to_numpy()


def test_a_seed_is_the_same_whichever_seeds_it_is_trained_with(images, trained):
    models, _, fisher = trained
    alone, _ = first(images, [1])
    swapped, _ = first(images, [5, 2, 1])
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
    pd.testing.assert_frame_equal(mine.reset_index(drop=True), alone)


def one_at_a_time(model, images, purpose, iterations, after_backward=None):
    """Train one ordinary module with torch.optim.Adam, in double precision."""
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


def test_both_models_are_what_ordinary_torch_trains(images, trained):
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
    plasticity = WeightPlasticity(anchor, {name: expected[name] for name in shared}, 50.0)

    def pull(model):
        plasticity.add_gradient_(dict(model.named_parameters()))

    one_at_a_time(b, images, "train_second", 40, pull)
    weights, _ = second(images, trained, "wpl", [50.0])
    for name, p in b.named_parameters():
        torch.testing.assert_close(weights[name][0, 0, 1].double(), p, rtol=1e-2, atol=1e-3)


def test_stops_are_judged_on_validation_data(images, trained):
    models, table, _ = trained
    valid, labels = images.flat("valid")
    for stop, level in (("0.4", 0.4), ("0.6", 0.6)):
        rows = table[table["stop"] == stop]
        assert (rows["iteration"] % 5 == 0).all()
        for seed, row in enumerate(rows.itertuples()):
            i = STOPS.index(stop)
            model = mlp.module({name: p[i, seed] for name, p in models.items()})
            score = (model(valid).argmax(1) == labels).double().mean().item()
            assert row.accuracy_valid == pytest.approx(score)
            assert score >= level
    early = first(images, [0])[1].set_index("stop")["iteration"]
    assert early["0.4"] < early["0.6"] < early["converged"] == 120


def test_a_stop_that_is_never_reached_is_named(images):
    with pytest.raises(ValueError, match=r"seed 3 did not reach a validation accuracy of 0\.99"):
        train_first(images, seeds=[3], **FIRST | {"stops": [0.99], "iterations": 10}, **TRAINING)


def test_divergence_is_named(images, trained):
    with pytest.raises(FloatingPointError, match=r"none.*'stop': 'converged'.*layer1.weight"):
        second(images, trained, "none", learning_rate=1e30)


def test_none_is_wpl_of_strength_zero(images, trained):
    none, history = second(images, trained, "none")
    for arm in ("wpl", "l2"):
        weights, same = second(images, trained, arm, [0.0])
        assert all(torch.equal(none[name], p) for name, p in weights.items())
        assert (final(history) == final(same)).all()


def test_frozen_keeps_the_first_model_and_trains_the_rest(images, trained):
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


def test_uniform_importance_has_the_mean_of_the_fisher_information():
    fisher = {"layer1.weight": torch.rand(3, 4, 5), "layer1.bias": torch.rand(3, 4)}
    flat = uniform(fisher)
    for run in range(3):
        values = torch.cat([f[run].flatten() for f in flat.values()])
        assert (values == values[0]).all()
        mean = torch.cat([f[run].flatten() for f in fisher.values()]).mean()
        torch.testing.assert_close(values.mean(), mean)


def test_too_many_samples_are_refused(images, trained):
    with pytest.raises(ValueError, match=r"fisher\.samples is 161, but there are only 160"):
        estimate_fisher(trained[0], images, seeds=[0, 1, 2], kind="mc", samples=161)


def history_of(scores):
    """Records of runs that begin at .9 and .1 and end at the given scores of A and B, by seed."""
    return pd.DataFrame(
        {"shared": 2, "stop": "converged", "arm": arm, "alpha": alpha, "seed": seed}
        | {"iteration": i, "accuracy_first": a, "accuracy_second": b}
        for (arm, alpha), pairs in scores.items()
        for seed, pair in enumerate(pairs)
        for i, (a, b) in enumerate([(0.9, 0.1), pair])
    )


SCORES = {
    ("none", 0.0): [(0.5 + 0.01 * s, 0.90) for s in range(6)],
    ("wpl", 10.0): [(0.9, 0.85)] * 6,
    ("wpl", 1.0): [(0.7, 0.88)] * 6,
    ("l2", 10.0): [(0.9, 0.80)] * 6,
}
ALPHAS = {"wpl": 10.0, "l2": 10.0}


def test_comparison_of_known_scores():
    history = history_of(SCORES).sample(frac=1, random_state=0)
    scores = comparison.final_scores(history)
    compared = comparison.compare(scores).set_index(["arm", "alpha"])
    lost = 0.9 - (0.5 + 0.01 * 2.5)
    none, wpl, weak = (compared.loc[k] for k in (("none", 0.0), ("wpl", 10.0), ("wpl", 1.0)))
    assert none["forgetting"] == pytest.approx(lost)
    assert wpl["reduction"] == pytest.approx(1)
    assert weak["reduction"] == pytest.approx(1 - 0.2 / lost)
    assert weak["reduction_low"] < weak["reduction"] < weak["reduction_high"]
    assert wpl["cost"] == pytest.approx(0.05)
    assert wpl["forgetting_p"] == pytest.approx(2 / 2**6)

    cases = comparison.headline_runs(compared.reset_index(), ALPHAS)
    own = set(cases[["arm", "alpha"]].itertuples(index=False, name=None))
    assert own == set(SCORES) - {("wpl", 1.0)}
    headline = comparison.headline(cases, 2)["converged"]
    assert headline == pytest.approx({"forgetting": lost, "reduction": 1.0, "cost": 0.05})
    curves = comparison.mean_curves(comparison.headline_runs(history, ALPHAS), 2)
    assert curves["first_none"].tolist() == pytest.approx([0.9, 0.525])


@pytest.mark.parametrize(
    ("wpl", "l2", "verdict"),
    [
        (0.85, 0.80, "the Fisher information helps"),
        (0.80, 0.85, "the uniform anchor is better"),
        (0.85, 0.85, "no difference is shown"),
    ],
)
def test_findings_say_what_the_scores_say(wpl, l2, verdict):
    scores = SCORES | {("wpl", 10.0): [(0.9, wpl)] * 6, ("l2", 10.0): [(0.9, l2)] * 6}
    runs = comparison.final_scores(history_of(scores))
    text = findings(runs, comparison.compare(runs), ALPHAS)
    assert f"**{verdict}**" in text
    assert "it loses 37.5 points" in text


def test_findings_say_when_no_strength_suffices():
    runs = comparison.final_scores(history_of(SCORES | {("l2", 10.0): [(0.6, 0.9)] * 6}))
    text = findings(runs, comparison.compare(runs), ALPHAS)
    assert "(L2) removes 90% of the forgetting at no strength tried" in text


def test_module_and_stacked_runs_agree():
    weights = mlp.init([5, 4, 3], [generator(s, "init") for s in (0, 1)])
    x = torch.randn(2, 5, 7)
    stacked = mlp.forward(weights, x)  # (run, class, sample)
    for run in range(2):
        model = mlp.module({name: p[run] for name, p in weights.items()})
        torch.testing.assert_close(model(x[run].T).T, stacked[run])
    default = nn.Linear(5, 4).weight
    assert weights["layer1.weight"].abs().max() <= 5**-0.5
    assert weights["layer1.weight"].std().item() == pytest.approx(default.std().item(), rel=0.3)
