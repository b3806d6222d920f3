"""The stand-in: synthetic voices under the four corpora's published names, layouts and oddities.

``python -m pipeline.corpora.synthetic OUT_DIR`` writes four small archives on which the whole pipeline can
run where no recording may be kept. Nobody speaks in them (see `pipeline.corpora.voices`): a score on them
says that the pipeline works, and nothing about people.
"""

import argparse
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile as sf
from tqdm import tqdm

from pipeline.corpora import CORPORA, cremad
from pipeline.corpora.voices import Samples, speak

NOTE = "Synthetic voices under published names, made by pipeline.corpora.synthetic: nobody's recordings.\n"


def encoded(samples: Samples, rate: int, container: str = "WAV") -> bytes:
    """Encode 16-bit samples, shape (n,) or (n, channels), in a container that libsndfile knows."""
    file = io.BytesIO()
    sf.write(file, samples, rate, format=container, subtype="PCM_16")
    return file.getvalue()


def stereo(samples: Samples, rate: int) -> bytes:
    """Encode with a second, quieter channel."""
    return encoded(np.stack([samples, samples // 2], axis=1), rate)


def aiff(samples: Samples, rate: int) -> bytes:
    """Encode as AIFF, whatever the file's name says."""
    return encoded(samples, rate, "AIFF")


def silent(samples: Samples, rate: int) -> bytes:
    """Encode as many zeros."""
    return encoded(np.zeros_like(samples), rate)


def empty(samples: Samples, rate: int) -> bytes:
    """Return nothing, as an interrupted copy leaves."""
    return b""


def pointer(samples: Samples, rate: int) -> bytes:
    """Return the 130 bytes that git leaves of ``1001_DFA_ANG_XX.wav`` where git-lfs is missing."""
    digest = cremad.registry()["1001_DFA_ANG_XX.wav"]
    return f"version https://git-lfs.github.com/spec/v1\noid {digest}\nsize 72862\n".encode()


@dataclass(frozen=True)
class StandIn:
    """What is made of a corpus.

    Attributes
    ----------
    rate : int
        Hz.
    names : tuple of str
        The clips' paths in the archive.
    odd : mapping
        Path → how that clip is encoded instead of as a mono WAV file.
    rates : mapping
        Path → that clip's own rate, Hz.
    again : tuple of str
        Paths of clips that lie in the archive twice.
    nested : str
        The folder of the second copies.
    """

    rate: int
    names: tuple[str, ...]
    odd: Mapping[str, Callable[[Samples, int], bytes]] = field(default_factory=dict)
    rates: Mapping[str, int] = field(default_factory=dict)
    again: tuple[str, ...] = ()
    nested: str = ""


def ravdess_names() -> Iterator[str]:
    """Yield clips of six actors of both sexes, one of each of EmoBox's folds."""
    takes = {"01": ("01-01-01", "01-01-02", "01-02-01", "01-02-02"), "02": ("01-01-01",), "08": ("01-01-01",)}
    usual = ("01-01-01", "01-01-02", "01-02-01", "02-01-01", "02-02-01")
    for actor in ("01", "04", "08", "05", "16", "13"):
        for emotion in ("01", "02", "03", "04", "05", "06", "07", "08"):
            for take in takes.get(emotion, usual):
                yield f"Actor_{actor}/03-01-{emotion}-{take}-{actor}.wav"


def savee_names() -> Iterator[str]:
    """Yield clips of all four men."""
    counts = {"a": 5, "d": 5, "f": 5, "h": 5, "n": 6, "sa": 5, "su": 1}
    for speaker, (emotion, count) in product(("DC", "JE", "JK", "KL"), counts.items()):
        for number in range(1, count + 1):
            yield f"AudioData/{speaker}/{emotion}{number:02}.wav"


def tess_names() -> Iterator[str]:
    """Yield some of the words of both women."""
    words = ("bar", "bean", "beg", "bite", "food", "germ", "gun", "kick", "limb")
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "sad")
    for speaker, word, emotion in product(("OAF", "YAF"), words, emotions):
        name = f"{speaker}_{word}_{emotion}.wav"
        yield "OA_bite_neutral.wav" if name == "OAF_bite_neutral.wav" else name
    yield from ("OAF_bar_ps.wav", "YAF_bar_ps.wav")


def cremad_names() -> Iterator[str]:
    """Yield clips of eight actors of both sexes."""
    actors = (1001, 1002, 1005, 1020, 1040, 1069, 1076, 1091)
    said = ("DFA_{}_XX", "ITS_{}_XX", "TSI_{}_XX", "IEO_{}_LO", "IEO_{}_HI")
    neutrally = ("DFA_{}_XX", "IWL_{}_XX", "TSI_{}_XX", "IEO_{}_XX", "WSI_{}_XX")
    for actor, emotion in product(actors, cremad.EMOTIONS):
        for pattern in neutrally if emotion == "NEU" else said:
            yield f"AudioWAV/{actor}_{pattern.format(emotion)}.wav"
    yield from ("AudioWAV/1040_ITH_SAD_X.wav", "AudioWAV/1076_MTI_SAD_XX.wav")


# Oddities lie where the published corpora have them, but for SAVEE's empty file, which is made up.
STAND_INS = {
    "ravdess": StandIn(
        rate=48_000,
        names=tuple(ravdess_names()),
        odd={"Actor_01/03-01-02-01-01-01-01.wav": stereo, "Actor_05/03-01-03-01-02-01-05.wav": stereo},
        again=("Actor_01/03-01-03-01-01-01-01.wav", "Actor_04/03-01-05-01-01-01-04.wav"),
        nested="audio_speech_actors_01-24",
    ),
    "savee": StandIn(
        rate=44_100,
        names=tuple(savee_names()),
        odd={"AudioData/JK/n06.wav": empty},
        again=("AudioData/DC/a01.wav", "AudioData/KL/sa01.wav"),
        nested="AudioData",
    ),
    "tess": StandIn(
        rate=24_414,
        names=tuple(tess_names()),
        odd={"YAF_germ_angry.wav": aiff},
        rates={"OAF_food_fear.wav": 96_000},
        again=("OAF_bar_angry.wav", "YAF_bar_sad.wav"),
        nested="TESS Toronto emotional speech set data",
    ),
    "cremad": StandIn(
        rate=16_000,
        names=tuple(cremad_names()),
        odd={"AudioWAV/1001_DFA_ANG_XX.wav": pointer, "AudioWAV/1076_MTI_SAD_XX.wav": silent},
    ),
}


def clip(corpus: str, name: str, seed: int) -> bytes:
    """Return one file of the stand-in for a corpus.

    Raises
    ------
    ValueError
        Where the name is not one of the corpus.
    """
    stand_in = STAND_INS[corpus]
    utterance = CORPORA[corpus].read(PurePosixPath(name))
    if utterance is None:
        raise ValueError(f"{corpus}: {name!r} is no clip")
    rate = stand_in.rates.get(name, stand_in.rate)
    return stand_in.odd.get(name, encoded)(speak(utterance, rate, seed), rate)


def write(corpus: str, names: tuple[str, ...], folder: Path, seed: int) -> Path:
    """Write the archive of a corpus, the same bytes from the same names and seed.

    Parameters
    ----------
    corpus : str
    names : tuple of str
        The clips' paths in the archive.
    folder : Path
        Where the archive is to be, under its published name.
    seed : int

    Returns
    -------
    Path
        The archive.
    """
    stand_in = STAND_INS[corpus]
    target = folder / CORPORA[corpus].archive
    partial = target.with_name(f".{target.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_BZIP2) as archive:
            archive.writestr(member("README.txt"), NOTE)
            for name in tqdm(names, desc=corpus, unit="clip"):
                data = clip(corpus, name, seed)
                archive.writestr(member(name), data)
                if name in stand_in.again:
                    archive.writestr(member(f"{stand_in.nested}/{name}"), data)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def member(path: str) -> zipfile.ZipInfo:
    """Describe a file of an archive: readable by all, and dated alike whenever it is made."""
    info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_BZIP2
    info.external_attr = 0o644 << 16
    return info


def main() -> None:
    """Write the four archives."""
    parser = argparse.ArgumentParser(description="Write synthetic stand-ins for the four corpora's archives.")
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("--seed", type=int, default=9, help="0 or more; the same seed gives the same bytes")
    given = parser.parse_args()
    if given.seed < 0:
        parser.error(f"the seed must be 0 or more, not {given.seed}")
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        for corpus, stand_in in STAND_INS.items():
            target = write(corpus, stand_in.names, given.folder, given.seed)
            print(f"{target}: {len(stand_in.names)} clips, {target.stat().st_size / 1e6:.1f} MB")
    except OSError as error:
        parser.exit(1, f"error: {error.strerror} ({error.filename}): choose a folder that can be written\n")


if __name__ == "__main__":
    main()
