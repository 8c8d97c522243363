"""What the section ``search`` of params.yaml may hold."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from support.section import Count, NonNegative, Positive, Probability, Section, Seed
from wpl_lab.search.search_names import METHOD_NAMES, SearchArm
from wpl_lab.search.spaces.convolutional import ConvolutionalSpace, Operation
from wpl_lab.search.spaces.recurrent import RecurrentSpace


class Space(Section):
    nodes: Count
    enas: list[SearchArm]
    uniform: list[SearchArm]
    nao: list[SearchArm]

    @model_validator(mode="after")
    def has_what_others_are_compared_with(self) -> "Space":
        for method in METHOD_NAMES:
            arms = getattr(self, method)
            missing = {"none", "wpl"} - set(arms)
            if arms and missing:
                raise ValueError(f"{method}: {min(missing)!r} must be one of the arms")
        return self


class TextSpace(Space):
    @property
    def size(self) -> int:
        return RecurrentSpace(self.nodes).size


class ImageSpace(Space):
    alike: bool
    operations: Annotated[list[Operation], Field(min_length=1)]

    @property
    def size(self) -> int:
        space = ConvolutionalSpace(self.nodes, alike=self.alike, operations=self.operations)
        return space.size


class Dropout(Section):
    rates: list[Probability]
    arms: Annotated[list[SearchArm], Field(min_length=1)]

    @model_validator(mode="after")
    def has_what_others_are_compared_with(self) -> "Dropout":
        if "none" not in self.arms:
            raise ValueError("arms: 'none' must be one of the arms")
        return self


class TextModel(Section):
    hidden: Count
    dropout: Probability
    weight_drop: Probability
    drop_path: Probability
    batch_size: Count
    steps: Count
    score_rows: Count
    reward_scale: Positive


class ImageModel(Section):
    width: Count
    stages: Count
    stacked: Annotated[int, Field(ge=0)]
    repeats: Count
    batch_size: Annotated[int, Field(ge=2)]
    measured: Annotated[int, Field(ge=2)]
    shift: Annotated[int, Field(ge=0)]
    flip: bool
    dropout: Probability
    drop_path: Probability


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
    ranked_every: Count


class Plasticity(Section):
    alpha: NonNegative
    warmup: Annotated[int, Field(ge=0)]
    decay_from: Annotated[int, Field(ge=0)]
    rate: Annotated[float, Field(gt=0, le=1)]
    largest_norm: Positive
    kind: Literal["empirical", "mc", "exact", "sketch"]


class TextPlasticity(Plasticity):
    protect: Annotated[
        list[Literal["embedding", "bias", "input", "recurrent", "edge"]], Field(min_length=1)
    ]


class ImagePlasticity(Plasticity):
    protect: Annotated[
        list[Literal["stem", "squeeze", "edge", "end", "classifier", "bias"]], Field(min_length=1)
    ]


class Policy(Section):
    steps: Count
    samples: Count
    hidden: Count
    temperature: Positive
    tanh_constant: Positive
    learning_rate: Positive
    entropy: NonNegative
    baseline_decay: Probability


class Population(Section):
    population: Annotated[int, Field(ge=2)]
    samples: Count
    top: Count
    new: Count
    largest_step: Count
    hidden: Count
    steps: Count
    batch: Count
    drawn: Annotated[int, Field(ge=0)]
    learning_rate: Positive
    tradeoff: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def keeps_some(self) -> "Population":
        if self.new >= self.population:
            raise ValueError(f"new: {self.new} is not less than population, {self.population}")
        return self


class Standalone(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    batches: Count
    learning_rate: Positive
    cells_per_job: Count
    random: Count


class Cells(Section):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    other_seeds: Annotated[list[Seed], Field(min_length=1)]
    seeds_per_job: Count
    dropout: Dropout
    training: Training
    standalone: Standalone


class TextCells(Cells):
    small: TextSpace
    full: TextSpace
    model: TextModel
    plasticity: TextPlasticity


class ImageCells(Cells):
    small: ImageSpace
    full: ImageSpace
    model: ImageModel
    plasticity: ImagePlasticity


class Search(Section):
    device: Literal["auto", "cpu", "cuda"]
    policy: Policy
    population: Population
    text: TextCells
    images: ImageCells

    @model_validator(mode="after")
    def fits(self) -> "Search":
        for task in ("text", "images"):
            _check(f"{task}.", getattr(self, task))
        return self


def _check(task: str, cells: TextCells | ImageCells) -> None:
    """Hold the settings of a task against each other."""
    unknown = set(cells.other_seeds) - set(cells.seeds)
    if unknown:
        raise ValueError(f"{task}other_seeds: {min(unknown)} is not one of seeds, {cells.seeds}")
    if not cells.small.enas:
        raise ValueError(f"{task}small.enas: what is compared first; it must have arms")
    most = cells.training.exhaustive
    if cells.small.size > most:
        raise ValueError(
            f"{task}small.nodes: {cells.small.size} cells are more than training.exhaustive, {most}"
        )
    for name in ("warmup", "decay_from"):
        epoch = getattr(cells.plasticity, name)
        if epoch >= cells.training.epochs:
            raise ValueError(
                f"{task}plasticity.{name}: {epoch} is not less than training.epochs, "
                f"{cells.training.epochs}"
            )
