"""The tables that pass from stage to stage, and what must hold in them."""

from pathlib import Path, PurePath

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.stage import PipelineError
from pipeline.taxonomy import EMOTIONS


class Utterances(pa.DataFrameModel):
    """The utterance table: a row a clip."""

    id: Series[str] = pa.Field(unique=True)
    corpus: Series[str]
    speaker: Series[str] = pa.Field(description="unique over all corpora")
    sex: Series[str] = pa.Field(isin=["female", "male"])
    label: Series[str] = pa.Field(isin=EMOTIONS)
    original_label: Series[str] = pa.Field(description="the corpus's own word")
    intensity: Series[str] = pa.Field(nullable=True)
    sentence: Series[str]
    take: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    native_rate: Series[int] = pa.Field(gt=0, description="Hz")
    channels: Series[int] = pa.Field(gt=0)
    duration: Series[float] = pa.Field(gt=0, description="seconds")
    sha256: Series[str] = pa.Field(unique=True, str_length=64, description="of the decoded samples")
    path: Series[str] = pa.Field(unique=True, description="below the folder of the table")

    class Config:
        """Columns that are not named here are refused."""

        strict = True
        coerce = True


class Quarantine(pa.DataFrameModel):
    """The clips that were left out, and why."""

    corpus: Series[str]
    path: Series[str] = pa.Field(description="below the folder of the corpus")
    reason: Series[str] = pa.Field(description="one word")
    detail: Series[str]

    class Config:
        """Columns that are not named here are refused."""

        strict = True
        coerce = True


def quarantined(corpus: str, path: PurePath, reason: str, detail: str) -> dict[str, str]:
    """Return a row of the quarantine table."""
    return {"corpus": corpus, "path": str(path), "reason": reason, "detail": detail}


class Listeners(pa.DataFrameModel):
    """What human listeners heard: a row a clip, or several that add up to one (`corpora.Heard`)."""

    id: Series[str]
    label: Series[str] = pa.Field(isin=EMOTIONS)
    share: Series[float] = pa.Field(gt=0, le=1)

    class Config:
        """Columns that are not named here are refused."""

        strict = True
        coerce = True
        unique = ["id", "label"]


class Splits(pa.DataFrameModel):
    """Which part of which fold a clip is in."""

    fold: Series[int] = pa.Field(ge=0)
    id: Series[str]
    part: Series[str] = pa.Field(isin=["training", "validation", "test"])

    class Config:
        """A clip is in one part of a fold."""

        strict = True
        coerce = True
        unique = ["fold", "id"]


class Copies(pa.DataFrameModel):
    """The augmented copies of training clips."""

    id: Series[str] = pa.Field(unique=True)
    source: Series[str] = pa.Field(description="id of the clip that it is a copy of")
    transforms: Series[str] = pa.Field(description="JSON: what was done, with which parameters")
    path: Series[str] = pa.Field(unique=True, description="below the folder of the table")

    class Config:
        """Columns that are not named here are refused."""

        strict = True
        coerce = True


def write(table: pd.DataFrame, schema: type[pa.DataFrameModel], path: Path) -> pd.DataFrame:
    """Check a table against its schema and write it as Parquet.

    Raises
    ------
    PipelineError
        Naming the first rows that do not fit.
    """
    try:
        checked = schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.head(5)[["column", "check", "failure_case"]].to_string(index=False)
        raise PipelineError(f"{path.name} does not fit its schema; the first faults:\n{cases}") from None
    checked.to_parquet(path, index=False)
    return pd.DataFrame(checked)


def read(path: Path) -> pd.DataFrame:
    """Read a table that a stage wrote.

    Raises
    ------
    PipelineError
        Where it is not there: the stage before has not run.
    """
    if not path.exists():
        raise PipelineError(f"{path} is not there: run the stage {path.parent.name!r} first (dvc repro does)")
    return pd.read_parquet(path)
