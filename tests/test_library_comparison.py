"""The comparison with other libraries: the page matches the table, and the rows of wpl hold."""

import sys

import pytest
import torch
from workspace import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import comparison
import comparison_inputs as inputs
from comparison_libraries import LIBRARIES, ready, wanted

pytestmark = pytest.mark.filterwarnings("ignore")


def table():
    return comparison.read(ROOT / "benchmarks/comparison.csv")


def test_the_page_is_rendered_from_the_table():
    assert (ROOT / "docs/comparison.md").read_text("utf-8") == comparison.render(table())


def test_the_table_has_a_row_for_each_input_and_library():
    pairs = [(row["input"], row["library"]) for row in table()]
    every = [*inputs.INPUTS, *inputs.REFUSE]
    assert pairs == [(name, library) for name in every for library in LIBRARIES]


@pytest.mark.parametrize("name", inputs.INPUTS)
def test_every_input_is_accepted_and_exact(name):
    run, found = comparison.attempt("wpl", inputs.build(name))
    assert run is not None, found
    assert comparison.largest_error(found, comparison.reference(name)) < comparison.EXACT


@pytest.mark.parametrize("name", inputs.REFUSE)
def test_inputs_without_a_valid_answer_are_refused_in_one_line(name):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        ready("wpl", inputs.build(name))()


def test_a_parameter_without_a_value_is_noticed():
    weights = wanted(inputs.build("perceptron, with dropout").model)
    some = {name: p for name, p in weights.items() if name != "0.bias"}
    assert comparison.left_out(weights, some) == ["0.bias"]
    renamed = some | {"other": torch.zeros_like(weights["0.bias"])}
    assert comparison.left_out(weights, renamed) == []


def test_cells_distinguish_exact_and_wrong_values():
    row = {"input": "x", "library": "y, z", "error": "2e-07", "cost": "1.10", "says": ""}
    assert comparison.cell(row, []) == "1.10"
    assert comparison.cell(row | {"error": "6.3e-01"}, []) == "*off by 0.63* (1.10)"
    refused = row | {"error": "", "cost": "", "says": "ValueError: no"}
    assert comparison.cell(refused, ["a: b", "y: ValueError: no"]) == "– [2]"
