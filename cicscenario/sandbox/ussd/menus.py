"""The menus of one cic-ussd: its states with their rules, and its texts in every language.

``menus-<dialect>.json`` has the states. Each may have ``parent``, the state after input 0; ``shows``, the kind of values in its
text, and their ``page``; ``asks_pin``; and ``inputs``, rules that are tried in order. A rule holds when its ``input`` is the
one entered, all conditions in ``if`` hold and none in ``unless`` does. Then ``next`` is the state, and ``do`` is done.
``texts-<dialect>.json`` has the texts of the screens, the words that are filled in, and the messages to other phones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

from cicscenario.jsontext import parse_json

CURRENT = "current"
OLD = "2021"
DIALECTS = (CURRENT, OLD)
SUPPORT_PHONE = "0757628885"
INVALID_REQUEST = "exit_invalid_request"
PAGE = 3  #: lines on a page
PAGES = ("first", "middle", "last")
RETRY = "retry_pin_entry"  #: the text of a state that asks for the PIN, after a wrong one


class _Text(Template):
    """A text with placeholders such as ``%{name}``; also ``%name``, which some of the texts have by mistake."""

    delimiter = "%"


@dataclass(frozen=True)
class InputRule:
    """One rule of a state; see the module."""

    next: str
    input: str | None
    conditions: tuple[str, ...]
    exceptions: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True)
class MenuState:
    """One state; see the module."""

    parent: str | None
    shows: str | None
    page: int
    asks_pin: bool
    rules: tuple[InputRule, ...]


class Menus:
    """The menus of one ``dialect``. ``fallback`` is the language of people whose language is not known."""

    def __init__(self, dialect: str, fallback: str) -> None:
        menus, texts = _document("menus", dialect), _document("texts", dialect)
        self.fallback = fallback
        self.states = {name: _state(entry) for name, entry in menus["states"].items()}
        #: States in which a conversation has ended: the next session begins at the start menu.
        self.starts_over_after = frozenset(menus["starts_over_after"])
        self._codes: list[str] = list(texts["languages"])
        self._names = list(texts["languages"].values())
        self._screens: dict[str, dict[str, str]] = texts["screens"]
        self._words: dict[str, dict[str, str]] = texts["words"]
        self._messages: dict[str, dict[str, str]] = texts["messages"]

    def __contains__(self, state: str) -> bool:
        return state in self.states

    def known(self, state: str | None) -> str:
        """This state, or the one of an invalid request when there is none of this name, as in cic-ussd."""
        return state if state is not None and state in self.states else INVALID_REQUEST

    def parent(self, state: str) -> str:
        """The state after input 0."""
        return self.known(self.states[self.known(state)].parent)

    @property
    def listed_languages(self) -> list[str]:
        """Languages as shown in the menu, such as ``1. English``."""
        return [f"{number}. {name}" for number, name in enumerate(self._names, 1)]

    def text(self, screen: str, language: str | None, values: Mapping[str, Any] | None = None) -> str:
        """The text of a screen, with ``values`` and what is the same for everybody filled in.

        A placeholder without a value is shown as it is, as in cic-ussd. Raises KeyError for a screen without a text.
        """
        return self._filled(self._screens[screen], language, {**self._common(screen), **(values or {})})

    def _common(self, screen: str) -> dict[str, str]:
        """The number of support and the languages, for the screens that have them."""
        state = self.states.get(screen)
        if state and state.shows == "support":
            return {"support_phone": SUPPORT_PHONE}
        if state and state.shows == "languages":
            listed = self.listed_languages[state.page * PAGE : (state.page + 1) * PAGE]
            return {f"{PAGES[state.page]}_language_set": "\n".join(listed)}
        return {}

    def word(self, name: str, language: str | None) -> str:
        """A text that is filled into others. Raises KeyError for one that does not exist."""
        return self._filled(self._words[name], language, {})

    def message(self, name: str, language: str | None, values: Mapping[str, Any]) -> str:
        """A message to a phone. Raises KeyError for one that does not exist."""
        return self._filled(self._messages[name], language, values)

    def _filled(self, translations: Mapping[str, str], language: str | None, values: Mapping[str, Any]) -> str:
        text = translations.get(language or self.fallback) or translations[self.fallback]
        return _Text(text).safe_substitute(values)

    def offers(self, choice: str) -> bool:
        """Whether cic-ussd accepts a choice as a language: any integer up to seven. Raises ValueError for other input."""
        return int(choice) <= len(self._codes)

    def chosen_language(self, choice: str) -> str:
        """The language of a choice. As in cic-ussd, numbers below 1 count from the end. Raises IndexError, ValueError."""
        return self._codes[int(choice) - 1]


def _document(kind: str, dialect: str) -> Any:
    return parse_json(files(__package__).joinpath(f"{kind}-{dialect}.json").read_text("utf-8"))


def _state(entry: Mapping[str, Any]) -> MenuState:
    rules = (
        InputRule(
            rule["next"],
            rule.get("input"),
            tuple(rule.get("if", ())),
            tuple(rule.get("unless", ())),
            tuple(rule.get("do", ())),
        )
        for rule in entry.get("inputs", ())
    )
    return MenuState(
        entry.get("parent"), entry.get("shows"), entry.get("page", 0), entry.get("asks_pin", False), tuple(rules)
    )
