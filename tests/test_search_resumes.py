"""Searches resume after interruption, a kill, divergence, or damage of a checkpoint."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pandas.testing import assert_frame_equal
from tiny_search import (
    CASES,
    Altered,
    PairTask,
    plasticity,
    policy,
    run,
    run_seeds,
    text_task,
    tiny_text,
)
from workspace import wait_until

from wpl_lab.io.artifact import ArtifactError, load_tensors, save_tensors


class InterruptedSearch(Exception):  # noqa: N818
    """An exception that stops a search."""


def stop(loss):
    raise InterruptedSearch


def nan(loss):
    return loss * float("nan")


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, table in expected.items():
        assert_frame_equal(found[name], table, check_exact=True)


@pytest.mark.parametrize("case", CASES)
def test_a_search_that_is_stopped_in_each_epoch_ends_with_the_same_bytes(case, tmp_path):
    """A process that stops in its second epoch has completed one epoch and part of another."""
    whole = run(text_task(), tmp_path / "whole", **CASES[case]())
    stops, steps = 0, 2 if case == "three together" else 6
    while True:
        try:
            task = Altered(text_task(), [steps + 1], stop)
            broken = run(task, tmp_path / "broken", **CASES[case]())
            break
        except InterruptedSearch:
            stops += 1
            _, about = load_tensors(tmp_path / "broken", "search")
            assert about["epoch"] == stops
    assert stops == 2
    assert_same(broken, whole)
    assert (tmp_path / "broken").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_finished_search_is_only_read(tmp_path):
    whole = run(text_task(), tmp_path / "state", **CASES["enas and wpl"]())
    before = (tmp_path / "state").read_bytes()
    task = Altered(text_task(), [0], stop)
    assert_same(run(task, tmp_path / "state", **CASES["enas and wpl"]()), whole)
    assert (tmp_path / "state").read_bytes() == before


def test_a_longer_search_resumes_from_a_shorter_one(tmp_path):
    whole = run(text_task(), tmp_path / "whole", exhaustive=32, candidates=0, epochs=3)
    run(text_task(), tmp_path / "state", exhaustive=32, candidates=0, epochs=2)
    longer = run(text_task(), tmp_path / "state", exhaustive=32, candidates=0, epochs=3)
    assert_same(longer, whole)


SLOW = """
import sys, time, torch
from pathlib import Path
from tiny_search import CASES, Altered, run, text_task

torch.set_num_threads(1)
def wait(losses):
    time.sleep(0.02)
    return losses
