"""The task of classifying images: what it trains on, what it rewards, what it scores."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from tiny_search import plasticity, policy, run

from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS
from wpl_lab.search.spaces.image_task import ImageTask
from wpl_lab.search.standalone import train_alone
from wpl_lab.seeding import generator

PROTECT = ("stem", "squeeze", "edge", "end", "classifier", "bias")


def squares(counts=(60, 40, 30), size=6):
    """Bright squares in one of three corners: something that can be learnt."""
    random, pixels, labels = generator(0, "squares"), {}, {}
    for part, count in zip(PARTS, counts, strict=True):
        labels[part] = torch.arange(count) % 3
        pixels[part] = torch.randint(
            60, (count, 1, size, size), generator=random, dtype=torch.uint8
        )
        for image, label in zip(pixels[part], labels[part].tolist(), strict=True):
            image[0, 3 * (label // 2) :, 3 * (label % 2) :][:3, :3] += 100
    return Images(pixels, labels, {})


def image_task(images=None, *, seed=0, **changed):
    settings = {"nodes": 1, "alike": True, "operations": ["identity", "sep3", "max3"], "width": 4}
    settings |= {"stages": 2, "stacked": 1, "repeats": 1, "batch_size": 10, "measured": 30}
    settings |= {"shift": 0, "flip": False, "dropout": 0.0, "drop_path": 0.0}
    return ImageTask(images or squares(), seed=seed, **settings | changed)


def cell_of(task, number=8):
    return next(itertools.islice(task.space.cells(), number, None))


def test_batches_go_around_all_images_in_an_order_of_the_seed():
    task = image_task()
    inputs, labels = zip(*itertools.islice(task.batches(0, 0), 12), strict=True)
    for around in (inputs[:6], inputs[6:]):
        assert len(torch.cat(around).flatten(1).unique(dim=0)) == 60
    assert not torch.equal(inputs[0], inputs[6]), "in a new order"
    assert torch.bincount(torch.cat(labels[:6])).tolist() == [20, 20, 20]
    resumed, _ = next(task.batches(8, 0))
    assert torch.equal(resumed, inputs[8]), "from any number on"
    assert not torch.equal(next(task.batches(0, 1))[0], inputs[0])


def test_inputs_are_standardised_by_the_training_part():
    images = squares()
    x = torch.cat([x for x, _ in itertools.islice(image_task(images).batches(0, 0), 6)])
    assert x.mean().item() == pytest.approx(0, abs=1e-5)
    assert x.std().item() == pytest.approx(1, abs=1e-2)


def test_validation_images_are_cut_in_two_disjoint_halves():
    rewarded = {}
    for part in ("reward", "select"):
        images = squares()
        task = image_task(images)
        before = task.score(task.child(cell_of(task)), "select")
        drawn = {
            tuple(x.flatten().tolist()) for s in range(20) for x in task.sample(generator(s))[0]
        }
        rewarded[part] = drawn
        half = task._halves[part]
        images.pixels["valid"][half] = 0
        assert (task.score(task.child(cell_of(task)), "select") == before) == (part == "reward")
    assert len(rewarded["reward"]) == 20


def test_scores_are_those_of_each_image_alone():
    task = image_task()
    child = task.child(cell_of(task))
    x, y = task._batch("test", torch.arange(30))
    logits = torch.cat([child(image[None]) for image in x])
    nats, error = task.score(child, "test")
    assert nats == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert error == pytest.approx(100 * (logits.argmax(1) != y).double().mean().item())
    assert task.predictions("test") == 30
    assert task.reward(child, x, y) == pytest.approx(1 - error / 100)
    assert task.guessing == pytest.approx(math.log(3))


def test_a_child_is_measured_with_the_weights_it_has_now():
    task = image_task()
    old = task.child(cell_of(task))
    with torch.no_grad():
        task.model.stem[0] *= 3
    x, _ = task.sample(generator(0))
    assert torch.allclose(task.child(cell_of(task))(x), task.model(x, cell_of(task)), atol=2.0)
    assert not torch.allclose(old(x), task.child(cell_of(task))(x), atol=1e-2)


def test_images_are_shifted_and_mirrored_and_nothing_else():
    images = squares((60, 40, 30))
    plain = next(image_task(images).batches(0, 0))[0]
    shifted = next(image_task(images, shift=2).batches(0, 0))[0]
    padded = F.pad(plain, [2] * 4)
    windows = [padded[:, :, i : i + 6, j : j + 6] for i in range(5) for j in range(5)]
    assert any(torch.equal(shifted, window) for window in windows)
    mirrored = next(image_task(images, flip=True).batches(0, 0))[0]
    same = [torch.equal(a, b) for a, b in zip(mirrored, plain, strict=True)]
    turned = [torch.equal(a, b.flip(2)) for a, b in zip(mirrored, plain, strict=True)]
    assert all(a or b for a, b in zip(same, turned, strict=True))
    assert 0 < sum(same) < len(same)


def test_an_architecture_learns_alone():
    task = image_task()
    before = task.score(task.child(cell_of(task)), "test")
    row = train_alone(
        task,
        cell_of(task),
        seed=0,
        batches=60,
        learning_rate=0.5,
        gradient_norm=5.0,
        weight_decay=0.0,
        explosion=5.0,
    )
    assert row["test"] < before.nats / 3
    assert row["test_error"] < 15


def test_the_loop_searches_images_as_it_searches_text(tmp_path):
    """Both strategies, with plasticity; and the same bytes from one run to the next."""
    saved = []
    for name in ("one", "other"):
        tables = run(
            image_task(),
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


def test_too_few_or_too_small_images_are_named():
    with pytest.raises(ValueError, match="train: 60 images are too few for batches of 61"):
        image_task(batch_size=61)
    with pytest.raises(ValueError, match="reward: 20 images are too few for batches of 25"):
        image_task(batch_size=25)
    with pytest.raises(ValueError, match="images of 6×6 are too small for 4 stages"):
        image_task(stages=4)
