"""The task of classifying images: training batches, rewards and scores."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from tiny_search import plasticity, policy, run

from wpl_lab.data.data_files import DataError
from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS
from wpl_lab.search.spaces.image_task import image_task
from wpl_lab.search.spaces.network import side_by_side
from wpl_lab.search.spaces.normalisation import Norm
from wpl_lab.search.standalone import train_alone
from wpl_lab.seeding import generator

PROTECT = ("stem", "squeeze", "edge", "end", "classifier", "bias")


def squares(counts=(60, 40, 30), size=6):
    """Return images with a bright square in one of three corners, which can be learnt."""
    random, pixels, labels = generator(0, "squares"), {}, {}
    for part, count in zip(PARTS, counts, strict=True):
        labels[part] = torch.arange(count) % 3
        pixels[part] = torch.randint(
            60, (count, 1, size, size), generator=random, dtype=torch.uint8
        )
        for image, label in zip(pixels[part], labels[part].tolist(), strict=True):
            image[0, 3 * (label // 2) :, 3 * (label % 2) :][:3, :3] += 100
    return Images(pixels, labels, {})


def task_of(images=None, **changed):
    settings = {"nodes": 1, "alike": True, "operations": ["identity", "sep3", "max3"], "width": 4}
    settings |= {"stages": 2, "stacked": 1, "repeats": 1, "batch_size": 10, "measured": 30}
    settings |= {"shift": 0, "flip": False, "dropout": 0.0, "drop_path": 0.0}
    return image_task(images or squares(), **settings | changed)


def cell_of(task, number=8):
    return next(itertools.islice(task.space.cells(), number, None))


def child_of(task, number=8, *, seed=0, change=lambda weights: None):
    """Make a child with the initial weights of a seed."""
    weights = {name: weight[None].clone() for name, weight in task.weights(seed).items()}
    change(weights)
    return task.children(weights, [(0, cell_of(task, number))])


def score(task, part):
    (found,) = child_of(task).scores(part)
    return found


def test_an_epoch_has_all_images_in_an_order_that_depends_on_the_seed():
    task = task_of()
    both = list(itertools.islice(task.batches(0, [0, 1]), 12))
    inputs, labels = zip(*((x[0], y[0]) for x, y in both), strict=True)
    for around in (inputs[:6], inputs[6:]):
        assert len(torch.cat(around).flatten(1).unique(dim=0)) == 60
    assert not torch.equal(inputs[0], inputs[6]), "in a new order"
    assert torch.bincount(torch.cat(labels[:6])).tolist() == [20, 20, 20]
    resumed, _ = next(task.batches(8, [0]))
    assert torch.equal(resumed[0], inputs[8]), "batches can start at any number"
    assert not torch.equal(both[0][0][1], inputs[0]), "another seed"


def test_inputs_are_standardised_by_the_training_part():
    images = squares()
    x = torch.cat([x for x, _ in itertools.islice(task_of(images).batches(0, [0]), 6)])
    assert x.mean().item() == pytest.approx(0, abs=1e-5)
    assert x.std().item() == pytest.approx(1, abs=1e-2)


def test_validation_images_are_split_into_two_disjoint_halves():
    rewarded = {}
    for part in ("reward", "select"):
        images = squares()
        task = task_of(images)
        before = score(task, "select")
        inputs, _ = task.sample([generator(s) for s in range(20)])
        drawn = {tuple(x.flatten().tolist()) for x in inputs.flatten(0, 1)}
        rewarded[part] = drawn
        half = task._halves[part]
        images.pixels["valid"][half] = 0
        assert (score(task, "select") == before) == (part == "reward")
    assert len(rewarded["reward"]) == 20


def logits_of(task, images, *, measured, change=lambda weights: None):
    """Compute logits of a child with batch statistics measured on other images."""
    weights = {name: weight[None].clone() for name, weight in task.weights(0).items()}
    change(weights)
    laid, norm = side_by_side(weights), Norm(keep=True)
    task.network.logits(laid, measured, cell_of(task), norm)
    return task.network.logits(laid, images, cell_of(task), Norm(norm.kept))[0]


def test_scores_equal_those_of_each_image_alone():
    task = task_of()
    x, y = task._batch("test", torch.arange(30))
    logits = torch.cat([logits_of(task, image[None], measured=task.measured) for image in x])
    nats, error = score(task, "test")
    assert nats == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert error == pytest.approx(100 * (logits.argmax(1) != y).double().mean().item())
    assert task.predictions("test") == 30
    assert child_of(task).rewards(x[None], y[None]) == [pytest.approx(1 - error / 100)]
    assert task.guessing == pytest.approx(math.log(3))


def test_a_child_is_measured_with_its_current_weights():
    task = task_of()

    def change(weights):
        weights["stem"][0, 0] *= 3
        weights["stem"][0, 1] += 0.5

    x, y = task._batch("valid", torch.arange(20))
    expected = logits_of(task, x, measured=task.measured, change=change)
    reward = (expected.argmax(1) == y).double().mean().item()
    assert child_of(task, change=change).rewards(x[None], y[None]) == [reward]


CELLS = (8, 3, 8, 15, 8)


def stacked(task, runs):
    each = [task.weights(run) for run in range(runs)]
    return {name: torch.stack([of[name] for of in each]) for name in each[0]}


def test_children_side_by_side_equal_each_alone():
    """They have several architectures, some of them equal, and all kinds of dropout."""
    task = task_of(dropout=0.3, drop_path=0.3)
    weights, cells = stacked(task, 5), [cell_of(task, number) for number in CELLS]
    inputs, targets = next(task.batches(0, range(5)))
    both = task.children(weights, list(enumerate(cells)))
    losses, gradients = both.gradients(inputs, targets, [generator(s) for s in range(5)])
    fisher = both.fisher(inputs, targets, kind="empirical", randoms=[generator(0)] * 5)
    rewards, scores = both.rewards(inputs, targets), both.scores("select")
    for at, cell in enumerate(cells):
        own = {name: weight[at : at + 1] for name, weight in weights.items()}
        batch = inputs[at : at + 1], targets[at : at + 1]
        alone = task.children(own, [(0, cell)])
        loss, expected = alone.gradients(*batch, [generator(at)])
        torch.testing.assert_close(losses[at], loss[0])
        assert set(expected) == set(task.used(cell))
        for name, gradient in expected.items():
            torch.testing.assert_close(gradients[name][at], gradient[0], rtol=1e-4, atol=1e-6)
        f = alone.fisher(*batch, kind="empirical", randoms=[generator(0)])
        for name, own_fisher in f.items():
            torch.testing.assert_close(fisher[name][at], own_fisher[0], rtol=1e-4, atol=1e-9)
        assert rewards[at] == alone.rewards(*batch)[0]
        assert scores[at] == pytest.approx(alone.scores("select")[0], rel=1e-5)


def test_the_gradient_of_a_run_is_that_of_the_mean_over_its_children():
    task = task_of()
    weights, cells = stacked(task, 1), [cell_of(task, number) for number in (8, 3, 8)]
    batch = next(task.batches(0, [0]))
    _, mean = task.children(weights, [(0, c) for c in cells]).gradients(*batch, [generator(0)])
    each = [task.children(weights, [(0, c)]).gradients(*batch, [generator(0)])[1] for c in cells]
    for name, found in mean.items():
        expected = sum(one.get(name, torch.zeros_like(found)) for one in each) / 3
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_augmentation_only_shifts_and_flips_images():
    images = squares((60, 40, 30))
    plain = next(task_of(images).batches(0, [0]))[0][0]
    shifted = next(task_of(images, shift=2).batches(0, [0]))[0][0]
    padded = F.pad(plain, [2] * 4)
    windows = [padded[:, :, i : i + 6, j : j + 6] for i in range(5) for j in range(5)]
    assert any(torch.equal(shifted, window) for window in windows)
    mirrored = next(task_of(images, flip=True).batches(0, [0]))[0][0]
    same = [torch.equal(a, b) for a, b in zip(mirrored, plain, strict=True)]
    turned = [torch.equal(a, b.flip(2)) for a, b in zip(mirrored, plain, strict=True)]
    assert all(a or b for a, b in zip(same, turned, strict=True))
    assert 0 < sum(same) < len(same)


def test_an_architecture_trained_alone_learns():
    task = task_of()
    before = score(task, "test")
    (row,) = train_alone(
        task,
        [(0, cell_of(task))],
        batches=60,
        learning_rate=0.5,
        gradient_norm=5.0,
        weight_decay=0.0,
        explosion=5.0,
    )
    assert row["test"] < before.nats / 3
    assert row["test_error"] < 15


def test_the_loop_searches_on_images_as_on_text(tmp_path):
    """Both strategies are run with WPL, and repeated with identical bytes."""
    saved = []
    for name in ("one", "other"):
        tables = run(
            task_of(),
            tmp_path / name,
            protect=plasticity(protect=PROTECT, alpha=1.0),
            learn=policy(),
            exhaustive=21,
            ranked_every=2,
            learning_rate=0.5,
        )
        saved.append((tmp_path / name).read_bytes())
    assert saved[0] == saved[1]
    assert tables["scores"]["epoch"].unique().tolist() == [0, 2]
    assert len(tables["scores"]) == 2 * 21
    assert tables["children"]["error1"].between(0, 100).all()
    assert tables["children"]["reward"].between(0, 1).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 61}, "images: the training part has 60 images; .*batch_size needs 61"),
        ({"batch_size": 25}, "images: the first half of the validation part has 20 images"),
        ({"stages": 4}, "stages: 4 halves images of 6×6 to nothing"),
    ],
)
def test_too_few_or_too_small_images_are_named(changed, message):
    with pytest.raises(DataError, match=message):
        task_of(**changed)
