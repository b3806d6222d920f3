import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate

from pipeline.config import Config
from pipeline.stage import ROOT, PipelineError, choices, validated

GROUPS = sorted(
    (file.parent.name, file.stem) for file in (ROOT / "conf").glob("*/*.yaml") if file.parent.name != "hydra"
)


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.split", *arguments]
    return subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("group", "choice"), GROUPS)
def test_every_choice_composes_and_validates(compose, group: str, choice: str):
    cfg = validated(compose(f"{group}={choice}"))
    assert isinstance(cfg, Config)
    if group != "architecture":
        assert getattr(cfg, group).name == choice


@pytest.mark.parametrize(("group", "choice"), GROUPS)
def test_every_target_instantiates(compose, group: str, choice: str):
    cfg = validated(compose(f"{group}={choice}"))
    settings = getattr(cfg, group)
    settings = settings if isinstance(settings, dict) else settings.model_dump()
    targets = []

    def visit(node: object) -> None:
        if isinstance(node, dict):
            if "_target_" in node:
                made = instantiate(node, _convert_="all")
                targets.append(node["_target_"])
                assert type(made).__name__ == node["_target_"].rsplit(".", 1)[1]
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(settings)
    assert bool(targets) == (group in {"architecture", "features"} or choice == "double")


def test_the_shipped_choices_name_every_group(compose):
    named = {choice.split("=")[0] for choice in choices()}
    assert {group for group, _ in GROUPS} - {"architecture", "search"} <= named
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert validated(compose()).architectures == params["architectures"]
    assert {("architecture", name) for name in params["architectures"]} <= set(GROUPS)


def test_seed_and_tree_reach_the_architecture(compose):
    cfg = validated(compose("architecture=hierarchical_original", "taxonomy=four", "seed=41"))
    assert cfg.architecture["tree"] == cfg.taxonomy.tree
    assert cfg.architecture["estimator"]["random_state"] == 41
    assert "random_state" not in cfg.architecture  # the tree itself takes none
    node = "+architecture.nodes.aroused={_target_:pipeline.architectures.mlp.MLP,random_state:7}"
    assert validated(compose(node)).architecture["nodes"]["aroused"]["random_state"] == 7
    members = "+architecture.members=[{_target_:pipeline.architectures.mlp.MLP}]"
    assert validated(compose(members, "seed=41")).architecture["members"][0]["random_state"] == 41
    assert cfg.experiment == "emotion-detector-four"


def test_the_command_line_has_the_last_word(compose):
    assert validated(compose("taxonomy=four")).taxonomy.name == "four"
    assert validated(compose("protocol=folds", "protocol.folds=3")).protocol.folds == 3


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("+protocol.tset=0.2", "protocol.tset"),
        ("+sede=3", "sede"),
        ("~protocol.validation", "protocol.validation"),
        ("seed=nine", "seed"),
        ("seed=-1", "seed"),
        ("protocol.test=0.7", "protocol.test"),
        ("protocol.test=much", "protocol.test"),
        ("protocol.folds=0", "folds is 1 or more"),
        ("protocol.folds=6", "give it with folds: 1, and only there"),
        ("protocol.unit=corpora", "corpora in a fold each"),
        ("protocol.corpora.tess=[hearing]", "protocol.corpora.tess.0"),
        ("corpora.require=[iemocap]", "corpora.require.0"),
        ("corpus=iemocap", "corpus"),
        ("augmentation.copies=many", "augmentation.copies"),
        ("+features.views.statistics2=Statistics", "features.views.statistics2"),
        ("architectures=[]", "architectures"),
        ("taxonomy.tree.aroused=[happy]", "'aroused' needs at least two branches"),
        ("taxonomy.tree.aroused=[happy,sad]", "a name stands twice"),
        ("taxonomy.tree.aroused=[hapy,anger]", "hapy"),
    ],
)
def test_what_does_not_fit_is_named(compose, override: str, named: str):
    with pytest.raises(PipelineError) as refused:
        validated(compose(override))
    assert named in str(refused.value)
    assert "conf/" in str(refused.value)


def test_a_protocol_that_tests_nothing_is_refused(compose):
    with pytest.raises(PipelineError, match="corpora names none that may be in test"):
        validated(compose("protocol=tess_speakers", "protocol.corpora.tess=[training]"))


def test_who_may_only_validate_is_not_learned_from_by_refit(compose):
    with pytest.raises(PipelineError, match=r"refit learns from \['cremad', 'ravdess', 'savee'\] too"):
        validated(compose("protocol=tess_speakers", "protocol.refit=true"))


def test_every_fault_is_named_at_once(compose):
    with pytest.raises(PipelineError, match=r"(?s)protocol\.tset.*seed"):
        validated(compose("+protocol.tset=1", "seed=nine"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["taxonomy=five"], ["taxonomy/five", "four", "six"]),
        (["sede=3"], ["sede"]),
        (["+protocol.tset=0.2"], ["protocol.tset", "conf/"]),
        (["seed=nine"], ["seed", "integer"]),
    ],
)
def test_a_stage_ends_with_a_message_and_status_1(tmp_path: Path, arguments: list[str], named: list[str]):
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in named:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["-m", "seed=1,2"], ["seed=1,2", "-m"], ["--multirun", "seed=1,2", "jobs=1"]]
)
def test_a_stage_takes_hydra_s_options_before_and_after_the_choices(tmp_path: Path, arguments: list[str]):
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert "utterances.parquet" in done.stderr  # it got as far as to read its input
