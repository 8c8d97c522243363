"""The wheel for `pip install` has the library alone, and can be installed and imported."""

import shutil
import subprocess
import sys
import zipfile

import pytest
from workspace import ROOT

import wpl

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src")


def run(*command, **where):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **where)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    copy = tmp_path_factory.mktemp("project")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    run(sys.executable, "-m", "build", "--no-isolation", str(copy))
    return sorted((copy / "dist").iterdir())


def test_the_wheel_has_the_library_and_not_the_experiments(distributions):
    (wheel,) = (d for d in distributions if d.suffix == ".whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    library = ROOT / "src" / "wpl"
    expected = {
        f"wpl/{f.relative_to(library).as_posix()}"
        for f in library.rglob("*")
        if f.suffix in (".py", ".pyi") or f.name == "py.typed"
    }
    assert names == expected


def test_both_distributions_can_be_published(distributions):
    assert [d.suffix for d in distributions] == [".whl", ".gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions))


def test_the_wheel_imports_without_the_experiments(distributions, tmp_path):
    (wheel,) = (d for d in distributions if d.suffix == ".whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import wpl; print(wpl.__version__); "
        "[getattr(wpl, name) for name in wpl.__all__]; "
        f"assert wpl.__file__.startswith({str(tmp_path)!r})"
    )
    printed = run(sys.executable, "-c", program, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert printed.strip() == wpl.__version__
