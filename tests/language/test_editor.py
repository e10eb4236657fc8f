"""What an editor shows for a scenario: driven through yaml-language-server, which they all speak to."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from cicscenario.resources import load_schema, schema_path

ROOT = Path(__file__).parent.parent.parent
NODE_MODULES = Path(os.environ.get("CICSCENARIO_NODE_MODULES") or ROOT / ".ci" / "node" / "node_modules")
SERVER = NODE_MODULES / "yaml-language-server" / "bin" / "yaml-language-server"

pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="no node here"),
    pytest.mark.skipif(not SERVER.exists(), reason="npm install --prefix .ci/node yaml-language-server"),
]

HEAD = f"# yaml-language-server: $schema={schema_path('scenario-v1').as_uri()}\n"


class Editor:
    """A client of the language server protocol: enough of one to open a file, complete, hover and read diagnostics."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._answers: dict[int, Queue[Any]] = {}
        self._diagnostics: dict[str, Queue[Any]] = {}
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()
        self.request("initialize", processId=None, rootUri=None, capabilities={})
        self._send("initialized", {})
        settings = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False, "url": ""}}
        self._send("workspace/didChangeConfiguration", {"settings": {"yaml": settings}})

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            stream.close()

    def open(self, path: Path, text: str) -> str:
        uri = path.as_uri()
        self._diagnostics[uri] = Queue()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": HEAD + text}
        self._send("textDocument/didOpen", {"textDocument": document})
        return uri

    def mistakes(self, uri: str) -> list[tuple[int, str]]:
        """Line (from 1, of the text behind the first line) and message."""
        return [(d["range"]["start"]["line"], d["message"]) for d in self._diagnostics[uri].get(timeout=30)]

    def complete(self, uri: str, line: int, column: int) -> dict[str, str]:
        """What may stand there, with what it is for."""
        answer = self.request("textDocument/completion", **self._at(uri, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer
        return {item["label"]: self._prose(item.get("documentation", "")) for item in items}

    def hover(self, uri: str, line: int, column: int) -> str:
        answer = self.request("textDocument/hover", **self._at(uri, line, column))
        return self._prose(answer["contents"]) if answer else ""

    @staticmethod
    def _prose(text: Any) -> str:
        return text["value"] if isinstance(text, dict) else text

    @staticmethod
    def _at(uri: str, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}

    def request(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        answer = self._answers[self._number] = Queue()
        self._send(method, parameters, self._number)
        return answer.get(timeout=30)

    def _send(self, method: str, parameters: Any, number: int | None = None) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": parameters} | ({"id": number} if number else {}))

    def _write(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream
        while header := stream.readline():
            length = int(header.partition(b":")[2])
            while stream.readline() != b"\r\n":
                pass
            message = json.loads(stream.read(length))
            if "method" in message and "id" in message:  # the server asks for settings: it has them already
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": None})
            elif message.get("method") == "textDocument/publishDiagnostics":
                self._diagnostics[message["params"]["uri"]].put(message["params"]["diagnostics"])
            elif "id" in message:
                self._answers[message["id"]].put(message.get("result"))


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    client = Editor()
    yield client
    client.close()


BEGINNING = "version: 1\nname: a\npopulation: {size: 3}\n"


def test_every_key_is_completed_with_what_it_is_for(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "a.yaml", BEGINNING)
    offered = editor.complete(uri, 4, 0)
    properties = load_schema("scenario-v1")["properties"]
    assert set(properties) - {"version", "name", "population"} <= set(offered)
    assert properties["faucet"]["description"] in offered["faucet"]


def test_keys_within_a_mapping_are_completed(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "b.yaml", BEGINNING + "gift:\n  ")
    assert set(editor.complete(uri, 5, 2)) >= set(load_schema("scenario-v1")["properties"]["gift"]["properties"])


def test_names_that_a_key_takes_are_completed(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "c.yaml", BEGINNING + "gift:\n  method: ")
    assert {"transfer", "mint", "none"} <= set(editor.complete(uri, 5, 10))


def test_hovering_shows_what_a_key_is_for(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "d.yaml", BEGINNING + "faucet: true\n")
    assert "Whether the token faucet is triggered for each person" in editor.hover(uri, 4, 2)


def test_a_mistyped_key_is_underlined_on_its_line_and_a_valid_file_is_not(editor: Editor, tmp_path: Path) -> None:
    assert editor.mistakes(editor.open(tmp_path / "e.yaml", BEGINNING + "gift:\n  threshold: 5\n")) == []
    [(line, message)] = editor.mistakes(editor.open(tmp_path / "f.yaml", BEGINNING + "gift:\n  treshold: 5\n"))
    assert line == 5
    assert "treshold" in message


def test_every_shipped_scenario_is_without_mistakes(editor: Editor, tmp_path: Path) -> None:
    for file in sorted((ROOT / "scenarios").glob("*.yaml")):
        text = file.read_text("utf-8")
        if "extends:" not in text and "{{" not in text:  # an editor sees one file, and no values of expressions
            assert editor.mistakes(editor.open(tmp_path / file.name, text)) == [], file.name
