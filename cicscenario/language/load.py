"""From a file to a model: read, merge, expand, validate, fill in, build."""

from collections.abc import Sequence
from decimal import Decimal
from locale import normalize
from pathlib import Path
from typing import Any

from faker.config import AVAILABLE_LOCALES
from phonenumbers import SUPPORTED_REGIONS

from cicscenario.chainspec import ChainSpec
from cicscenario.language import model
from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError, nearest
from cicscenario.language.expand import expand
from cicscenario.language.expand import load as load_nodes
from cicscenario.language.schema import problems, with_defaults
from cicscenario.language.secret import Secret
from cicscenario.language.source import Node, scalars
from cicscenario.resources import load_schema

_SECRET_KEYS = ("password", "private_key")


def load_scenario(path: Path | str, overrides: Sequence[str] = ()) -> model.Scenario:
    """The scenario in ``path`` with ``KEY=VALUE`` overrides; raises DiagnosticsError with every error of the file."""
    path = Path(path)
    node = expand(load_nodes(path, overrides), env=False)
    data = _validated("scenario-v1", node, _literal_secrets(node, "file:PATH") + _contradictions(node))
    data.pop("vars", None)
    data.pop("extends", None)
    return _scenario(data, path)


def load_environment(path: Path | str) -> model.Environment:
    """The environment in ``path``; raises DiagnosticsError with every error of the file."""
    path = Path(path)
    written = load_nodes(path)
    found = _literal_secrets(written, "file:PATH or {{ env.NAME }}") + _signer_forms(written)
    if found:  # before anything could show what stands there
        raise DiagnosticsError(found)
    node = expand(written, env=True)
    return _environment(_validated("environment-v1", node, []), written, path)


def _validated(name: str, node: Node, others: list[Diagnostic]) -> dict[str, Any]:
    found = problems(name, node) + others
    if found:
        raise DiagnosticsError(found)
    schema = load_schema(name)
    data: dict[str, Any] = with_defaults(node.plain(), schema, schema)
    return data


def _literal_secrets(node: Node, form: str) -> list[Diagnostic]:
    """A secret written out is an error; its line is not shown."""
    return [
        Diagnostic("S009", f"{value.span.file}:{value.span.line}: `{path[-1]}` must say where it is, as {form}", None)
        for path, value in scalars(node)
        if path[-1] in _SECRET_KEYS and not _is_reference(value.value)
    ]


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and (value.startswith("file:") or (value.startswith("{{") and "env." in value))


# --- scenario -------------------------------------------------------------------------------------------------------


def _contradictions(node: Node) -> list[Diagnostic]:
    """What no schema can say. Parts that are not of the right shape are left to the schema."""
    data = node.plain()
    return _population_problems(node, data) + _check_problems(node, data) + _gift_problems(node, data)


def _at(data: Any, *path: str) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _population_problems(node: Node, data: Any) -> list[Diagnostic]:
    found = []
    locales = _at(data, "population", "locales")
    for number, locale in enumerate(locales if isinstance(locales, list) else []):
        # Faker completes a bare language the way the C library does: `no` is no_NO.
        if isinstance(locale, str) and normalize(locale).partition(".")[0] not in AVAILABLE_LOCALES:
            at = node.find(["population", "locales", number]).span
            found.append(Diagnostic("S005", f"unknown locale `{locale}`", at, nearest(locale, AVAILABLE_LOCALES)))
    region = _at(data, "population", "region")
    if isinstance(region, str) and len(region) == 2 and region.isupper() and region not in SUPPORTED_REGIONS:
        at = node.find(["population", "region"]).span
        found.append(Diagnostic("S005", f"unknown region `{region}`", at, nearest(region, SUPPORTED_REGIONS)))
    return found


