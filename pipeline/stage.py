"""What every stage shares: how it starts, how it fails, and how it leaves its output."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
import pooch
import yaml
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from pipeline.config import Config

ROOT = Path(__file__).resolve().parent.parent
CACHE_VARIABLE = "EMOTION_DETECTOR_CACHE"
log = logging.getLogger("pipeline")


class PipelineError(Exception):
    """A fault that the person who runs the stage can act on: what was wrong, where, what to do."""


def choices() -> list[str]:
    """Return the choices of params.yaml as Hydra overrides, e.g. ``taxonomy=six``."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    return [
        f"{name}=[{','.join(choice)}]" if isinstance(choice, list) else f"{name}={choice}"
        for name, choice in params.items()
    ]


def stage(main: Callable[[Config], None]) -> Callable[[], None]:
    """Make a Hydra app of a stage.

    The app composes ``conf/`` with the choices of params.yaml and then those of the command line,
    refuses keys and values it does not know, and ends an error that a person can act on with its
    message and exit status 1 instead of a traceback.

    Parameters
    ----------
    main : callable
        The stage: takes the validated configuration, reads its inputs and writes its output.

    Returns
    -------
    callable
        What ``python -m pipeline.<stage>`` calls.
    """

    def run(cfg: DictConfig) -> None:
        try:
            main(validated(cfg))
        except PipelineError as error:
            sys.exit(f"error: {error}")
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise  # not about a file or the disk: a fault of ours, shown whole
            where = f" ({error.filename})" if error.filename else ""
            sys.exit(f"error: {error.strerror}{where}: nothing was written; mend it and run the stage again")

    def app() -> None:
        given = {argument.split("=")[0].lstrip("+~") for argument in sys.argv[1:]}
        defaults = [choice for choice in choices() if choice.split("=")[0] not in given]
        # Side by side with the overrides given: an option such as -m may stand before or after all of them.
        first = next((i for i, a in enumerate(sys.argv) if i and "=" in a and a[0] != "-"), len(sys.argv))
        sys.argv[first:first] = defaults
        hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="config")(run)()

    return app


def cache() -> Path:
    """Return the user's cache, which outlives the outputs: downloads, and views computed before."""
    return pooch.create(pooch.os_cache("emotion-detector"), "", env=CACHE_VARIABLE).abspath  # type: ignore[no-any-return]


def validated(cfg: DictConfig) -> Config:
    """Check a composed configuration against its schema.

    Raises
    ------
    PipelineError
        Naming each key that is unknown, missing or of the wrong kind.
    """
    try:
        return Config.model_validate(OmegaConf.to_container(cfg, resolve=True))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PipelineError(
            f"the configuration does not fit ({faults}): see conf/ for what each key means"
        ) from None


@contextmanager
def output(folder: Path) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Yields an empty folder beside `folder` to write into. It takes the place of `folder` when the block
    ends well and is removed when it does not; what a killed run left is cleared at the next start.

    Parameters
    ----------
    folder : Path
        Where the stage's output is to be.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
