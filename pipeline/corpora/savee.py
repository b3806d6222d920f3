"""SAVEE: four men, 480 clips at 44.1 kHz, seven emotions.

Jackson & Haq 2014, University of Surrey. Names are an emotion's letters and a sentence's number:
``AudioData/DC/a01.wav`` as published (``AudioData/AudioData`` in some zips), ``DC_a01.wav`` in flat copies.
"""

import re
from pathlib import PurePosixPath

from pipeline.corpora.corpus import Corpus, Registration, Utterance, is_recording

SPEAKERS = ("DC", "JE", "JK", "KL")

EMOTIONS: dict[str, tuple[str, str | None]] = {
    "a": ("anger", "anger"),
    "d": ("disgust", "disgust"),
    "f": ("fear", "fear"),
    "h": ("happiness", "happy"),
    "n": ("neutral", "neutral"),
    "sa": ("sadness", "sad"),
    "su": ("surprise", None),
}
"""Letters → the corpus's word, the emotion in common."""

NAME = re.compile(rf"(?:({'|'.join(SPEAKERS)})_)?(sa|su|[adfhn])(\d\d)")


def read(path: PurePosixPath) -> Utterance | None:
    """Read the name of a clip and, where the name leaves the speaker out, of its folder.

    Sentences are numbered within each emotion: 15, and 30 for neutral.

    Parameters
    ----------
    path : PurePosixPath
        Inside the archive.

    Returns
    -------
    Utterance or None
        None for a file that is no recording.

    Raises
    ------
    ValueError
        For a recording with another kind of name, a sentence that was not recorded, or no known speaker.
    """
    if not is_recording(path):
        return None
    match = NAME.fullmatch(path.stem)
    if match is None:
        raise ValueError(f"savee: {path.name!r} is not a clip's name: e.g. a01.wav or DC_a01.wav expected")
    speaker, emotion, number = match[1] or path.parent.name, match[2], match[3]
    if speaker not in SPEAKERS:
        raise ValueError(
            f"savee: {str(path)!r} names no speaker: its folder should be one of {', '.join(SPEAKERS)}"
        )
    sentences = 30 if emotion == "n" else 15
    if not 1 <= int(number) <= sentences:
        raise ValueError(
            f"savee: {path.name!r}: {emotion!r} has the sentences 01 to {sentences}, not {number}"
        )
    original_label, label = EMOTIONS[emotion]
    return Utterance(
        id=f"savee-{speaker}_{emotion}{number}",
        speaker=f"savee-{speaker}",
        sex="male",
        original_label=original_label,
        label=label,
        intensity=None,
        sentence=number,
        take=None,
    )


CORPUS = Corpus(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion database",
    licence="research use, free of charge after registration",
    citation=(
        "Jackson P, Haq S (2014). Surrey Audio-Visual Expressed Emotion (SAVEE) Database. "
        "University of Surrey, Guildford, UK"
    ),
    archive="AudioData.zip",
    source=Registration(page="http://kahlan.eps.surrey.ac.uk/savee/"),
    clips=480,
    read=read,
)
