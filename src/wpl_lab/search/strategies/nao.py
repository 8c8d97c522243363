"""Neural architecture optimisation (NAO) with shared weights: a population that is improved.

Source: Luo et al., "Neural Architecture Optimization" (NeurIPS 2018), algorithm 1 and section 4.3,
and the authors' code.
"""

from collections.abc import Generator, Mapping, Sequence

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Learning, Space
from wpl_lab.search.strategies.autoencoder import Autoencoder, improve
from wpl_lab.search.strategies.autoencoder_fit import draw_choices, fit
from wpl_lab.search.strategies.strategy_settings import Population

_PATIENCE = 1000  # draws without a new architecture before the space counts as exhausted


class Nao:
    """The strategy of NAO: children are drawn uniformly from a population, renewed each epoch.

    Two sequences of choices may make the same architecture, so members are compared as genotypes.
    A former member does not return; the authors' code compares with the current population only.
    """

    def __init__(self, space: Space, settings: Population, *, random: torch.Generator) -> None:
        """Draw the first population uniformly, and the weights of the networks.

        Args:
            space: The architectures.
            settings: How the population is renewed.
            random: Source of both, on the CPU.

        Raises:
            ValueError: If no architecture is found.
        """
        self._space, self._settings = space, settings
        self._known: dict[Genotype, list[int]] = {}  # all members so far, and their choices
        self._population: list[Genotype] = []
        misses = 0
        while len(self._population) < settings.population and misses < _PATIENCE:
            choices = draw_choices(space.options, 1, generator=random)[0].tolist()
            misses = 0 if self._discover(choices, self._population) else misses + 1
        if not self._population:
            raise ValueError(f"none of {_PATIENCE} sequences of choices is an architecture")
        self._autoencoder = Autoencoder(
            space.options, roles=space.roles, hidden=settings.hidden, generator=random
        )

    @property
    def population(self) -> tuple[Genotype, ...]:
        """The members; after ``learn``, the kept ones, best first, then the new ones."""
        return tuple(self._population)

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw a member uniformly."""
        return self._population[int(torch.randint(len(self._population), (), generator=random))]

    def learn(self, *, epoch: int, random: torch.Generator) -> Learning:
        """Score the population, train the networks on it, and replace its worst members.

        New members are reached by gradient steps from the best members: the shortest steps first
        and, among these, from the best member first, until there are enough.

        Args:
            epoch: Its number, from 0.
            random: Source of the order in which the networks see the members, on the CPU.

        Yields:
            The members, of which the rewards are sent back: the higher, the better.

        Returns:
            One row, about the population before it is renewed: the mean and the best score, the
            final loss of the networks, the share of pairs that the predictor ranks as the scores
            do (NaN if all scores are equal), and the number of members that are replaced.

        Raises:
            ValueError: If a score is not finite; names the genotype.
        """
        settings = self._settings
        scores = yield from self._score()
        scores, order = scores.sort(descending=True, stable=True)
        self._population = [self._population[i] for i in order]
        choices = torch.tensor([self._known[genotype] for genotype in self._population])
        loss = fit(
            self._autoencoder,
            choices,
            _scaled(scores).float(),
            steps=settings.steps,
            batch=settings.batch,
            drawn=settings.drawn,
            learning_rate=settings.learning_rate,
            tradeoff=settings.tradeoff,
            generator=random,
        )
        with torch.no_grad():
            predicted = self._autoencoder.predict(self._autoencoder.encode(choices))
        new = self._improve(choices[: settings.top])
        self._population[len(self._population) - len(new) :] = new
        return [
            {
                "step": epoch,
                "reward": scores.mean().item(),
                "best": scores[0].item(),
                "loss": loss,
                "agreement": _agreement(predicted, scores),
                "new": len(new),
            }
        ]

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of all that later epochs depend on.

        Returns:
            The choices of all members so far ``(known, decision)``, the indices of the current
            population among them ``(member)``, and the weights of the networks.
        """
        number = {genotype: i for i, genotype in enumerate(self._known)}
        return {
            "known": torch.tensor(list(self._known.values())),
            "population": torch.tensor([number[genotype] for genotype in self._population]),
        } | {f"autoencoder.{n}": w.clone() for n, w in self._autoencoder.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; as in ``Strategy.load``."""
        known = tensors["known"].tolist()
        self._known = {self._space.decode(choices): choices for choices in known}
        genotypes = list(self._known)
        self._population = [genotypes[i] for i in tensors["population"].tolist()]
        weights = {name: tensors[f"autoencoder.{name}"] for name in self._autoencoder.state_dict()}
        self._autoencoder.load_state_dict(weights)

    def _score(self) -> Generator[list[Genotype], list[float], Tensor]:
        samples = self._settings.samples
        rewards = yield [genotype for genotype in self._population for _ in range(samples)]
        scores = torch.tensor(rewards, dtype=torch.float64).view(-1, samples).mean(1)
        for genotype, score in zip(self._population, scores.tolist(), strict=True):
            if not -torch.inf < score < torch.inf:
                raise ValueError(f"the reward of {genotype} must be finite; got {score}")
        return scores

    def _improve(self, best: Tensor) -> list[Genotype]:
        sizes = range(1, self._settings.largest_step + 1)
        found: list[Genotype] = []
        for choices in improve(self._autoencoder, best, sizes).flatten(0, 1).tolist():
            if len(found) == min(self._settings.new, len(self._population) - 1):
                break
            self._discover(choices, found)
        return found

    def _discover(self, choices: Sequence[int], found: list[Genotype]) -> bool:
        """Add an architecture to those found and known, unless it is known already or invalid."""
        try:
            genotype = self._space.decode(choices)
        except ValueError:
            return False
        if genotype in self._known:
            return False
        self._known[genotype] = list(choices)
        found.append(genotype)
        return True


def _scaled(scores: Tensor) -> Tensor:
    """Scale scores so that the worst is 0 and the best 1; if all are equal, they become 1/2."""
    low, high = scores.aminmax()
    return (scores - low) / (high - low) if high > low else torch.full_like(scores, 0.5)


def _agreement(predicted: Tensor, scores: Tensor) -> float:
    i, j = torch.triu_indices(len(scores), len(scores), 1)
    truth = (scores[i] - scores[j]).sign()
    told = (predicted[i] - predicted[j]).sign()
    return (told == truth)[truth != 0].double().mean().item()
