"""Facts about images: counts, files, what was left out, and warnings about likely mistakes."""

import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from image_folders import deep_png, encoded, fill, pixels, read, write
from PIL import Image

from wpl_lab.data.facts import log_facts, save_facts
from wpl_lab.data.image_facts import image_facts
from wpl_lab.data.images import load_images, save_images
from wpl_lab.data.parts import PARTS


def facts(root, **changed):
    return image_facts(read("folder", root, **changed))


def warnings(root, **changed):
    return [fact.note for fact in facts(root, **changed) if fact.name == "warning"]


def table(root, **changed):
    return {fact.name: fact for fact in facts(root, **changed)}


def test_a_plain_folder(tmp_path):
    found = table(fill(tmp_path, each=5))
    assert "warning" not in found
    assert found["images"].values == dict.fromkeys(PARTS, 10)
    assert found["class cat"].values == found["class dog"].values == dict.fromkeys(PARTS, 5)
    assert found["mode L"].values == dict.fromkeys(PARTS, 10)
    assert found["shape"].note == "1×6×6 (channel × height × width), 8 bits"


def test_files_are_listed_by_part(tmp_path):
    fill(tmp_path, each=5)
    exif = Image.Exif()
    exif[0x0112] = 3
    colour = pixels("x", shape=(6, 6, 3))
    write(tmp_path, "train/cat/0.png", raw=encoded(colour, exif=exif))
    write(tmp_path, "train/dog/1.png", raw=encoded(colour[::-1].copy(), exif=exif))
    write(tmp_path, "valid/dog/1.png", pixels("y", shape=(6, 6, 4)))
    write(tmp_path, "valid/cat/2.png", raw=deep_png(pixels("z", shape=(6, 6, 3)).astype("u2")))
    frames = [Image.fromarray(pixels(name)) for name in "ab"]
    write(
        tmp_path,
        "test/cat/0.png",
        raw=encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
    )
    write(tmp_path, "labels.csv", raw=b"0,cat\n")
    found = table(tmp_path)
    assert found["rotated by EXIF"].values == {"train": 2, "valid": 0, "test": 0}
    assert found["rotated by EXIF"].note == "such as train/cat/0.png"
    assert found["transparent, on white"].values == {"train": 0, "valid": 1, "test": 0}
    assert found["first of several frames"].values == {"train": 0, "valid": 0, "test": 1}
    assert found["mode RGB"].values == {"train": 2, "valid": 0, "test": 0}
    assert found["mode RGB, 16 bits"].values == {"train": 0, "valid": 1, "test": 0}
    assert found["left out, no image"].note == "1: labels.csv"
    assert found["shape"].note == "3×6×6 (channel × height × width), 16 bits"


def test_sizes_are_those_before_resizing(tmp_path):
    fill(tmp_path, each=5)
    write(tmp_path, "train/cat/0.png", np.ones((30, 20), np.uint8))
    assert table(tmp_path, size=4)["sizes before resizing"].note == "6×6 to 30×20"


def test_images_that_are_also_in_train_cause_a_warning(tmp_path):
    fill(tmp_path)
    for i in range(3):
        shutil.copy(tmp_path / f"train/cat/{i}.png", tmp_path / f"test/dog/{i}.png")
    shutil.copy(tmp_path / "train/dog/0.png", tmp_path / "valid/dog/9.png")
    assert warnings(tmp_path) == [
        "1 of 9 valid images are in train too, byte for byte; one is valid/dog/9.png",
        "3 of 8 test images are in train too, byte for byte; one is test/dog/0.png",
    ]


def test_features_that_reveal_the_class_cause_a_warning(tmp_path):
    fill(tmp_path, each=5)
    for part in PARTS:
        for i in range(5):
            name = f"{part}/dog/{i}.png"
            write(tmp_path, name, pixels(name, shape=(6, 6, 3)))
    assert warnings(tmp_path) == [
        "mode L: all images of class cat and no others; it reveals the class",
        "mode RGB: all images of class dog and no others; it reveals the class",
    ]
    write(tmp_path, "train/cat/0.png", pixels("x", shape=(6, 6, 3)))
    assert not warnings(tmp_path)


def test_a_blank_image_causes_a_warning(tmp_path):
    fill(tmp_path)
    write(tmp_path, "test/cat/1.png", np.full((6, 6), 7, np.uint8))
    assert warnings(tmp_path) == ["images of one colour only: 1; one is test/cat/1.png"]


def test_rare_classes_cause_a_warning(tmp_path):
    fill(tmp_path, (), ("cat", "dog"), each=60)
    fill(tmp_path, (), ("owl",), each=2)
    found = warnings(tmp_path, valid_share=0.1, test_share=0.1)
    assert "class owl has no image in valid" in found
    assert "class owl has no image in test" in found
    assert any("class owl 2" in note for note in found)


@pytest.mark.parametrize("where", ["folder", "digits"])
def test_facts_from_the_stored_images_are_the_same(tmp_path, where):
    root = fill(tmp_path / "pets")
    images = read(where, root)
    save_images(tmp_path / "images", images)
    assert image_facts(load_images(tmp_path / "images")) == image_facts(images)
    save_facts(tmp_path / "facts.csv", image_facts(images))
    stored = pd.read_csv(tmp_path / "facts.csv", keep_default_na=False)
    assert list(stored.columns) == ["fact", *PARTS, "note"]
    counts = stored[stored["fact"].str.startswith("class")]
    assert len(counts) == images.classes
    assert counts["train"].astype(int).sum() == len(images.labels["train"])


def test_warnings_are_logged_as_such(tmp_path, caplog):
    fill(tmp_path)
    shutil.copy(tmp_path / "train/dog/0.png", tmp_path / "test/dog/9.png")
    with caplog.at_level(logging.INFO):
        log_facts(facts(tmp_path))
    messages = {record.getMessage(): record.levelno for record in caplog.records}
    assert messages["class dog: train 4, valid 4, test 5"] == logging.INFO
    assert (
        messages[
            "warning: 1 of 9 test images are in train too, byte for byte; one is test/dog/9.png"
        ]
        == logging.WARNING
    )
