"""What is known of a corpus: where it comes from, its licence, and how its file names are read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Sex = Literal["female", "male"]


@dataclass(frozen=True)
class Utterance:
    """What the name of a clip says about it.

    Attributes
    ----------
    id : str
        Unique over all corpora, e.g. ``"ravdess-03-01-05-01-02-01-12"``; the same for the same clip in
        whichever layout its archive came.
    speaker : str
        Unique over all corpora, e.g. ``"ravdess-12"``.
    sex : {"female", "male"}
        The speaker's, as the corpus publishes it.
    original_label : str
        The corpus's own word, e.g. ``"fearful"``.
    label : str or None
        The emotion in common (`pipeline.taxonomy.EMOTIONS`); None where the six leave it out
        (calm, surprise).
    intensity : str or None
        As the corpus grades it: ``"normal"``, ``"strong"``, ``"low"``, ``"medium"``, ``"high"``.
    sentence : str
        The corpus's code of what was said.
    take : int or None
        Which repetition.
    """

    id: str
    speaker: str
    sex: Sex
    original_label: str
    label: str | None
    intensity: str | None
    sentence: str
    take: int | None


@dataclass(frozen=True)
class Heard:
    """What human listeners heard in a clip.

    Attributes
    ----------
    id : str
        The clip's, see `Utterance`.
    label : str
        An emotion in common.
    share : float
        1; less where they were divided and the clip has several rows, which add up to 1.
    """

    id: str
    label: str
    share: float


@dataclass(frozen=True)
class Listeners:
    """A corpus's own table of what human listeners heard in its clips, without seeing the speaker.

    Attributes
    ----------
    file : str
        Its name in ``data/``; it is not fetched.
    read : callable
        The file's text → `Heard`; raises ValueError where it is not such a table.
    """

    file: str
    read: Callable[[str], Iterator[Heard]]


@dataclass(frozen=True)
class Archive:
    """One archive at a public address.

    Attributes
    ----------
    url : str
    known_hash : str
        As pooch takes it, e.g. ``"md5:bc69…"``.
    size : int
        Bytes.
    """

    url: str
    known_hash: str
    size: int


@dataclass(frozen=True)
class Files:
    """One file per clip below a public address, checked against an integrity list.

    Attributes
    ----------
    url : str
        To which a file's name is appended.
    registry : callable
        Returns name → hash as pooch takes it.
    """

    url: str
    registry: Callable[[], dict[str, str]]


@dataclass(frozen=True)
class Dataverse:
    """A Dataverse dataset, whose API lists its files with an md5 each.

    Attributes
    ----------
    url : str
        The server.
    doi : str
    """

    url: str
    doi: str


@dataclass(frozen=True)
class Registration:
    """A corpus given out after registration only: never fetched, only asked for.

    Attributes
    ----------
    page : str
        Where a person registers.
    """

    page: str


@dataclass(frozen=True)
class Corpus:
    """A corpus of acted emotional speech in English.

    Attributes
    ----------
    name : str
        One word, e.g. ``"ravdess"``.
    title, licence, citation : str
        As published.
    archive : str
        The file in ``data/`` that is looked for first.
    source : Archive, Files, Dataverse or Registration
        Its official address.
    clips : int
        Clips in the whole published corpus.
    read : callable
        Path inside the archive → `Utterance`; None where the file is not one of the corpus's clips
        (a read-me, a list); raises ValueError where it is a clip by its place but its name breaks the
        published rule.
    listeners : Listeners or None
    commercial : bool
        Whether the licence allows commercial use.
    """

    name: str
    title: str
    licence: str
    citation: str
    archive: str
    source: Archive | Files | Dataverse | Registration
    clips: int
    read: Callable[[PurePosixPath], Utterance | None]
    listeners: Listeners | None = None
    commercial: bool = False


def is_recording(path: PurePosixPath) -> bool:
    """Tell a corpus's sound files from what else lies in its archive.

    macOS adds ``__MACOSX/._name.wav`` beside each file of a zip: no sound, though named so.
    """
    return path.suffix.lower() == ".wav" and not path.name.startswith(".") and "__MACOSX" not in path.parts
