"""Looks for secrets in files, in text, and in what the kernel shows of processes, in every form that programs give them."""

import base64
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus

_EVERY = 0.05  # seconds between looks at the processes


def forms(secret: bytes) -> dict[str, bytes]:
    """The forms of a secret by name. Base64 comes in three: with one or two bytes before it, other letters come out."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret + bytes(-(before + len(secret)) % 3))
        first, last = (0, 2, 3)[before], 4 if (before + len(secret)) % 3 else 0  # letters that depend on the neighbours
        found[f"base64+{before}"] = text[first : len(text) - last]
    with contextlib.suppress(UnicodeDecodeError):
        text = secret.decode("utf-8")
        found["quoted"] = quote(text, safe="").encode()
        found["quoted with plus"] = quote_plus(text).encode()
        found["in JSON"] = json.dumps(text)[1:-1].encode()
        found["in JSON, UTF-8"] = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    return {name: form for name, form in found.items() if len(form) >= 8}


@dataclass(frozen=True)
class Secrets:
    """Secrets by what they are. A text of several lines is looked for line by line, since formats break lines elsewhere."""

    values: Mapping[str, bytes]
    _forms: dict[bytes, tuple[str, str]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            lines = (
                [line for line in value.split(b"\n") if len(line) >= 30] if value.count(b"\n") > 1 else [value.strip()]
            )
            for line in lines:
                for form, text in forms(line).items():
                    self._forms.setdefault(text, (name, form))

    def found_in(self, data: bytes) -> set[str]:
        """The secrets in data, each with its form."""
        return {f"{name} ({form})" for text, (name, form) in self._forms.items() if text in data}

    def found_in_files(self, folder: Path, belongs: Callable[[Path], bool] = lambda path: False) -> set[str]:
        """The same for every file below a folder, with the file. ``belongs`` says where secrets are at home."""
        found = set()
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and not belongs(path):
                found |= {f"{path.relative_to(folder)}: {what}" for what in self.found_in(path.read_bytes())}
        return found


class ProcessWatch:
    """Entered, it looks at the arguments and variables of all processes of this user, again and again.

    ``found`` is where secrets were seen. ``may_have`` are variables that somebody set on purpose, by the name that they have
    there; only the process that was given them, and what it forks, may have them.
    """

    def __init__(self, secrets: Secrets, *, may_have: Iterable[str] = ()) -> None:
        self.found: set[str] = set()
        self.seen = 0
        self._secrets = secrets
        self._may_have = tuple(f"{name}=".encode() for name in may_have)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def look(self) -> None:
        """One look."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if folder.stat().st_uid not in (os.getuid(), 65534) or int(folder.name) == os.getpid():
                    continue
                arguments, variables = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
                self.seen += 1
                kept = b"\0".join(v for v in variables.split(b"\0") if not v.startswith(self._may_have or (b"\0",)))
                name = arguments.replace(b"\0", b" ").decode("utf-8", "replace")[:120]
                self.found |= {f"arguments of {name}: {what}" for what in self._secrets.found_in(arguments)}
                self.found |= {f"variables of {name}: {what}" for what in self._secrets.found_in(kept)}

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY):
            self.look()
