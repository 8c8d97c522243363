"""The population of NAO: its members, its search, and resuming from a saved state."""

import math
from dataclasses import dataclass

import pytest
import torch
from tiny_search import PairSpace, drive

from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.search.spaces.recurrent import ACTIVATIONS, RecurrentSpace
from wpl_lab.search.strategies.nao import Nao
from wpl_lab.search.strategies.strategy_settings import Population
from wpl_lab.seeding import generator

NAO = {
    "population": 10,
    "samples": 1,
    "top": 5,
    "new": 3,
    "largest_step": 50,
    "hidden": 8,
    "steps": 30,
    "batch": 10,
    "drawn": 10,
    "learning_rate": 0.02,
    "tradeoff": 0.8,
}
CELLS = RecurrentSpace(4)


def strategy(space=CELLS, *, seed=0, **changed):
    return Nao(space, Population(**NAO | changed), random=generator(seed, "nao"))


def learn(nao, reward, epochs, *, start=0):
    """Return the rows of some epochs, each with its own random numbers, as in a search."""
    return [
        row
        for epoch in range(start, start + epochs)
        for row in drive(nao.learn(epoch=epoch, random=generator(epoch, "learn")), reward)
    ]


def choices_of(cell):
    (_, first), *rest = [(p, ACTIVATIONS.index(a)) for p, a in cell.nodes]
    return [first, *(choice for node in rest for choice in node)]


def additive(seed):
    """Return a reward that is a sum over the choices of a cell, with random values."""
    random = generator(seed, "worth")
    worth = [torch.rand(n, generator=random).tolist() for n in CELLS.options]
    return lambda cell: sum(w[c] for w, c in zip(worth, choices_of(cell), strict=True))


def tanhs(cell):
    return sum(activation == "tanh" for _, activation in cell.nodes)


@dataclass(frozen=True)
class Multiset:
    """An architecture that does not depend on the order of the choices."""

    chosen: tuple[int, ...]


class MultisetSpace:
    """Three choices out of four; their order has no meaning, and three equal ones are invalid."""

    options = (4, 4, 4)
    roles = ("member", "member", "member")
    size = 16

    def decode(self, choices):
        if len(set(choices)) == 1:
            raise ValueError(f"{choices} are all the same")
        return Multiset(tuple(sorted(choices)))


def test_a_population_has_distinct_architectures():
    populations = [strategy(seed=seed).population for seed in range(50)]
    for population in populations:
        assert len(population) == len(set(population)) == 10
    assert strategy().population == populations[0]
    first = torch.tensor([choices_of(c)[0] for population in populations for c in population])
    error = math.sqrt(500 * 1 / 4 * 3 / 4)
    assert (first.bincount() - 125).abs().max() < 4 * error, "uniformly"


def test_children_are_drawn_uniformly_from_the_members():
    nao = strategy()
    random = generator(0)
    drawn = [nao.sample(random) for _ in range(4000)]
    counts = torch.tensor([drawn.count(member) for member in nao.population])
    assert counts.sum() == 4000
    assert (counts - 400).abs().max() < 4 * math.sqrt(4000 * 0.1 * 0.9)


def test_the_best_stay_and_the_worst_are_replaced():
    nao, reward = strategy(), additive(0)
    ranked = sorted(nao.population, key=reward, reverse=True)
    (row,) = learn(nao, reward, 1)
    assert row["new"] == 3
    assert list(nao.population[:7]) == ranked[:7]
    assert not set(nao.population[7:]) & set(ranked)


def test_a_row_describes_the_population_that_was_scored():
    nao, reward = strategy(), additive(0)
    rewards = [reward(cell) for cell in nao.population]
    (row,) = learn(nao, reward, 1, start=5)
    assert list(row) == ["step", "reward", "best", "loss", "agreement", "new"]
    assert row["step"] == 5
    assert row["reward"] == pytest.approx(sum(rewards) / 10)
    assert row["best"] == pytest.approx(max(rewards))
    assert 0 < row["loss"] < 0.5
    assert 0.8 < row["agreement"] <= 1


@pytest.mark.parametrize("samples", [1, 3])
def test_the_score_of_a_member_is_the_mean_of_its_rewards(samples):
    nao = strategy(samples=samples, steps=1)
    asked = []

    def reward(cell):
        asked.append(cell)
        return float(asked.count(cell))

    members = nao.population
    (row,) = learn(nao, reward, 1)
    assert row["reward"] == (samples + 1) / 2
    assert sorted(map(str, asked)) == sorted(samples * list(map(str, members)))


def test_members_are_distinct_and_removed_ones_do_not_return():
    nao, reward = strategy(new=5), additive(1)
    gone = set()
    members = set(nao.population)
    for epoch in range(12):
        (row,) = learn(nao, reward, 1, start=epoch)
        now = set(nao.population)
        assert len(nao.population) == len(now) == 10
        assert len(now - members) == row["new"]
        assert not now & gone
        gone |= members - now
        members = now
    assert len(gone) > 30


def test_sequences_of_one_architecture_are_one_member_and_invalid_ones_none():
    nao = strategy(MultisetSpace(), population=6, new=5)
    for epoch in range(6):
        learn(nao, lambda found: sum(found.chosen), 1, start=epoch)
        assert len(nao.population) == len(set(nao.population)) == 6
        assert all(len(set(member.chosen)) > 1 for member in nao.population)
    known = nao.tensors()["known"].sort(1).values.tolist()
    assert 6 < len(known) <= 16
    assert len(set(map(tuple, known))) == len(known)


