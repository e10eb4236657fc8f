"""A signed document: the data at one pointer, and the changes that led to it. Source: crdt-meta, ``Syncable``."""

import base64
from datetime import UTC, datetime
from typing import Any

from cicscenario.sandbox.meta import jsjson, transit
from cicscenario.sandbox.meta.edit import Edit, new_id
from cicscenario.sandbox.meta.opset import ROOT, Assignment, DocumentError, OpSet

_DEPTH = 100  # limit for nested objects; real documents have far fewer levels
_ENVELOPE = {
    "name": "cic",
    "version": "1",
    "ext": {"network": {"name": "pgp", "version": "2"}, "engine": {"name": "automerge", "version": "0.14.1"}},
}


class _Undefined:
    def __bool__(self) -> bool:
        return False


UNDEFINED = _Undefined()  #: JavaScript's undefined: no value, not even null


def envelope(payload: str, digest: str | None) -> str:
    """The JSON form of a document in requests and responses; with ``digest`` None it has no such field."""
    return jsjson.dumps(_ENVELOPE | {"payload": payload} | ({} if digest is None else {"digest": digest}))


class Document:
    """A document that a new actor may change. Methods that read changes raise DocumentError when these are invalid."""

    def __init__(self, opset: OpSet) -> None:
        self.opset = opset
        self._actor = new_id()
        self._seq = 0
        self._fields: dict[str, Any] | None = None

    @classmethod
    def load(cls, payload: Any) -> "Document":
        """The document in the payload of an envelope. Raises DocumentError when it is not a document."""
        if not isinstance(payload, str):
            raise DocumentError("the payload is not a string")
        try:
            changes = transit.read(payload)
        except ValueError as error:
            raise DocumentError(str(error)) from None
        if not isinstance(changes, list | dict):
            raise DocumentError("the payload is not a list of changes")
        document = cls(OpSet(changes))
        if document.field("id") is UNDEFINED or isinstance(document.field("id"), dict | list):
            raise DocumentError("the document has no id")
        return document

    @classmethod
    def create(cls, pointer: str, value: Any, now: int) -> "Document":
        """A new document; ``now`` in seconds since 1970. Raises DocumentError for an empty key in ``value``."""
        document = cls(OpSet())
        edit = document._edit()
        for key, member in (("id", pointer), ("timestamp", now), ("data", value)):
            edit.set(ROOT, key, member)
        document._commit(edit, message="Initialization", undoable=False)
        return document

    def fields(self) -> dict[str, Any]:
        """The fields of the root that exist: ``id``, ``timestamp``, ``data``, ``signature``."""
        if self._fields is None:
            self._fields = self._object(ROOT, 0)
        return self._fields

    def field(self, name: str) -> Any:
        return self.fields().get(name, UNDEFINED)

    def payload(self) -> str:
        """The changes, encoded for an envelope. Raises DocumentError for a null in them, which crashes the real server."""
        try:
            return transit.write(self.opset.history + self.opset.queue)
        except ValueError as error:
            raise DocumentError(str(error)) from None

    def digest(self) -> str:
        """The text that is signed: the links between objects, in base64. It does not depend on the data itself."""
        links = [
            [op["obj"], op["value"]]
            for change in self.opset.by_actor()
            for op in change["ops"]
            if op["action"] == "link"
        ]
        return base64.b64encode(jsjson.dumps(links).encode()).decode()

    def sign(self, signature: Any) -> None:
        """Sets the signature, which may be any JSON value."""
        edit = self._edit()
        edit.set(ROOT, "signature", signature)
        self._commit(edit, message="sign")

    def replace(self, value: Any, now: int) -> None:
        """Merges ``value`` into the data, one level deep, as the real server does. ``now`` is in seconds since 1970.

        Raises DocumentError where the real server crashes: when ``value`` is null, when the data is a list, and when
        members are written into data that is a string, number or boolean.
        """
        root_keys = self.opset.nodes[ROOT].present()
        edit = self._edit()
        members = _members(value)
        target = self._data_target(bool(members), root_keys)
        if target is not None:
            for key, member in members.items():
                edit.set(target, key, member)
            for key in root_keys:  # a bug of the real server: it means the data's keys, so other keys are never deleted
                if members.get(key) is None:
                    edit.delete(target, key)
        edit.set(ROOT, "timestamp", now)
        self._commit(edit, message="server merge")

    def _data_target(self, is_written: bool, root_keys: list[str]) -> str | None:
        """The id of the data's object; None when the data is a string, number or boolean and nothing is written."""
        data = self.opset.nodes[ROOT].keys.get("data")
        if not data:
            raise DocumentError("the document has no data")
        if data[0].link:
            if self.opset.nodes[data[0].value].kind == "list" and root_keys:
                raise DocumentError("a merge into a list")
            return str(data[0].value)
        if is_written:
            raise DocumentError("a merge into a value that is not an object")
        return None

    def merge_into(self, stored: "Document") -> "Document | None":
        """``stored`` with the changes of this document that it lacks; None when these change nothing."""
        changed = [stored.opset.add(change) for change in self.opset.missing_from(stored.opset)]
        return Document(stored.opset) if any(changed) else None

    def _edit(self) -> Edit:
        return Edit(self.opset, self._actor)

    def _commit(self, edit: Edit, **details: Any) -> None:
        if not edit.ops:
            return
        self._seq += 1
        deps = {actor: seq for actor, seq in self.opset.heads.items() if actor != self._actor}
        change = {"ops": edit.assigned_once(), "actor": self._actor, "seq": self._seq, "deps": deps}
        self.opset.add(change | details)
        self._fields = None

    def _object(self, name: str, depth: int) -> dict[str, Any]:
        node = self.opset.nodes[name]
        fields = {key: self._winner(node.keys[key], depth) for key in node.present() if key != "__proto__"}
        return {key: fields[key] for key in jsjson.in_object_order(fields)}

    def _winner(self, assigned: list[Assignment], depth: int) -> Any:
        values = [self._value(assignment, depth + 1) for assignment in assigned]  # all, because each may be invalid
        return values[0]

    def _value(self, assignment: Assignment, depth: int) -> Any:
        if not assignment.link:
            return _timestamp(assignment.value) if assignment.datatype == "timestamp" else assignment.value
        node = self.opset.nodes.get(assignment.value)
        if node is None or depth > _DEPTH:
            raise DocumentError(f"{assignment.value}: a link to an unknown object, or to an object that contains it")
        if node.kind == "map":
            return self._object(assignment.value, depth)
        return [self._winner(assigned, depth) for assigned in node.elements()]


def _members(value: Any) -> dict[str, Any]:
    """The members that JavaScript's ``Object.keys`` lists for a JSON value."""
    if value is None:
        raise DocumentError("a merge of null")
    if isinstance(value, dict):
        return {key: value[key] for key in jsjson.in_object_order(value)}
    units = jsjson.utf16_units(value) if isinstance(value, str) else value
    return {str(at): member for at, member in enumerate(units)} if isinstance(units, list) else {}


def _timestamp(milliseconds: Any) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise DocumentError(f"{milliseconds!r}: not milliseconds since 1970") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
