"""Results shared through a DVC remote arrive completely, and damage is detected."""

import re
import shutil
import sys

import pytest
import yaml
from workspace import Workspace, rules

TRAINED = "results/train_second/shared1/wpl/from0.csv"
VERIFY = f"{sys.executable} workflow/support/verify.py"


@pytest.fixture
def remote(request, tmp_path):
    """Return the commands that set up a default remote of a kind."""
    if request.param == "directory":
        return f"dvc remote add --quiet --default store {tmp_path / 'store'}"
    return (
        "dvc remote add --quiet --default store s3://bucket/wpl && "
        f"dvc remote modify store endpointurl {request.getfixturevalue('s3')}"
    )


def share(project, remote):
    """Push everything to a remote whose objects are verified."""
    project(f"{remote} && dvc remote modify store verify true")
    project("git commit --quiet --all --message remote && dvc push --quiet")


def clone(project, path):
    project(f"git clone --quiet . {path}")
    return Workspace(path)


@pytest.mark.parametrize("remote", ["directory", "s3"], indirect=True)
def test_a_colleague_pulls_everything_and_runs_nothing(project, remote, tmp_path):
    share(project, remote)
    theirs = clone(project, tmp_path / "clone")
    theirs("dvc pull --quiet")
    assert "Nothing to be done" in theirs("snakemake --cores all")
    assert "didn't change" in theirs("dvc repro")
    assert theirs.ran() == []
    assert theirs.results() == project.results()
    assert "objects are sound" in theirs(VERIFY)
    theirs("dvc exp run --quiet -S wpl.alpha=3")
    assert rules(theirs.ran()) == {"train_second", "evaluate_forgetting", "plot_two_models"}


def cached(workspace, file):
    """Return the object of a result in DVC's cache."""
    wanted = (workspace.path / file).read_bytes()
    objects = (workspace.path / ".dvc/cache/files/md5").glob("??/*")
    return next(path for path in objects if path.read_bytes() == wanted)


def folder(workspace, path):
    """Return the object of a folder of results in DVC's cache."""
    lock = yaml.safe_load((workspace.path / "dvc.lock").read_text())
    outs = lock["stages"]["two_models"]["outs"]
    md5 = next(out["md5"] for out in outs if out["path"] == path)
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def damage(file):
    """Change a digit, so that the table remains readable."""
    mode = file.stat().st_mode
    file.chmod(0o644)
    text = file.read_text()
    file.write_text(re.sub(r"\d\n$", lambda last: f"{(int(last[0]) + 1) % 10}\n", text))
    assert file.read_text() != text
    file.chmod(mode)


def test_a_damaged_object_of_a_remote_is_not_used(project, tmp_path):
    store = tmp_path / "store"
    share(project, f"dvc remote add --quiet --default store {store}")
    name = cached(project, TRAINED).relative_to(project.path / ".dvc/cache")
    damage(store / name)
    theirs = clone(project, tmp_path / "clone")
    assert "failed to pull data" in theirs("dvc pull", fails=True)
    assert not (theirs.path / TRAINED).exists()
    assert f"{TRAINED}: not in the cache, {name}" in theirs(VERIFY, fails=True)
    # A user with a sound copy pushes it again. DVC checks for a file only if its folder is missing.
    (store / name).unlink()
    (store / folder(project, "results/train_second")).unlink()
    project("dvc push --quiet")
    theirs("dvc pull --quiet")
    assert theirs.results() == project.results()


@pytest.mark.parametrize("mended_by", ["dvc pull --quiet", "snakemake --cores all --quiet all"])
def test_a_damaged_object_of_the_cache_is_named_and_repaired(project, tmp_path, mended_by):
    share(project, f"dvc remote add --quiet --default store {tmp_path / 'store'}")
    before = project.results()
    broken = cached(project, TRAINED)
    damage(broken)
    shutil.rmtree(project.path / "results/train_second")
    project("dvc checkout --quiet")
    assert project.results() != before, "DVC trusts its cache"
    printed = project(VERIFY, fails=True)
    assert f"{broken}: damaged, removed" in printed
    assert f"{TRAINED}: damaged in the cache, " in printed
    assert not (project.path / TRAINED).exists()
    project(mended_by)
    assert project.results() == before
    assert "Nothing to be done" in project("snakemake --cores all")
    project.ran()
    project("dvc repro --quiet")  # adds the existing file to the cache again
    assert project.ran() == []
    assert "objects are sound" in project(VERIFY)


def test_a_missing_object_is_named(project):
    cached(project, TRAINED).unlink()
    printed = project(VERIFY, fails=True)
    assert f"{TRAINED}: not in the cache, files/md5/" in printed
    assert project.results()[TRAINED]
