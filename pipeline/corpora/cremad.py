"""CREMA-D: 91 actors (43 women), 7,442 clips at 16 kHz, six emotions.

Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244. Names are actor_sentence_emotion_level:
``AudioWAV/1001_DFA_ANG_XX.wav``. Some copies name one clip ``1040_ITH_SAD_X.wav``. The repository keeps its
sound in git-lfs: where that was missing, a clip is a pointer of about 130 bytes.
"""

import csv
import io
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import PurePosixPath

from pipeline.corpora.corpus import Corpus, Files, Heard, Listeners, Utterance, is_recording

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
"""Code → the corpus's word, which is the emotion in common too."""

INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}

SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")

ACTORS = frozenset(range(1001, 1092))

# From the corpus's VideoDemographics.csv (Cao et al. 2014, ODbL 1.0); the other actors are men.
# fmt: off
WOMEN = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})
# fmt: on

NAME = re.compile(rf"(\d{{4}})_({'|'.join(SENTENCES)})_({'|'.join(EMOTIONS)})_(LO|MD|HI|XX?)")


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
        For a recording with another kind of name or an actor who is none of the 91.
    """
    if not is_recording(path):
        return None
    match = NAME.fullmatch(path.stem)
    if match is None or int(match[1]) not in ACTORS:
        raise ValueError(f"cremad: {path.name!r} is not a clip's name: e.g. 1001_DFA_ANG_XX.wav expected")
    actor, sentence, emotion, level = match.groups()
    level = "XX" if level == "X" else level
    return Utterance(
        id=f"cremad-{actor}_{sentence}_{emotion}_{level}",
        speaker=f"cremad-{actor}",
        sex="female" if int(actor) in WOMEN else "male",
        original_label=EMOTIONS[emotion],
        label=EMOTIONS[emotion],
        intensity=INTENSITIES[level],
        sentence=sentence,
        take=None,
    )


def heard(text: str) -> Iterator[Heard]:
    """Read the corpus's ``processedResults/summaryTable.csv``: what most of about ten listeners heard.

    Only the column VoiceVote counts. Where as many heard one emotion as another ("A:N", 644 of the 7,442
    clips), each has its part of the clip. By that rule listeners are right in 44.6 % of all clips, with a
    tie counted as wrong in 41.6 %. The 40.9 % of Cao et al. 2014 come out of this table by no rule for ties:
    it holds votes, not the single answers that they seem to be of.

    Raises
    ------
    ValueError
        Where the columns or what they hold are others.
    """
    codes = {code[0]: emotion for code, emotion in EMOTIONS.items()}
    for row in csv.DictReader(io.StringIO(text)):
        try:
            clip = read(PurePosixPath(f"{row['FileName']}.wav"))
            labels = [codes[code] for code in row["VoiceVote"].split(":")]
        except (KeyError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{dict(row)} is no line of it ({error}): FileName and VoiceVote, e.g. A or D:N, are expected"
            ) from None
        assert clip is not None
        yield from (Heard(clip.id, label, 1 / len(labels)) for label in labels)


def registry() -> dict[str, str]:
    """Return the integrity list: the name of each of the 7,442 clips → its hash, ``"sha256:…"``."""
    lines = (files("pipeline.corpora") / "cremad_sha256.txt").read_text("utf-8").splitlines()
    entries = (line.split() for line in lines if not line.startswith("#"))
    return {name: f"sha256:{digest}" for name, digest in entries}


CORPUS = Corpus(
    name="cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset",
    licence="ODbL 1.0",
    commercial=True,
    citation=(
        "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: Crowd-sourced Emotional "
        "Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390. "
        "doi:10.1109/TAFFC.2014.2336244"
    ),
    archive="AudioWAV.zip",
    source=Files(
        url="https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master/AudioWAV/",
        registry=registry,
    ),
    clips=7442,
    read=read,
    listeners=Listeners(file="summaryTable.csv", read=heard),
)
