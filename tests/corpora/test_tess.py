from collections import Counter
from pathlib import PurePosixPath

import pytest

from pipeline.corpora import Utterance, tess


def test_a_name_says_everything():
    assert tess.read(PurePosixPath("OAF_back_angry.wav")) == Utterance(
        id="tess-OAF_back_angry",
        speaker="tess-OAF",
        sex="female",
        original_label="angry",
        label="anger",
        intensity=None,
        sentence="back",
        take=None,
    )


def test_the_one_misspelt_speaker_is_the_older_woman():
    utterance = tess.read(PurePosixPath("OA_bite_neutral.wav"))
    assert utterance == tess.read(PurePosixPath("OAF_neutral/OAF_bite_neutral.wav"))
    assert utterance.speaker == "tess-OAF"


def test_pleasant_surprise_is_left_out(names):
    read = [tess.read(path) for path in names["tess"]]
    assert Counter(u.original_label for u in read if u.label is None) == {"pleasant surprise": 400}
    assert set(Counter(u.label for u in read).values()) == {400}


@pytest.mark.parametrize(
    "name", ["OAF_back_calm", "YA_back_sad", "XAF_back_sad", "OAF__sad", "OAF_sad", "OAF_2_sad"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"tess: .*{name}"):
        tess.read(PurePosixPath(name + ".wav"))
