"""The operations without HTTP or signatures, for what would take a server too many requests."""

import json
from pathlib import Path
from typing import Any

from cicscenario.sandbox.meta.answers import Answer, CrashError
from cicscenario.sandbox.meta.faults import MetaFaults
from cicscenario.sandbox.meta.operations import Operations
from cicscenario.sandbox.meta.signatures import TrustedKeys, Verdict
from cicscenario.sandbox.meta.store import EntryStore

POINTER = "ab" * 32
CRASHED = "crashed"


class Believing(TrustedKeys):
    """Says the same of every signature."""

    def __init__(self, verdict: Verdict = Verdict.VALID) -> None:
        super().__init__([])
        self._verdict = verdict

    def check(self, signature: Any) -> Verdict:
        return self._verdict


class Inside:
    """One entry, read and written; its clock stands still until it is set."""

    def __init__(self, folder: Path, verdict: Verdict = Verdict.VALID) -> None:
        self.now = 1700000000
        self.store = EntryStore(folder)
        self.operations = Operations(self.store, Believing(verdict), MetaFaults(), now=lambda: self.now)

    def post(self, value: Any) -> Answer | str:
        """A two-step write's first step; ``crashed`` where the real server ends."""
        return self.attempt("build", json.dumps(value))

    def write(self, value: Any) -> int | str:
        """A two-step write; its status."""
        built = self.post(value)
        if isinstance(built, str):
            return built
        return self.put({"m": built.body, "s": {"data": "", "digest": "W10="}})

    def put(self, body: Any) -> int | str:
        """A two-step write's second step; its status."""
        answer = self.attempt("put_signed", json.dumps(body))
        return answer if isinstance(answer, str) else answer.status

    def attempt(self, operation: str, body: str) -> Answer | str:
        try:
            answer: Answer = getattr(self.operations, operation)(POINTER, body.encode())
        except CrashError:
            return CRASHED
        return answer

    def text(self) -> str | None:
        """What a GET brings; None when there is nothing."""
        answer = self.operations.get_value(POINTER)
        return str(answer.body) if answer.status == 200 else None

    def value(self) -> Any:
        text = self.text()
        return None if text is None else json.loads(text)
