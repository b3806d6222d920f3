"""The shape of a composed configuration: unknown keys and wrong kinds are refused, not ignored.

What the values mean is said in conf/, next to them.
"""

from inspect import signature
from pathlib import Path
from typing import Any, Literal, Self

from hydra.utils import get_object
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.taxonomy import EMOTIONS, Node

CorpusName = Literal["ravdess", "savee", "tess", "cremad"]
Part = Literal["training", "validation", "test"]
Instance = dict[str, Any]  # an object to be: its `_target_` and arguments


class Group(BaseModel):
    """A group of settings that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Corpora(Group):
    """Which recordings: conf/corpora."""

    name: Literal["sample", "full"]
    folder: Path
    download: bool
    require: list[CorpusName]
    address: dict[CorpusName, str]


class Taxonomy(Group):
    """Which classes, and the tree over them: conf/taxonomy."""

    name: Literal["four", "six"]
    tree: dict[str, Any]

    @field_validator("tree")
    @classmethod
    def _of_emotions(cls, tree: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(Node.read(tree).classes) - set(EMOTIONS):
            raise ValueError(f"{sorted(unknown)} are no emotions: those are {list(EMOTIONS)}")
        return tree


class Protocol(Group):
    """How clips are divided into training, validation and test: conf/protocol."""

    name: Literal["speakers", "folds", "emobox", "clips", "corpora", "savee_speakers", "tess_speakers"]
    unit: Literal["clips", "speakers", "corpora"]
    folds: int | Literal["each"]
    test: float | None = Field(default=None, gt=0, lt=0.5)
    validation: float = Field(gt=0, lt=0.5)
    refit: bool = True
    corpora: dict[CorpusName, list[Part]] = Field(min_length=1)

    @property
    def shares_speakers(self) -> bool:
        """Whether the same speakers are in training and test."""
        return self.unit == "clips"

    def may(self, part: Part) -> list[str]:
        """Return the corpora whose clips may be in a part."""
        return [corpus for corpus, parts in self.corpora.items() if part in parts]

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        if isinstance(self.folds, int) and self.folds < 1:
            raise ValueError("folds is 1 or more, or each")
        if (self.folds == 1) != (self.test is not None):
            raise ValueError("test is the share that one fold tests: give it with folds: 1, and only there")
        if self.unit != "speakers" and self.folds != {"clips": 1, "corpora": "each"}[self.unit]:
            raise ValueError("clips are divided in one fold (folds: 1), corpora in a fold each (folds: each)")
        if not self.may("test"):
            raise ValueError("corpora names none that may be in test")
        if self.refit and (only := set(self.may("validation")) - set(self.may("training"))):
            raise ValueError(f"refit learns from {sorted(only)} too, which may be in validation only")
        return self


class Augmentation(Group):
    """What is done to training clips: conf/augmentation."""

    name: str
    copies: int = Field(ge=0, le=20)
    transforms: list[Instance]


class Features(Group):
    """Which views of a clip are computed: conf/features."""

    name: str
    views: dict[str, Instance]


class Dimension(Group):
    """What one setting may be in a search: from `low` to `high`, or one of `choices`.

    Whole numbers where both ends are; `log` looks as closely at small values as at large ones.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)
    choices: list[Any] | None = Field(default=None, min_length=2)

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        if self.choices is not None:
            if self.model_fields_set != {"choices"}:
                raise ValueError("give either choices or a range (low, high, log, step), not both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low and high, or choices")
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be above 0 where log is true")
        if self.log and self.step is not None:
            raise ValueError("give either log or step, not both")
        if self.whole and isinstance(self.step, float):
            raise ValueError(f"step ({self.step}) must be whole between whole numbers")
        return self


class Search(Group):
    """Which settings of an architecture to try: conf/search."""

    name: str
    trials: int = Field(ge=1)
    space: dict[str, Dimension] = Field(min_length=1)
    write: str | None = Field(pattern=r"^[a-z0-9_]+$")
    overwrite: bool


class Config(Group):
    """Everything a stage may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpora: Corpora
    taxonomy: Taxonomy
    protocol: Protocol
    augmentation: Augmentation
    features: Features
    architecture: Instance
    architectures: list[str] = Field(min_length=1)
    search: Search | None = None
    corpus: CorpusName | None
    seed: int = Field(ge=0)
    unsure: float = Field(ge=0, le=1)
    version: int | None = Field(ge=1)
    jobs: int
    build: Path
    experiment: str

    @model_validator(mode="after")
    def _given_to_the_architecture(self) -> Self:
        # References in conf/architecture would say the same, but `dvc exp run -S` cannot follow them.
        self.architecture.update(given(self.architecture, random_state=self.seed, tree=self.taxonomy.tree))
        return self


def given(settings: Instance, **values: Any) -> Instance:
    """Fill in what the run decides and not the file: in every object to be that takes it and lacks it."""

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(item) for item in value]
        return given(value, **values) if isinstance(value, dict) else value

    filled = {key: fill(value) for key, value in settings.items()}
    if "_target_" not in settings:
        return filled
    try:
        accepted = signature(get_object(settings["_target_"])).parameters
    except (ImportError, AttributeError, TypeError, ValueError):
        return filled  # no such object: said where it is to be made
    return {key: value for key, value in values.items() if key in accepted} | filled
