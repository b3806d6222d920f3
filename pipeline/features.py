"""Features: every view of every clip and augmented copy, computed once."""

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
from pipeline.parallel import each
from pipeline.stage import PipelineError, output, stage
from pipeline.store import Writer

log = logging.getLogger("features")


def views(features: Features) -> dict[str, View]:
    """Make the views that conf/features describes, by name."""
    return {name: instantiate(view) for name, view in features.views.items()}


@dataclass(frozen=True)
class Extract:
    """Computes all views of one clip, or says why it cannot."""

    views: dict[str, View]

    def __call__(self, clip: tuple[str, Path]) -> dict[str, NDArray[np.float32]] | str:
        """Return the views of the clip in the file ``clip[1]``, by name; a reason where there are none."""
        try:
            sound = decode(clip[1]).samples
        except AudioError as error:
            return str(error)
        values = {name: view(sound) for name, view in self.views.items()}
        broken = [name for name, value in values.items() if not np.isfinite(value).all()]
        return f"the views {', '.join(broken)} hold numbers that are not finite" if broken else values


def clips(build: Path) -> list[tuple[str, Path]]:
    """List the ids and files of all clips, whatever the taxonomy and the split, and of augmented copies."""
    originals = table.read(build / "merge" / "utterances.parquet")
    copies = table.read(build / "augment" / "copies.parquet")
    return [(row.id, build / "merge" / row.path) for row in originals.itertuples()] + [
        (row.id, build / "augment" / row.path) for row in copies.itertuples()
    ]


def main(cfg: Config) -> None:
    """Read build/merge and build/augment, write build/features."""
    wanted = views(cfg.features)
    warm_up(wanted.values())
    found = clips(cfg.build)
    failed = []
    with output(cfg.build / "features") as folder:
        with ExitStack() as stack:
            writers = {name: stack.enter_context(Writer(folder, name, view)) for name, view in wanted.items()}
            computed = each(Extract(wanted), found, cfg.jobs, "features")
            for (clip, path), values in zip(found, computed, strict=True):
                if isinstance(values, str):
                    log.warning("%s left out: %s", clip, values)
                    failed.append(
                        {
                            "corpus": clip.split("-")[0],
                            "path": str(path),
                            "reason": "features",
                            "detail": values,
                        }
                    )
                    continue
                for name, value in values.items():
                    writers[name].add(clip, value)
        if len(failed) == len(found):
            raise PipelineError(
                f"no view of any of {len(found)} clips could be computed; the last: {failed[-1]['detail']}"
            )
        columns = list(table.Quarantine.to_schema().columns)
        table.write(pd.DataFrame(failed, columns=columns), table.Quarantine, folder / "quarantine.parquet")


app = stage(main)

if __name__ == "__main__":
    app()
