import pytest
import yaml

from pipeline.stage import ROOT
from pipeline.taxonomy import EMOTIONS, Node


def shipped(name: str) -> Node:
    return Node.read(yaml.safe_load((ROOT / "conf" / "taxonomy" / f"{name}.yaml").read_text())["tree"])


def test_six_is_the_issue_s_tree():
    root = shipped("six")
    assert root.classes == EMOTIONS
    assert [(n.name, [c.name for c in n.children]) for n in root.decisions] == [
        ("emotion", ["aroused", "subdued"]),
        ("aroused", ["happy", "anger"]),
        ("subdued", ["neutral", "distressed"]),
        ("distressed", ["sad", "fear", "disgust"]),
    ]


def test_four_is_the_issue_s_tree():
    root = shipped("four")
    assert root.classes == ("anger", "happy", "neutral", "sad")
    assert [(n.name, [c.name for c in n.children]) for n in root.decisions] == [
        ("emotion", ["aroused", "subdued"]),
        ("aroused", ["happy", "anger"]),
        ("subdued", ["sad", "neutral"]),
    ]


def test_path_goes_from_the_first_branch_to_the_class():
    root = shipped("six")
    assert [n.name for n in root.path("fear")] == ["subdued", "distressed", "fear"]
    assert [n.name for n in root.path("neutral")] == ["subdued", "neutral"]
    assert root.path("surprise") == ()


def test_walk_goes_from_the_top_down():
    names = [n.name for n in shipped("six").walk()]
    assert names[0] == "emotion"
    assert len(names) == len(set(names)) == 10
    assert names.index("subdued") < names.index("distressed") < names.index("fear")


def test_a_class_is_its_own_only_class():
    leaf = shipped("four").path("sad")[-1]
    assert leaf.classes == ("sad",)
    assert leaf.decisions == ()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"aroused": ["happy"], "subdued": ["sad", "neutral"]}, "'aroused' needs at least two branches"),
        (["happy"], "'emotion' needs at least two branches"),
        ({}, "at least two branches, it has 0"),
        ({"aroused": ["happy", "sad"], "subdued": ["sad", "neutral"]}, "a name stands twice"),
        ({"emotion": ["happy", "anger"], "sad": None}, "a name stands twice"),
    ],
)
def test_a_tree_that_is_none_is_refused(tree: object, message: str):
    with pytest.raises(ValueError, match=message):
        Node.read(tree)