task = Altered(Altered(text_task(), range(1000), wait), [47], lambda _: time.sleep(3600))
run(task, Path(sys.argv[1]), epochs=8, **CASES["enas and wpl"]())
"""


def test_a_search_that_is_killed_ends_with_the_same_bytes(tmp_path):
    """It is killed at some moment after its first epoch; it waits in the last of its 48 steps."""
    checkpoint = tmp_path / "killed"
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(checkpoint)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    wait_until(checkpoint.exists, process, every=0.01)
    time.sleep(random.Random(0).uniform(0.05, 0.9))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    _, about = load_tensors(checkpoint, "search")
    assert about["epoch"] < 8

    broken = run(text_task(), checkpoint, epochs=8, **CASES["enas and wpl"]())
    whole = run(text_task(), tmp_path / "whole", epochs=8, **CASES["enas and wpl"]())
    assert_same(broken, whole)
    assert checkpoint.read_bytes() == (tmp_path / "whole").read_bytes()


def flip_in_a_table(content):
    at = content.index(b"genotype") + 2
    return content[:at] + b"?" + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-9], lambda b: b[:-9] + b"?" + b[-8:], flip_in_a_table, lambda b: b""],
)
def test_a_damaged_checkpoint_is_named_and_the_search_starts_again(damage, tmp_path, caplog):
    whole = run(text_task(), tmp_path / "whole", epochs=2)
    checkpoint = tmp_path / "state.safetensors"
    run(text_task(), checkpoint, epochs=1)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    assert_same(run(text_task(), checkpoint, epochs=2), whole)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert re.search(r"state\.safetensors: .*damaged.*: beginning anew", warning)
    assert checkpoint.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_checkpoint_of_another_kind_is_not_overwritten(tmp_path):
    save_tensors(tmp_path / "state", "fisher", {"a": torch.ones(1)})
    before = (tmp_path / "state").read_bytes()
    with pytest.raises(ArtifactError, match="expected kind 'search', found 'fisher'"):
        run(text_task(), tmp_path / "state", epochs=1)
    assert (tmp_path / "state").read_bytes() == before


@pytest.mark.parametrize("change", [nan, lambda loss: loss * 1e6])
@pytest.mark.parametrize("case", CASES)
def test_a_search_that_diverges_once_is_rolled_back_and_finishes(case, change, tmp_path, caplog):
    """It diverges in the second epoch; the first one is kept."""
    whole = run(text_task(), tmp_path / "whole", **CASES[case]())
    steps = 2 if case == "three together" else 6
    task = Altered(text_task(), [steps], change)
    tables = run(task, tmp_path / "state", **CASES[case]())
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    (warning,) = warnings
    assert warning.startswith("seed 0, epoch 1, 0:")
    assert warning.endswith("nats, above 14.9787: back to the start of the epoch")
    children = tables["children"]
    assert children["epoch"].tolist() == whole["children"]["epoch"].tolist()
    assert_frame_equal(children[:3], whole["children"][:3], check_exact=True)
    again = whole["children"][3:6]
    assert (children[3:6]["loss"].to_numpy() != again["loss"].to_numpy()).all(), (
        "other random numbers"
    )
    tensors, about = load_tensors(tmp_path / "state", "search")
    assert about["rollbacks"] == 1
    assert all(tensor.isfinite().all() for tensor in tensors.values())


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_search_that_diverges_again_ends_with_a_diverged_row(epoch, tmp_path, caplog):
    task = Altered(text_task(), range(6 * epoch, 1000), nan)
    tables = run(task, tmp_path / "state", protect=plasticity(), learn=policy())
    children = tables["children"]
    assert children["diverged"].tolist() == [False] * 3 * epoch + [True]
    last = children.iloc[-1]
    assert (last["epoch"], last["child"]) == (epoch, 0)
    assert re.fullmatch(r"0:\w+ \d:\w+", last["genotype"])
    assert last[["err1", "err2"] if epoch else ["work"]].isna().all() or not epoch
    assert tables["scores"].empty
    warning = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"][-1]
    assert re.match(
        rf"seed 0, epoch {epoch}, 0:.* is nan nats, .*, a second time: .* ends", warning
    )
    before = (tmp_path / "state").read_bytes()
    again = run(
        Altered(text_task(), [0], stop), tmp_path / "state", protect=plasticity(), learn=policy()
    )
    assert_same(again, tables)
    assert (tmp_path / "state").read_bytes() == before


def of_run(number, change):
    """Return a function that changes the loss of one of several runs, but not of a single run."""

    def changed(losses):
        if len(losses) == 1:
            return losses
        return torch.cat(
            [losses[:number], change(losses[number : number + 1]), losses[number + 1 :]]
        )

    return changed


@pytest.mark.parametrize("case", ["enas and wpl", "replay and wpl"])
def test_other_seeds_are_not_affected_by_one_that_diverges(case, tmp_path):
    """The middle one of three is rolled back in its second epoch, and catches up alone."""
    settings = CASES[case]()
    for name in ("whole", "broken"):
        task = text_task(tiny_text(valid=200, test=40), hidden=16, batch_size=16, score_rows=16)
        if name == "broken":
            task = Altered(task, [6], of_run(1, nan))
        checkpoints = {seed: tmp_path / name / str(seed) for seed in range(3)}
        tables = run_seeds(task, checkpoints, **settings)
        assert tables["children"].groupby("seed")["epoch"].max().tolist() == [2, 2, 2]
        assert not tables["children"]["diverged"].any()
    same = [
        (tmp_path / "whole" / str(s)).read_bytes() == (tmp_path / "broken" / str(s)).read_bytes()
        for s in range(3)
    ]
    assert same == [True, False, True]
    _, about = load_tensors(tmp_path / "broken" / "1", "search")
    assert (about["rollbacks"], about["epoch"]) == (1, 3)


def test_a_fisher_information_that_is_not_finite_is_a_divergence(tmp_path, caplog):
    task, calls = text_task(), iter(range(1000))
    children = task.children

    def poisoned(*given):
        made = children(*given)
        fisher = made.fisher

        def estimate(*batch, **settings):
            found = fisher(*batch, **settings)
            if next(calls) == 4:
                found["bias"][0, 3] = torch.inf
            return found

        made.fisher = estimate
        return made

    task.children = poisoned
    tables = run(task, tmp_path / "state", protect=plasticity())
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "epoch 1" in warning
    assert "the Fisher information is not finite: back to the start" in warning
    assert len(tables["children"]) == 9
    assert all(t.isfinite().all() for t in load_tensors(tmp_path / "state", "search")[0].values())


@pytest.mark.parametrize("at", [4, 10])
def test_a_resumed_search_remembers_that_it_was_rolled_back(at, tmp_path):
    """It diverges at once and is stopped in that epoch or the next; a second divergence ends it."""
    task = Altered(Altered(text_task(), [0], nan), [6 + at], stop)
    with pytest.raises(InterruptedSearch):
        run(task, tmp_path / "state")
    (tmp_path / "copy").write_bytes((tmp_path / "state").read_bytes())
    assert run(Altered(text_task(), [3], nan), tmp_path / "copy")["children"]["diverged"].any()
    resumed = run(text_task(), tmp_path / "state")
    whole = run(Altered(text_task(), [0], nan), tmp_path / "whole")
    assert_same(resumed, whole)
    assert (tmp_path / "state").read_bytes() == (tmp_path / "whole").read_bytes()


def test_seeds_that_were_stopped_in_different_epochs_resume(tmp_path):
    whole = {seed: tmp_path / "whole" / str(seed) for seed in range(3)}
    tables = run_seeds(text_task(), whole, learn=policy())
    broken = {seed: tmp_path / "broken" / str(seed) for seed in range(3)}
    run_seeds(text_task(), {1: broken[1]}, learn=policy(), epochs=1, candidates=0)
    run_seeds(text_task(), {2: broken[2]}, learn=policy(), epochs=2, candidates=0)
    assert_same(run_seeds(text_task(), broken, learn=policy()), tables)


def test_another_kind_of_error_is_not_a_divergence(tmp_path):
    with pytest.raises(InterruptedSearch):
        run(Altered(PairTask(), [0], stop), tmp_path / "state")
    assert load_tensors(tmp_path / "state", "search")[1]["rollbacks"] == 0


def test_a_checkpoint_has_every_part_of_the_state(tmp_path):
    run(text_task(), tmp_path / "state", **CASES["enas and wpl"]())
    tensors, about = load_tensors(tmp_path / "state", "search")
    groups = {name.partition(".")[0] for name in tensors}
    assert groups == {"shared", "fisher", "anchor", "strategy"}
    assert about["epoch"] == 3
    assert tensors["strategy.reinforce.baseline"].dtype == torch.float64
