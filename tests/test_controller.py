"""The controller of ENAS, compared with the enumeration of small spaces."""

import itertools
import math

import pytest
import torch

from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.search.strategies.controller import Controller, Samples
from wpl_lab.search.strategies.reinforce import Reinforce, reinforce_loss
from wpl_lab.seeding import generator

OPTIONS = (1, 4, 2, 4)
ROLES = ("node", "activation", "node", "activation")
SPACE = torch.tensor(list(itertools.product(*map(range, OPTIONS))))


def controller(*, spread=1.0, roles=ROLES, hidden=8):
    """Make a controller in double precision; a large ``spread`` makes it far from uniform."""
    made = Controller(OPTIONS, roles=roles, hidden=hidden, generator=generator(0, "init")).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(spread)
    return made


@pytest.mark.parametrize("roles", [ROLES, None])
def test_probabilities_of_all_architectures_sum_to_one(roles):
    probability = controller(spread=30, roles=roles).log_probability(SPACE).exp()
    assert probability.sum().item() == pytest.approx(1)
    assert probability.max() > 3 * probability.min(), "far from uniform"


def test_samples_have_their_probability():
    made = controller(spread=30)
    samples = made.sample(50, generator=generator(1))
    assert samples.choices.shape == (50, 4)
    assert samples.choices.dtype == torch.int64
    torch.testing.assert_close(samples.log_probability, made.log_probability(samples.choices))
    torch.testing.assert_close(samples.entropy, made.replay(samples.choices).entropy)


def test_samples_are_as_frequent_as_they_are_probable():
    made = controller(spread=30)
    drawn = made.sample(40_000, generator=generator(1)).choices
    number = (drawn * torch.tensor([0, 8, 4, 1])).sum(1)
    frequency = number.bincount(minlength=32) / len(drawn)
    expected = made.log_probability(SPACE).exp()
    error = (expected * (1 - expected) / len(drawn)).sqrt()
    assert ((frequency - expected) / error).abs().max() < 4


def test_the_same_generator_draws_the_same():
    made = controller()
    first, again = (made.sample(20, generator=generator(3)).choices for _ in "ab")
    assert torch.equal(first, again)
    assert not torch.equal(first, made.sample(20, generator=generator(4)).choices)


def test_a_decision_depends_on_all_earlier_ones():
    """On the last one through its embedding, on earlier ones through the state of the LSTM."""
    probability = controller(spread=30).log_probability(SPACE).exp().view(4, 2, 4)
    last = probability / probability.sum(2, keepdim=True)  # π(fourth | second, third)
    assert last.std(0).max() > 0.01, "on the second"
    assert last.std(1).max() > 0.01, "on the third"


def test_the_mean_entropy_of_samples_is_that_of_the_distribution():
    made = controller(spread=30)
    every = made.replay(SPACE)
    probability = every.log_probability.exp()
    expected = -(probability * every.log_probability).sum()
    torch.testing.assert_close((probability * every.entropy).sum(), expected)
    uniform = controller(spread=0).replay(SPACE[:1]).entropy.item()
    assert uniform == pytest.approx(math.log(32))


def test_the_greedy_architecture_takes_the_most_probable_choices():
    made = controller(spread=30)
    greedy = made.greedy()
    assert greedy.shape == (4,)
    probability = made.log_probability(SPACE).exp().view(1, 4, 2, 4)
    for i, choice in enumerate(greedy):
        marginal = probability.reshape(len(probability), -1).sum(1)
        assert choice == marginal.argmax(), i
        probability = probability[choice]


def test_no_choice_becomes_certain():
    """Unnormalised probabilities are between exp(−c) and exp(c)."""
    made = Controller((4,), hidden=4, tanh_constant=2.5, generator=generator(0)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1e4)
    probability = made.log_probability(torch.arange(4)[:, None]).exp()
    assert probability.max() <= 1 / (1 + 3 * math.exp(-5)) + 1e-9
    assert probability.min() >= 1 / (1 + 3 * math.exp(5)) - 1e-9
    assert probability.max() > 0.3


