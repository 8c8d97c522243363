"""Invalid input of every kind is reported in one line that names the cause; no result is lost.

The line begins with ``error:``. Snakemake prints more lines for a failed job, but never a
traceback. To add a case, add a row to a table.
"""

import json
import logging
import os
import pickle
import re
import runpy
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from image_folders import encoded, fill, pixels, write
from safetensors.torch import save
from snakemake.iocontainers import Namedlist
from workspace import ROOT, overlay

from support import experiment
from support.params import validate
from support.plainly import plainly
from support.syntax import check_syntax
from wpl_lab.io.artifact import load_tensors, save_tensors

SEARCH = "search.text"  # the section of params.yaml with the settings of a search


def error_of(printed):
    """Return the line that reports the error."""
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    return line


def everything(project):
    """Return the bytes of all files that a run has made, by name."""
    files = [*project.results()]
    files += [f".jobcache/{path.name}" for path in (project.path / ".jobcache").iterdir()]
    return {name: (project.path / name).read_bytes() for name in files}


def refused(check, *given):
    """Return what a check of the workflow reports before the first job."""
    with pytest.raises(SystemExit) as end, plainly():
        check(*given)
    return str(end.value).splitlines()


# Content of a file of params or of an overlay, and the error after the name of the file.
FILES = {
    "no YAML": (b"wpl: [1", ", line 1: is not YAML: expected ',' or ']'"),
    "a tab": (b"wpl:\n\talpha: 1\n", ", line 2: is not YAML: found character '\\t'"),
    "a list": (b"[1, 2]\n", ": expected keys with values, found a list"),
    "a word": (b"wpl\n", ": expected keys with values, found a single value"),
    "nothing": (b"", ": expected keys with values, found nothing"),
    "another encoding": (b"wpl: \xff\n", ": is not UTF-8: "),
    "a key twice": (b"width: 1\nwidth: 2\n", ", line 2: repeats the key 'width'"),
    "a control character": (b"width: \x00\n", ": is not YAML: unacceptable character"),
    "no file": (None, ": cannot be read: No such file or directory"),
}


def broken(case, file):
    """Write a file of FILES, or remove it, and return how the error begins."""
    content, message = FILES[case]
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    return f"error: {file.name}{message}"


