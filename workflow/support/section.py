"""A section of params.yaml, and the kinds of numbers in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def no_repetition(self) -> "Section":
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, list) and len(set(value)) < len(value):
                raise ValueError(f"{name}: the same value stands there twice: {value}")
        return self
