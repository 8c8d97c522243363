"""What the section ``search`` of params.yaml may hold."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from support.section import Count, NonNegative, Positive, Probability, Section, Seed
from wpl.search.names import METHOD_NAMES, SearchArm
from wpl.search.recurrent import RecurrentSpace

Group = Literal["embedding", "bias", "input", "recurrent", "edge"]


class Space(Section):
    nodes: Count
    enas: Annotated[list[SearchArm], Field(min_length=1)]
    uniform: list[SearchArm]

    @model_validator(mode="after")
    def has_what_others_are_compared_with(self) -> "Space":
        for method in METHOD_NAMES:
            arms = getattr(self, method)
            missing = {"none", "wpl"} - set(arms)
            if arms and missing:
                raise ValueError(f"{method}: {min(missing)!r} must be one of the arms")
        return self


class Model(Section):
    hidden: Count
    dropout: Probability
    weight_drop: Probability
    drop_path: Probability
    batch_size: Count
    steps: Count
    score_rows: Count
    reward_scale: Positive


class Training(Section):
    epochs: Count
    children: Count
    batches: Count
    learning_rate: Positive
    decay: Annotated[float, Field(gt=0, le=1)]
    decay_from: Count
    gradient_norm: Positive
    weight_decay: NonNegative
    explosion: Annotated[float, Field(gt=1)]
    candidates: Count
    exhaustive: Count


class Plasticity(Section):
    alpha: NonNegative
    warmup: Annotated[int, Field(ge=0)]
    decay_from: Annotated[int, Field(ge=0)]
    rate: Annotated[float, Field(gt=0, le=1)]
    largest_norm: Positive
    kind: Literal["empirical", "mc", "exact", "sketch"]
    protect: Annotated[list[Group], Field(min_length=1)]


class Policy(Section):
    steps: Count
    samples: Count
    hidden: Count
    temperature: Positive
    tanh_constant: Positive
    learning_rate: Positive
    entropy: NonNegative
    baseline_decay: Probability


class Standalone(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    batches: Count
    learning_rate: Positive
    cells_per_job: Count
    random: Count


class Search(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    other_seeds: Annotated[list[Seed], Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    small: Space
    full: Space
    model: Model
    training: Training
    plasticity: Plasticity
    policy: Policy
    standalone: Standalone

    @model_validator(mode="after")
    def fits(self) -> "Search":
        unknown = set(self.other_seeds) - set(self.seeds)
        if unknown:
            raise ValueError(f"other_seeds: {min(unknown)} is not one of seeds, {self.seeds}")
        size = RecurrentSpace(self.small.nodes).size
        if size > self.training.exhaustive:
            raise ValueError(
                f"small.nodes: {size} cells are more than training.exhaustive, "
                f"{self.training.exhaustive}"
            )
        for name in ("warmup", "decay_from"):
            epoch = getattr(self.plasticity, name)
            if epoch >= self.training.epochs:
                raise ValueError(
                    f"plasticity.{name}: {epoch} is not less than training.epochs, "
                    f"{self.training.epochs}"
                )
        return self
