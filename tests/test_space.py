import optuna
import pytest
import yaml
from optuna.trial import FixedTrial
from pydantic import ValidationError

from pipeline.config import Dimension
from pipeline.space import choose, here, label, place, without
from pipeline.stage import ROOT, validated

SETTINGS = {
    "_target_": "a.b.Tree",
    "estimator": {"_target_": "a.b.C", "units": 3, "filters": [8, 16]},
    "nodes": {},
}


def dimensions(**space: dict) -> dict[str, Dimension]:
    return {key: Dimension.model_validate(values) for key, values in space.items()}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "give low and high, or choices"),
        ({"low": 1}, "give low and high, or choices"),
        ({"low": 3, "high": 2}, "must be below high"),
        ({"low": 0, "high": 2, "log": True}, "must be above 0"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "either log or step"),
        ({"low": 1, "high": 9, "step": 0.5}, "must be whole"),
        ({"low": 1, "high": 9, "step": 0}, "greater than 0"),
        ({"low": 1, "high": 9, "choices": [1, 2]}, "not both"),
        ({"choices": [1]}, "at least 2"),
        ({"low": 1, "hihg": 9}, "hihg"),
    ],
)
def test_what_is_no_dimension_is_refused(values: dict, named: str):
    with pytest.raises(ValidationError, match=named):
        Dimension.model_validate(values)


def test_what_is_chosen_lies_in_the_space():
    space = dimensions(
        units={"low": 32, "high": 1024, "log": True},
        even={"low": 2, "high": 8, "step": 2},
        alpha={"low": 1e-5, "high": 1.0, "log": True},
        rate={"low": 0, "high": 0.5, "step": 0.1},
        filters={"choices": [[8, 16], [16, 32]]},
        other={"choices": [None, {"_target_": "a.b.C"}]},
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = []
    for _ in range(60):
        trial = study.ask()
        seen.append(choose(trial, space))
        assert choose(FixedTrial(trial.params), space) == seen[-1]
        study.tell(trial, 0.0)
    units, alpha = [s["units"] for s in seen], [s["alpha"] for s in seen]
    assert all(type(u) is int and 32 <= u <= 1024 for u in units)
    assert sum(u < 181 for u in units) > 15  # half of them, by their logarithm
    assert all(1e-5 <= a <= 1 for a in alpha)
    assert {s["even"] for s in seen} == {2, 4, 6, 8}
    assert {round(s["rate"], 6) for s in seen} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    assert {tuple(s["filters"]) for s in seen} == {(8, 16), (16, 32)}
    assert {label(s["other"]) for s in seen} == {None, '{"_target_": "a.b.C"}'}


def test_place_changes_what_is_named_and_nothing_else():
    changed = place(SETTINGS, {"estimator.units": 5, "nodes": {"aroused": {"units": 1}}})
    assert changed["estimator"] == SETTINGS["estimator"] | {"units": 5}
    assert changed["nodes"] == {"aroused": {"units": 1}}
    assert SETTINGS["estimator"]["units"] == 3
    assert place(SETTINGS, {"estimator.filters": [1]})["estimator"]["filters"] == [1]
    with pytest.raises(KeyError, match=r"estimator\.untis"):
        place(SETTINGS, {"estimator.untis": 5})


@pytest.mark.parametrize(
    ("dimension", "inside"),
    [
        ({"low": 1, "high": 9}, True),
        ({"low": 1, "high": 9, "step": 2}, True),
        ({"low": 2, "high": 9, "step": 2}, False),
        ({"low": 4, "high": 9}, False),
        ({"choices": [3, 5]}, True),
        ({"choices": [4, 5]}, False),
    ],
)
def test_here_tells_what_the_settings_hold_where_the_space_has_it(dimension: dict, inside: bool):
    space = dimensions(**{"estimator.units": dimension, "estimator.filters": {"choices": [[8, 16], [1]]}})
    now = {"estimator.units": 3, "estimator.filters": "[8, 16]"}
    assert here(SETTINGS, space) == (now if inside else None)


def test_without_undoes_given():
    inner = {"_target_": "x.Y", "random_state": 9, "units": 9}
    filled = {"_target_": "a.b.T", "tree": {"up": ["a", "b"]}, "estimator": inner, "members": [inner]}
    own = {"_target_": "x.Y", "units": 9}
    assert without(filled, random_state=9, tree={"up": ["a", "b"]}) == {
        "_target_": "a.b.T",
        "estimator": own,
        "members": [own],
    }
    assert without(filled, random_state=8)["estimator"] == inner  # somebody's own choice stays


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "conf" / "search").glob("*.yaml")))
def test_every_search_starts_inside_its_space(compose, name: str):
    cfg = validated(compose(f"search={name}"))
    assert cfg.search is not None
    assert cfg.search.name == name
    assert here(cfg.architecture, cfg.search.space) is not None
    place(cfg.architecture, dict.fromkeys(cfg.search.space))  # it has every key
    base = yaml.safe_load((ROOT / "conf" / "search" / f"{name}.yaml").read_text())["defaults"][0]
    (file,) = base.values()
    target = yaml.safe_load((ROOT / "conf" / "architecture" / f"{file}.yaml").read_text())["_target_"]
    assert cfg.architecture["_target_"] == target
