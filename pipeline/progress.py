"""What the stage `train` shows and keeps of a learning that is under way."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import tracking
from pipeline.architectures import Monitor


class Progress(Monitor):
    """Shows each epoch, logs it to the open MLflow run, and keeps checkpoints on disk.

    Parameters
    ----------
    folder : Path
        Where the checkpoints of this learning are, one ``.npz`` a part.
    name : str
        Of the part, behind its curves' names in MLflow: ``loss.fold_0``.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder = folder
        self.name = name
        self.bar: Any = None

    @classmethod
    @contextmanager
    def of(cls, checkpoints: Path, **decisive: Any) -> Iterator[Self]:
        """Give the progress of one learning, and remove what it kept once the block has come to its end.

        Parameters
        ----------
        checkpoints : Path
            Where each learning has a folder of its own.
        **decisive : JSON-ready values
            All that decides what comes out: only a learning of just the same goes on from its checkpoints.
        """
        text = json.dumps(decisive, sort_keys=True, default=str)
        folder = checkpoints / hashlib.sha256(text.encode()).hexdigest()[:16]
        yield cls(folder)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # others learn, or none ever kept anything
            checkpoints.rmdir()

    def within(self, name: str) -> "Progress":
        """Return the progress of one part."""
        return Progress(self.folder, f"{self.name}.{name}" if self.name else name)

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Show an epoch and log its values, the first as step 1."""
        if self.bar is None:
            self.bar = tqdm(desc=self.name or "learn", unit="epoch", initial=number, leave=False)
        self.bar.set_postfix({key: f"{value:.3f}" for key, value in values.items()})
        self.bar.update()
        suffix = f".{self.name}" if self.name else ""
        tracking.log_metrics({f"{key}{suffix}": value for key, value in values.items()}, step=number + 1)

    def save(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write a checkpoint whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._checkpoint.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **state)
        os.replace(partial, self._checkpoint)

    def saved(self) -> dict[str, NDArray[Any]] | None:
        """Return the last checkpoint; None where there is none that can be read."""
        try:
            with np.load(self._checkpoint) as arrays:
                return dict(arrays)
        except (FileNotFoundError, BadZipFile, ValueError, EOFError):
            return None

    @property
    def _checkpoint(self) -> Path:
        return self.folder / f"{self.name.replace('/', '-') or 'learn'}.npz"