def test_temperature_and_constant_shape_the_logits():
    """Two choices: the difference of their log-probabilities is that of c · tanh(z / T)."""
    made = Controller((2,), hidden=4, temperature=0.05, tanh_constant=1.5, generator=generator(0))
    z = made.decoders[0](made.cell(made.start[None])[0])[0]
    expected = 1.5 * (z / 0.05).tanh()
    found = made.log_probability(torch.tensor([[0], [1]]))
    torch.testing.assert_close(found[0] - found[1], expected[0] - expected[1])


def test_weights_come_from_the_generator_only():
    before = torch.get_rng_state()
    first, again = (dict(controller().named_parameters()) for _ in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
    weights = torch.cat([weight.flatten() for weight in first.values()])
    assert -0.1 <= weights.min() < -0.09
    assert 0.09 < weights.max() <= 0.1
    assert weights.mean().abs() < 0.01


def test_decisions_share_weights_by_role_and_number_of_choices():
    shared, own = controller(), controller(roles=None)
    sizes = [[len(d.weight) for d in made.decoders] for made in (shared, own)]
    assert sizes == [[1, 4, 2], [1, 4, 2, 4]]
    assert [len(e.weight) for e in own.embeddings] == [1, 4, 2], (
        "the last choice needs no embedding"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": ()}, "at least one choice"),
        ({"options": (2, 0)}, r"at least one choice; got options \(2, 0\)"),
        ({"options": (2, 2), "roles": ("a",)}, "2 decisions need as many roles"),
    ],
)
def test_an_impossible_space_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Controller(**arguments, generator=generator(0))


def test_choices_of_another_space_are_refused():
    with pytest.raises(ValueError, match=r"must be \(count, 4\); got \(5, 3\)"):
        controller().log_probability(torch.zeros(5, 3, dtype=torch.int64))


def gradient_of(value, made):
    gradients = torch.autograd.grad(value, list(made.parameters()))
    return torch.cat([g.flatten() for g in gradients])


@pytest.mark.parametrize("entropy_weight", [0.0, 0.3])
def test_reinforce_follows_the_exact_policy_gradient_in_expectation(entropy_weight):
    made = controller(spread=30, hidden=4)
    rewards = torch.rand(len(SPACE), generator=generator(1), dtype=torch.float64)
    every = made.replay(SPACE)
    probability = every.log_probability.exp()
    entropy = -(probability * every.log_probability).sum()
    exact = gradient_of((probability * rewards).sum() + entropy_weight * entropy, made)
    expected = torch.zeros_like(exact)
    for i, weight in enumerate(probability.detach()):
        sample = made.replay(SPACE[i : i + 1])
        loss = reinforce_loss(
            sample, rewards[i : i + 1], baseline=0.4, entropy_weight=entropy_weight
        )
        expected -= weight * gradient_of(loss, made)
    assert exact.norm() > 1e-3
    torch.testing.assert_close(expected, exact)


def test_the_loss_is_the_mean_over_samples():
    made = controller()
    rewards = torch.tensor([1.0, 3.0]).double()
    settings = {"baseline": 0.5, "entropy_weight": 0.1}
    both = reinforce_loss(made.replay(SPACE[:2]), rewards, **settings)
    each = [
        reinforce_loss(made.replay(SPACE[i : i + 1]), rewards[i : i + 1], **settings)
        for i in range(2)
    ]
    torch.testing.assert_close(both, sum(each) / 2)


