"""``cicscenario explain``: describes a key from the schemas, with the steps that it causes, or an error code."""

import json
from typing import Any

from cicscenario.cli.explainnames import names
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language.diagnostic import EXPLANATIONS, nearest
from cicscenario.language.schema import first_sentence, keys, required_keys, type_words
from cicscenario.printable import say
from cicscenario.resources import load_schema
from cicscenario.review.effects import Effect, effects
from cicscenario.vocabulary import scenario_schema

_ENVIRONMENT = "environment."
_PROFILE = "profile."


def explain(key: str | None) -> ExitCode:
    """Prints what a key, step, check, backend, metadata kind, fault, exit code or error code is, or a page.

    Without a name, prints all keys.

    Keys of environment files may have the prefix ``environment.``, those of profiles ``profile.``. Raises InvalidError with the
    nearest key when the key does not exist.
    """
    scenario = keys(scenario_schema())
    known = scenario | _prefixed(_ENVIRONMENT, "environment-v1") | _prefixed(_PROFILE, "profile-v1")
    codes = {str(code): text for code, text in EXPLANATIONS.items()}
    if key is None:
        say("\n".join(f"{name:<34}{first_sentence(child)}" for name, child in known.items()))
        say(f"also: {', '.join(names())}, and the codes of errors, such as {next(iter(codes))}")
    elif key in codes:
        say(f"{key}: {codes[key]}")
    else:
        name = next((name for name in (key, _ENVIRONMENT + key, _PROFILE + key) if name in known), key)
        found = [_explanation(name, known)] if name in known else []
        others = names()
        found += [made() for made in others.get(key, ())]
        if not found:
            raise _unknown(key, [*known, *codes, *others])
        say("\n\n".join(found))
    return ExitCode.OK


def _prefixed(prefix: str, schema: str) -> dict[str, dict[str, Any]]:
    return {prefix + name: child for name, child in keys(load_schema(schema)).items()}


def _unknown(key: str, names: list[str]) -> InvalidError:
    guess = next((guess for prefix in ("", _ENVIRONMENT, _PROFILE) if (guess := nearest(prefix + key, names))), None)
    hint = f"did you mean `{guess}`?" if guess else "`cicscenario explain` alone lists all"
    return InvalidError(f"there is no key, name or code `{key}`", hint=hint)


def _explanation(key: str, known: dict[str, dict[str, Any]]) -> str:
    schema = known[key]
    default = schema.get("default")
    lines = [key, f"  {schema['description']}", f"  type     {type_words(schema, _alternatives)}"]
    lines.append(f"  default  {json.dumps(default)}" if default is not None else f"  default  {_no_default(key)}")
    lines += [f"  example  {json.dumps(example, ensure_ascii=False)}" for example in schema["examples"]]
    lines.append(f"  since    {schema['x-since']}")
    children = [name for name in known if name.rpartition(".")[0] == key]
    lines += [f"  key      {name}" for name in children]
    if not key.startswith((_ENVIRONMENT, _PROFILE)):
        lines += [f"  causes   {_effect(effect)}" for effect in effects(key)]
    return "\n".join(lines)


def _effect(effect: Effect) -> str:
    """The effect of a value on the plan, such as ``with false: no step faucet; no check faucet``."""
    said = "; ".join(effect.words(lambda kind, name: f"{kind} {name}"))
    return f"with {json.dumps(effect.value, ensure_ascii=False)}: {said}"


def _no_default(key: str) -> str:
    required = required_keys(scenario_schema())
    for prefix, schema in ((_ENVIRONMENT, "environment-v1"), (_PROFILE, "profile-v1")):
        required |= {prefix + name for name in required_keys(load_schema(schema))}
    return "none; must be given" if key in required else "none; may be left out"


def _alternatives(values: list[Any]) -> str:
    return " | ".join(map(str, values))
