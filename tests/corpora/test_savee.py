from collections import Counter
from pathlib import PurePosixPath

import pytest

from pipeline.corpora import Utterance, savee


def test_a_name_and_its_folder_say_everything():
    assert savee.read(PurePosixPath("AudioData/KL/sa03.wav")) == Utterance(
        id="savee-KL_sa03",
        speaker="savee-KL",
        sex="male",
        original_label="sadness",
        label="sad",
        intensity=None,
        sentence="03",
        take=None,
    )


@pytest.mark.parametrize(
    "layout", ["DC_n30.wav", "ALL/DC_n30.wav", "AudioData/AudioData/DC/n30.wav", "DC/n30.wav"]
)
def test_every_layout_gives_the_same_utterance(layout):
    assert savee.read(PurePosixPath(layout)) == savee.read(PurePosixPath("AudioData/DC/n30.wav"))


def test_a_name_with_its_speaker_outweighs_the_folder():
    assert savee.read(PurePosixPath("JE/DC_a01.wav")).speaker == "savee-DC"


def test_every_emotion_but_neutral_has_60_clips(names):
    labels = Counter(savee.read(path).original_label for path in names["savee"])
    assert labels.pop("neutral") == 120
    assert labels == dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness", "surprise"), 60)


@pytest.mark.parametrize(
    "name", ["DC/a16", "DC/a00", "DC/n31", "DC/x01", "DC/a1", "DC/s01", "XX/a01", "a01", "XX_a01"]
)
def test_clips_that_were_never_recorded_are_refused(name):
    with pytest.raises(ValueError, match="savee: .*" + PurePosixPath(name).name):
        savee.read(PurePosixPath(name + ".wav"))
