"""The task of language modelling: windows, parts, rewards and scores."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from plain_language_model import PlainLanguageModel
from tiny_search import TASK, WORDS, text_task, tiny_text

from wpl.fisher.estimate import diagonal_fisher
from wpl_lab.data.text import Text
from wpl_lab.seeding import generator

QUIET = {"dropout": 0.0, "weight_drop": 0.0, "drop_path": 0.0}


def child_of(task, text="0:tanh 1:relu", *, seed=0, run=0, change=lambda weights: None):
    """Make a child with the initial weights of a seed."""
    weights = {name: weight[None].clone() for name, weight in task.weights(seed).items()}
    change(weights)
    return task.children(weights, [(run, task.space.parse(text))])


def plain_of(task, text="0:tanh 1:relu"):
    return PlainLanguageModel(task.weights(0), task.space.parse(text))


def score(task, part):
    (found,) = child_of(task).scores(part)
    return found


def test_training_batches_follow_the_text_and_start_again():
    """200 words in 2 rows make 33 windows of 3, which predict the next word at each position."""
    text, task = tiny_text(), text_task()
    rows = text.train.view(2, 100)
    for number, (inputs, targets) in enumerate(itertools.islice(task.batches(0, [0, 1]), 70)):
        at = number % 33 * 3
        assert torch.equal(inputs, rows[:, at : at + 3].expand(2, 2, 3)), "the same for all runs"
        assert torch.equal(targets, rows[:, at + 1 : at + 4].expand(2, 2, 3))
    later = next(task.batches(40, [9]))
    assert torch.equal(later[0][0], rows[:, 21:24]), "batches can start at any number"


def test_the_validation_text_is_split_into_two_disjoint_halves():
    text = tiny_text(valid=60)
    halves = {"reward": slice(0, 30), "select": slice(30, 60)}
    for part, other in (("reward", "select"), ("select", "reward")):
        valid = text.valid.clone()
        valid[halves[other]] = 0
        pair = [text_task(t) for t in (text, Text(text.train, valid, text.test, WORDS))]
        scores = [[score(t, p) for t in pair] for p in (part, other, "test")]
        assert scores[0][0] == scores[0][1]
        assert scores[1][0] != scores[1][1]
        assert scores[2][0] == scores[2][1]
        windows = [t.sample([generator(s) for s in range(9)])[0] for t in pair]
        assert torch.equal(*windows) == (part == "reward")


def test_rewards_use_windows_from_the_whole_part():
    text, task, random = tiny_text(), text_task(), generator(0)
    rows = text.valid[:30].view(2, 15)
    starts = set()
    for _ in range(200):
        (inputs,), (targets,) = task.sample([random])
        (start,) = [i for i in range(12) if torch.equal(rows[:, i : i + 3], inputs)]
        assert torch.equal(targets, rows[:, start + 1 : start + 4])
        starts.add(start)
    assert starts == set(range(12))


def test_the_reward_is_c_over_perplexity_without_dropout():
    task = text_task(dropout=0.5)
    batch = task.sample([generator(0)])
    child = child_of(task)
    (reward,) = child.rewards(*batch)
    (inputs,), (targets,) = batch
    log = plain_of(task)(inputs).log_softmax(2).gather(2, targets[..., None])
    assert reward == pytest.approx(10 / math.exp(-log.mean().item()))
    assert [reward] == child.rewards(*batch)


@pytest.mark.parametrize("bias", [1e4, math.nan])
def test_a_very_bad_child_has_the_reward_0(bias):
    task = text_task()

    def spoil(weights):
        weights["bias"][0, 0] = bias

    assert child_of(task, change=spoil).rewards(*task.sample([generator(0)])) == [0]


def test_gradients_are_those_of_the_mean_with_the_state_carried_over():
    """The state is that of the same child after its last window; gradients stop at the window."""
    task, cell = text_task(**QUIET), text_task().space.parse("0:tanh 1:relu")
    own = {name: 10 * weight for name, weight in task.weights(0).items()}
    child = task.children({name: weight[None] for name, weight in own.items()}, [(0, cell)])
    stream = task.batches(0, [0])
    first, second = next(stream), next(stream)
    child.gradients(*first, [generator(0)])
    state = child.state[0].t()
    losses, gradients = child.gradients(*second, [generator(0)])
    for start, same in ((state, True), (None, False)):
        made = PlainLanguageModel(own, cell, state=start)
        loss = F.cross_entropy(made(second[0][0]).flatten(0, 1), second[1][0].flatten())
        assert torch.allclose(loss, losses[0], rtol=1e-5) == same
        loss.backward()
        if same:
            for name, gradient in gradients.items():
                torch.testing.assert_close(
                    gradient[0], made.gradients()[name], rtol=1e-4, atol=1e-7
                )


def test_the_gradient_of_a_run_is_that_of_the_mean_over_its_children():
    task = text_task(**QUIET)
    weights = {name: weight.expand(2, *weight.shape) for name, weight in task.weights(0).items()}
    batch, randoms = next(task.batches(0, [0, 0])), [generator(0)] * 2
    cells = [task.space.parse(text) for text in ("0:tanh 0:relu", "0:sigmoid 1:relu")]
    both = task.children(weights, [(1, cells[0]), (1, cells[1]), (0, cells[0])])
    losses, mean = both.gradients(*batch, randoms)
    alone = [task.children(weights, [(0, cell)]).gradients(*batch, randoms)[1] for cell in cells]
    assert losses[0] == losses[2]
    for name, found in mean.items():
        each = [a.get(name, torch.zeros_like(found))[0] for a in alone]
        torch.testing.assert_close(found[1], (each[0] + each[1]) / 2)
        torch.testing.assert_close(found[0], each[0])


@pytest.mark.parametrize("kind", ["empirical", "mc", "sketch", "exact"])
def test_the_fisher_information_equals_that_of_a_single_child(kind):
    """A row is a sample; labels are drawn from the generator of the run."""
    task = text_task(**QUIET)
    texts = ["0:tanh 1:relu", "0:sigmoid 0:identity", "0:relu 0:tanh"]
    seeds = range(3)
    each = [task.weights(seed) for seed in seeds]
    weights = {name: 5 * torch.stack([of[name] for of in each]).double() for name in each[0]}
    children = [(run, task.space.parse(text)) for run, text in enumerate(texts)]
    inputs, targets = task.sample([generator(seed) for seed in seeds])
    randoms = [generator(seed, "labels") for seed in seeds]
    found = task.children(weights, children).fisher(inputs, targets, kind=kind, randoms=randoms)
    for run, cell in children:
        made = PlainLanguageModel({name: weight[run] for name, weight in weights.items()}, cell)
        expected = diagonal_fisher(
            made,
            [(inputs[run], targets[run])],
            kind=kind,
            parameters=[name.replace(".", "/") for name in task.used(cell)],
            generator=generator(run, "labels"),
        )
        for name, f in expected.items():
            own = found[name.replace("/", ".")][run]
            torch.testing.assert_close(own, f, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("part", ["reward", "select", "test"])
def test_a_part_is_scored_completely(part):
    """The score equals that of one long window in eval mode; the last of its windows is shorter."""
    text = tiny_text(valid=62, test=46)
    task = text_task(text, dropout=0.5)
    tokens = {"reward": text.valid[:31], "select": text.valid[31:], "test": text.test}[part]
    rows = tokens[: len(tokens) // 2 * 2].view(2, -1)
    logits = plain_of(task)(rows[:, :-1]).double()
    expected = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()
    assert score(task, part) == pytest.approx((expected, math.exp(expected)))
    assert task.predictions(part) == rows[:, 1:].numel()


def test_a_uniform_guess_has_the_entropy_of_the_vocabulary():
    task = text_task()
    assert task.guessing == pytest.approx(math.log(20))
    assert score(task, "test").nats == pytest.approx(task.guessing, rel=0.02), "before training"


def test_initial_weights_depend_on_the_seed():
    weights = [text_task().weights(seed)["embedding"] for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("text", "changed", "message"),
    [
        (tiny_text(valid=14), {}, "text: the first half of the validation part has 7 tokens"),
        (tiny_text(), {"score_rows": 16}, "the second half of the validation part has 30 tokens"),
        (tiny_text(test=3), {}, "text: the test part has 3 tokens; 2 × .*score_rows = 2 × 2 needs"),
        (tiny_text(), {"batch_size": 51}, "text: the training part has 200 tokens; .* needs 204"),
    ],
)
def test_a_text_that_is_too_short_is_refused_by_part(text, changed, message):
    with pytest.raises(ValueError, match=message):
        text_task(text, **changed)


def test_the_shortest_valid_text_is_accepted():
    task = text_task(tiny_text(valid=16, test=4))
    assert task.sample([generator(0)])[1].shape == (1, 2, TASK["steps"])
    assert math.isfinite(score(task, "test").nats)
