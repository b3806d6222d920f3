import struct

import numpy as np
import pytest

from benchmarks.mutations import EXTREMES, HEAD, MUTATIONS, Mutation, edit, flip, lie, mutated, repeat, splice

DATA = bytes(np.random.default_rng(0).integers(256, size=5_000, dtype=np.uint8))
FILES = {"a": DATA, "b": bytes(3_000), "c": DATA[::-1]}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_mutation_changes_bytes_the_same_way_each_time(mutation: Mutation) -> None:
    made = [mutation(DATA, rng(seed)) for seed in range(20)]
    assert made == [mutation(DATA, rng(seed)) for seed in range(20)]
    assert sum(data != DATA for data in made) >= 19
    assert len(set(made)) >= 19


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_little_is_enough(mutation: Mutation, size: int) -> None:
    for seed in range(50):
        assert isinstance(mutation(DATA[:size], rng(seed)), bytes)


def test_flips_keep_the_length_and_change_few_bits() -> None:
    for seed in range(20):
        flipped = flip(DATA, rng(seed))
        assert len(flipped) == len(DATA)
        bits = int.from_bytes(DATA, "big") ^ int.from_bytes(flipped, "big")
        assert bits.bit_count() <= 64


def test_edits_stay_at_the_beginning() -> None:
    assert all(edit(DATA, rng(seed))[HEAD:] == DATA[HEAD:] for seed in range(50))


def test_lies_stand_beside_the_names_of_parts() -> None:
    data = bytearray(b"\x55" * 4_000)
    data[1_000:1_004] = b"stsz"
    lies = [lie(bytes(data), rng(seed)) for seed in range(200)]
    places = {i for made in lies for i, (a, b) in enumerate(zip(data, made, strict=True)) if a != b}
    assert min(places) >= 996
    assert max(places) < 1_004 + 24 + 4
    assert any(struct.pack(">I", 2**31 - 1) in made for made in lies)
    assert 2**32 - 1 in EXTREMES


def test_repeats_grow_and_splices_join_two() -> None:
    assert all(len(repeat(DATA, rng(seed))) > len(DATA) for seed in range(20))
    for seed in range(20):
        joined = splice(b"a" * 100, b"b" * 100, rng(seed))
        assert joined == b"a" * joined.count(b"a") + b"b" * joined.count(b"b")


def test_formats_take_turns_and_numbers_decide() -> None:
    made = [mutated(FILES, 9, number) for number in range(30)]
    assert [name for name, _ in made] == ["a", "b", "c"] * 10
    assert made[7] == mutated(FILES, 9, 7)
    assert made[7] != mutated(FILES, 8, 7)
    assert len({data for _, data in made}) > 25
