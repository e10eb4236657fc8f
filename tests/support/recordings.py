"""Run directories for tests of reports: one whose run went well, one with everything that can go wrong."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cicscenario.engine.problems import Affected, Problem
from cicscenario.engine.progress import Progress
from cicscenario.resources import load_schema

HOSTILE = "<script>alert('x')</script> & \"quotes\" | `code` [link](https://example.org)"
STEPS = ("population", "accounts", "gift")
GAS = {"gift": {"gas": 72_500}}


def validated(document: dict[str, Any], schema: str = "report-v1") -> dict[str, Any]:
    Draft202012Validator(load_schema(schema)).validate(document)
    return document


def good() -> dict[str, Any]:
    """A thousand people who all arrived."""
    steps = [{"name": n, "ok": 1000, "failed": 0, "pending": 0, "total": 1000, "seconds": 4.0} for n in STEPS]
    return {
        "scenario": "thousand",
        "exit_code": 0,
        "population": 1000,
        "steps": steps,
        "checks": [
            {"name": "gas", "errors": 0, "total": 1000, "failing": []},
            {"name": "balance", "errors": 0, "total": 1000, "failing": [], "allowed": "-2 % to +0 %"},
        ],
        "transactions": {"gift": {"mined": 995}},
        "file": "scenarios/thousand.yaml",
        "written": "2026-01-02T03:04:05+00:00",
        "version": "0.1.0",
        "plan": {
            "steps": [{"name": name, "summary": f"do {name}"} | GAS.get(name, {}) for name in STEPS],
            "checks": [{"name": name, "summary": f"look at {name}"} for name in ("gas", "balance")],
        },
        "document": {"name": "thousand", "description": "A thousand people.", "population": {"size": 1000}},
        "environment": {"name": "staging", "chain.rpc": "http://127.0.0.1:8545"},
    }


def bad() -> dict[str, Any]:
    """A check with 25 errors, a step that failed for three, a check that was not made, and hostile text in all of it."""
    report = good()
    report["exit_code"] = 3
    report["error"] = f"step gift: {HOSTILE}\nrun again"
    report["steps"][2] |= {"ok": 900, "failed": 3, "pending": 97}
    report["steps"][2]["failing"] = [{"person": n, "problem": f"{HOSTILE} {n}\x00\x1b[31m"} for n in range(3)]
    report["checks"][1] |= {"errors": 25, "failing": [{"person": n, "problem": HOSTILE} for n in range(20)]}
    report["plan"]["checks"].append({"name": "keystore", "summary": HOSTILE})
    report["document"]["description"] = HOSTILE
    report["environment"]["name"] = HOSTILE
    report |= {"failing_people": 25, "problems": [problem.document() for problem in problems()]}
    report |= {"orphans": 2, "orphans_certain": 1, "requests": {"ussd": 5250, "meta": 3000}}
    report["money"] = [{"step": "gift", "giver": "the signer", "people": 900, "amount": "99,870 GFT"}]
    report["profile"] = {
        "name": "village", "description": HOSTILE, "source": HOSTILE, "licence": HOSTILE, "people": 1200,
        "measured": "2020-05-12", "digest": "ab" * 32,
        "figures": {"gender": {"female": 0.6, "male": 0.4}, "place": {HOSTILE: 0.75, "b": 0.25}},
    }  # fmt: skip
    report["chain"] = {"spec": "evm:byzantium:8996:bloxberg", "chain_id": "8996", "signer": "0x" + "12" * 20}
    report |= {"began": "2026-11-26T09:00:00+00:00", "seconds": 58.25, "astray": 21}
    report["traffic"] = {
        "meta": {
            "requests": 3000, "repeated": 4, "refused": 3, "unanswered": 1,
            "seconds": {"p50": 0.0021, "p90": 0.008, "p95": 0.0123, "p99": 1.5, "max": 4.0, "sum": 21.5},
        }
    }  # fmt: skip
    report["transactions"] = {"gift": {"mined": 900, "failed": 3, "broadcast": 2}}
    return report


def payments() -> dict[str, Any]:
    """Of 120 payments in 30 days some are made; one of the places has a hostile name, one has none, and some are others."""
    hubs = [
        {"person": n, "payments": 90 - n, "partners": 9, "tokens": str(3 * 10 ** (n % 40))} for n in (0, 29, 77)
    ]  # of 77 nothing is known
    table = {"shares": [0.5, 0.9, 1], "found": [2, 11, 30], "wanted": [2, 11.5, 481]}
    return {
        "planned": 120, "paid": 96, "refused": 3, "tokens": "9007199254740993", "profile": HOSTILE, "usual": 4000,
        "calendar": {"days": 30, "width": 6, "planned": [24] * 5, "paid": [24, 24, 24, 23, 1], "refused": [0, 0, 0, 1, 2]},
        "shares": [
            {"figure": "payers", "found": 0.31, "wanted": 0.611}, {"figure": "receivers", "found": 0.2, "wanted": 0.336},
            {"figure": "within_place", "wanted": 0.8},
        ],
        "distributions": [{"figure": name, **table} for name in ("sent", "size")],
        "places": {"names": [HOSTILE, ""], "others": 12, "within": 60, "payments": [[40, 3, 0], [9, 4, 1], [0, 0, 39]]},
        "hubs": {"received": hubs, "sent": hubs[:1]},
    }  # fmt: skip


def problems() -> list[Problem]:
    """Those of ``bad``: a step that failed for three, whom a check does not pass for that reason, and 22 others."""
    three = tuple(Affected(n, HOSTILE, f"{HOSTILE} {n}\x00\x1b[31m") for n in range(3))
    others = tuple(Affected(n, HOSTILE, HOSTILE) for n in range(3, 8))
    return [
        Problem("step", "gift", f"{HOSTILE} …", 3, "no gift", first=three, failing=("balance",)),
        Problem("check", "balance", HOSTILE, 22, first=others),
    ]


def shown_people(failed: int) -> dict[str, Any]:
    """Thirty people, some of whom got no gift."""
    rows = [
        {"id": n, "name": f"{HOSTILE if n < failed else 'Ann'} {n}", "phone": f"+25470000{n:04}", "gift": 100}
        | {"account": f"0x{n:040x}"}
        | {"problems": [f"gift: {HOSTILE}"] if n < failed else [], "left": [2] if n < failed else []}
        for n in range(30)
    ]
    return {"steps": list(STEPS), "with_problems": failed, "all_problems": True, "people": rows}


def run_directory(place: Path, report: dict[str, Any], failed: int = 0) -> Path:
    """What a run leaves: the report, and its progress."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "report.json").write_text(json.dumps(validated(report)))
    now = 0.0
    tally = Progress(STEPS, 1000, {}, clock=lambda: now, by="ann@workshop", revision="0123abc")
    for done in range(100, 1001, 100):
        for step in STEPS:
            tally.begin(step)
            now = done / 250
            tally.add(
                step, 100 - (failed if done == 100 else 0), failed if done == 100 else 0, now - done / 1000 + 1e-9
            )
    progress = tally.document()
    for step in progress["steps"].values():  # spread over four seconds, which no test has to wait
        step["seconds"] = 4.0
    (place / "people.json").write_text(json.dumps(validated(shown_people(failed), "people-v1")))
    (place / "progress.json").write_text(json.dumps(validated(progress | {"seconds": 4.0}, "progress-v1")))
    return place


