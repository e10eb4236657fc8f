"""What a person means by an answer to a question of ``cicscenario new``."""

import re
from pathlib import Path
from typing import Any

from cicscenario.cli.newfile import in_yaml
from cicscenario.cli.newquestions import Question
from cicscenario.language import DiagnosticsError
from cicscenario.language.conforming import UnknownKeywordError, conforms
from cicscenario.language.diagnostic import nearest, same_but_spelling
from cicscenario.language.formats import FORMATS
from cicscenario.language.nodes import compose, plain
from cicscenario.language.remedies import meant
from cicscenario.language.schema import Schema
from cicscenario.language.source import Source

_YES = ("yes", "y", "yes please", "sure", "ok", "true", "on")
_NO = ("no", "n", "none", "nothing", "no thanks", "zero", "false", "off", "not", "neither", "none of them")
_ALL = ("all", "everything", "all of them", "every", "all that apply", "all of those that apply", "*")
_BUT = re.compile(r"\s*,?\s+(?:but not|but|except for|except|without)\s+")
_NOT = {"not", "no", "without", "never", "except", "but", "nor", "neither"}
_FILLING = {
    "a", "an", "and", "are", "at", "be", "by", "for", "from", "have", "in", "is", "it", "just", "of", "on", "only", "please",
    "should", "the", "their", "them", "they", "through", "to", "via", "with", "would",
}  # fmt: skip


class UnclearError(Exception):
    """The answer means nothing that is possible, or more than one thing. The text says which."""


def read(question: Question, schema: Schema, answer: str) -> Any:
    """The value that is meant by an answer, which is not empty; None for the key left out. Raises UnclearError."""
    written = _literal(answer)
    if written == [] and question.needed:
        raise UnclearError(question.needed)
    if _valid(written, schema) and written is not None:
        return written
    words = _plain(answer)
    if (value := _short(question, schema, words)) is not _UNKNOWN:
        return value
    names = schema.get("items", schema).get("enum")
    if names and isinstance(written, str):
        chosen = _chosen(question, words, [str(name) for name in names])
        if schema.get("type") == "array":
            return chosen
        if len(chosen) > 1:
            raise UnclearError(f"`{answer}` may be {' or '.join(chosen)}")
        return chosen[0]
    text = meant(written, answer, schema, _valid) or meant(words, words, schema, _valid)
    if text is None:
        raise UnclearError(f"`{answer}` was not understood")
    return _literal(text)


def yes_or_no(answer: str) -> bool | None:
    """Whether an answer is yes; None when it is neither yes nor no."""
    words = _plain(answer)
    return True if words in _YES else False if words in _NO else None


def spoken(question: Question, value: Any) -> str:
    """A value as people would answer."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, [], {}):
        return question.nothing
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, dict) and len(value) == 1 and isinstance(text := next(iter(value.values())), str):
        return text
    return in_yaml(value)


def _plain(answer: str) -> str:
    return re.sub(r"\s+", " ", answer.strip(" \t.!;,").casefold())


def _literal(answer: str) -> Any:
    """The value of an answer that is YAML; else its text."""
    try:
        return plain(compose(Source("answer", answer, Path.cwd()), []))
    except DiagnosticsError:
        return answer


def _valid(value: Any, schema: Schema) -> bool:
    try:
        return conforms(schema, value, {name: known.test for name, known in FORMATS.items()})
    except UnknownKeywordError:  # of another package; the whole scenario is validated with the value
        return True


_UNKNOWN = object()


def _short(question: Question, schema: Schema, words: str) -> Any:
    """The value of an answer such as ``yes``, ``none`` or ``all``; _UNKNOWN when it is none of those."""
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if words in _NO and "string" not in kinds:
        if question.needed:
            raise UnclearError(question.needed)
        empty: dict[str, Any] = {"boolean": False, "integer": 0, "null": None, "array": []}
        return next((empty[kind] for kind in kinds if kind in empty and _valid(empty[kind], schema)), _UNKNOWN)
    if "string" in kinds and "enum" not in schema and words in (*_NO, *_YES, *_ALL):
        raise UnclearError(f"`{words}` was not understood")
    if words in _YES and "boolean" in kinds:
        return True
    if words in _YES and "object" in kinds:
        return schema["examples"][0]
    if words in _YES and "array" in kinds:
        raise UnclearError(f"`{words}` does not say which")
    if words in _ALL and "array" in kinds:
        return None if question.nothing == "all" else list(schema["items"].get("enum", ()))
    return _UNKNOWN


def _chosen(question: Question, words: str, names: list[str]) -> list[str]:
    """The names that an answer lists. Raises UnclearError for a part of it that is none of them, or several."""
    part, *left_out = _BUT.split(words)
    if part in _ALL and left_out:
        excluded = [name for text in left_out for name in _listed(question, text, names)]
        return [name for name in names if name not in excluded]
    return _listed(question, words, names)


def _listed(question: Question, words: str, names: list[str]) -> list[str]:
    whole = _matches(question, words, names)
    if len(whole) == 1:
        return whole
    parts = [part for part in re.split(r"\s*[,;+&|/]\s*(?:and )?|\s+and\s+", words) if part]
    if len(parts) == 1 and all(same_but_spelling(word, names) for word in words.split()):
        parts = words.split()
    found: list[str] = []
    for part in parts:
        matches = _matches(question, part, names)
        if len(matches) > 1:
            raise UnclearError(f"`{part}` may be {' or '.join(matches)}")
        if not matches:
            raise UnclearError(f"`{part}` is none of them")
        found += [name for name in matches if name not in found]
    return found


def _matches(question: Question, words: str, names: list[str]) -> list[str]:
    """The names that are meant by some words: by their spelling, by a part of them, or by what is said of them."""
    if same := same_but_spelling(words, names):
        return [same]
    spoken_words = [_stem(word) for word in re.findall(r"[a-z0-9_]+", words)]
    if not spoken_words or _NOT & set(spoken_words):
        return []
    telling = [word for word in spoken_words if word not in _FILLING]
    if not telling:
        return []
    by_part = [name for name in names if set(telling) <= {_stem(part) for part in name.split("_")}]
    if by_part:
        return by_part
    said = {
        name: {_stem(word) for word in re.findall(r"[a-z0-9]+", text.casefold())} for name, text in question.explained
    }
    by_meaning = [name for name in names if set(telling) <= said.get(name, set())]
    guess = nearest(words, names, _SIMILAR)
    return by_meaning or ([guess] if guess else [])


_SIMILAR = 0.75  # a misspelt name


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
