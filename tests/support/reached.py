"""Which situation leads a command to which boundary. Every boundary that the package declares is in one of them.

A test of each situation kills a process before and after each of its boundaries (tests/cli/test_run_killed.py,
tests/cli/test_every_boundary.py and tests/workers/test_run.py).
"""

from collections.abc import Iterable

_ALL = ("eth", "eth_traffic", "cic_eth", "cic_ussd")
_ANY_RUN = {
    "chain.send", "file.open", "file.replace", "file.replace_again", "lock.take", "log.line", "meta.store",
    "state.checks", "state.checks_forgotten", "state.identity", "state.make", "state.outcomes",
    "state.place", "state.reopened", "state.settled", "state.signed", "state.trace",
}  # fmt: skip
_ANY_ENGINE = {"engine.ask_workers", "engine.push", "state.answered", "state.requested"}
_ASKED_PAYMENTS = {"state.payments_answered", "state.payments_asked"}


def _each(backends: Iterable[str], boundaries: set[str]) -> dict[str, set[str]]:
    return dict.fromkeys(backends, boundaries)


#: By situation and backend: the boundaries at which a process is killed there. An empty backend means: no run.
REACHED: dict[str, dict[str, set[str]]] = {
    "run": {
        "eth": {*_ANY_RUN, "file.create", "keystore.file"},
        "eth_traffic": {*_ANY_RUN, "file.create"},
        "cic_eth": {*_ANY_RUN, *_ANY_ENGINE, "engine.create"},
        "cic_ussd": {*_ANY_RUN, *_ANY_ENGINE, "accounts.change", "phone.post"},
    },
    "export": _each(_ALL, {"export.files", "file.open", "folder.place"}),
    # A phone number belongs to its account, so a fresh run of the same people is refused with cic_ussd.
    "fresh": _each(("eth", "cic_eth"), {"directory.set_aside"}),
    # A node that mines at once leaves nothing to write down between sending and mining.
    "blocks are waited for": {"eth": {"state.broadcast"}},
    "older format": _each(_ALL, {"state.convert"}),
    "repair": _each(_ALL, {
        "lock.take", "state.identity", "state.in_place", "state.made_anew", "state.make", "state.place", "state.set_aside",
    }),
    "metadata in two steps": _each(_ALL, {"meta.prepare"}),
    # Only a run through the engine asks it anything.
    "registration reverted": _each(("cic_eth", "cic_ussd"), {"engine.register"}),
    "faucet refuses": _each(("cic_eth", "cic_ussd"), {"engine.gift"}),
    "payments by the engine": {"cic_eth_traffic": {*_ASKED_PAYMENTS, "engine.transfer"}},
    "engine paused": _each(("cic_eth", "cic_ussd"), {"engine.take_back"}),
    "report to a file": {"": {"report.output", "file.replace"}},
    # These two need no run; a process of their own is killed.
    "failing list": {"": {"failing.write", "failing.remove"}},
    "home folder": {"": {"folder.ignore", "file.create"}},
    "new scenario": {"": {"scenario.create", "file.create"}},
    # A run with workers, and the workers: tests/workers/test_run.py.
    "run with workers": {"": {"workers.push", "workers.take"}},
    "worker": {"": {"workers.answer", "workers.beat", "workers.turn"}},
    # A sandbox with one run, and a snapshot of it: tests/cli/test_snapshot_kills.py.
    "snapshot saved": {"": {"snapshot.stop", "snapshot.write", "snapshot.start", "file.replace"}},
    "snapshot restored": {"": {
        "snapshot.unpack", "snapshot.decide", "snapshot.set_aside", "snapshot.place_run", "snapshot.move_out",
        "snapshot.move_in", "snapshot.delete_old",
    }},
}  # fmt: skip


def of_situation(situation: str, backend: str = "") -> list[str]:
    """The points before and after each of its boundaries, without a count."""
    return [f"{name}:{side}" for name in sorted(REACHED[situation][backend]) for side in ("before", "after")]
