"""All valid settings pass through findings and figures; the others are refused by name."""

import contextlib
import io
import logging
import os
import shutil
import signal
import tempfile
import typing
from dataclasses import is_dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from in_process import SCRIPTS, execute, plan
from matplotlib.figure import Figure
from pydantic import TypeAdapter, ValidationError
from snakemake.exceptions import WorkflowError
from workspace import ROOT, overlay

from support.params import Params, validate
from wpl_lab.arms import ARMS

TINY = {
    "first": {"stops": [0.01], "iterations": 6, "batch_size": 8},
    "second": {"iterations": 4, "record_every": 2, "batch_size": 8},
    "width": 3,
    "data": {"limit": 4},
    "fisher": {"samples": 16},
}
SMALL = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
for changes in (yaml.safe_load((ROOT / "config/smoke.yaml").read_text("utf-8")), TINY):
    SMALL = overlay(SMALL, changes)
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
REPORTS = ("evaluate_forgetting", "evaluate_search", "plot_two_models", "plot_search")
# Sources of data and devices, which do not change what is reported.
FIXED = ("data", "images", "text", "search.device", "first.stops")
SAVE = Figure.savefig
VALUES = (None, False, True, 0, 1, 2, 3, 5, 0.0, 0.01, 0.5, 1.0, 3.0, 1e6)


def accepts(declared, value):
    try:
        TypeAdapter(declared).validate_python(value, strict=not isinstance(value, list))
    except ValidationError:
        return False
    return True


def values(declared):
    """Draw values for a setting."""
    plain = typing.get_args(declared)[0] if hasattr(declared, "__metadata__") else declared
    if typing.get_origin(plain) is tuple:
        items = values(typing.get_args(plain)[0])
        lists = st.lists(items, unique=True, max_size=3)
        return lists.filter(lambda drawn: accepts(declared, drawn))
    if plain is str:  # all other settings that are strings are in FIXED
        return st.sampled_from(["default", "none", "wpl", *ARMS])
    return st.sampled_from(
        typing.get_args(plain)
        if typing.get_origin(plain) is typing.Literal
        else [value for value in VALUES if accepts(declared, value)]
    )


def keys(declared, *above):
    """Return all settings with their types."""
    for key, inner in typing.get_type_hints(declared, include_extras=True).items():
        if is_dataclass(inner):
            yield from keys(inner, *above, key)
        else:
            yield ".".join((*above, key)), inner


def changes(stage):
    """Draw changes of some settings of a stage."""

    def read(key):
        own = any(f"{key}.".startswith(f"{part}.") for part in STAGES[stage]["params"])
        return own and not any(f"{key}.".startswith(f"{part}.") for part in FIXED)

    drawn = {key: values(declared) for key, declared in keys(Params) if read(key)}
    return st.lists(st.sampled_from(sorted(drawn)), min_size=1, max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: drawn[key] for key in chosen})
    )


def nested(changed):
    made = {}
    for key, value in changed.items():
        section = value
        for name in reversed(key.split(".")):
            section = {name: section}
        made = overlay(made, section)
    return made


def draw_once(figure, file, **how):
    """Save a figure as PNG only and without layout; replaces the method of Matplotlib."""
    content = io.BytesIO()
    if how["format"] == "png":
        SAVE(figure, content, format="png")
    Path(file).write_bytes(content.getvalue())


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """Return the folder of the jobs with the data, and the cache of finished jobs."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt = signal.getsignal(signal.SIGINT)
        handlers, level = logging.root.handlers[:], logging.root.level
        patch.syspath_prepend(SCRIPTS)
        patch.setenv("WORKFLOW_PID", str(os.getpid()))
        patch.setattr("job._end_with", lambda pid: None)
        patch.setattr(Figure, "savefig", draw_once)
        finished = {}
        folder = tmp_path_factory.mktemp("data")
        (folder / ".snakemake").mkdir()
        for job in plan(SMALL, "all", folder):
            if job.rule.name.startswith("prepare"):
                execute(job, folder, finished)
        yield folder, finished
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        signal.signal(signal.SIGINT, interrupt)


def report(config, stage, workflow):
    """Run a stage.

    Returns:
        The error of the check of the parameters, or of a training on the little data.
    """
    try:
        validate(config)
    except WorkflowError as error:
        return str(error)
    data, finished = workflow
    with tempfile.TemporaryDirectory() as folder:
        jobs = plan(config, stage, Path(folder))
        shutil.copytree(data, folder, dirs_exist_ok=True)
        for job in jobs:
            if not job.rule.script or job.rule.name.startswith("prepare"):
                continue
            with contextlib.redirect_stderr(io.StringIO()) as printed:
                try:
                    execute(job, folder, finished)
                except SystemExit:
                    assert job.rule.name not in REPORTS, printed.getvalue()
                    assert "Traceback" not in printed.getvalue(), printed.getvalue()
                    return printed.getvalue()
        return None


@pytest.mark.parametrize("stage", STAGES)
@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_every_accepted_setting_is_reported(workflow, stage, data):
    changed = data.draw(changes(stage))
    note(str(changed))
    refused = report(overlay(SMALL, nested(changed)), stage, workflow)
    if refused:
        assert refused.startswith(("params: ", "error: ")), refused


# Cases that used to end in a traceback, or in an error without a key, after hours of training.
CASES = [
    ("two_models", {"wpl.alpha": 100.0, "tradeoff.alphas": [10.0, 100.0], "seeds": [1]}),
    ("two_models", {"wpl.alpha": 0.0, "first.stops": [], "split.alphas": [0.01]}),
    ("two_models", {"compare.arms": ["none"], "compare.remedies": []}),
    ("two_models", {"split.arms": []}),
    ("search_text", {"search.text.small.enas": ["none"], "search.text.full.enas": []}),
    ("search_images", {"search.images.dropout.rates": [], "search.images.small.enas": ["none"]}),
]


@pytest.mark.parametrize(("stage", "changed"), CASES)
def test_a_case_is_reported(workflow, stage, changed):
    assert report(overlay(SMALL, nested(changed)), stage, workflow) is None
