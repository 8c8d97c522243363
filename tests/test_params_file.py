"""The comments of params.yaml are the settings' descriptions, and DVC's writer keeps its form."""

import re
import typing
from dataclasses import is_dataclass

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from workspace import ROOT

from support.params import Params
from support.params_file import descriptions, render

FILE = (ROOT / "params.yaml").read_text("utf-8")


def test_the_file_is_what_make_params_writes():
    assert render(yaml.safe_load(FILE)) == FILE, "run `make params`"


def sections(settings=Params):
    yield settings
    for declared in typing.get_type_hints(settings).values():
        if is_dataclass(declared):
            yield from sections(declared)


@pytest.mark.parametrize("settings", sorted(set(sections()), key=lambda s: s.__qualname__))
def test_every_setting_is_described(settings):
    types = typing.get_type_hints(settings)
    plain = {key for key, declared in types.items() if not is_dataclass(declared)}
    texts = descriptions(settings)
    assert plain <= texts.keys() <= types.keys()
    assert all(text.endswith(".") for text in texts.values())


def without(text, *keys):
    """The lines that are neither of these keys nor of their lists."""
    names = "|".join(key.rpartition(".")[2] for key in keys)
    return re.sub(rf"^ *({names}):.*\n((?: *#.*\n)*(?: *- .*\n)+)?", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "changed",
    [
        {"wpl.alpha": 3.0},
        {"data.size": 8},
        {"seeds": [7, 8]},
        {"search.text.small.nao": ["none", "wpl"], "search.text.small.enas": ["none", "wpl"]},
        {"data.source": "folder", "data.root": "a folder", "split.arms": ["none", "ewc"]},
    ],
    ids=" ".join,
)
def test_dvc_changes_only_the_lines_of_the_keys_that_it_sets(tmp_path, changed):
    file = tmp_path / "params.yaml"
    file.write_text(FILE, "utf-8")
    overrides = [f"{key}={value}" for key, value in changed.items()]
    for _ in range(3):
        apply_overrides(file, overrides)
    after = file.read_text("utf-8")
    assert without(after, *changed) == without(FILE, *changed)
    assert re.findall("# .*", after) == re.findall("# .*", FILE)
    expected = yaml.safe_load(FILE)
    for key, value in changed.items():
        *path, last = key.split(".")
        section = expected
        for name in path:
            section = section[name]
        section[last] = value
    assert yaml.safe_load(after) == expected


def test_dvc_leaves_the_file_alone_when_nothing_changes(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(FILE, "utf-8")
    for value in ("3.0", "1000.0"):
        apply_overrides(file, [f"wpl.alpha={value}"])
    assert file.read_text("utf-8") == FILE
