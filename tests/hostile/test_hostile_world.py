"""Some of the cases of ``python -m tests.hostile``: each fault once in the chain's way, and once in that of another service."""

from collections.abc import Iterator

import pytest

from tests.support.hostile_world import FAULTS, Case, HostileWorld, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: Of the backend with most services; each has every service at least once over the faults.
OTHERS = {
    "refuses": "postgres",
    "hangs": "meta",
    "resets in mid-reply": "ussd",
    "garbage": "redis",
    "other server's words": "ussd",
    "reply twice": "redis",
    "request twice": "ussd",
    "answer dropped": "postgres",
    "restarted empty": "meta",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileWorld]:
    with HostileWorld(tmp_path_factory.mktemp("hostile")) as world:
        yield world


CASES = [Case("eth", "node", fault, seed) for seed, fault in enumerate(FAULTS)] + [
    Case("cic_ussd", service, fault, seed) for seed, (fault, service) in enumerate(OTHERS.items())
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_everybody_arrives_once(world: HostileWorld, case: Case) -> None:
    end = world.carry_out(case, pause=3)
    assert end.survived, "\n".join([*end.lost, *end.doubled, *end.wrong, *table([end]), end.last_words])


def test_while_the_fault_lasts_the_run_ends_by_itself_and_names_the_service(world: HostileWorld) -> None:
    """The fault holds until the command has ended: it may not call anybody missing."""
    end = world.carry_out(Case("cic_ussd", "ussd", "other server's words", 1, whole=True))
    assert end.survived, "\n".join([*end.lost, *end.doubled, *end.wrong, end.last_words])
    assert end.codes == [3, 0]
