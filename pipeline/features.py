"""Features: every view of every clip and augmented copy, computed once and kept for the next run."""

import hashlib
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray

from pipeline import table
from pipeline.acoustics import View
from pipeline.acoustics.warmup import warm_up
from pipeline.audio import AudioError, decode
from pipeline.config import Config, Features
from pipeline.kept import Kept
from pipeline.parallel import each
from pipeline.stage import PipelineError, cache, output, stage
from pipeline.store import Writer
from pipeline.table import quarantined

log = logging.getLogger("features")


def views(features: Features) -> dict[str, View]:
    """Make the views that conf/features describes, by name."""
    return {name: instantiate(view) for name, view in features.views.items()}


@dataclass(frozen=True)
class Extract:
    """Computes views of one clip, or says why it cannot."""

    views: dict[str, View]

    def __call__(self, clip: tuple[Path, tuple[str, ...]]) -> dict[str, NDArray[np.float32]] | str:
        """Return the views named ``clip[1]`` of the clip in the file ``clip[0]``; a reason for none."""
        path, names = clip
        if not names:
            return {}
        try:
            sound = decode(path).samples
        except AudioError as error:
            return str(error)
        values = {name: self.views[name](sound) for name in names}
        broken = [name for name, value in values.items() if not np.isfinite(value).all()]
        return f"the views {', '.join(broken)} hold numbers that are not finite" if broken else values


def clips(build: Path) -> pd.DataFrame:
    """List all clips, whatever the taxonomy and the split, and augmented copies.

    Returns
    -------
    DataFrame
        ``id, path``, and ``content``: the SHA-256 of the file.
    """
    files = [
        (clip.id, build / stage / clip.path)
        for stage, name in (("merge", "utterances"), ("augment", "copies"))
        for clip in table.read(build / stage / f"{name}.parquet").itertuples()
    ]
    rows = [(clip, path, hashlib.sha256(path.read_bytes()).hexdigest()) for clip, path in files]
    return pd.DataFrame(rows, columns=["id", "path", "content"])


def main(cfg: Config) -> None:
    """Read build/merge and build/augment, write build/features."""
    wanted = views(cfg.features)
    found = clips(cfg.build)
    failed = []
    with output(cfg.build / "features") as folder:
        with ExitStack() as stack:
            kept = {name: stack.enter_context(Kept(cache() / "views", view)) for name, view in wanted.items()}
            missing = [tuple(name for name in wanted if sha not in kept[name]) for sha in found.content]
            warm_up([wanted[name] for name in wanted if any(name in names for names in missing)])
            log.info("%d of %d clips have all views from before", missing.count(()), len(found))
            writers = {name: stack.enter_context(Writer(folder, name, view)) for name, view in wanted.items()}
            computed = each(
                Extract(wanted), list(zip(found.path, missing, strict=True)), cfg.jobs, "features"
            )
            for clip, values in zip(found.itertuples(), computed, strict=True):
                if isinstance(values, str):
                    log.warning("%s left out: %s", clip.id, values)
                    failed.append(quarantined(clip.id.split("-")[0], clip.path, "features", values))
                    continue
                for name, value in values.items():
                    kept[name].add(clip.content, value)
                for name in wanted:
                    writers[name].add(clip.id, values[name] if name in values else kept[name][clip.content])
        if len(failed) == len(found):
            raise PipelineError(
                f"no view of any of {len(found)} clips could be computed; the last: {failed[-1]['detail']}"
            )
        columns = list(table.Quarantine.to_schema().columns)
        table.write(pd.DataFrame(failed, columns=columns), table.Quarantine, folder / "quarantine.parquet")


app = stage(main)

if __name__ == "__main__":
    app()
