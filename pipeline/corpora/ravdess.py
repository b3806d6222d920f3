"""RAVDESS: 24 actors (12 women), 1,440 speech clips at 48 kHz, eight emotions.

Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391. Names are seven two-digit codes:
modality-channel-emotion-intensity-statement-repetition-actor, ``Actor_NN/03-01-EE-II-SS-RR-NN.wav``.
Some mirrors hold every clip a second time below ``audio_speech_actors_01-24/``.
"""

import re
from pathlib import PurePosixPath

from pipeline.corpora.corpus import Archive, Corpus, Utterance, is_recording

EMOTIONS: dict[str, tuple[str, str | None]] = {
    "01": ("neutral", "neutral"),
    "02": ("calm", None),
    "03": ("happy", "happy"),
    "04": ("sad", "sad"),
    "05": ("angry", "anger"),
    "06": ("fearful", "fear"),
    "07": ("disgust", "disgust"),
    "08": ("surprised", None),
}
"""Code → the corpus's word, the emotion in common."""

INTENSITIES = {"01": "normal", "02": "strong"}

FOLDS: tuple[tuple[str, ...], ...] = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)
"""EmoBox's folds by actor (Ma et al. 2024, doi:10.21437/Interspeech.2024-788; github.com/emo-box/EmoBox)."""

NAME = re.compile(r"03-01-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")


def read(path: PurePosixPath) -> Utterance | None:
    """Read the name of a clip.

    Parameters
    ----------
    path : PurePosixPath
        Inside the archive; the folders above the file say nothing that its name does not.

    Returns
    -------
    Utterance or None
        None for a file that is no recording.

    Raises
    ------
    ValueError
        For a recording whose name is not that of a speech clip (a song, a code out of range, a neutral
        clip of strong intensity, which was never recorded).
    """
    if not is_recording(path):
        return None
    match = NAME.fullmatch(path.stem)
    if match is None or match[1] + match[2] == "0102":
        raise ValueError(
            f"ravdess: {path.name!r} is not a speech clip's name: 03-01-EE-II-SS-RR-NN.wav expected"
        )
    emotion, intensity, statement, repetition, actor = match.groups()
    original_label, label = EMOTIONS[emotion]
    return Utterance(
        id=f"ravdess-{path.stem}",
        speaker=f"ravdess-{actor}",
        sex="male" if int(actor) % 2 else "female",
        original_label=original_label,
        label=label,
        intensity=INTENSITIES[intensity],
        sentence=statement,
        take=int(repetition),
    )


CORPUS = Corpus(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (speech)",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song "
        "(RAVDESS). PLoS ONE 13(5): e0196391. doi:10.1371/journal.pone.0196391"
    ),
    archive="Audio_Speech_Actors_01-24.zip",
    source=Archive(
        url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        known_hash="md5:bc696df654c87fed845eb13823edef8a",
        size=208_468_073,
    ),
    clips=1440,
    read=read,
)