def _check_problems(node: Node, data: Any) -> list[Diagnostic]:
    idle = {
        "faucet": (_at(data, "faucet") is False, "faucet: false"),
        "gas": (_at(data, "gas") == 0, "gas: 0"),
        "keystore": (_at(data, "backend", "keystore", "kdf") == "none", "kdf: none"),
    }
    included = _at(data, "checks", "include")
    return [
        Diagnostic(
            "S006",
            f"check `{name}` can never hold with `{idle[name][1]}`",
            node.find(["checks", "include", number]).span,
            "leave the check out, or change the scenario",
        )
        for number, name in enumerate(included if isinstance(included, list) else [])
        if isinstance(name, str) and name in idle and idle[name][0]
    ]


def _gift_problems(node: Node, data: Any) -> list[Diagnostic]:
    threshold = _at(data, "gift", "threshold")
    if _at(data, "gift", "method") == "none" and isinstance(threshold, int) and threshold > 0:
        at = node.find(["gift", "method"]).span
        return [Diagnostic("S006", f"nobody gets the {threshold} tokens with `method: none`", at, "transfer or mint")]
    return []


def _scenario(data: dict[str, Any], path: Path) -> model.Scenario:
    if isinstance(data["backend"], str):
        schema = load_schema("scenario-v1")
        data["backend"] = with_defaults({"kind": data["backend"]}, schema["properties"]["backend"], schema)
    people, gift, backend, checks = data["population"], data["gift"], data["backend"], data["checks"]
    adjust = checks.get("balance_adjust")
    include = checks.get("include")
    where = data.get("environment")
    return model.Scenario(
        version=data["version"],
        name=data["name"],
        description=data["description"],
        population=model.Population(
            size=people["size"],
            seed=people["seed"],
            locales=tuple(people["locales"]),
            region=people["region"],
            languages=tuple(people["languages"].items()),
            tags=tuple(people["tags"]),
        ),
        gift=model.Gift(gift["threshold"], gift["method"], gift.get("token")),
        faucet=data["faucet"],
        gas=data["gas"],
        backend=model.Eth(
            backend["kind"],
            model.Keystore(backend["keystore"]["kdf"], _secret(backend["keystore"].get("password"), None, path)),
        ),
        checks=model.Checks(
            None if include is None else tuple(include),
            tuple(checks["exclude"]),
            Decimal(adjust.removesuffix("%")) / 100 if adjust else None,
        ),
        environment=where if where in (None, "sandbox") else str((path.parent / where).absolute()),
        path=path,
        document=data,
    )


# --- environment ----------------------------------------------------------------------------------------------------


def _signer_forms(node: Node) -> list[Diagnostic]:
    signer = node.find(["chain", "signer"])
    keys = set(signer.keys)
    if {"private_key", "keyfile"} <= keys:
        return [Diagnostic("S006", "`private_key` and `keyfile` exclude each other", signer.keys["keyfile"])]
    if keys == {"password"}:
        return [Diagnostic("S004", "`keyfile` is missing in chain.signer", signer.keys["password"])]
    return []


def _secret(value: str | None, written: str | None, path: Path) -> Secret | None:
    """``value`` is the reference, expanded; ``written`` is what stands in the file, which tells the two forms apart."""
    if value is None:
        return None
    if (written or value).startswith("file:"):
        return Secret(path=(path.parent / value.removeprefix("file:")).absolute())
    return Secret(value=value)


def _environment(data: dict[str, Any], written: Node, path: Path) -> model.Environment:
    chain, signer = data["chain"], data["chain"]["signer"]
    as_written = written.find(["chain", "signer"]).plain()
    keyfile = signer.get("keyfile")
    return model.Environment(
        version=data["version"],
        name=data["name"],
        chain=model.ChainEnvironment(
            rpc=chain["rpc"],
            spec=ChainSpec.parse(chain["spec"]),
            registry=chain["registry"],
            signer=model.Signer(
                private_key=_secret(signer.get("private_key"), as_written.get("private_key"), path),
                keyfile=(path.parent / keyfile).absolute() if keyfile else None,
                password=_secret(signer.get("password"), as_written.get("password"), path),
            ),
            gas_price=chain.get("gas_price"),
            batch=chain["batch"],
            timeout=chain["timeout"],
            confirmations=chain["confirmations"],
            window=chain["window"],
        ),
        path=path,
    )
