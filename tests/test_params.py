"""params.yaml is checked before the first job; each error names its key."""

import math

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from workspace import ROOT, overlay

from support import params

DEFAULT = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda f: f.stem)
def test_the_files_of_the_project_are_valid(file):
    params.validate(DEFAULT)
    params.validate(overlay(DEFAULT, yaml.safe_load(file.read_text("utf-8"))))


@pytest.mark.parametrize(("text", "number"), [("1e3", 1000.0), ("1e-07", 1e-7), ("1.5E+2", 150.0)])
def test_a_number_with_an_exponent_is_not_a_string(text, number):
    """DVC writes 1e-07, which YAML 1.1, the version that Snakemake reads, parses as a string."""
    assert params.validate(change("wpl.alpha", text))["wpl"]["alpha"] == number


def change(key, value):
    for name in reversed(key.split(".")):
        value = {name: value}
    return overlay(DEFAULT, value)


FAULTS = [
    ("wpl.alpah", 1, "unknown key 'wpl.alpah'; did you mean 'alpha'?"),
    ("sedes", [1], "unknown key 'sedes'; did you mean 'seeds'?"),
    ("zzz", 1, "unknown key 'zzz'"),
    ("wpl.alpha", -1, "wpl.alpha: Input should be greater than or equal to 0; got -1"),
    ("wpl.alpha", math.nan, "wpl.alpha: Input should be a finite number; got nan"),
    ("l2.alpha", math.inf, "l2.alpha: Input should be a finite number; got inf"),
    ("wpl.alpha", "3", "wpl.alpha: Input should be a valid number; got '3'"),
    ("wpl", 3, "wpl: Input should be keys with values; got 3"),
    ("seeds", [], "seeds: List should have at least 1 item"),
    ("seeds", [1, 1], "seeds: duplicate value 1"),
    ("first.stops", [0.5, "5e-1"], "first.stops: duplicate value 0.5"),
    ("seeds", [2**63], "seeds.0: Input should be less than 9223372036854775808; got 9223372036"),
    ("seeds_per_job", 0, "seeds_per_job: Input should be greater than or equal to 1; got 0"),
    ("data.root", "", "data.root: String should have at least 1 character; got ''"),
    ("text.root", "", "text.root: String should have at least 1 character; got ''"),
    ("seeds", [-1], "seeds.0: Input should be greater than or equal to 0; got -1"),
    ("seeds", 3, "seeds: Input should be a list; got 3"),
    ("width", 2.5, "width: Input should be a valid integer; got 2.5"),
    ("width", True, "width: Input should be a valid integer; got True"),
    ("data.source", "minst", "data.source: Input should be 'digits', 'mnist', 'fashion_mnist', "),
    ("data.size", 0, "data.size: Input should be greater than or equal to 1; got 0"),
    ("data.limit", 1.5, "data.limit: Input should be a valid integer; got 1.5"),
    ("data.valid_share", 1.0, "data.valid_share: Input should be less than 1; got 1.0"),
    ("first.stops", [0.5, 55], "first.stops.1: Input should be less than 1; got 55"),
    ("first.stops", [0.5, 0.5], "first.stops: duplicate value 0.5"),
    ("first.iterations", 0, "first.iterations: Input should be greater than or equal to 1; got 0"),
    ("first.learning_rate", 0, "first.learning_rate: Input should be greater than 0; got 0"),
    ("second.batch_size", "64", "second.batch_size: Input should be a valid integer; got '64'"),
    ("fisher.kind", "true", "fisher.kind: Input should be 'empirical', 'mc', 'exact' or 'sketch'"),
    ("compare.arms", ["none", "wlp"], "compare.arms: 'wlp' is not one of the arms default, none, "),
    ("compare.arms", ["wpl", "l2"], "compare.arms: 'none' must be one of the arms"),
    ("compare.arms", ["none", "drop_path"], "compare.arms: 'drop_path' is not one of the arms"),
    ("first.check_every", 9999, "first.check_every: 9999 is more than iterations, 3000"),
    ("compare.shared", [4], "compare.shared: models of 4 and 6 layers can share at most 3; got 4"),
    ("compare.headline", 5, "compare.headline: 5 is not one of compare.shared, [1, 2, 3]"),
    ("compare.remedies", ["mass"], "compare.remedies: 'mass' is not one of the arms default, "),
    ("data.source", "mnist", "compare.remedies: the matrices of omega are for small images"),
    ("omega.curvature", "fisher", "omega.curvature: Input should be 'hessian' or 'ggn'"),
    ("si.damping", 0, "si.damping: Input should be greater than 0; got 0"),
    ("split.arms", ["ewc"], "split.arms: 'none' must be one of the arms"),
    ("tradeoff.alphas", [], "tradeoff.alphas: List should have at least 1 item"),
    ("text.source", "ptp", "text.source: Input should be 'manual', 'ptb' or 'folder'; got 'ptp'"),
    ("text.vocabulary", 1, "text.vocabulary: Input should be greater than or equal to 2; got 1"),
    (
        "search.text.small.nodes",
        3,
        "search.text.small.nodes: 384 cells are more than training.exhaustive, 32",
    ),
    (
        "search.text.other_seeds",
        [77],
        "search.text.other_seeds: 77 is not one of seeds, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
    ),
    ("search.text.small.enas", ["frozen"], "search.text.small.enas: 'frozen' is not one of the"),
    (
        "search.text.full.uniform",
        ["wpl"],
        "search.text.full.uniform: 'none' must be one of the arms",
    ),
    (
        "search.text.training.children",
        7,
        "search.text.training.children: 7 is not a multiple of remedies.together, 2",
    ),
    ("search.text.sweep.slow", [1.5], "search.text.sweep.slow.0: Input should be less than or"),
    ("search.images.dropout.arms", ["wpl"], "search.images.dropout.arms: 'none' must be one of"),
    ("search.images.small.operations", ["sep7"], "search.images.small.operations.0: Input should"),
    ("search.images.small.nodes", 2, "search.images.small.nodes: 2808 cells are more than"),
    ("search.images.plasticity.protect", ["recurrent"], "search.images.plasticity.protect.0: Inp"),
    (
        "search.text.plasticity.warmup",
        8,
        "search.text.plasticity.warmup: 8 is not less than training.epochs, 8",
    ),
    (
        "search.text.plasticity.decay_from",
        8,
        "search.text.plasticity.decay_from: 8 is not less than",
    ),
    (
        "search.text.plasticity.protect",
        ["edges"],
        "search.text.plasticity.protect.0: Input should be 'embedding'",
    ),
    (
        "search.text.plasticity.rate",
        0,
        "search.text.plasticity.rate: Input should be greater than 0; got 0",
    ),
    (
        "search.text.model.dropout",
        1.0,
        "search.text.model.dropout: Input should be less than 1; got 1.0",
    ),
    ("search.text.trainig", {}, "unknown key 'search.text.trainig'; did you mean 'training'?"),
    ("search.device", "gpu", "search.device: Input should be 'auto', 'cpu' or 'cuda'; got 'gpu'"),
    ("text.valid_share", 0.95, "text.valid_share: with test_share 1.05 of the text"),
]