@pytest.mark.parametrize("case", FILES)
def test_a_broken_file_of_params(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    expected = broken(case, Path("params.yaml"))
    (line,) = refused(check_syntax, Path("params.yaml"))
    assert line.startswith(expected)


def test_each_missing_key_is_reported():
    lines = refused(validate, {"width": 1})
    assert all(line.startswith("error: params: missing key") for line in lines)
    assert "error: params: missing key 'seeds'" in lines


PARAMS = {
    "unknown key": ("wpl.alpah", 1, "unknown key 'wpl.alpah'; did you mean 'alpha'?"),
    "unknown section": ("sedes", [1], "unknown key 'sedes'; did you mean 'seeds'?"),
    "text for a number": ("wpl.alpha", "ten", "wpl.alpha: Input should be a valid number"),
    "a fraction for a count": ("width", 2.5, "width: Input should be a valid integer; got 2.5"),
    "true for a count": ("width", True, "width: Input should be a valid integer; got True"),
    "a number for a section": ("wpl", 3, "wpl: Input should be keys with values"),
    "a number for a list": ("seeds", 3, "seeds: Input should be a list; got 3"),
    "nothing for a number": ("width", None, "width: Input should be a valid integer; got None"),
    "below the range": ("wpl.alpha", -1, "wpl.alpha: Input should be greater than or equal to 0"),
    "above the range": ("data.valid_share", 1.0, "data.valid_share: Input should be less than 1"),
    "not a number": ("l2.alpha", float("nan"), "l2.alpha: Input should be a finite number"),
    "infinite": ("l2.alpha", float("inf"), "l2.alpha: Input should be a finite number"),
    "an empty list": ("seeds", [], "seeds: List should have at least 1 item"),
    "a seed twice": ("seeds", [1, 1], "seeds: duplicate value 1"),
    "a negative seed": ("seeds", [-1], "seeds.0: Input should be greater than or equal to 0"),
    "an unknown source": ("data.source", "minst", "data.source: Input should be 'digits'"),
    "an unknown arm": (
        "compare.arms",
        ["none", "wlp"],
        "compare.arms: 'wlp' is not one of the arms",
    ),
    "no arm to compare with": ("compare.arms", ["wpl", "l2"], "compare.arms: 'none' must be one"),
    "more layers than there are": ("compare.shared", [4], "compare.shared: models of 4 and 6"),
    "a headline that is not run": ("compare.headline", 3, "compare.headline: 3 is not one of"),
    "no text to train on": ("text.valid_share", 0.95, "text.valid_share: with test_share 1.05"),
    "no such device": ("search.device", "gpu", "search.device: Input should be 'auto', "),
    "unknown key of a search": (f"{SEARCH}.trainig", {}, "did you mean 'training'?"),
    "a probability of 1": (f"{SEARCH}.model.dropout", 1.0, f"{SEARCH}.model.dropout: Input should"),
    "a warm-up without end": (f"{SEARCH}.plasticity.warmup", 9, "plasticity.warmup: 9 is not less"),
    "too many cells": (f"{SEARCH}.small.nodes", 3, "small.nodes: 384 cells are more than"),
}


SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
DEFAULT = overlay(yaml.safe_load((ROOT / "params.yaml").read_text()), SMOKE)


@pytest.mark.parametrize("case", PARAMS)
def test_a_bad_parameter(case):
    key, value, message = PARAMS[case]
    for name in reversed(key.split(".")):
        value = {name: value}
    (error,) = refused(validate, overlay(DEFAULT, value))
    assert error.startswith("error: params: ")
    assert message in error


@pytest.mark.parametrize("case", FILES)
def test_a_bad_overlay(planning, case):
    expected = broken(case, planning.path / "it.yaml")
    printed = planning.plan("--configfile", "config/smoke.yaml", "it.yaml", fails=True)
    assert error_of(printed).startswith(expected)
    assert "WorkflowError" not in printed


@pytest.mark.parametrize("case", FILES)
def test_a_bad_overlay_of_an_experiment(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    expected = broken(case, Path("it.yaml"))
    with pytest.raises(SystemExit, match=f"^{re.escape(expected)}"):
        experiment.main("it.yaml")


def test_a_section_on_the_command_line(planning):
    error = error_of(planning.plan("--config", "wpl={alpha: 5.0}", fails=True))
    assert error.startswith("error: --config wpl=...: Snakemake reads numbers in sections")


def test_no_result_is_lost(planning):
    """All invalid parameters at once, no params.yaml, and missing data."""
    before = everything(planning)
    planning.set("wpl.alpah", 1)
    planning.set("seeds", [])
    printed = planning("snakemake --cores 1", fails=True)
    assert "Traceback" not in printed
    assert [line for line in printed.splitlines() if line.startswith("error: ")] == [
        "error: params: seeds: List should have at least 1 item; got []",
        "error: params: unknown key 'wpl.alpah'; did you mean 'alpha'?",
    ]
    (planning.path / "params.yaml").unlink()
    error = error_of(planning.plan(fails=True))
    assert error == "error: params.yaml: cannot be read: No such file or directory"
    planning("git checkout --quiet .")
    planning.set("text", {"source": "folder", "root": "no"})
    assert error_of(planning.plan(fails=True)).startswith("error: params: text.root: ")
    assert everything(planning) == before


def folder(path, **parts):
    """Write a folder of text; ``parts`` replaces the content of some of its files."""
    path.mkdir()
    for name, content in ({"train": b"a b\n", "valid": b"a\n", "test": b"b\n"} | parts).items():
        (path / f"{name}.txt").write_bytes(content)


def mnist(path, content=b""):
    files = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    (path / "MNIST/raw").mkdir(parents=True)
    for name in files:
        (path / f"MNIST/raw/{name}-ubyte").write_bytes(content)


def ptb(path):
    path.mkdir()
    for part in ("train", "valid", "test"):
        (path / f"ptb.{part}.txt").write_bytes(b"the\n")


def archive(path, *members, kind="zip"):
    """Write an archive in place of a folder, named after the folder and its type."""
    path = path.with_name(f"{path.name}.{kind}")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)


# What is written to the root, the section of params.yaml, the source, more params, and the line.
DATA = {
    "an empty text": (
        lambda root: folder(root, test=b"\n"),
        "text",
        "folder",
        {},
        "{root}/test.txt holds no word",
    ),
    "text of no words": (
        lambda root: folder(root, train=b" "),
        "text",
        "folder",
        {},
        "{root}/train.txt holds no word",
    ),
    "text of another encoding": (
        lambda root: folder(root, valid=b"\xff\xfe\x00"),
        "text",
        "folder",
        {},
        "valid.txt is not UTF-8",
    ),
    "a folder for a text": (
        lambda root: folder(root) or (root / "train.txt").unlink() or (root / "train.txt").mkdir(),
        "text",
        "folder",
        {},
        "text.root: {root}/train.txt cannot be read: Is a directory",
    ),
    "another text than Penn Treebank": (ptb, "text", "ptb", {}, "ptb.train.txt: expected MD5"),
    "no topic left": (
        lambda root: None,
        "text",
        "manual",
        {"valid_share": 1e-9},
        "text.valid_share: 1e-09 of 80128 tokens: not one topic",
    ),
    "other images than MNIST": (mnist, "data", "mnist", {}, "-ubyte: expected MD5"),
    "no folder of images": (lambda root: None, "data", "folder", {}, "root is missing"),
    "an empty class": (
        lambda root: (fill(root) / "train/cow").mkdir(),
        "data",
        "folder",
        {},
        "train/cow holds no image",
    ),
    "one class only": (
        lambda root: fill(root, classes=["cat"]),
        "data",
        "folder",
        {},
        "has one class only, 'cat'",
    ),
    "a class without a test": (
        lambda root: write(fill(root), "train/cow/0.png"),
        "data",
        "folder",
        {},
        "class 'cow' is in train but not in ",
    ),
    "no image": (
        lambda root: write(fill(root), "train/cat/no.png", raw=b"no"),
        "data",
        "folder",
        {},
        "train/cat/no.png cannot be used: not an image",
    ),
    "half an image": (
        lambda root: write(fill(root), "train/cat/0.png", raw=encoded(pixels("x"))[:60]),
        "data",
        "folder",
        {},
        "train/cat/0.png cannot be used: Truncated File Read",
    ),
    "images of several sizes": (
        lambda root: write(fill(root), "train/cat/0.png", pixels("x", shape=(6, 7))),
        "data",
        "folder",
        {},
        "{root}/train/cat/0.png has 6×7; set size to resize all images",
    ),
    "an archive of no known type": (
        lambda root: root.write_bytes(b"?"),
        "data",
        "folder",
        {},
        "is of an unknown type: expected a folder or one of .tar",
    ),
    "a way out of an archive": (
        lambda root: archive(root, ("train/cat/../../../0.png", b"")),
        "data",
        "folder",
        {"kind": "zip"},
        "{root}: 'train/cat/../../../0.png' escapes from the archive",
    ),
    "an archive that fills the disk": (
        lambda root: archive(root, ("train/cat/0.png", bytes(2**27))),
        "data",
        "folder",
        {"kind": "zip"},
        "{root} unpacks to more than 80167664 bytes (100 times its own size and 64 MiB)",
    ),
    "images larger than the memory": (
        fill,
        "data",
        "folder",
        {"size": 10**6},
        "size: 1000000 makes 24000 GB of the images, more than the memory of this machine",
    ),
    "digits larger than the memory": (
        lambda root: None,
        "data",
        "digits",
        {"size": 10**6},
        "size: 1000000 makes ",
    ),
    "no image left": (
        lambda root: None,
        "data",
        "digits",
        {"valid_share": 1e-4},
        "valid_share: 0.0001 of 1437 images leaves 1436 and 1",
    ),
}
SECOND = {
    "depth": 6,
    "iterations": 1,
    "batch_size": 4,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "record_every": 1,
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script of the workflow in this process, and return what the user sees when it fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "workflow/scripts")
    monkeypatch.setenv("WORKFLOW_PID", str(os.getpid()))
    (tmp_path / ".snakemake").mkdir()
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(script, inputs, outputs, **params):
        job = SimpleNamespace(
            rule=script,
            wildcards={},
            input=Namedlist(fromdict=inputs),
            output=Namedlist(fromdict=outputs),
            params=Namedlist(fromdict=params),
            log=["it.log"],
        )
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / f"workflow/scripts/{script}.py"), {"snakemake": job})
        assert end.value.code == 1
        printed = capsys.readouterr()
        assert not printed.out
        return printed.err

    yield run
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.parametrize("case", DATA)
def test_bad_data(run, tmp_path, case):
    make, section, source, changed, message = DATA[case]
    root = tmp_path / "root"
    make(root)
    script, output = {"text": ("prepare_text", "text"), "data": ("prepare_data", "images")}[section]
    changed = dict(changed)
    kind = changed.pop("kind", None)
    root = root.with_name(f"{root.name}.{kind}") if kind else root
    settings = DEFAULT[section] | {"source": source, "root": str(root)} | changed
    printed = run(script, {}, {output: "results/it"}, settings=settings)
    assert message.format(root=root) in error_of(printed)
    assert error_of(printed) == printed.rstrip("\n")
    assert not (tmp_path / "results/it").exists()


