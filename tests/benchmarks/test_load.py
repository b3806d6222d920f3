import pytest

from benchmarks.load import Reply, clips, faults, summary
from pipeline.audio import decode

ANSWERED = Reply("one", 200, 1.0, 5.0, True)
AWAY = Reply("one", 429, 0.1, 5.0, True)
KILLED = {"replaced": True, "seconds": 9.0, "truthful": True}


def test_sends_sounds_that_can_be_used() -> None:
    seconds = {round(decode(data).duration) for data in clips()}
    assert seconds == {1, 3, 8}


def test_counts_what_came_back() -> None:
    slow = Reply("one", 200, 3.0, 6.0, True)
    other = Reply("batch of 8", 500, 0.1, 6.0, False)
    table = summary([ANSWERED, slow, AWAY, other], seconds=4).set_index("request")
    row = table.loc["one"]
    assert (row["answered"], row["sent away (429)"], row["anything else"]) == (2, 1, 0)
    assert (row["answers a second"], row["median s"]) == (0.5, 2)
    assert table.loc["batch of 8", "anything else"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"halves": [ANSWERED, Reply("one", 429, 0.1, 5.0, False)]}, "neither an answer nor a 429"),
        ({"halves": [Reply("one", 503, 0.1, 5.0, False)]}, "neither an answer nor a 429"),
        ({"memory": (500.0, 551.0)}, "memory grew from 500 to 551 MB"),
        ({"memory": (500.0, 549.0)}, None),
        ({"lost": 5}, "5 requests were lost"),
        ({"killed": KILLED | {"replaced": False}}, "not replaced"),
        ({"killed": KILLED | {"truthful": False}}, "/readyz"),
    ],
)
def test_says_what_does_not_hold(change: dict, said: str | None) -> None:
    measured = {
        "halves": [ANSWERED, AWAY],
        "memory": (500.0, 500.0),
        "lost": 4,
        "number": 4,
        "killed": KILLED,
    }
    found = faults(**(measured | change))
    assert found == [] if said is None else said in found[0]