def full_report() -> dict[str, Any]:
    """As many steps, checks and services as a scenario can have; all went well."""
    report = good()
    names = [*STEPS, *(f"step_number_{number}" for number in range(11))]
    checks = [f"check_number_{number}" for number in range(13)]
    report["steps"] = [report["steps"][0] | {"name": name} for name in names]
    report["checks"] = [{"name": name, "errors": 0, "total": 1000, "failing": []} for name in checks]
    report["checks"][3]["allowed"] = (
        "one PIN in 20 was verified against its hash; for the others, the form of the hash was"
    )
    report["plan"] = {
        "steps": [{"name": name, "summary": "wait for the engine to register each account"} for name in names],
        "checks": [
            {"name": name, "summary": "the account table has the person's status and language"} for name in checks
        ],
    }
    services = ("chain", "custodial", "ussd", "meta", "accounts")
    figures = bad()["traffic"]["meta"]
    report["traffic"] = dict.fromkeys(services, figures)
    report["environment"] = {
        f"{name}.{key}": "http://127.0.0.1:12345" for name in services for key in ("url", "timeout", "queue")
    }
    report["money"] = [
        {"step": "gift", "giver": "the signer", "people": 1000, "amount": "99,870 GFT"},
        {"step": "faucet", "giver": "the faucet", "people": 1000, "amount": "50,000 GFT"},
        {"step": "gas", "giver": "the custodial engine", "people": 1000},
    ]
    report["chain"] = bad()["chain"] | {"registry": "0x" + "34" * 20, "token": "0x" + "56" * 20}
    return report


def long_timeline(names: list[str]) -> dict[str, Any]:
    """Every step at work at some time of two sessions, with a wait, and as many buckets as there may be."""
    tracks = {}
    for place, name in enumerate(names):
        first, last = place * 12, 239 - place
        rows = [[n, 0 if n % 40 < 15 else 4 + n % 7, 0, 16.0] for n in range(first, last) if not 100 < n < 110]
        tracks[name] = {"first": first * 16.0, "last": last * 16.0, "buckets": rows}
    sessions = [
        {"at": at, "began": f"2026-01-0{day}T03:04:05+00:00", "by": "ann@workshop", "revision": "0123abc"}
        for at, day in ((0.0, 1), (1600.0, 2))
    ]
    return {"width": 16.0, "seconds": 3840.0, "sessions": sessions, "tracks": tracks}