def test_steps_are_those_of_adam_on_the_clipped_loss():
    made, other = (controller(spread=20) for _ in "ab")
    learner = Reinforce(learning_rate=0.01, entropy_weight=0.2, decay=0.9, clip=0.05)
    adam = torch.optim.Adam(other.parameters(), lr=0.01)
    baseline = None
    for step in range(4):
        rewards = torch.rand(8, generator=generator(step), dtype=torch.float64)
        learner.step(made, made.sample(8, generator=generator(step, "draw")), rewards)
        samples = other.sample(8, generator=generator(step, "draw"))
        mean = (rewards + 0.2 * samples.entropy.detach()).mean().item()
        baseline = mean if baseline is None else baseline
        adam.zero_grad()
        reinforce_loss(samples, rewards, baseline=baseline, entropy_weight=0.2).backward()
        norm = torch.nn.utils.clip_grad_norm_(other.parameters(), 0.05)
        assert norm > 0.05, "the limit matters"
        adam.step()
        baseline = 0.9 * baseline + 0.1 * mean
    for found, expected in zip(made.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_baseline_is_a_running_average_that_starts_at_the_first_reward():
    made = controller()
    learner = Reinforce(decay=0.95, entropy_weight=0.0)
    before = [parameter.clone() for parameter in made.parameters()]
    first = learner.step(made, made.sample(1, generator=generator(0)), torch.tensor([2.0]))
    assert first["baseline"] == 2
    assert first["loss"] == 0
    for old, parameter in zip(before, made.parameters(), strict=True):
        assert torch.equal(old, parameter), "a single reward equals the baseline"
    second = learner.step(made, made.sample(2, generator=generator(0)), torch.tensor([3.0, 5.0]))
    assert second["baseline"] == pytest.approx(0.95 * 2 + 0.05 * 4)


def test_it_learns_the_best_architecture():
    made = Controller(OPTIONS, roles=ROLES, hidden=16, generator=generator(0, "init"))
    learner, draws = Reinforce(learning_rate=0.02), generator(0, "draw")
    best = torch.tensor([0, 2, 1, 3])
    entropies = []
    for _ in range(150):
        samples = made.sample(10, generator=draws)
        rewards = (samples.choices == best).double().mean(1)
        entropies.append(learner.step(made, samples, rewards)["entropy"])
    assert made.greedy().tolist() == best.tolist()
    assert made.log_probability(best[None]).exp() > 0.8
    assert entropies[-1] < 0.5 * entropies[0]


def test_entropy_alone_leads_to_the_uniform_distribution():
    made = controller(spread=30)
    before = made.log_probability(SPACE).exp().std()
    learner, draws = Reinforce(learning_rate=0.02, entropy_weight=1.0), generator(0)
    for _ in range(100):
        learner.step(made, made.sample(10, generator=draws), torch.zeros(10))
    assert made.log_probability(SPACE).exp().std() < before / 4


def test_a_saved_state_resumes_with_identical_bits(tmp_path):
    def train(made, learner, draws, steps):
        for _ in range(steps):
            samples = made.sample(5, generator=draws)
            rewards = samples.choices.float().mean(1)
            last = learner.step(made, samples, rewards)
        return last

    def begin():
        made = Controller(OPTIONS, roles=ROLES, generator=generator(0, "init"))
        return made, Reinforce(learning_rate=0.01, clip=1.0)

    whole, learner = begin()
    expected = train(whole, learner, generator(0, "draw"), 6)

    broken, learner = begin()
    draws = generator(0, "draw")
    train(broken, learner, draws, 3)
    saved = {f"weights.{name}": value for name, value in broken.state_dict().items()}
    saved |= {f"reinforce.{name}": value for name, value in learner.state().items()}
    saved["draws"] = draws.get_state()
    save_tensors(tmp_path / "state.safetensors", "search", saved)
    train(broken, learner, draws, 1)  # must not change the saved state

    found, _ = load_tensors(tmp_path / "state.safetensors", "search")
    resumed, learner = begin()
    resumed.load_state_dict(part(found, "weights."))
    learner.load_state(part(found, "reinforce."))
    draws = torch.Generator()
    draws.set_state(found["draws"])
    assert train(resumed, learner, draws, 3) == expected
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight)


def part(tensors, prefix):
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def test_a_new_learner_has_no_state():
    made, learner = controller(), Reinforce()
    assert learner.state() == {}
    learner.step(made, made.sample(2, generator=generator(0)), torch.ones(2))
    held = learner.state()
    learner.step(made, made.sample(2, generator=generator(1)), torch.zeros(2))
    assert held["steps"] == 1
    assert held["baseline"] > learner.state()["baseline"], "a copy"
    learner.load_state({})
    assert learner.state() == {}


@pytest.mark.parametrize(
    "rewards", [torch.ones(3), torch.tensor([1.0, math.nan]), torch.tensor([math.inf, 1.0])]
)
def test_rewards_that_are_not_finite_or_not_one_each_are_refused(rewards):
    made = controller()
    learner = Reinforce()
    with pytest.raises(ValueError, match="2 samples need one finite reward each; got"):
        learner.step(made, made.sample(2, generator=generator(0)), rewards)
    assert learner.state() == {}


def test_samples_are_immutable():
    samples = Samples(SPACE, torch.zeros(32), torch.zeros(32))
    with pytest.raises(AttributeError):
        samples.entropy = torch.ones(32)