def test_a_small_space_is_the_population_and_does_not_change():
    nao = strategy(PairSpace())
    everything = set(PairSpace().cells())
    assert len(nao.population) == 9
    for row in learn(nao, lambda pair: pair.first, 3):
        assert row["new"] == 0
        assert set(nao.population) == everything


def test_an_exhausted_space_leaves_the_best_members():
    nao = strategy(PairSpace(), population=4, new=2)
    rows = learn(nao, lambda pair: pair.first + 3 * pair.second, 12)
    assert 4 + sum(row["new"] for row in rows) == len(nao.tensors()["known"]) <= 9
    assert rows[-1]["new"] == 0
    assert rows[-1]["best"] == 8


def test_a_single_member_is_never_replaced():
    nao = strategy(population=2, new=1)
    (member, _) = sorted(nao.population, key=tanhs, reverse=True)
    assert learn(nao, lambda cell: float(cell == member), 1)[0]["new"] == 1
    assert nao.population[0] == member


def uniform(reward, count, seed):
    """Return the rewards of distinct cells drawn uniformly, the best first."""
    random = generator(seed, "uniform")
    found = {}
    while len(found) < count:
        cell = CELLS.decode([int(torch.randint(n, (), generator=random)) for n in CELLS.options])
        found[cell] = reward(cell)
    return sorted(found.values(), reverse=True)


LARGER = {"population": 20, "top": 10, "new": 5, "batch": 20, "drawn": 20, "hidden": 32}


def test_it_finds_better_architectures_than_equally_many_random_ones():
    """There are eight epochs of 20 scores; the final population counts as scored, too."""
    means, bests = [], []
    for seed in range(4):
        reward = additive(seed)
        nao = strategy(seed=seed, **LARGER, learning_rate=0.01)
        rows = learn(nao, reward, 8)
        assert rows[-1]["reward"] > rows[0]["reward"] + 0.5
        found = [reward(cell) for cell in nao.population]
        other = uniform(reward, 9 * 20, seed)
        means.append((sum(found) - sum(other[:20])) / 20)
        bests.append(max(found) - other[0])
    assert sum(mean > 0 for mean in means) >= 3
    assert sum(means) / 4 > 0.1
    assert sum(bests) > 0


def test_without_random_sequences_gradient_steps_lead_back_to_members():
    new = []
    for drawn in (20, 0):
        nao = strategy(**LARGER | {"drawn": drawn, "new": 15})
        new.append(sum(row["new"] for row in learn(nao, additive(0), 3)))
    assert new[0] > 1.5 * new[1]


def test_equal_scores_are_not_an_error():
    (row,) = learn(strategy(), lambda _: 2.0, 1)
    assert row["reward"] == row["best"] == 2
    assert math.isnan(row["agreement"])
    assert math.isfinite(row["loss"])


def test_the_scale_of_rewards_does_not_matter():
    """The scales are powers of two, so that products are exact."""
    populations = []
    for scale, shift in [(1.0, 0.0), (2.0**40, 0.0), (2.0**-40, 0.0), (-1.0, 4.0)]:
        nao = strategy()
        learn(nao, lambda cell, s=scale, d=shift: s * tanhs(cell) + d, 2)
        populations.append(nao.population)
    assert populations[0] == populations[1] == populations[2] != populations[3]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_is_named(value):
    nao = strategy()
    bad = nao.population[4]
    before = nao.tensors()
    with pytest.raises(ValueError, match=f"reward of {bad} must be finite; got {value}"):
        learn(nao, lambda cell: value if cell == bad else 1.0, 1)
    assert_equal(nao.tensors(), before)


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("space", [CELLS, MultisetSpace()])
def test_a_saved_state_resumes_with_identical_bits(space, tmp_path):
    def reward(found):
        return tanhs(found) if space is CELLS else float(sum(found.chosen))

    whole = strategy(space)
    expected = learn(whole, reward, 6)

    broken = strategy(space)
    learn(broken, reward, 3)
    saved = broken.tensors()
    save_tensors(tmp_path / "state.safetensors", "search", saved)
    held = {name: tensor.clone() for name, tensor in saved.items()}
    learn(broken, reward, 1, start=3)
    assert_equal(saved, held)

    resumed = strategy(space, seed=7)  # the initial state does not matter
    resumed.load(load_tensors(tmp_path / "state.safetensors", "search")[0])
    assert_equal(resumed.tensors(), held)
    assert learn(resumed, reward, 3, start=3) == expected[3:]
    assert resumed.population == whole.population
    assert_equal(resumed.tensors(), whole.tensors())
    assert resumed.sample(generator(3)) == whole.sample(generator(3))


def test_other_random_numbers_give_other_results():
    assert strategy().population != strategy(seed=1).population
    left = []
    for purpose in "ab":
        nao = strategy()
        drive(nao.learn(epoch=0, random=generator(0, purpose)), additive(0))
        left.append(nao.population)
    assert left[0][:7] == left[1][:7]
    assert left[0] != left[1]


def test_a_space_without_an_architecture_is_refused():
    class Empty(PairSpace):
        def decode(self, choices):
            raise ValueError("no pair")

    with pytest.raises(ValueError, match="none of 1000 sequences"):
        strategy(Empty())


def test_settings_that_keep_no_member_are_refused():
    with pytest.raises(ValueError, match="new: 10 is not less than population, 10"):
        strategy(new=10)
