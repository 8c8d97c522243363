"""Insufficient data is refused with the key of the setting that needs more; other data passes."""

import pytest
from in_process import plan

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_needs import check_images, check_omega, check_text, check_two_models

ONE = {"samples": 1, "omega": None}
TEXT = {"train": 72, "valid": 144, "test": 20}
TEXT_MODEL = {"batch_size": 8, "steps": 8, "score_rows": 10}
IMAGES = {"train": 16, "valid": 32, "test": 1}
CLASSES = [40, 24, 64, 10, 30]  # the last is left out by split


def test_sufficient_data_passes():
    check_text(TEXT, **TEXT_MODEL)
    check_images(IMAGES, (3, 4, 8), batch_size=16, stages=3)
    omega = {"width": 10, "shared": 3, "seeds": 10}
    enough = {"batch_sizes": {"first.batch_size": 64}, "samples": 168, "split": True}
    check_two_models(CLASSES, (1, 8, 8), **enough, omega=omega)
    check_two_models(CLASSES, (3, 32, 32), **enough, omega=None)
    check_omega(64, width=10, shared=3, seeds=10)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("train", r"text: the training part has 71 tokens; .*model.batch_size × .* needs 72"),
        ("valid", r"text: the first half of the validation part has 71 tokens; .* needs 72"),
        (
            "test",
            r"text: the test part has 19 tokens; 2 × search.text.model.score_rows .* needs 20",
        ),
    ],
)
def test_too_little_text_is_named(part, message):
    with pytest.raises(DataError, match=message):
        check_text(TEXT | {part: TEXT[part] - 1}, **TEXT_MODEL)


def test_too_many_rows_to_score_are_named():
    with pytest.raises(DataError, match="the second half of the validation part has 72 tokens"):
        check_text(TEXT, **TEXT_MODEL | {"score_rows": 37})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("train", "images: the training part has 15 images; search.images.model.batch_size needs"),
        ("valid", "images: the first half of the validation part has 15 images"),
    ],
)
def test_too_few_images_are_named(part, message):
    with pytest.raises(DataError, match=message):
        check_images(IMAGES | {part: IMAGES[part] - 1}, (3, 4, 8), batch_size=16, stages=3)


def test_too_small_images_are_named():
    with pytest.raises(DataError, match=r"search.images.model.stages: 4 halves images of 4×8 to"):
        check_images(IMAGES, (3, 4, 8), batch_size=16, stages=4)


@pytest.mark.parametrize("key", ["first.batch_size", "second.batch_size"])
def test_too_large_a_batch_is_named(key):
    message = f"{key} is 65, but half of the classes, which split trains on, have only 64 training"
    with pytest.raises(DataError, match=message):
        check_two_models(CLASSES, (1, 8, 8), batch_sizes={key: 65}, **ONE, split=True)
    check_two_models(CLASSES, (1, 8, 8), batch_sizes={key: 168}, **ONE, split=False)
    with pytest.raises(DataError, match=f"{key} is 169, but there are only 168 training images"):
        check_two_models(CLASSES, (1, 8, 8), batch_sizes={key: 169}, **ONE, split=False)


def test_too_many_samples_are_named():
    with pytest.raises(DataError, match=r"fisher.samples is 169, but there are only 168 training"):
        check_two_models(CLASSES, (1, 8, 8), batch_sizes={}, samples=169, omega=None, split=True)


def test_too_few_classes_are_named():
    """With three, half of them would be one, which nothing can be learnt about."""
    with pytest.raises(DataError, match=r"data has 3 classes; .* needs at least 4; split.arms:"):
        check_two_models([9, 9, 9], (1, 8, 8), batch_sizes={}, **ONE, split=True)
    check_two_models([9, 9, 9], (1, 8, 8), batch_sizes={}, **ONE, split=False)


def test_colour_images_are_too_large_for_omega():
    with pytest.raises(DataError, match=r"10 matrices of 30950×30950 .* 3072 values, 76.6 GB"):
        check_two_models(
            CLASSES,
            (3, 32, 32),
            batch_sizes={},
            samples=1,
            omega={"width": 10, "shared": 3, "seeds": 10},
            split=True,
        )


def test_all_data_are_read_and_checked_before_anything_trains(tmp_path):
    jobs = plan({}, "all", tmp_path)
    first = max(job.rule.priority for job in jobs)
    rules = {job.rule.name for job in jobs if job.rule.priority == first}
    assert rules == {"prepare_data", "prepare_text", "evaluate_data"}
