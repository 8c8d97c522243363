"""The space of convolutional cells: printing, parsing, enumeration and choices."""

import itertools

import pytest

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.convolutional import (
    OPERATIONS,
    ConvolutionalGenotype,
    ConvolutionalSpace,
)
from wpl_lab.seeding import generator

SPACES = [
    ConvolutionalSpace(1, alike=True),
    ConvolutionalSpace(1, alike=False, operations=["identity", "sep5"]),
    ConvolutionalSpace(2, alike=True, operations=["sep3", "max3"]),
]


@pytest.mark.parametrize("space", SPACES)
def test_every_choice_makes_an_architecture_and_all_of_them_are_enumerated(space):
    """The order of the two branches of a node has no meaning: both orders give one architecture."""
    made = {space.decode(choices) for choices in itertools.product(*map(range, space.options))}
    cells = list(space.cells())
    assert len(cells) == len(set(cells)) == space.size
    assert set(cells) == made
    assert len(space.roles) == len(space.options)


@pytest.mark.parametrize("space", [*SPACES, ConvolutionalSpace(5, alike=False)])
def test_a_genotype_is_printed_and_parsed(space):
    for seed in range(20):
        genotype = draw(space, generator(seed))
        assert space.parse(str(genotype)) == genotype
        assert (genotype.normal == genotype.reduction) or not space.alike


def test_loose_ends_are_the_nodes_that_no_other_uses():
    genotype = ConvolutionalGenotype.parse(
        "0:sep3+0:max3 2:sep3+2:avg3 / 0:sep3+1:max3 0:avg3+1:avg3"
    )
    assert genotype.loose_ends(genotype.normal) == (1, 3)
    assert genotype.loose_ends(genotype.reduction) == (2, 3)


FAULTS = {
    "sep3": "is not a pair of convolutional cells",
    "0:sep3+1:avg3": "is not a pair of convolutional cells",
    "x:sep3+1:avg3 / 0:sep3+1:avg3": "is not a pair of convolutional cells",
    "0:sep3+1:avg3 / ": "a reduction cell needs at least one node",
    "0:sep3 / 0:sep3+1:avg3": "node 2 of the normal cell must have 2 branches",
    "0:sep3+2:avg3 / 0:sep3+1:avg3": "node 2 of the normal cell must be one of 0 to 1; got 2",
    "0:sep3+1:avg3 / 0:sep7+1:avg3": "must be one of identity, .*; got 'sep7'",
    "0:sep3+1:avg3 0:sep3+1:avg3 / 0:sep3+1:avg3": "expected 1 nodes; the normal cell .* has 2",
    "0:sep3+1:sep3 / 0:sep3+1:avg3": "expected two cells alike",
    "0:sep5+1:sep3 / 0:sep5+1:sep3": "expected operations sep3, avg3; .* has sep5",
}


@pytest.mark.parametrize("text", FAULTS)
def test_an_invalid_genotype_is_named(text):
    with pytest.raises(ValueError, match=FAULTS[text]):
        ConvolutionalSpace(1, alike=True, operations=["sep3", "avg3"]).parse(text)


def test_the_space_of_the_paper_has_the_known_size():
    """ENAS gives (5 (B + 1)!)⁴ sequences of choices for B nodes, in two cells."""
    options = ConvolutionalSpace(5, alike=False).options
    assert len(options) == 2 * 5 * 4
    assert set(options) == {2, 3, 4, 5, 6, len(OPERATIONS)}
