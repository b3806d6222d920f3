"""The name of every published clip: CREMA-D's from its integrity list, the others' by their rules."""

from itertools import product
from pathlib import PurePosixPath

import pytest

from pipeline.corpora import cremad


def ravdess_names() -> list[PurePosixPath]:
    codes = product(range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2))
    return [
        PurePosixPath(f"Actor_{a:02}/03-01-{e:02}-{i:02}-{s:02}-{r:02}-{a:02}.wav")
        for a, e, i, s, r in codes
        if (e, i) != (1, 2)  # neutral was spoken in one intensity
    ]


def savee_names() -> list[PurePosixPath]:
    sentences = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    return [
        PurePosixPath(f"AudioData/{speaker}/{emotion}{number:02}.wav")
        for speaker in ("DC", "JE", "JK", "KL")
        for emotion, count in sentences.items()
        for number in range(1, count + 1)
    ]


def tess_names() -> list[PurePosixPath]:
    words = ["".join(letters) for letters in product("bcdfgklmnt", "aeiou", "bdkt")]  # 200, as in NU-6
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
    return [PurePosixPath(f"{s}_{w}_{e}.wav") for s in ("OAF", "YAF") for w in words for e in emotions]


@pytest.fixture(scope="session")
def names() -> dict[str, list[PurePosixPath]]:
    return {
        "ravdess": ravdess_names(),
        "savee": savee_names(),
        "tess": tess_names(),
        "cremad": [PurePosixPath("AudioWAV", name) for name in cremad.registry()],
    }
