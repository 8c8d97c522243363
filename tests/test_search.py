"""Searches with shared weights: what they change, what they measure, what they never look at."""

import math
from dataclasses import replace

import pytest
import torch
from pandas.testing import assert_frame_equal
from tiny_search import (
    CASES,
    PairTask,
    plasticity,
    policy,
    run,
    text_task,
    tiny_text,
)

from wpl_lab.io.artifact import load_tensors
from wpl_lab.search.state import State

TABLES = ("children", "policy", "scores")


def group(checkpoint, name):
    """Tensors of one group of a checkpoint, by their names in it."""
    tensors, _ = load_tensors(checkpoint, "search")
    start = name + "."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def restored(checkpoint):
    """A fresh task with the shared weights of a checkpoint."""
    task = text_task()
    task.model.load_state_dict(group(checkpoint, "shared"))
    return task


def select(task, genotype):
    return task.score(task.child(task.space.parse(genotype)), "select").nats


@pytest.mark.parametrize("case", CASES)
def test_the_tables_are_complete(case, tmp_path):
    settings = CASES[case]()
    tables = run(text_task(), tmp_path / "state", **settings)
    assert tuple(tables) == TABLES
    children, steps, scores = (tables[name] for name in TABLES)
    assert children["epoch"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    cells = {str(cell) for cell in text_task().space.cells()}
    assert set(children["genotype"]) <= cells
    measured = ["loss", "reward", "err1", "error1", "err2", "error2", "work"]
    assert children[measured].notna().all(axis=None)
    assert (children["reward"] > 0).all()
    if "learn" in settings:
        assert steps["step"].tolist() == list(range(6))
        assert steps["epoch"].tolist() == [0, 0, 1, 1, 2, 2]
        assert steps[["reward", "baseline", "entropy"]].notna().all(axis=None)
    else:
        assert steps.empty
    if settings.get("exhaustive"):
        assert all(set(of["genotype"]) == cells for _, of in scores.groupby("epoch"))
        assert len(scores) == 3 * 32
    else:
        assert set(scores["epoch"]) == {2}
        assert scores["genotype"].is_unique
    assert scores["candidates"].sum() == 4
    assert (scores.loc[scores["epoch"] < 2, "candidates"] == 0).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_err1_is_the_score_of_the_shared_model_right_after_training(count, tmp_path):
    """The same children, but the search ends after some: the last one's is that of the weights."""
    whole = run(text_task(), tmp_path / "whole", epochs=1)["children"]
    run(text_task(), tmp_path / "cut", epochs=1, children=count)
    row = whole.iloc[count - 1]
    assert row["err1"] == select(restored(tmp_path / "cut"), row["genotype"])


def test_err2_and_scores_are_those_of_the_shared_model_at_the_end(tmp_path):
    tables = run(text_task(), tmp_path / "state", exhaustive=32, protect=plasticity())
    end = restored(tmp_path / "state")
    last = {name: tables[name].query("epoch == 2") for name in ("children", "scores")}
    for column, table in (("err2", last["children"]), ("cross_entropy", last["scores"])):
        assert table[column].tolist() == [select(end, g) for g in table["genotype"]]
    assert last["children"].iloc[-1]["err1"] == last["children"].iloc[-1]["err2"]
    assert (last["children"]["err1"] != last["children"]["err2"]).any(), "others were overwritten"


@pytest.mark.parametrize("case", CASES)
def test_work_counts_every_prediction_that_a_search_needs(case, tmp_path):
    """Against a count of all that goes through the model, three for a pass with gradients.

    But for what only shows how the search fares: both scores of each child, and the ranking.
    """
    task, settings = text_task(), CASES[case]()
    counted = 0

    def count(module, given, output):
        nonlocal counted
        tokens = given[0]
        if torch._C._functorch.is_batchedtensor(tokens):  # of all samples, one of which is seen
            tokens = torch._C._functorch.get_unwrapped(tokens)
        counted += tokens.numel() * (3 if torch.is_grad_enabled() else 1)

    task.model.register_forward_hook(count)
    work = []
    for epochs in (1, 2):
        tables = run(task, tmp_path / "state", **settings, epochs=epochs)
        work.append(tables["children"].query(f"epoch == {epochs - 1}")["work"].unique().tolist())
        watched = 2 * len(tables["children"]) + (tables["scores"]["candidates"] == 0).sum()
        assert work[-1] == [counted - watched * task.predictions("select")]
        assert set(tables["scores"]["work"]) <= {w for (w,) in work}
    assert work[0] < work[1]


def test_test_data_is_never_read(tmp_path):
    text = tiny_text()
    for number, test in enumerate((text.test, torch.full_like(text.test, 10**6))):
        task = text_task(replace(text, test=test))
        run(task, tmp_path / str(number), protect=plasticity(), learn=policy(), exhaustive=32)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    with pytest.raises(IndexError):
        task.score(task.child(task.space.parse("0:tanh 0:tanh")), "test")


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(case, tmp_path):
    for number, seed in enumerate((0, 0, 1)):
        run(text_task(), tmp_path / str(number), seed=seed, **CASES[case]())
    first, again, other = ((tmp_path / str(i)).read_bytes() for i in range(3))
    assert first == again
    assert first != other


class Watched:
    """A task that keeps the weights as each training loss, and each score, finds them."""

    def __init__(self, task):
        self._task, self.seen = task, []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, child, *rest):
        self._keep(child)
        return self._task.loss(child, *rest)

    def score(self, child, part):
        self._keep(child)
        return self._task.score(child, part)

    def _keep(self, child):
        weights = {n: p.detach().clone() for n, p in self.model.named_parameters()}
        self.seen.append((child, weights))


