"""Views computed before: kept from run to run, found again by what a clip holds and what a view is.

Each view has a folder, named after the view's settings and the code that computes it, so that a changed
definition finds nothing of the old one. In it lie Arrow files of some hundred clips each, mapped into memory.
"""

import ast
import hashlib
import inspect
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.acoustics import View
from pipeline.store import FRAME

SHARD = 256  # clips a file: so many at most are lost when a run is killed
SCHEMA = pa.schema([("clip", pa.string()), ("values", pa.large_binary()), ("width", pa.int32())])


class Kept:
    """What is kept of one view.

    Parameters
    ----------
    folder : Path
        Of all that is kept.
    view : View
    """

    def __init__(self, folder: Path, view: View) -> None:
        self.folder = folder / f"{type(view).__name__.lower()}-{definition(view)[:16]}"
        self.found: dict[str, tuple[pa.Table, int]] = {}
        self.fresh: list[tuple[str, bytes, int]] = []
        for shard in sorted(self.folder.glob("*.arrow")):
            try:
                with pa.memory_map(str(shard)) as source:
                    rows = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:  # a disk that was full, a machine that was switched off
                shard.unlink()
                continue
            self.found |= {clip: (rows, i) for i, clip in enumerate(rows["clip"].to_pylist())}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def __contains__(self, clip: str) -> bool:
        return clip in self.found

    def __getitem__(self, clip: str) -> NDArray[Any]:
        """Return the view of a clip, shape (n,) or, as `pipeline.store` has frames, (frames, n)."""
        rows, i = self.found[clip]
        width, values = rows["width"][i].as_py(), rows["values"][i].as_buffer()
        if width:
            return np.frombuffer(values, dtype=FRAME).reshape(-1, width)
        return np.frombuffer(values, dtype=np.float32)

    def add(self, clip: str, values: NDArray[np.float32]) -> None:
        """Keep the view of a clip, whose name is the SHA-256 of its sound."""
        width = values.shape[1] if values.ndim > 1 else 0
        self.fresh.append((clip, values.astype(FRAME if width else np.float32).tobytes(), width))
        if len(self.fresh) == SHARD:
            self._write()

    def _write(self) -> None:
        if not self.fresh:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        columns = [pa.array([row[i] for row in self.fresh], field.type) for i, field in enumerate(SCHEMA)]
        partial = self.folder / f"{uuid4().hex}.partial"
        try:
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as file:
                file.write_batch(pa.record_batch(columns, SCHEMA))
            os.replace(partial, partial.with_suffix(".arrow"))
        finally:
            partial.unlink(missing_ok=True)
        self.fresh = []


def definition(view: View) -> str:
    """Return the SHA-256 of all that decides what a view makes of a sound.

    Its class and settings, the code of its module and of all modules of the pipeline that this one uses, and
    the versions of the libraries that they use.
    """
    code, libraries = sources(type(view).__module__)
    told = {
        "view": type(view).__qualname__,
        "settings": asdict(view),  # type: ignore[call-overload]
        "code": dict(sorted(code.items())),
        "libraries": dict(sorted(libraries.items())),
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def sources(module: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the code of a module and of those of the pipeline that it uses, near and far, by name.

    And the versions of the installed libraries that any of them uses.
    """
    code: dict[str, str] = {}
    libraries: dict[str, str] = {}
    ahead = [module]
    while ahead:
        name = ahead.pop()
        code[name] = inspect.getsource(sys.modules[name])
        for used in imported(code[name]):
            if used.startswith("pipeline."):
                ahead += [used] if used in sys.modules and used not in code else []
            else:
                with suppress(PackageNotFoundError):
                    library = used.partition(".")[0]
                    libraries[library] = version(library)
    return code, libraries


def imported(code: str) -> set[str]:
    """Return the modules that some code imports; of ``from a import b`` both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
