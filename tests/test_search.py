"""Searches with shared weights: training steps, tables, and the data that they use."""

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
    run_seeds,
    text_task,
    tiny_text,
    training,
)

from wpl_lab.io.artifact import load_tensors
from wpl_lab.search.state import State

TABLES = ("children", "policy", "scores")


def group(checkpoint, name):
    """Return the tensors of a group in a checkpoint, by their names in the group."""
    tensors, _ = load_tensors(checkpoint, "search")
    start = name + "."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def select(checkpoint, genotypes):
    """Score a genotype with the shared weights of a checkpoint."""
    task = text_task()
    weights = {name: weight[None] for name, weight in group(checkpoint, "shared").items()}
    children = task.children(weights, [(0, task.space.parse(g)) for g in genotypes])
    return [score.nats for score in children.scores("select")]


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
    """A search that ends after some of the children has the score of the last one's weights."""
    whole = run(text_task(), tmp_path / "whole", epochs=1)["children"]
    run(text_task(), tmp_path / "cut", epochs=1, children=count)
    row = whole.iloc[count - 1]
    assert [row["err1"]] == select(tmp_path / "cut", [row["genotype"]])


def test_err2_and_scores_are_those_of_the_shared_model_at_the_end(tmp_path):
    tables = run(text_task(), tmp_path / "state", exhaustive=32, protect=plasticity())
    last = {name: tables[name].query("epoch == 2") for name in ("children", "scores")}
    for column, table in (("err2", last["children"]), ("cross_entropy", last["scores"])):
        assert table[column].tolist() == select(tmp_path / "state", table["genotype"])
    assert last["children"].iloc[-1]["err1"] == last["children"].iloc[-1]["err2"]
    assert (last["children"]["err1"] != last["children"]["err2"]).any(), (
        "weights of other children were overwritten"
    )


class Counted:
    """A task that counts predictions with and without gradients, except those for scores."""

    def __init__(self, task):
        self._task, self.work = task, 0

    def __getattr__(self, name):
        return getattr(self._task, name)

    def children(self, weights, children):
        made = self._task.children(weights, children)
        for name, price in (("gradients", 3), ("fisher", 3), ("rewards", 1)):
            setattr(made, name, self._counted(getattr(made, name), price * len(children)))
        return made

    def _counted(self, function, price):
        def counted(inputs, targets, *rest, **named):
            self.work += price * targets[0].numel()
            return function(inputs, targets, *rest, **named)

        return counted


@pytest.mark.parametrize("case", CASES)
def test_work_is_the_number_of_predictions_that_a_search_needs(case, tmp_path):
    """A pass with gradients counts as three; only the scores that select candidates count."""
    task, settings = Counted(text_task()), CASES[case]()
    work = []
    for epochs in (1, 2):
        tables = run(task, tmp_path / "state", **settings, epochs=epochs)
        (now,) = tables["children"].query(f"epoch == {epochs - 1}")["work"].unique()
        drawn = (tables["scores"]["candidates"] > 0).sum()
        assert now == task.work + drawn * task.predictions("select")
        work.append(now)
        assert set(tables["scores"]["work"]) <= set(work)
    assert work[0] < work[1]


def test_test_data_is_never_read(tmp_path):
    text = tiny_text()
    for number, test in enumerate((text.test, torch.full_like(text.test, 10**6))):
        task = text_task(replace(text, test=test))
        run(task, tmp_path / str(number), protect=plasticity(), learn=policy(), exhaustive=32)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    weights = {name: weight[None] for name, weight in task.weights(0).items()}
    with pytest.raises(IndexError):
        task.children(weights, [(0, task.space.parse("0:tanh 0:tanh"))]).scores("test")


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(case, tmp_path):
    for number, seed in enumerate((0, 0, 1)):
        run(text_task(), tmp_path / str(number), seed=seed, **CASES[case]())
    first, again, other = ((tmp_path / str(i)).read_bytes() for i in range(3))
    assert first == again
    assert first != other


class Watched:
    """A task that records the weights before each training step, and its children."""

    def __init__(self, task):
        self._task, self.seen = task, []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def children(self, weights, children):
        made = self._task.children(weights, children)
        gradients = made.gradients

        def watched(*given):
            self.seen.append(([g for _, g in children], {n: w.clone() for n, w in weights.items()}))
            return gradients(*given)

        made.gradients = watched
        return made


@pytest.mark.parametrize("case", CASES)
def test_a_step_changes_only_the_weights_that_its_children_use(case, tmp_path):
    """This holds also with weight decay and a penalty on all weights."""
    task = Watched(text_task())
    run(task, tmp_path / "state", **CASES[case]())
    trained = 0
    for (genotypes, before), (_, after) in zip(task.seen, task.seen[1:], strict=False):
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed <= {name for genotype in genotypes for name in task.used(genotype)}
        trained += len(changed) > 0
    steps = 3 * 2 if case == "three together" else 3 * 3 * 2
    assert trained == steps - 1, "each batch of each turn trains"