@pytest.mark.parametrize("case", CASES)
def test_training_a_child_changes_what_it_uses_and_nothing_else(case, tmp_path):
    """With weight decay and a penalty of all weights, too."""
    task = Watched(text_task())
    run(task, tmp_path / "state", **CASES[case]())
    trained = 0
    for (child, before), (next_child, after) in zip(task.seen, task.seen[1:], strict=False):
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        same = child.genotype == next_child.genotype
        assert changed <= (set(task.used(child.genotype)) if same else set())
        trained += len(changed) > 0
    assert trained == 3 * 3 * 2, "each batch of each child trains"


@pytest.mark.parametrize("silent", [plasticity(alpha=0.0), plasticity(warmup=3)])
def test_a_penalty_of_no_strength_changes_no_bit(silent, tmp_path):
    bare = run(text_task(), tmp_path / "bare", learn=policy())
    kept = run(text_task(), tmp_path / "kept", learn=policy(), protect=silent)
    for name in TABLES:
        assert_frame_equal(
            bare[name].drop(columns="work"), kept[name].drop(columns="work"), check_exact=True
        )
    assert (bare["children"]["work"] < kept["children"]["work"]).all(), "of the Fisher information"
    shared = group(tmp_path / "kept", "shared")
    for name, weight in group(tmp_path / "bare", "shared").items():
        assert torch.equal(weight, shared[name])


SHARED = ("embedding", "bias", "input", "recurrent")


def second_child(folder, protect, **changed):
    """Where all cells' weights stand after two children, protected and free, and F and θ̂ before."""
    once = {"epochs": 1, "weight_decay": 0.0} | changed
    run(text_task(), folder / "first", children=1, protect=protect, **once)
    run(text_task(), folder / "held", children=2, protect=protect, **once)
    run(text_task(), folder / "free", children=2, **once)
    groups = [("first", "fisher"), ("first", "anchor"), ("held", "shared"), ("free", "shared")]
    return zip(SHARED, *([group(folder / f, g)[n] for n in SHARED] for f, g in groups), strict=True)


def test_after_its_step_a_child_is_pulled_to_the_anchor(tmp_path):
    """θ ← (θ + c θ̂)/(1 + c), c = learning rate · α F: the paper's loss as a proximal step."""
    for name, fisher, anchor, held, free in second_child(
        tmp_path, plasticity(alpha=1e6), batches=1, learning_rate=0.5, gradient_norm=100.0
    ):
        pull = 0.5 * 1e6 * fisher
        expected = (free + pull * anchor) / (1 + pull)
        torch.testing.assert_close(held, expected, rtol=1e-6, atol=2e-8)
        assert (held - free).abs().max() > 1e-6, name


def test_a_huge_strength_holds_what_earlier_children_use(tmp_path):
    """Where the first child's importance is not 0, as it is of words that it did not see."""
    for name, fisher, anchor, held, free in second_child(tmp_path, plasticity(alpha=1e15)):
        moved = [(end - anchor)[fisher > 1e-9].abs().max() for end in (held, free)]
        assert moved[1] > 1e-5, name
        assert moved[0] < 1e-3 * moved[1], name


def test_only_the_groups_named_are_protected(tmp_path):
    run(text_task(), tmp_path / "state", protect=plasticity(protect=("edge", "bias")))
    fisher = group(tmp_path / "state", "fisher")
    assert set(fisher) == set(group(tmp_path / "state", "anchor"))
    assert set(fisher) == {"bias", "edge.0_1", "edge.0_2", "edge.1_2"}
    assert fisher["edge.0_1"].any()


def test_an_unknown_group_is_refused_by_name(tmp_path):
    message = "protect: the model has no weights 'edges'; it has bias, edge, embedding, input"
    with pytest.raises(ValueError, match=message):
        run(text_task(), tmp_path / "state", protect=plasticity(protect=("bias", "edges")))


def test_children_are_drawn_from_the_controller():
    """One whose first choices weigh exp(5) times the others: 98 % for each of three decisions."""
    task = text_task()
    state = State(task, seed=0, plasticity=None, strategy=policy())
    with torch.no_grad():
        for parameter in state.strategy.controller.parameters():
            parameter.fill_(1.0)
        for decoder in state.strategy.controller.decoders:
            decoder.weight[:] = -1e3
            decoder.weight[0] = 1e3
    random = state.generator("children")
    drawn = [str(state.strategy.sample(random)) for _ in range(200)]
    assert 180 < drawn.count("0:tanh 0:tanh") < 200


def test_a_search_knows_no_text_and_finds_a_planted_best_pair(tmp_path):
    """Of nine pairs; chance draws the best one nine times in 81, and evenly drawn children do."""
    settings = {"epochs": 4, "children": 2, "candidates": 81, "batches": 2}
    learn = policy(steps=40, samples=4, hidden=16, learning_rate=0.02)
    found = {
        name: run(
            PairTask(),
            tmp_path / name,
            protect=plasticity(protect=("first", "second")),
            learn=how,
            **settings,
        )
        for name, how in {"enas": learn, "uniform": None}.items()
    }
    share = {
        name: tables["scores"].set_index("genotype")["candidates"].get(str(PairTask.best), 0) / 81
        for name, tables in found.items()
    }
    assert share["enas"] > 0.5
    assert share["uniform"] < 0.25
    rewards = found["enas"]["policy"].groupby("epoch")["reward"].mean()
    assert rewards.iloc[-1] > rewards.iloc[0] + 0.2
    entropy = found["enas"]["policy"]["entropy"]
    assert entropy.iloc[-1] < 0.7 * entropy.iloc[0] <= math.log(9)
