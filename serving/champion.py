"""Which version serves: where it is found at the start, and the place from which every answer takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import BentoMLException

from serving import metrics

if TYPE_CHECKING:
    from pipeline.version import Version

# The same relative path in the repository and inside a Bento. Resolved on import: only then is the working
# folder sure to be the service's.
BUNDLE = Path("build/bundle/bundle.json").resolve()
RELEASE = Path("release").resolve()


@dataclass(frozen=True)
class Found:
    """A version that could serve.

    Attributes
    ----------
    key : tuple of str
        Name, number and run: by which two looks tell whether it is another one.
    read : callable
        Opens it; fails in any way where it is not whole.
    """

    key: tuple[str, str, str]
    read: Callable[[], Version]


class Champion:
    """The version that serves. Whoever answers takes it once, and is not disturbed when it is replaced."""

    def __init__(self) -> None:
        self.version: Version | None = None
        self.key: tuple[str, str, str] | None = None

    def take(self, found: Found) -> None:
        """Open a version, see that it answers as it should, and let it serve from now on.

        Raises
        ------
        Exception
            Of any kind, where it is not whole or not fit: then the one before it goes on.
        """
        version = found.read()
        version.detector.warm_up()  # no request should wait for what is compiled once
        version.check()
        before, self.version, self.key = self.version, version, found.key
        if before is not None:
            _gauge(before).set(0)
        _gauge(version).set(1)

    @property
    def serving(self) -> Version:
        """The version that serves; there is one from before the first request on."""
        assert self.version is not None
        return self.version


def _gauge(version: Version) -> Any:
    return metrics.MODEL.labels(version.facts["name"], version.facts["version"])


def at_start(pinned: str | None) -> Found:
    """Return what to serve: the version that is pinned, else the bundled champion, else the release.

    Raises
    ------
    BentoMLException
        Saying what to do where there is none.
    """
    if pinned == RELEASE.name or (pinned is None and not BUNDLE.is_file()):
        if (RELEASE / "model.json").is_file():
            return Found((RELEASE.name, "", ""), lambda: _opened(RELEASE))
        raise BentoMLException(
            f"there is neither build/bundle/bundle.json nor {RELEASE.name}/ here: run `make serve`, which "
            "fetches what is released, or `make repro`, which trains a model of your own and bundles it"
        )
    if pinned is None:
        try:
            found = bundled()
            assert found is not None
        except (OSError, ValueError, KeyError):
            raise BentoMLException(
                "build/bundle/bundle.json cannot be read: run `dvc repro --force --single-item bundle`"
            ) from None
    else:
        found = Found((*_split(pinned), ""), lambda: _stored(pinned))
    _model(":".join(found.key[:2]))
    return found


def bundled() -> Found | None:
    """Return the version that ``bundle.json`` names; None where there is no such file.

    Raises
    ------
    OSError, ValueError, KeyError
        Where it cannot be read.
    """
    if not BUNDLE.is_file():
        return None
    told = json.loads(BUNDLE.read_text())
    tag = str(told["model"])
    return Found((*_split(tag), str(told["run_id"])), lambda: _stored(tag))


def _split(tag: str) -> tuple[str, str]:
    name, _, number = tag.partition(":")
    return name, number


def _model(tag: str) -> bentoml.Model:
    try:
        found = bentoml.models.get(tag)
    except BentoMLException:
        found = None
    if found is None or str(found.tag) != tag:  # the store takes "name:1" for "name:10" too
        raise BentoMLException(
            f"the model {tag} is not in the BentoML model store (BENTOML_HOME): run "
            "`dvc repro --force --single-item bundle`, which puts the champion there"
        )
    return found


def _stored(tag: str) -> Version:
    return _opened(Path(_model(tag).path))


def _opened(folder: Path) -> Version:
    from pipeline.version import Version  # noqa: PLC0415  # seconds, in the workers alone

    version = Version.read(folder)
    if version is None:
        raise BentoMLException(
            f"{folder.name} holds no detector of this version of the project: run "
            "`dvc repro --force --single-item bundle`"
        )
    return version