@pytest.mark.parametrize("silent", [plasticity(alpha=0.0), plasticity(warmup=3)])
def test_a_penalty_of_strength_0_changes_no_bit(silent, tmp_path):
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
    """Return the weights after two children, with and without WPL, and F and θ̂ before."""
    once = {"epochs": 1, "weight_decay": 0.0} | changed
    run(text_task(), folder / "first", children=1, protect=protect, **once)
    run(text_task(), folder / "held", children=2, protect=protect, **once)
    run(text_task(), folder / "free", children=2, **once)
    groups = [("first", "fisher"), ("first", "anchor"), ("held", "shared"), ("free", "shared")]
    return zip(SHARED, *([group(folder / f, g)[n] for n in SHARED] for f, g in groups), strict=True)


def test_after_its_step_a_child_is_pulled_to_the_anchor(tmp_path):
    """The step is θ ← (θ + c θ̂)/(1 + c), c = learning rate · α F: the paper's loss, proximal."""
    for name, fisher, anchor, held, free in second_child(
        tmp_path, plasticity(alpha=1e6), batches=1, learning_rate=0.5, gradient_norm=100.0
    ):
        pull = 0.5 * 1e6 * fisher
        expected = (free + pull * anchor) / (1 + pull)
        torch.testing.assert_close(held, expected, rtol=1e-6, atol=2e-8)
        assert (held - free).abs().max() > 1e-6, name


def test_a_huge_strength_holds_what_earlier_children_use(tmp_path):
    """It holds the weights whose importance is not 0, as it is for words that did not occur."""
    for name, fisher, anchor, held, free in second_child(tmp_path, plasticity(alpha=1e15)):
        moved = [(end - anchor)[fisher > 1e-9].abs().max() for end in (held, free)]
        assert moved[1] > 1e-5, name
        assert moved[0] < 1e-3 * moved[1], name


def test_only_the_given_groups_are_protected(tmp_path):
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
    """In each of three decisions, its first choice has exp(5) times the weight of others: 98 %."""
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


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_of_a_seed_do_not_depend_on_the_other_seeds(case, tmp_path):
    """This holds if matrices fill whole cache lines, as products depend on alignment."""
    settings = CASES[case]()
    task = text_task(tiny_text(valid=200, test=40), hidden=16, batch_size=16, score_rows=16)
    for seeds in ([0, 1, 2, 3, 4], [3], [4, 2]):
        folder = tmp_path / "-".join(map(str, seeds))
        tables = run_seeds(task, {s: folder / str(s) for s in seeds}, batches=9, **settings)
        assert tables["children"]["seed"].unique().tolist() == seeds
    for seed, folders in ((3, ("0-1-2-3-4", "3")), (2, ("0-1-2-3-4", "4-2"))):
        one, other = ((tmp_path / folder / str(seed)).read_bytes() for folder in folders)
        assert one == other


def test_children_of_a_turn_share_steps_and_are_equally_late(tmp_path):
    """Six children are trained two at a time, with the mean gradient of both."""
    children = run(text_task(), tmp_path / "state", epochs=1, children=6, together=2)["children"]
    assert children["child"].tolist() == [0, 1, 2, 3, 4, 5]
    assert children["later"].tolist() == [4, 4, 2, 2, 0, 0]
    last = children[children["later"] == 0]
    assert last["err1"].tolist() == last["err2"].tolist()
    with pytest.raises(ValueError, match="children: 6 cannot be trained 4 at a time"):
        training(children=6, together=4)


def test_every_second_batch_replays_one_of_the_latest_children(tmp_path):
    task = Watched(text_task())
    children = run(task, tmp_path / "state", epochs=2, children=4, batches=6, replay=2)["children"]
    genotypes = [str(genotype) for (genotype,), _ in task.seen]
    turns = [genotypes[at : at + 6] for at in range(0, len(genotypes), 6)]
    assert len(turns) == 8
    own = children["genotype"].tolist()
    for turn, steps in enumerate(turns):
        assert set(steps[::2]) == {own[turn]}
        past = own[max(0, turn - 2) : turn] or own[:1]  # also of the epoch before
        assert set(steps[1::2]) <= set(past)
    assert len({step for steps in turns for step in steps[1::2]}) > 2


def test_the_learning_rate_is_lower_after_the_first_epochs():
    made = training(learning_rate=2.0, slow=0.25, slow_from=2)
    assert [made.learning_rate_at(epoch) for epoch in range(4)] == [2.0, 2.0, 0.45, 0.405]


def test_a_search_on_a_task_without_text_finds_the_best_pair(tmp_path):
    """There are nine pairs; uniform sampling draws the best one about 9 times in 81."""
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
