import pytest

from serving import limits
from serving.errors import RequestError
from serving.limits import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rate(clock: Clock) -> Rate:
    return Rate(60, 3, clock)


def taken(rate: Rate, address: str = "192.0.2.1", sounds: int = 1) -> bool:
    try:
        rate.take(address, sounds)
    except RequestError:
        return False
    return True


def test_a_burst_and_then_the_rate(rate: Rate, clock: Clock) -> None:
    assert [taken(rate) for _ in range(5)] == [True, True, True, False, False]
    clock.now += 1
    assert [taken(rate) for _ in range(2)] == [True, False]
    clock.now += 1000
    assert [taken(rate) for _ in range(4)] == [True, True, True, False]


def test_says_how_long_to_wait(rate: Rate, clock: Clock) -> None:
    rate.take("192.0.2.1", 3)
    clock.now += 0.5
    with pytest.raises(RequestError) as refused:
        rate.take("192.0.2.1", 2)
    assert (refused.value.status, refused.value.code) == (429, "rate")
    assert refused.value.headers == {"Retry-After": "2"}
    clock.now += 2
    assert taken(rate, sounds=2)


def test_what_is_owed_is_waited_for(rate: Rate, clock: Clock) -> None:
    rate.take("192.0.2.1", 10, owed=True)
    clock.now += 7
    assert not taken(rate)
    clock.now += 1
    assert taken(rate)


def test_one_client_is_not_another(rate: Rate) -> None:
    assert [taken(rate, "192.0.2.1") for _ in range(4)][-1] is False
    assert taken(rate, "192.0.2.2")
    assert [taken(rate, f"2001:db8::{i}") for i in range(4)] == [True, True, True, False]
    assert taken(rate, "2001:db8:1::1")
    assert taken(rate, "a socket")


def test_without_a_rate_everything_goes() -> None:
    rate = Rate(None, 1)
    assert all(taken(rate) for _ in range(100))
    assert not rate.buckets


def test_remembers_no_more_clients_than_it_may(rate: Rate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLIENTS", 5)
    for i in range(50):
        rate.take(f"192.0.2.{i}")
    assert list(rate.buckets) == [f"192.0.2.{i}" for i in range(45, 50)]
