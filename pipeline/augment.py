"""Augment: altered copies of training clips, after the split, so that none can cross it."""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate

from pipeline import table
from pipeline.audio import RATE, Samples, decode, write
from pipeline.config import Config, Instance
from pipeline.parallel import each
from pipeline.stage import output, stage


def seed_of(clip: str, copy: int, seed: int) -> int:
    """Return the copy's own seed, so that neither order nor number of workers matters."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{clip}/{copy}".encode()).digest()[:4], "big")


def altered(sound: Samples, transforms: list[Any], seed: int) -> tuple[Samples, dict[str, Any]]:
    """Put one to all of the transforms, chosen at random, to a sound.

    Parameters
    ----------
    sound : ndarray of float32, shape (n,)
        Mono, 16 kHz.
    transforms : list of audiomentations transforms
    seed : int

    Returns
    -------
    ndarray of float32, shape (m,)
        Within [-1, 1]; stretched clips are longer or shorter.
    dict
        Transform name → the parameters it drew.
    """
    random.seed(seed)  # audiomentations draws from the two global generators
    np.random.seed(seed)
    done = {}
    for transform in random.sample(transforms, random.randint(1, len(transforms))):
        sound = transform(samples=sound, sample_rate=RATE)
        drawn = {k: v for k, v in transform.parameters.items() if isinstance(v, int | float | str)}
        done[type(transform).__name__] = drawn
    return np.clip(sound, -1, 1).astype(np.float32, copy=False), done


@dataclass(frozen=True)
class Augment:
    """Writes one copy of a clip and returns its row."""

    source: Path
    target: Path
    transforms: list[Instance]
    seed: int

    def __call__(self, clip: tuple[str, str, int]) -> dict[str, str]:
        """Return the row of copy `clip[2]` of the clip with id `clip[0]` at `clip[1]`."""
        source, path, copy = clip
        name = f"{source}~{copy}"
        transforms = [instantiate(transform) for transform in self.transforms]
        sound, done = altered(
            decode(self.source / path).samples, transforms, seed_of(source, copy, self.seed)
        )
        target = Path("clips", Path(path).parent.name, f"{name}.flac")
        write(sound, self.target / target)
        return {"id": name, "source": source, "transforms": json.dumps(done), "path": target.as_posix()}


def main(cfg: Config) -> None:
    """Read build/merge and build/split, write build/augment."""
    utterances = table.read(cfg.build / "merge" / "utterances.parquet")
    splits = table.read(cfg.build / "split" / "splits.parquet")
    training = utterances[utterances.id.isin(splits[splits.part == "training"].id)]
    clips = [
        (clip.id, clip.path, copy)
        for copy in range(1, cfg.augmentation.copies + 1)
        for clip in training.itertuples()
    ]
    with output(cfg.build / "augment") as folder:
        augment = Augment(cfg.build / "merge", folder, cfg.augmentation.transforms, cfg.seed)
        rows = list(each(augment, clips, cfg.jobs, "augment"))
        copies = pd.DataFrame(rows, columns=list(table.Copies.to_schema().columns))
        table.write(copies, table.Copies, folder / "copies.parquet")


app = stage(main)

if __name__ == "__main__":
    app()
