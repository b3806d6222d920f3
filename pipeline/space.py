"""The space of a search: what Optuna may choose, and the architecture's settings with it put in place."""

import json
import math
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import BaseTrial

from pipeline.config import Dimension, Instance

Space = Mapping[str, Dimension]
"""Dotted key of an architecture's settings → what may stand there."""


def choose(trial: BaseTrial, space: Space) -> dict[str, Any]:
    """Let a trial choose a value for each key; one that has chosen already says the same again."""
    return {key: _suggest(trial, key, dimension) for key, dimension in space.items()}


def _suggest(trial: BaseTrial, key: str, dimension: Dimension) -> Any:
    if dimension.choices is not None:
        labels = [label(choice) for choice in dimension.choices]
        return dimension.choices[labels.index(trial.suggest_categorical(key, labels))]
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    if dimension.whole:
        return trial.suggest_int(key, low, high, step=step or 1, log=log)
    return trial.suggest_float(key, low, high, step=step, log=log)


def label(choice: Any) -> str | int | float | bool | None:
    """Return a choice as Optuna can store it: lists and mappings as JSON."""
    return json.dumps(choice) if isinstance(choice, list | dict) else choice


def here(settings: Instance, space: Space) -> dict[str, Any] | None:
    """Return what the settings hold at the keys of the space, in Optuna's form; None where it is outside."""
    known = OmegaConf.create(settings)
    found = {key: OmegaConf.select(known, key) for key in space}
    values = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in found.items()}
    inside = all(_holds(dimension, values[key]) for key, dimension in space.items())
    return {key: label(value) for key, value in values.items()} if inside else None


def _holds(dimension: Dimension, value: Any) -> bool:
    if dimension.choices is not None:
        return value in dimension.choices
    if dimension.low is None or dimension.high is None or not isinstance(value, int | float):
        return False
    steps = (value - dimension.low) / (dimension.step or 1)
    on_step = dimension.step is None or math.isclose(steps, round(steps), abs_tol=1e-9)
    return dimension.low <= value <= dimension.high and on_step


def place(settings: Instance, values: Mapping[str, Any]) -> Instance:
    """Return settings with the values at the dotted keys put in.

    Raises
    ------
    KeyError
        Naming a key that the settings lack.
    """
    changed, nothing = OmegaConf.create(settings), object()
    for key, value in values.items():
        if OmegaConf.select(changed, key, default=nothing) is nothing:
            raise KeyError(key)
        OmegaConf.update(changed, key, value, merge=False)
    plain: Instance = OmegaConf.to_container(changed)  # type: ignore[assignment]
    return plain


def without(settings: Instance, **decided: Any) -> Instance:
    """Take out what the run decides and not the file: undoes `pipeline.config.given`."""

    def clear(value: Any) -> Any:
        if isinstance(value, list):
            return [clear(item) for item in value]
        return without(value, **decided) if isinstance(value, dict) else value

    return {
        key: clear(value)
        for key, value in settings.items()
        if not (key in decided and value == decided[key] and "_target_" in settings)
    }
