"""How fast the 193 numbers are computed: against librosa's functions called one after another, as usual.

    python -m benchmarks.features [FOLDER] [--clips 120] [--json FILE]

FOLDER holds 16 kHz clips; without it, those that `merge` left in build/. Each clip is given to the usual
function and to ours, ten clips a turn in one process of one thread; then all to one worker and to two.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import psutil
from joblib import Parallel, delayed
from librosa.effects import harmonic
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.stages import machine
from pipeline import tracking
from pipeline.acoustics.convolutions import Convolutions
from pipeline.acoustics.functionals import Functionals
from pipeline.acoustics.logmel import LogMel
from pipeline.acoustics.statistics import Statistics
from pipeline.audio import RATE, Samples, decode
from pipeline.stage import ROOT

TURN = 10  # clips
ROUNDS = 3  # of one worker, then two
OURS = Statistics()


def usual(sound: Samples) -> NDArray[np.float64]:
    """Return the 193 numbers as most projects compute them: each feature from the sound itself."""
    magnitude = np.abs(librosa.stft(sound))
    features = (
        librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=40),
        librosa.feature.chroma_stft(S=magnitude, sr=RATE),
        librosa.feature.melspectrogram(y=sound, sr=RATE),
        librosa.feature.spectral_contrast(S=magnitude, sr=RATE),
        librosa.feature.tonnetz(y=harmonic(sound), sr=RATE),
    )
    return np.hstack([np.mean(feature.T, axis=0) for feature in features])


def timed(compute: Callable[[Samples], object], sound: Samples) -> float:
    """Return the milliseconds that one clip takes."""
    started = time.perf_counter()
    compute(sound)
    return 1000 * (time.perf_counter() - started)


def work(sounds: list[Samples]) -> float:
    """Compute our numbers of some clips in a worker; return the memory that it holds then, MB."""
    with threadpool_limits(1):  # two workers would have no more than one otherwise
        for sound in sounds:
            OURS(sound)
    return float(psutil.Process().memory_info().rss / 2**20)


def workers(sounds: list[Samples], jobs: int) -> tuple[float, float]:
    """Return the clips a second that so many workers compute, and the memory of the largest, MB."""
    with Parallel(n_jobs=jobs) as pool:
        pool(delayed(work)(sounds[:2]) for _ in range(jobs))  # they start, and build their filters
        parts = [sounds[i::jobs] for i in range(jobs)]
        started = time.perf_counter()
        told = pool(delayed(work)(part) for part in parts)
        seconds = time.perf_counter() - started
    return len(sounds) / seconds, max(told)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "merge" / "clips")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    files = sorted(path for path in given.folder.rglob("*") if path.suffix in (".flac", ".wav"))
    if not files:
        sys.exit(f"error: no clip in {given.folder}: run `dvc repro merge`, or name another folder")
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, given.clips).astype(int)]
    sounds = [decode(path).samples for path in chosen]
    functionals, convolutions = Functionals(), Convolutions()  # which share the analysis of a sound
    computed: dict[str, Callable[[Samples], object]] = {
        "librosa, as usual": usual,
        "ours": OURS,
        "functionals and convolutions": lambda sound: (functionals(sound), convolutions(sound)),
        "logmel": LogMel(),
    }
    with threadpool_limits(1):
        for compute in computed.values():
            for sound in sounds:
                compute(sound)  # compiled, filters built
        taken = pd.concat(
            pd.DataFrame(
                {name: [timed(compute, sound) for sound in few] for name, compute in computed.items()}
            )
            for few in tqdm([sounds[turn : turn + TURN] for turn in range(0, len(sounds), TURN)], unit="turn")
        )
    ratio = taken["librosa, as usual"] / taken["ours"]
    away = max(np.abs(OURS(sound) - usual(sound)).max() for sound in sounds[::10])
    rounds = [{jobs: workers(sounds * 3, jobs) for jobs in (1, 2)} for _ in range(ROUNDS)]
    rates = {jobs: float(np.median([found[jobs][0] for found in rounds])) for jobs in (1, 2)}
    more = np.median([found[2][0] / found[1][0] for found in rounds])
    held = max(found[2][1] for found in rounds)
    seconds = np.mean([len(sound) for sound in sounds]) / RATE
    print(f"{len(sounds)} clips of {seconds:.1f} s; {machine()}; commit {tracking.commit()}\n")
    print(
        taken.quantile([0.1, 0.5, 0.9]).T.rename(columns="{:.0%} of clips, ms".format).round(1).to_markdown()
    )
    low, middle, high = ratio.quantile([0.1, 0.5, 0.9])
    print(
        f"\nOurs is {middle:.1f} times as fast as usual: for four clips in five {low:.1f} to {high:.1f} times"
    )
    print(f"The largest difference of any number is {away:.1e}.")
    print(f"Two workers compute {rates[2]:.1f} clips a second, one {rates[1]:.1f}: ", end="")
    print(f"{more:.2f} times as many. The larger holds {held:.0f} MB.")
    if given.json:
        told = {
            "milliseconds": taken.median().to_dict(),
            "ratio": middle,
            "workers": rates,
            "two_to_one": more,
        }
        given.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
