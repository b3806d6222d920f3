"""The stages on the stand-in, and on one as large as the four published corpora: 12,162 clips.

    python -m benchmarks.scale [features=original …] [--json FILE]

The choices are those of params.yaml unless overridden. A row a stage and size: seconds, the same per 1,000
clips, and the most memory that its processes held together. No view is taken from the user's cache.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from benchmarks.stages import commands, machine, measure
from pipeline import tracking
from pipeline.corpora import cremad, synthetic

SEED = 9
STAGES = ("merge", "augment", "features", "train")
TESS_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
SAVEE_COUNTS = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}


def ravdess_names() -> Iterator[str]:
    """Yield all 1,440 clips: neutral was spoken in one intensity, the rest in two."""
    for actor, emotion in product(range(1, 25), range(1, 9)):
        for loud, sentence, take in product((1,) if emotion == 1 else (1, 2), (1, 2), (1, 2)):
            yield f"Actor_{actor:02}/03-01-{emotion:02}-{loud:02}-{sentence:02}-{take:02}-{actor:02}.wav"


def savee_names() -> Iterator[str]:
    """Yield all 480 clips."""
    for speaker, (emotion, count) in product(("DC", "JE", "JK", "KL"), SAVEE_COUNTS.items()):
        yield from (f"AudioData/{speaker}/{emotion}{number:02}.wav" for number in range(1, count + 1))


def tess_names() -> Iterator[str]:
    """Yield 2,800 clips, of words that are none."""
    words = ["".join(letters) for letters in product("bdfg", "aeiou", "klmnprstvz")]
    for speaker, word, emotion in product(("OAF", "YAF"), words, TESS_EMOTIONS):
        yield f"{speaker}_{word}_{emotion}.wav"


def cremad_names() -> Iterator[str]:
    """Yield all 7,442 clips."""
    return (f"AudioWAV/{name}" for name in cremad.registry())


PUBLISHED = {"ravdess": ravdess_names, "savee": savee_names, "tess": tess_names, "cremad": cremad_names}
SIZES = {
    "stand-in": {corpus: stand_in.names for corpus, stand_in in synthetic.STAND_INS.items()},
    "as published": {corpus: tuple(names()) for corpus, names in PUBLISHED.items()},
}


def run(names: dict[str, tuple[str, ...]], overrides: list[str]) -> pd.DataFrame:
    """Run the pipeline on a stand-in of these clips; return a row for each stage of `STAGES`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sample = folder / "data" / "sample"
        sample.mkdir(parents=True)
        for corpus, some in names.items():
            synthetic.write(corpus, some, sample, SEED)
        os.environ["EMOTION_DETECTOR_CACHE"] = str(folder / "cache")
        own = [*overrides, "corpora=sample"]
        stages = [
            (stage, more)
            for stage, more in commands(overrides)
            if stage.partition("@")[0] not in ("compare", "promote", "bundle")
        ]
        rows = [measure(stage, [*own, *more], folder) for stage, more in tqdm(stages, unit="stage")]
        clips = len(pd.read_parquet(folder / "build" / "merge" / "utterances.parquet"))
    table = pd.DataFrame(asdict(row) for row in rows if row.stage.partition("@")[0] in STAGES)
    table.insert(1, "clips", clips)
    return table.assign(per_1000_clips=table.seconds / clips * 1000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", help="Hydra overrides, e.g. features=original")
    parser.add_argument("--json", type=Path, help="write the table here too")
    given = parser.parse_args()
    table = pd.concat([run(names, given.overrides) for names in SIZES.values()])
    wide = table.pivot(index="stage", columns="clips", values=["seconds", "per_1000_clips", "peak_mb"])
    wide = wide.loc[table.stage.unique()].round(1)
    wide.columns = [f"{what}, {clips} clips" for what, clips in wide.columns]
    print(f"{machine()}; commit {tracking.commit()}\n\n{wide.reset_index().to_markdown(index=False)}")
    if given.json:
        given.json.write_text(json.dumps(table.to_dict("records"), indent=2) + "\n")


if __name__ == "__main__":
    main()
