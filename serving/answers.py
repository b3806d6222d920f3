"""The shape of everything that the service answers: what it returns, and what ``/docs.json`` says of it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1 + 1e-6)]
Probabilities = Annotated[dict[str, Probability], Field(description="One per class; they sum to 1.")]


class Shape(BaseModel):
    """A part of an answer: what is not set is left out of it."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    def json_bytes(self) -> bytes:
        """Return the answer as JSON."""
        return self.model_dump_json(exclude_unset=True).encode()


class Step(Shape):
    """One step down the tree of emotions."""

    node: str
    probability: Probability = Field(description="Of having come this far.")


class Notice(Shape):
    """Something about the sound that makes its answer worth less."""

    code: str
    message: str
    hint: str


class Model(Shape):
    """Which model answered."""

    name: str
    version: str
    trained_on: str = Field(description="full: real recordings; sample: synthetic voices.")
    licence: str | None = None
    note: str | None = None


class Window(Shape):
    """A part of the sound, judged by itself."""

    start: float = Field(ge=0, description="Seconds.")
    end: float = Field(gt=0, description="Seconds.")
    emotion: str
    probabilities: Probabilities
    unsure: bool


class Spectrogram(Shape):
    """Loudness over time and mel bands."""

    bands: int
    columns: int = Field(ge=1, le=1000)
    lowest: float = Field(description="Centre of the lowest band, Hz.")
    highest: float = Field(description="Centre of the highest band, Hz.")
    levels: str = Field(
        description="Base64 of bands × columns bytes, row by row from the lowest band; "
        "0: 80 dB below the loudest, 255: the loudest."
    )


class Picture(Shape):
    """The sound as the model hears it: mono, 16 kHz."""

    seconds: float
    waveform: list[tuple[float, float]] = Field(
        max_length=1000, description="Lowest and highest sample of each stretch of time, -1 to 1."
    )
    spectrogram: Spectrogram


class Answer(Shape):
    """What the model hears in one sound."""

    file: str | None = Field(description="The sender's name for it, without folders.")
    emotion: str = Field(description="The most probable class.")
    probabilities: Probabilities
    unsure: bool = Field(description="The emotion is less probable than the model's threshold.")
    path: list[Step] = Field(description="From the first branch of the tree to the emotion.")
    seconds: float = Field(gt=0, description="Of sound, as sent.")
    warnings: list[Notice]
    model: Model
    timeline: list[Window] | None = Field(
        default=None, description="With ?timeline=1; parts in which nothing is to be heard are left out."
    )
    picture: Picture | None = Field(default=None, description="With ?picture=1.")


class Failure(Shape):
    """What was wrong, and what to do."""

    code: str = Field(description="For programs.")
    message: str
    hint: str


class Refusal(Shape):
    """The form of every error."""

    error: Failure


class Unanswered(Refusal):
    """A sound of several that could not be answered about."""

    file: str | None


class Batch(Shape):
    """An answer or an error for each sound, in order, all by one version of the model."""

    answers: list[Answer | Unanswered]
    model: Model


class Details(Model):
    """The model that serves; what is not known of it is left out."""

    date: str | None = None
    commit: str | None = None
    data: str | None = Field(default=None, description="Digest of the clips and their division.")
    architecture: str | None = None
    protocol: str | None = Field(default=None, description="How training and test clips were divided.")
    classes: list[str]
    tree: dict[str, object]
    metrics: dict[str, float]
