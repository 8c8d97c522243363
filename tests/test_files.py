"""Files are written atomically, read back unchanged, and refused if they are damaged."""

import json
import pickle
import resource

import numpy as np
import pandas as pd
import pytest
import torch

from wpl.files import atomic
from wpl_lab.io.artifact import ArtifactError, load_tensors, save_tensors
from wpl_lab.io.files import DamagedError, load_table, save_json, save_table


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "folder" / "weights.safetensors"
    tensors = {"b": torch.randn(3, 2), "a": torch.arange(4)}
    save_tensors(path, "fisher", tensors, seeds=[1, 2], fisher={"kind": "mc", "samples": 7})
    return path, tensors


def test_tensors_and_metadata_are_read_back(stored):
    path, tensors = stored
    found, about = load_tensors(path, "fisher")
    assert all(torch.equal(found[name], t) for name, t in tensors.items())
    assert found.keys() == tensors.keys()
    assert about["seeds"] == [1, 2]
    assert about["fisher"] == {"kind": "mc", "samples": 7}
    assert about["torch"] == torch.__version__


def test_bytes_do_not_depend_on_the_order_of_names(stored, tmp_path):
    path, tensors = stored
    turned = dict(reversed(tensors.items()))
    save_tensors(
        tmp_path / "b", "fisher", turned, fisher={"samples": 7, "kind": "mc"}, seeds=[1, 2]
    )
    assert path.read_bytes() == (tmp_path / "b").read_bytes()


def flip(raw):
    return raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip, "expected sha256 .* the file is damaged"),
        (lambda raw: raw.replace(b'samples\\": 7', b'samples\\": 8'), "the file is damaged"),
        (lambda raw: raw[:-10], "damaged"),
        (lambda raw: raw[:5], "damaged"),
        (lambda raw: b"", "damaged"),
        (lambda raw: pickle.dumps({"a": 1}), "not a tensor file of this project"),
        (
            lambda raw: raw.replace(b'version\\": 2', b'version\\": 3'),
            "expected version 2, found 3",
        ),
        (lambda raw: raw.replace(b'"fisher\\"', b'"models\\"'), "expected kind 'fisher', found"),
    ],
)
def test_damaged_files_are_refused_by_name(stored, spoil, message):
    path, _ = stored
    raw = path.read_bytes()
    path.write_bytes(spoil(raw))
    assert path.read_bytes() != raw
    with pytest.raises(ArtifactError, match=message) as error:
        load_tensors(path, "fisher")
    assert str(path) in str(error.value)


def test_missing_file_and_wrong_kind_are_named(stored):
    path, _ = stored
    with pytest.raises(ArtifactError, match="expected kind 'second', found 'fisher'"):
        load_tensors(path, "second")
    with pytest.raises(ArtifactError, match=r"none\.safetensors: cannot be read: No such file"):
        load_tensors(path.with_name("none.safetensors"), "fisher")


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def interrupted():
        with atomic(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(stored):
    path, _ = stored
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            save_tensors(path, "fisher", {"a": torch.ones(10_000)})
        assert str(path) in str(error.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_numbers_of_a_table_are_read_back_exactly(tmp_path):
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50) * 1e-7})
    save_table(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table, check_exact=True)


def test_a_truncated_table_is_named(tmp_path):
    path = tmp_path / "t.csv"
    save_table(path, pd.DataFrame({"stop": ["0.50", "0.43"], "y": [1, 2]}))
    found = load_table(path, dtype={"stop": str})
    assert found["stop"].tolist() == ["0.50", "0.43"]
    for cut in (b"", path.read_bytes()[:-1], path.read_bytes()[:-3]):
        path.write_bytes(cut)
        with pytest.raises(DamagedError, match=r"t\.csv: .*damaged"):
            load_table(path)


def test_metrics_are_valid_json(tmp_path):
    save_json(tmp_path / "m.json", {"a": {"b": float("nan")}, "c": [1.5, float("inf")]})
    text = (tmp_path / "m.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"a": {"b": None}, "c": [1.5, None]}
