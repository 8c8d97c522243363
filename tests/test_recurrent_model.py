"""The language model that all recurrent cells share: what is used, carried on and dropped."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from wpl_lab.search.spaces.recurrence import LARGEST_NORM
from wpl_lab.search.spaces.recurrent import RecurrentGenotype, RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModel
from wpl_lab.seeding import generator

WORDS, HIDDEN = 11, 6
CELLS = ["0:tanh 1:relu 0:identity", "0:sigmoid 0:tanh 2:relu", "0:relu 1:identity 2:tanh"]


def model(nodes=3, *, words=WORDS, hidden=HIDDEN, **dropped):
    return RecurrentModel(
        words, nodes=nodes, hidden=hidden, generator=generator(0, "init"), **dropped
    )


def tokens(rows=4, time=7, words=WORDS):
    return torch.randint(words, (rows, time), generator=generator(1))


def cell(text):
    return RecurrentGenotype.parse(text)


def test_an_edge_has_one_matrix_whatever_its_use():
    names = {name for name, _ in model().named_parameters()}
    edges = {f"edge.{a}_{b}" for b in range(1, 4) for a in range(b)}
    assert names == {"embedding", "bias", "input", "recurrent"} | edges
    assert "edge.1_3" in model().used(cell("0:tanh 1:relu 1:tanh"))


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    first, again = (dict(model().named_parameters()) for _ in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
    weights = torch.cat([w.flatten() for name, w in first.items() if name != "bias"])
    assert -0.1 <= weights.min() < -0.09
    assert 0.09 < weights.max() <= 0.1
    assert not first["bias"].any()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("text", CELLS)
def test_used_names_exactly_what_receives_a_gradient(text, training):
    made = model().train(training)
    made(tokens(), cell(text))[0].square().sum().backward()
    used = made.used(cell(text))
    assert len(used) == len(set(used)), "each once"
    assert set(used) == {name for name, p in made.named_parameters() if p.grad is not None}
    assert all(made.get_parameter(name).grad.any() for name in used)


def test_a_cell_does_not_look_at_the_weights_of_others():
    made, genotype = model().eval(), cell(CELLS[0])
    before = made(tokens(), genotype)[0]
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name not in made.used(genotype):
                parameter.fill_(torch.nan)
    assert torch.equal(made(tokens(), genotype)[0], before)


@pytest.mark.parametrize("text", CELLS)
def test_without_dropout_training_and_evaluation_are_one(text):
    made = model().double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(5)
    trained = made.train()(tokens(), cell(text))[0]
    followed = made.eval()(tokens(), cell(text))[0]
    with torch.no_grad():
        quick = made(tokens(), cell(text))[0]
    torch.testing.assert_close(trained, followed)
    torch.testing.assert_close(quick, followed)
    assert followed.std() > 0.01


def test_the_decoder_is_the_embedding():
    """One step from a state of zero, by hand."""
    made = model(1).eval()
    with torch.no_grad():
        made.bias.copy_(torch.arange(WORDS))
    first = torch.tensor([[3], [5]])
    x = made.embedding[first[:, 0]] @ made.input.t()
    gate, candidate = x.chunk(2, dim=1)
    node_0 = gate.sigmoid() * candidate.tanh()
    gate, candidate = (node_0 @ made.edge["0_1"].t()).chunk(2, dim=1)
    h = gate.sigmoid() * candidate.relu() + (1 - gate.sigmoid()) * node_0
    logits, state = made(first, cell("0:relu"))
    torch.testing.assert_close(state, h)
    torch.testing.assert_close(logits[:, 0], h @ made.embedding.t() + made.bias)


@pytest.mark.parametrize("training", [True, False])
def test_two_windows_with_the_state_carried_over_are_one_long_window(training):
    made, words = model().double().train(training), tokens(time=10)
    for text in CELLS:
        whole, last = made(words, cell(text))
        first, state = made(words[:, :4], cell(text))
        second, end = made(words[:, 4:], cell(text), state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        torch.testing.assert_close(end, last)
        assert (made(words[:, 4:], cell(text))[0] - second).abs().max() > 1e-6, "it matters"


def mask_of_output(dropout, seed):
    """What the output was multiplied with: the embedding is the identity, the input weighs 0."""
    made = model(1, words=50, hidden=50, dropout=dropout).train()
    with torch.no_grad():
        made.embedding.copy_(torch.eye(50))
        made.input.zero_()
    state = torch.rand(200, 50, generator=generator(2)) + 0.5
    words = torch.zeros(200, 5, dtype=torch.int64)
    dropped, _ = made(words, cell("0:relu"), state, generator=generator(seed))
    return dropped / made.eval()(words, cell("0:relu"), state)[0]


def test_the_output_is_dropped_alike_at_all_times_and_keeps_its_mean():
    mask = mask_of_output(0.3, seed=0)
    assert ((mask - 1 / 0.7).abs().minimum(mask.abs()) < 1e-4).all(), "0, or the rest scaled up"
    torch.testing.assert_close(mask, mask[:, :1].expand_as(mask), rtol=1e-4, atol=0)
    patterns = {tuple((row > 0).tolist()) for row in mask[:, 0]}
    assert len(patterns) == len(mask), "each row has its own"
    assert abs(mask[:, 0].mean() - 1) < 4 * (0.3 / 0.7 / 10_000) ** 0.5


def test_the_input_is_dropped_alike_at_all_times():
    """A word whose only unit is dropped leaves the hidden state at zero."""
    made = model(1, words=30, hidden=30, dropout=0.5).train()
    with torch.no_grad():
        made.embedding.copy_(torch.eye(30))
    words = torch.full((200, 5), 3)
    logits, _ = made(words, cell("0:tanh"), generator=generator(0))
    silent = (logits == 0).all(2)  # (batch, time)
    assert torch.equal(silent, silent[:, :1].expand_as(silent))
    assert 70 < silent[:, 0].sum() < 130


def test_what_is_dropped_comes_from_the_generator_alone():
    made = model(dropout=0.5, weight_drop=0.2, drop_path=0.3).train()

    def run(seed):
        return made(tokens(), cell(CELLS[0]), generator=generator(seed))[0]

    before = torch.get_rng_state()
    assert torch.equal(run(0), run(0))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in itertools.combinations(map(run, range(3)), 2):
        assert not torch.equal(a, b)
    made.eval()
    assert torch.equal(run(0), run(1)), "nothing is dropped"


def test_dropped_recurrent_weights_are_the_same_at_all_times():
    """They do nothing in the first step, from a state of zero, and get no gradient in any."""
    made, genotype = model(hidden=20, weight_drop=0.4).train(), cell("0:tanh 1:relu 2:identity")
    whole = made.eval()(tokens(), genotype)[0]
    dropped = made.train()(tokens(), genotype, generator=generator(0))[0]
    torch.testing.assert_close(dropped[:, 0], whole[:, 0])
    assert (dropped[:, 1:] - whole[:, 1:]).abs().amax((0, 2)).min() > 0
    dropped.square().sum().backward()
    share = (made.recurrent.grad == 0).double().mean()
    assert abs(share - 0.4) < 4 * (0.4 * 0.6 / made.recurrent.numel()) ** 0.5
    assert (made.edge["0_1"].grad != 0).double().mean() > 0.9


def test_dropped_paths_hand_on_their_predecessor():
    words, genotype = tokens(rows=300), cell("0:sigmoid")
    made = model(1, drop_path=0.25).train()
    with torch.no_grad():
        made.embedding.copy_(torch.eye(WORDS, HIDDEN))
    logits, _ = made(words, genotype, generator=generator(0))
    never = made.eval()(words, genotype)[0]
    made.train().drop_path = 1.0
    always = made(words, genotype, generator=generator(0))[0]
    kept, passed = ((logits - x).abs().amax((1, 2)) < 1e-6 for x in (never, always))
    assert (kept ^ passed).all(), "for a whole sequence, each its own"
    assert 45 < passed.sum() < 105


@pytest.mark.parametrize("training", [True, False])
def test_no_hidden_state_is_longer_than_the_limit(training):
    made = model(2, hidden=8).train(training)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(100)
        made.embedding.copy_(torch.eye(WORDS, 8))
    longest = 0.0
    for genotype in RecurrentSpace(2).cells():
        state = None
        for time in tokens(time=6).split(1, 1):
            state = made(time, genotype, state)[1]
            longest = max(longest, torch.linalg.vector_norm(state, dim=1).max().item())
    assert 0.999 * LARGEST_NORM < longest < LARGEST_NORM * (1 + 1e-6)


def test_it_learns_a_repeating_text():
    made, genotype = model(2, hidden=12), cell("0:tanh 1:identity")
    words = torch.arange(40).remainder(WORDS).expand(2, -1)
    inputs, targets = words[:, :-1], words[:, 1:]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(5)
    optimiser = torch.optim.SGD(made.parameters(), lr=1.0)
    losses = []
    for _ in range(75):
        logits, _ = made(inputs, genotype)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 0.5)
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 2.3
    assert losses[-1] < 0.3
