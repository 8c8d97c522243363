"""The comments of params.yaml are the descriptions of settings; DVC's edits keep its format."""

import re
import typing
from dataclasses import is_dataclass

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from workspace import ROOT, overlay

from support.experiment import settings
from support.params import Params, validate
from support.params_file import descriptions, render

FILE = (ROOT / "params.yaml").read_text("utf-8")
VALUES = yaml.safe_load(FILE)


@pytest.fixture
def file(tmp_path):
    """Return a copy of params.yaml."""
    copy = tmp_path / "params.yaml"
    copy.write_text(FILE, "utf-8")
    return copy


def test_the_file_is_up_to_date_with_make_params():
    assert render(VALUES) == FILE, "run `make params`"


def sections(declared=Params):
    yield declared
    for inner in typing.get_type_hints(declared).values():
        if is_dataclass(inner):
            yield from sections(inner)


@pytest.mark.parametrize("section", sorted(set(sections()), key=lambda s: s.__qualname__))
def test_every_setting_is_described(section):
    types = typing.get_type_hints(section)
    plain = {key for key, declared in types.items() if not is_dataclass(declared)}
    texts = descriptions(section)
    assert plain <= texts.keys() <= types.keys()
    assert all(text.endswith(".") for text in texts.values())


def lists(values):
    """Return the lists of a section and its subsections, emptied; other settings are left out."""
    found = {key: lists(value) for key, value in values.items() if isinstance(value, dict)}
    found = {key: value for key, value in found.items() if value}
    return found | {key: [] for key, value in values.items() if isinstance(value, list)}


def without(text, *keys):
    """Return the lines except those of these keys and their lists."""
    names = "|".join(key.rpartition(".")[2] for key in keys)
    return re.sub(rf"^ *({names}):(?!  #).*\n(?: *- .*\n)*", "", text, flags=re.MULTILINE)


CHANGES = [
    {"wpl": {"alpha": 3.0}},
    {"data": {"size": 8}},
    {"data": {"source": "folder", "root": "a folder"}, "split": {"arms": ["none", "ewc"]}},
    {"seeds": [7, 8], "search": {"text": {"seeds": [7, 8], "training": {"epochs": 3}}}},
    lists(VALUES),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_dvc_changes_only_the_lines_of_the_keys_that_it_sets(file, changes):
    overrides = [*settings(changes)]
    for _ in range(3):
        apply_overrides(file, overrides)
    after = file.read_text("utf-8")
    keys = [override.partition("=")[0] for override in overrides]
    assert without(after, *keys) == without(FILE, *keys)
    assert yaml.safe_load(after) == overlay(VALUES, changes)


@pytest.mark.parametrize("there", [{"wpl": {"alpha": 3.0}, "data": {"limit": 8}}, lists(VALUES)])
def test_dvc_restores_the_file(file, there):
    apply_overrides(file, [*settings(there)])
    apply_overrides(file, [*settings(VALUES)])
    assert file.read_text("utf-8") == FILE


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "config").glob("*.yaml")])
def test_an_overlay_is_an_experiment_of_dvc(file, name):
    values = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8"))
    apply_overrides(file, [*settings(values)])
    assert validate(yaml.safe_load(file.read_text("utf-8"))) == validate(overlay(VALUES, values))