@pytest.mark.parametrize(("key", "value", "message"), FAULTS)
def test_an_error_names_its_key(key, value, message):
    with pytest.raises(WorkflowError) as error:
        params.validate(change(key, value))
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"params: {message}")


def test_something_must_be_compared():
    alone = {"compare": {"arms": ["none"], "remedies": []}, "split": {"arms": ["none"]}}
    with pytest.raises(WorkflowError, match=r"compare\.arms: 'none' is what others are"):
        params.validate(overlay(DEFAULT, alone))


def test_something_must_be_searched():
    nothing = {"search": {"text": {"small": {"enas": [], "uniform": [], "nao": []}}}}
    with pytest.raises(WorkflowError, match=r"search\.text\.small: expected arms of one of"):
        params.validate(overlay(DEFAULT, nothing))


def test_a_missing_key_is_named():
    with pytest.raises(WorkflowError, match="missing key 'fisher'"):
        params.validate({key: value for key, value in DEFAULT.items() if key != "fisher"})


def test_all_errors_are_reported_at_once():
    with pytest.raises(WorkflowError) as error:
        params.validate(overlay(change("width", 0), {"wpl": {"alpha": -1}}))
    assert len(str(error.value).splitlines()) == 2


def test_the_form_is_canonical():
    turned = dict(reversed(change("wpl.alpha", 1000).items()))
    assert repr(params.validate(turned)) == repr(params.validate(DEFAULT))
