"""Views of many clips on disk: one row a clip for numbers, one run of frames a clip for sequences."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import table
from pipeline.acoustics import View

FRAME = np.float16  # of sequences: decibels need no more, and the networks read half as much


class Writer:
    """Writes one view clip by clip, holding none of the frames in memory.

    Numbers become ``<view>.parquet``, a row a clip. Sequences become ``<view>.frames``, all clips' frames
    one after another (float16, row-major), and ``<view>.parquet``, where each clip's frames lie.

    Parameters
    ----------
    folder : Path
    name : str
        Of the view.
    view : View
    """

    def __init__(self, folder: Path, name: str, view: View) -> None:
        self.folder, self.name, self.view = folder, name, view
        self.rows: list[Any] = []
        self.frames: BinaryIO | None = None
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def add(self, clip: str, values: NDArray[np.float32]) -> None:
        """Add the view of one clip, shape (n,) or (frames, n)."""
        if values.ndim == 1:
            self.rows.append((clip, values))
            return
        if self.frames is None:
            self.frames = (self.folder / f"{self.name}.frames").open("wb")
        self.frames.write(values.astype(FRAME).tobytes())
        self.rows.append((clip, self.written, len(values)))
        self.written += len(values)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.frames is not None:
            self.frames.close()
        if kind is None:
            self._index().to_parquet(self.folder / f"{self.name}.parquet", index=False)

    def _index(self) -> pd.DataFrame:
        """Return the numbers of each clip, or where its frames lie."""
        if self.frames is not None or not self.rows:
            columns = ("start", "frames") if self.frames is not None else self.view.names
            return pd.DataFrame(self.rows, columns=["id", *columns])
        clips, values = zip(*self.rows, strict=True)
        numbers = pd.DataFrame(np.stack(values), columns=list(self.view.names))
        return pd.concat([pd.Series(clips, name="id"), numbers], axis=1)


def read(folder: Path, name: str, view: View, clips: Iterable[str]) -> Any:
    """Read a view of some clips, in their order.

    Parameters
    ----------
    folder : Path
        Where the stage `features` left it.
    name : str
        Of the view.
    view : View
    clips : iterable of str
        Ids.

    Returns
    -------
    array of shape (n_clips, n), or list of arrays of shape (frames, n)
        What ``view.stack`` makes of them; frames stay on disk until they are used.
    """
    index = table.read(folder / f"{name}.parquet").set_index("id").loc[list(clips)]
    if "frames" not in index.columns:
        return index.to_numpy(dtype=np.float32)
    frames: NDArray[Any] = np.memmap(folder / f"{name}.frames", dtype=FRAME, mode="r").reshape(
        -1, len(view.names)
    )
    return view.stack([frames[row.start : row.start + row.frames] for row in index.itertuples()])
