"""The command line of the measurements of the service: ``name=value`` words, and where to write JSON."""

import argparse
from pathlib import Path


def read(about: str, defaults: dict[str, str]) -> tuple[dict[str, str], Path | None]:
    """Return the value of each choice, those of the command line before the defaults, and the JSON file."""
    parser = argparse.ArgumentParser(description=about.split("\n", 1)[0])
    usual = " ".join(f"{name}={value or '…'}" for name, value in defaults.items())
    parser.add_argument("choices", nargs="*", help=usual)
    parser.add_argument("--json", type=Path, help="write it here too")
    given = parser.parse_args()
    choices = dict(choice.partition("=")[::2] for choice in given.choices)
    if unknown := choices.keys() - defaults.keys():
        parser.error(f"no such choice: {', '.join(sorted(unknown))}")
    return defaults | choices, given.json
