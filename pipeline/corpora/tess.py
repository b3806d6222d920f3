"""TESS: two women (aged 64 and 26), 2,800 clips at 24.414 kHz, seven emotions.

Pichora-Fuller & Dupuis 2020, doi:10.5683/SP2/E8H2MF. Names are speaker_word_emotion: ``OAF_back_angry.wav``.
One is published as ``OA_bite_neutral.wav``. The zip in common use holds every clip twice, the second
time in a nested folder; a few clips are AIFF inside, and one header says 96 kHz.
"""

import re
from pathlib import PurePosixPath

from pipeline.corpora.corpus import Corpus, Dataverse, Utterance, is_recording

EMOTIONS: dict[str, tuple[str, str | None]] = {
    "angry": ("angry", "anger"),
    "disgust": ("disgust", "disgust"),
    "fear": ("fear", "fear"),
    "happy": ("happy", "happy"),
    "neutral": ("neutral", "neutral"),
    "ps": ("pleasant surprise", None),
    "sad": ("sad", "sad"),
}
"""Last part of the name → the corpus's word, the emotion in common."""

NAME = re.compile(rf"(OAF?|YAF)_([a-z]+)_({'|'.join(EMOTIONS)})")


def read(path: PurePosixPath) -> Utterance | None:
    """Read the name of a clip.

    Parameters
    ----------
    path : PurePosixPath
        Inside the archive; the folders above the file say nothing that its name does not.

    Returns
    -------
    Utterance or None
        None for a file that is no recording. The word is the sentence's code: each was said once, in
        "Say the word …".

    Raises
    ------
    ValueError
        For a recording with another kind of name.
    """
    if not is_recording(path):
        return None
    match = NAME.fullmatch(path.stem)
    if match is None:
        raise ValueError(f"tess: {path.name!r} is not a clip's name: e.g. OAF_back_angry.wav expected")
    speaker, word, emotion = "YAF" if match[1] == "YAF" else "OAF", match[2], match[3]
    original_label, label = EMOTIONS[emotion]
    return Utterance(
        id=f"tess-{speaker}_{word}_{emotion}",
        speaker=f"tess-{speaker}",
        sex="female",
        original_label=original_label,
        label=label,
        intensity=None,
        sentence=word,
        take=None,
    )


CORPUS = Corpus(
    name="tess",
    title="Toronto emotional speech set",
    licence="CC BY-NC-ND 4.0",
    citation=(
        "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). Borealis. "
        "doi:10.5683/SP2/E8H2MF"
    ),
    archive="TESS.zip",
    source=Dataverse(url="https://borealisdata.ca", doi="doi:10.5683/SP2/E8H2MF"),
    clips=2800,
    read=read,
)
