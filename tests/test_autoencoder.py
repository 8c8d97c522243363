"""The networks of NAO: they decode valid sequences, and learn to decode and to predict scores."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wpl_lab.search.strategies.autoencoder import Autoencoder, improve
from wpl_lab.search.strategies.autoencoder_fit import autoencoder_loss, draw_choices, fit
from wpl_lab.seeding import generator

OPTIONS = (4, 2, 4, 3)
ROLES = ("activation", "node", "activation", "node")
SPACE = torch.tensor(list(itertools.product(*map(range, OPTIONS))))
FIT = {"steps": 300, "batch": 20, "drawn": 0, "learning_rate": 0.01, "tradeoff": 0.8}


def autoencoder(*, options=OPTIONS, roles=ROLES, hidden=16, seed=0):
    return Autoencoder(options, roles=roles, hidden=hidden, generator=generator(seed, "init"))


def problem(count=20):
    """Return distinct sequences and their scores."""
    chosen = torch.randperm(len(SPACE), generator=generator(0, "problem"))[:count]
    scores = SPACE[chosen].float() @ torch.tensor([0.1, 0.3, -0.05, 0.2])
    return SPACE[chosen], (scores - scores.min()) / (scores.max() - scores.min())


def fitted(**changed):
    made, (choices, scores) = autoencoder(), problem()
    loss = fit(made, choices, scores, **FIT | changed, generator=generator(0, "fit"))
    return made, choices, scores, loss


@given(
    decisions=st.lists(st.tuples(st.integers(1, 5), st.sampled_from("ab")), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30)
def test_every_decoded_sequence_is_valid(decisions, seed):
    options, roles = zip(*decisions, strict=True)
    made = autoencoder(options=options, roles=roles, hidden=4, seed=seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(20)  # far from trained weights
    anywhere = torch.randn(30, len(options), 4, generator=generator(seed))
    choices = made.decode(anywhere)
    assert choices.shape == (30, len(options))
    assert choices.dtype == torch.int64
    assert (choices >= 0).all()
    assert (choices < torch.tensor(options)).all()


def test_the_decoder_is_a_distribution_over_the_sequences_of_the_space():
    """For every encoding, the probabilities of the 96 sequences sum to one."""
    made = autoencoder().double()
    for encoding in made.encode(SPACE[:3]):
        probability = made.log_probability(encoding.expand(96, -1, -1), SPACE).sum(1).exp()
        assert probability.sum().item() == pytest.approx(1)


def test_decoding_takes_the_most_probable_choice_given_those_before_it():
    """The step-by-step decoder is compared with teacher forcing."""
    made = fitted(steps=20)[0]
    with torch.no_grad():
        encoding = made.encode(SPACE)
        written = made.decode(encoding)
        told = made.log_probability(encoding, written)
        for i, n in enumerate(OPTIONS):
            for choice in range(n):
                other = written.clone()
                other[:, i] = choice
                assert (made.log_probability(encoding, other)[:, i] <= told[:, i] + 1e-6).all()


def test_a_choice_depends_only_on_those_before_it():
    made = autoencoder()
    encoding = made.encode(SPACE[:1])
    base, changed = SPACE[:1], SPACE[:1].clone()
    changed[0, 1] = 1
    difference = made.log_probability(encoding, base) - made.log_probability(encoding, changed)
    assert difference[0, 0] == 0
    assert (difference[0, 1:].abs() > 1e-6).all()


def test_encodings_have_length_one():
    made = autoencoder()
    encoding = made.encode(SPACE)
    assert encoding.shape == (96, 4, 16)
    for e in (encoding, *made.climb(encoding, [0.0, 30.0])):
        torch.testing.assert_close(e.norm(dim=2), torch.ones(96, 4))


def test_decisions_of_one_kind_share_their_tokens():
    shared, own = autoencoder(), autoencoder(roles=("a", "b", "c", "d"))
    assert shared.write.out_features == 4 + 2 + 3
    assert own.write.out_features == 4 + 2 + 4 + 3


def test_it_learns_to_decode_and_to_score_its_training_sequences():
    made, choices, scores, loss = fitted()
    before = autoencoder()
    with torch.no_grad():
        encoding = made.encode(choices)
        assert torch.equal(made.decode(encoding), choices)
        assert (made.predict(encoding) - scores).abs().max() < 0.05
        assert not torch.equal(before.decode(before.encode(choices)), choices)
        assert loss < 0.01 * autoencoder_loss(before, choices, scores, tradeoff=0.8)


def test_random_sequences_teach_it_to_decode_sequences_without_a_score():
    written = []
    for drawn in (0, 20):
        made, choices, *_ = fitted(drawn=drawn)
        assert torch.equal(made.decode(made.encode(choices)), choices)
        right = (made.decode(made.encode(SPACE)) == SPACE).all(1)
        written.append(right.double().mean().item())
    assert written[0] < 0.7
    assert written[1] > 0.95


def test_small_steps_raise_the_predicted_score_of_every_sequence():
    made = fitted(drawn=20)[0]
    encoding = made.encode(SPACE)
    none, *moved = made.climb(encoding, [0.0, 0.01, 0.1])
    torch.testing.assert_close(none, encoding)
    score = made.predict(encoding)
    for step in moved:
        higher = made.predict(step)
        assert (higher > score).all()
        score = higher


def test_improved_sequences_have_higher_scores():
    """The score is a sum over choices, tested on all 96 sequences; 20 were used for training."""
    made = fitted(drawn=20)[0]
    worth = SPACE.float() @ torch.tensor([0.1, 0.3, -0.05, 0.2])
    improved = improve(made, SPACE, [0.001, 1.0, 10.0, 50.0])
    assert improved.shape == (4, 96, 4)
    found = improved.float() @ torch.tensor([0.1, 0.3, -0.05, 0.2])
    means = found.mean(1).tolist()
    assert means[0] == pytest.approx(worth.mean().item(), abs=0.02), "a step of almost no length"
    assert means == sorted(means)
    assert means[-1] > worth.mean() + worth.std()


@pytest.mark.parametrize("tradeoff", [0.0, 0.3, 1.0])
def test_the_loss_weighs_predictor_against_decoder(tradeoff):
    made, (choices, scores) = autoencoder(), problem(6)
    squares, likelihoods = [], []
    for i in range(6):
        encoding = made.encode(choices[i : i + 1])
        likelihoods.append(made.log_probability(encoding, choices[i : i + 1]).mean().item())
        if i < 4:
            squares.append((made.predict(encoding) - scores[i]).item() ** 2)
    expected = tradeoff * sum(squares) / 4 - (1 - tradeoff) * sum(likelihoods) / 6
    found = autoencoder_loss(made, choices, scores[:4], tradeoff=tradeoff)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_choices_are_drawn_uniformly():
    drawn = draw_choices(OPTIONS, 40_000, generator=generator(0))
    number = (drawn * torch.tensor([24, 12, 3, 1])).sum(1)
    frequency = number.bincount(minlength=96) / len(drawn)
    assert len(frequency) == 96
    error = math.sqrt(1 / 96 * (1 - 1 / 96) / len(drawn))
    assert ((frequency - 1 / 96) / error).abs().max() < 4


def test_random_numbers_come_from_the_generators_only():
    before = torch.get_rng_state()
    (first, *_, loss), (again, *_, same) = (fitted(steps=5, drawn=3, batch=7) for _ in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    assert loss == same
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": (), "roles": ()}, "at least one choice"),
        ({"options": (2, 0), "roles": ("a", "b")}, r"at least one choice; got options \(2, 0\)"),
        ({"options": (2, 2), "roles": ("a",)}, "2 decisions need as many roles"),
    ],
)
def test_an_impossible_space_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        autoencoder(**arguments)
