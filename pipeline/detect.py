"""Detect: the champion's answer for sound files, one JSON line each; without a champion, the release's.

``python -m pipeline.detect FILE…`` exits with 0, with 1 where a file could not be used, and with 2 where
there is no champion to ask.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pipeline import tracking
from pipeline.audio import AudioError, Samples, decode
from pipeline.detector import RELEASE, Detector, about
from pipeline.stage import ROOT, PipelineError, choices
from pipeline.version import Version


def champion(taxonomy: str) -> tuple[Detector, dict[str, str]]:
    """Return the champion of a taxonomy, or the release that stands in for it, and which model it is.

    Raises
    ------
    PipelineError
        Where there is neither.
    """
    tracking.connect()
    name = f"emotion-detector-{taxonomy}"
    version = tracking.champion(name)
    if version is None:
        if (release := Version.read(RELEASE)) and release.about["name"] == name:
            return release.detector, release.about
        raise PipelineError(
            f"no version of {name} is champion, nor is it in {RELEASE}/: `make repro` trains, registers and "
            f"promotes one; `dvc pull {RELEASE}.dvc` fetches what is released"
        )
    detector = tracking.load(name, version.version)
    return detector, about(name, str(version.version), detector.trained_on)


def sound(path: Path) -> Samples:
    """Read a sound file as mono 16 kHz.

    Raises
    ------
    AudioError
        Where it cannot be opened or is no sound that can be used.
    """
    try:
        if path.exists() and not path.is_file():
            raise AudioError("file", "this is not a file", "name a sound file")
        return decode(path).samples
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AudioError(
            "file", f"the file cannot be read: {reason}", "check its name and permissions"
        ) from None


def answer(path: Path, detector: Detector, model: dict[str, str]) -> dict[str, Any]:
    """Return the line for one file: the detector's answer, or what is wrong with the file."""
    try:
        found = detector.detect(sound(path)).to_dict()
    except AudioError as error:
        return {
            "file": str(path),
            "error": {"code": error.code, "message": error.message, "hint": error.hint},
        }
    return {"file": str(path), **found, "model": model}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each file and return the exit status."""
    known = sorted(path.stem for path in (ROOT / "conf" / "taxonomy").glob("*.yaml"))
    chosen = dict(choice.split("=", 1) for choice in choices())["taxonomy"]
    parser = argparse.ArgumentParser(prog="python -m pipeline.detect", description=__doc__)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a sound file")
    parser.add_argument("--taxonomy", choices=known, default=chosen, help="default: %(default)s")
    options = parser.parse_args(arguments)
    lines, failed = sys.stdout, False
    with redirect_stdout(sys.stderr):  # whatever the libraries print, stdout carries JSON alone
        try:
            detector, model = champion(options.taxonomy)
        except PipelineError as error:
            print(f"error: {error}")
            return 2
        for path in options.files:
            line = answer(path, detector, model)
            failed |= "error" in line
            print(json.dumps(line, ensure_ascii=False), file=lines, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
