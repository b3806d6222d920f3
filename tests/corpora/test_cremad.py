import re
from collections import Counter
from pathlib import PurePosixPath

import pooch
import pytest

from pipeline.corpora import Files, Utterance, cremad
from pipeline.corpora.corpus import Heard


def test_a_name_says_everything():
    assert cremad.read(PurePosixPath("AudioWAV/1002_IEO_FEA_MD.wav")) == Utterance(
        id="cremad-1002_IEO_FEA_MD",
        speaker="cremad-1002",
        sex="female",
        original_label="fear",
        label="fear",
        intensity="medium",
        sentence="IEO",
        take=None,
    )


def test_every_emotion_but_neutral_has_1271_clips(names):
    read = [cremad.read(path) for path in names["cremad"]]
    labels = Counter(utterance.label for utterance in read)
    assert labels.pop("neutral") == 1087
    assert labels == dict.fromkeys(("anger", "disgust", "fear", "happy", "sad"), 1271)
    assert Counter(u.intensity for u in read) == {"low": 455, "medium": 455, "high": 455, None: 6077}


def test_91_actors_43_of_them_women(names):
    sexes = {u.speaker: u.sex for u in map(cremad.read, names["cremad"])}
    assert Counter(sexes.values()) == {"female": 43, "male": 48}
    assert len(cremad.WOMEN) == 43
    assert cremad.WOMEN < cremad.ACTORS


def test_the_one_shortened_level_is_the_unspecified_one():
    utterance = cremad.read(PurePosixPath("1040_ITH_SAD_X.wav"))
    assert utterance == cremad.read(PurePosixPath("1040_ITH_SAD_XX.wav"))
    assert utterance.intensity is None


@pytest.mark.parametrize(
    "name",
    [
        "1000_DFA_ANG_XX",
        "1092_DFA_ANG_XX",
        "1001_ABC_ANG_XX",
        "1001_DFA_SUR_XX",
        "1001_DFA_ANG_UP",
        "1001_DFA_ANG",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"cremad: .*{name}"):
        cremad.read(PurePosixPath("AudioWAV", name + ".wav"))


def test_the_integrity_list_is_one_that_pooch_takes(tmp_path):
    assert isinstance(cremad.CORPUS.source, Files)
    registry = cremad.CORPUS.source.registry()
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", known_hash) for known_hash in registry.values())
    assert len(set(registry.values())) > 7400
    fetcher = pooch.create(tmp_path, cremad.CORPUS.source.url, registry=registry)
    assert fetcher.get_url("1091_WSI_SAD_XX.wav").endswith("/AudioWAV/1091_WSI_SAD_XX.wav")


HEADER = '"","FileName","VoiceVote","VoiceLevel","FaceVote"\n'


def test_what_listeners_heard_is_divided_where_they_were():
    table = HEADER + '"1","1001_IEO_NEU_XX","N","69.1","S"\n"9","1040_ITH_SAD_X","A:D:N","37:59:1","A"\n'
    assert list(cremad.heard(table)) == [
        Heard("cremad-1001_IEO_NEU_XX", "neutral", 1.0),
        Heard("cremad-1040_ITH_SAD_XX", "anger", pytest.approx(1 / 3)),
        Heard("cremad-1040_ITH_SAD_XX", "disgust", pytest.approx(1 / 3)),
        Heard("cremad-1040_ITH_SAD_XX", "neutral", pytest.approx(1 / 3)),
    ]
    assert list(cremad.heard(HEADER)) == []


@pytest.mark.parametrize(
    "line",
    [
        '"1","1001_IEO_NEU_XX","P","69.1","S"',
        '"1","1001_IEO_NEU_XX",,"69.1","S"',
        '"1","1001_IEO_XX","N","69.1","S"',
        '"1"',
    ],
)
def test_another_table_of_votes_is_refused(line):
    with pytest.raises(ValueError, match="FileName and VoiceVote"):
        list(cremad.heard(HEADER + line))
    with pytest.raises(ValueError, match="FileName and VoiceVote"):
        list(cremad.heard("name,vote\na,b\n"))