def rewrite(kind, change):
    """Store other tensors in a valid file."""

    def spoil(path):
        tensors, about = load_tensors(path, kind)
        about.pop("torch")
        save_tensors(path, kind, change(tensors), **about)

    return spoil


def first_to(value):
    def change(tensors):
        changed = {name: tensor.clone() for name, tensor in tensors.items()}
        changed["layer1.weight"].view(-1)[0] = value
        return changed

    return change


def cut_names(tensors):
    return {name: tensor for name, tensor in tensors.items() if name != "layer1.weight"}


def cut_units(tensors):
    return {name: tensor[..., :-1].clone() for name, tensor in tensors.items()}


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)


def of_other_version(path):
    metadata = {"kind": "fisher", "version": 99, "sha256": "", "about": {}}
    path.write_bytes(save({"a": torch.ones(1)}, {"wpl": json.dumps(metadata)}))


def a_folder(path):
    path.unlink()
    path.mkdir()


def of_kind(other):
    def spoil(path):
        results = next(folder for folder in path.parents if folder.name == "results")
        shutil.copyfile(results / other, path)

    return spoil


FISHER, FIRST = "estimate_fisher/from0/fisher", "train_first/from0/models"
W = "'layer1.weight'"
DATA_FILE = "prepare_data/data"
ARTIFACTS = {
    "missing": (FISHER, lambda p: p.unlink(), "cannot be read: No such file or directory"),
    "a folder": (FISHER, a_folder, "cannot be read: Is a directory"),
    "empty": (FISHER, lambda p: p.write_bytes(b""), "damaged"),
    "truncated": (FISHER, lambda p: p.write_bytes(p.read_bytes()[:-10]), "damaged"),
    "a flipped byte": (FISHER, flip, "expected sha256"),
    "a pickle": (FISHER, lambda p: p.write_bytes(pickle.dumps({})), "not a tensor file"),
    "of torch.save": (FISHER, lambda p: torch.save({}, p), "not a tensor file"),
    "of others": (FISHER, lambda p: p.write_bytes(save({"a": torch.ones(1)})), "not a tensor file"),
    "of another kind": (FISHER, of_kind(f"{FIRST}.safetensors"), "'fisher', found 'first'"),
    "of another version": (FISHER, of_other_version, "expected version 2, found 99"),
    "Fisher NaN": (FISHER, rewrite("fisher", first_to(torch.nan)), f"{W} is not finite"),
    "Fisher infinite": (
        FISHER,
        rewrite("fisher", first_to(torch.inf)),
        f"{W} is not finite",
    ),
    "Fisher negative": (
        FISHER,
        rewrite("fisher", first_to(-1.0)),
        f"{W} is less than 0",
    ),
    "Fisher without a weight": (
        FISHER,
        rewrite("fisher", cut_names),
        f"no {W}, but",
    ),
    "Fisher of other shapes": (
        FISHER,
        rewrite("fisher", cut_units),
        "bias' has shape (2, 2, 9)",
    ),
    "models without a weight": (
        FIRST,
        rewrite("first", cut_names),
        f"no {W}, but",
    ),
    "models of other shapes": (
        FIRST,
        rewrite("first", cut_units),
        "bias' has shape (2, 2, 10)",
    ),
    "models NaN": (FIRST, rewrite("first", first_to(torch.nan)), f"{W} is not finite"),
    "images of another kind": (
        DATA_FILE,
        of_kind(f"{FIRST}.safetensors"),
        "expected kind 'images'",
    ),
    "images without a part": (
        DATA_FILE,
        rewrite("images", lambda t: {k: v for k, v in t.items() if k != "test.labels"}),
        "holds no 'test.labels'",
    ),
}


@pytest.mark.parametrize("case", ARTIFACTS)
def test_a_bad_artifact(run, recorded, tmp_path, case):
    name, spoil, message = ARTIFACTS[case]
    names = {"images": DATA_FILE, "models": FIRST, "fisher": FISHER}
    inputs = {key: f"results/{file}.safetensors" for key, file in names.items()}
    for file in inputs.values():
        (tmp_path / file).parent.mkdir(parents=True)
        shutil.copyfile(recorded.path / file, tmp_path / file)
    spoil(tmp_path / f"results/{name}.safetensors")
    (tmp_path / "results/made.csv").write_text("made before")
    printed = run(
        "train_second",
        inputs,
        {"models": "results/second.safetensors", "history": "results/made.csv"},
        arm="wpl",
        shared=2,
        strengths={"alpha": 1.0, "alphas": [1.0]},
        seeds=[0, 1],
        stops=["converged", "0.3"],
        width=10,
        second=SECOND,
    )
    assert f"results/{name}.safetensors" in error_of(printed)
    assert message in error_of(printed)
    assert error_of(printed) == printed.rstrip("\n")
    assert (tmp_path / "results/made.csv").read_text() == "made before"
    assert not (tmp_path / "results/second.safetensors").exists()
