"""Language modelling as a task of the search: windows, parts, rewards and scores."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from tiny_search import TASK, WORDS, text_task, tiny_text

from wpl_lab.data.text import Text
from wpl_lab.seeding import generator

QUIET = {"dropout": 0.0, "weight_drop": 0.0, "drop_path": 0.0}


def cell_of(task, text="0:tanh 1:relu"):
    return task.space.parse(text)


def test_training_batches_follow_the_text_and_begin_again():
    """200 words in 2 rows: 33 windows of 3, each predicting the word after."""
    text, task = tiny_text(), text_task()
    rows = text.train.view(2, 100)
    for number, (inputs, targets) in enumerate(itertools.islice(task.batches(0, 0), 70)):
        at = number % 33 * 3
        assert torch.equal(inputs, rows[:, at : at + 3])
        assert torch.equal(targets, rows[:, at + 1 : at + 4])
    later = next(task.batches(40, seed=9))
    assert torch.equal(later[0], rows[:, 21:24]), "from any number on"


def test_the_validation_text_is_cut_in_two_disjoint_halves():
    text = tiny_text(valid=60)
    halves = {"reward": slice(0, 30), "select": slice(30, 60)}
    for part, other in (("reward", "select"), ("select", "reward")):
        valid = text.valid.clone()
        valid[halves[other]] = 0
        pair = [text_task(t) for t in (text, Text(text.train, valid, text.test, WORDS))]
        scores = [[t.score(t.child(cell_of(t)), p) for t in pair] for p in (part, other, "test")]
        assert scores[0][0] == scores[0][1]
        assert scores[1][0] != scores[1][1]
        assert scores[2][0] == scores[2][1]
        windows = [[t.sample(generator(s))[0] for s in range(9)] for t in pair]
        assert torch.equal(*map(torch.stack, windows)) == (part == "reward")


def test_rewards_are_of_windows_from_all_of_their_part():
    text, task, random = tiny_text(), text_task(), generator(0)
    rows = text.valid[:30].view(2, 15)
    starts = set()
    for _ in range(200):
        inputs, targets = task.sample(random)
        (start,) = [i for i in range(12) if torch.equal(rows[:, i : i + 3], inputs)]
        assert torch.equal(targets, rows[:, start + 1 : start + 4])
        starts.add(start)
    assert starts == set(range(12))


def test_the_reward_is_c_over_perplexity_without_dropout():
    task = text_task(dropout=0.5)
    inputs, targets = task.sample(generator(0))
    child = task.child(cell_of(task))
    reward = task.reward(child, inputs, targets)
    log = task.model.eval()(inputs, child.genotype)[0].log_softmax(2)
    log = log.gather(2, targets[..., None])
    assert reward == pytest.approx(10 / math.exp(-log.mean().item()))
    assert reward == task.reward(child, inputs, targets)


def test_a_hopeless_child_is_rewarded_with_nothing():
    task = text_task()
    with torch.no_grad():
        task.model.bias[0] = 1e4
    assert task.reward(task.child(cell_of(task)), *task.sample(generator(0))) == 0


def test_the_loss_goes_on_from_the_last_window_of_the_same_child():
    task = text_task(**QUIET)
    child, other = (task.child(cell_of(task)) for _ in "ab")
    stream = task.batches(0, 0)
    first, second = next(stream), next(stream)
    task.loss(child, *first, generator(0))
    found = task.loss(child, *second, generator(0))
    logits, _ = task.model(torch.cat([first[0], second[0]], 1), child.genotype)
    expected = F.cross_entropy(logits[:, 3:].flatten(0, 1), second[1].flatten())
    torch.testing.assert_close(found, expected)
    assert not child.state.requires_grad, "gradients end at the window"
    fresh = task.loss(other, *second, generator(0))
    assert fresh != found
    torch.testing.assert_close(
        fresh,
        F.cross_entropy(
            task.model(second[0], child.genotype)[0].flatten(0, 1), second[1].flatten()
        ),
    )


@pytest.mark.parametrize("part", ["reward", "select", "test"])
def test_a_part_is_scored_whole(part):
    """As one window of all of it, in eval mode; in pieces of 12 steps it is not cut evenly."""
    text = tiny_text(valid=62, test=46)
    task = text_task(text, dropout=0.5)
    tokens = {"reward": text.valid[:31], "select": text.valid[31:], "test": text.test}[part]
    rows = tokens[: len(tokens) // 2 * 2].view(2, -1)
    child = task.child(cell_of(task))
    logits = task.model.eval()(rows[:, :-1], child.genotype)[0].double()
    expected = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()
    task.model.train()
    assert task.score(child, part) == pytest.approx((expected, math.exp(expected)))
    assert task.predictions(part) == rows[:, 1:].numel()


def test_guessing_is_the_entropy_of_the_vocabulary():
    task = text_task()
    assert task.guessing == pytest.approx(math.log(20))
    score = task.score(task.child(cell_of(task)), "test").nats
    assert score == pytest.approx(task.guessing, rel=0.02), "before training"


def test_weights_are_those_of_the_seed():
    weights = [text_task(seed=seed).model.embedding for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("text", "changed", "message"),
    [
        (tiny_text(valid=14), {}, "reward: 7 words are too few for 2 rows of 4"),
        (tiny_text(), {"score_rows": 16}, "select: 30 words are too few for 16 rows of 2"),
        (tiny_text(test=3), {}, "test: 3 words are too few for 2 rows of 2"),
        (tiny_text(), {"batch_size": 51}, "train: 200 words are too few for 51 rows of 4"),
    ],
)
def test_a_text_that_is_too_short_is_refused_by_part(text, changed, message):
    with pytest.raises(ValueError, match=message):
        text_task(text, **changed)


def test_the_shortest_text_will_do():
    task = text_task(tiny_text(valid=16, test=4))
    assert task.sample(generator(0))[1].shape == (2, TASK["steps"])
    assert math.isfinite(task.score(task.child(cell_of(task)), "test").nats)
