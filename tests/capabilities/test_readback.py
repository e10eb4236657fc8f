"""Which results a run has read back from a service, one bit per person."""

from cicscenario.capabilities.readback import ReadBack


def test_each_step_has_people_of_its_own() -> None:
    seen = ReadBack()
    for person in (0, 7, 8, 4_000):
        seen.add("metadata", person)
    assert [person for person in range(5_000) if person in seen.of("metadata")] == [0, 7, 8, 4_000]
    assert len(seen.of("metadata")) == 4
    assert 0 not in seen.of("metadata_phone")
    assert -1 not in seen.of("metadata")


def test_a_person_counts_once() -> None:
    seen = ReadBack()
    seen.add("metadata", 3)
    seen.add("metadata", 3)
    assert len(seen.of("metadata")) == 1


def test_a_million_people_take_little_memory() -> None:
    seen = ReadBack()
    for person in range(0, 1_000_000, 1_000):
        seen.add("metadata", person)
    assert seen.size <= 200_000
