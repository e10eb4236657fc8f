"""Builds the models from documents that are known to be valid."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.language.model import (
    ChainEnvironment,
    Checks,
    Environment,
    EthBackend,
    Gift,
    Keystore,
    Population,
    Scenario,
    Signer,
)
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.secret import Secret, parse_secret

Values = dict[str, Any]


def scenario(path: Path, document: Mapping, values: Values) -> Scenario:
    """The scenario of ``values``, which are effective; ``document`` says which folder a path was written in."""
    _resolve(values, document, ("environment",), keep=("sandbox",))
    _resolve_secret(values, document, ("backend", "keystore", "password"))
    people, checks, keystore = values["population"], values["checks"], values["backend"]["keystore"]
    include, adjust = checks["include"], checks["balance_adjust"]
    return Scenario(
        version=values["version"],
        name=values["name"],
        description=values["description"],
        population=Population(
            size=people["size"],
            seed=people["seed"],
            locales=tuple(people["locales"]),
            region=people["region"],
            languages=tuple(sorted(people["languages"].items())),  # by code, so that their order in the file is nothing
            tags=tuple(people["tags"]),
        ),
        gift=Gift(**values["gift"]),
        faucet=values["faucet"],
        gas=values["gas"],
        backend=EthBackend(values["backend"]["kind"], Keystore(keystore["kdf"], _secret(keystore["password"]))),
        checks=Checks(
            include=None if include is None else tuple(include),
            exclude=tuple(checks["exclude"]),
            balance_adjust=None if adjust is None else Decimal(adjust.removesuffix("%")) / 100,
        ),
        environment=values["environment"],
        path=path,
        document=_canonical(values),
    )


def environment(path: Path, document: Mapping, values: Values) -> Environment:
    """The environment of ``values``, which are effective."""
    _resolve(values, document, ("chain", "signer", "keyfile"))
    _resolve_secret(values, document, ("chain", "signer", "private_key"))
    _resolve_secret(values, document, ("chain", "signer", "password"))
    signer = values["chain"]["signer"]
    keyfile = signer["keyfile"]
    chain = values["chain"] | {
        "spec": ChainSpec.parse(values["chain"]["spec"]),
        "signer": Signer(
            private_key=_secret(signer["private_key"]),
            keyfile=Path(keyfile) if keyfile else None,
            password=_secret(signer["password"]),
        ),
    }
    return Environment(version=values["version"], name=values["name"], chain=ChainEnvironment(**chain), path=path)


def _resolve(values: Values, document: Mapping, path: tuple[str, ...], keep: tuple[str, ...] = ()) -> None:
    """Makes the file at ``path`` absolute, as seen from the folder of the file that names it."""
    holder = _holder(values, path)
    value = holder[path[-1]]
    if value is not None and value not in keep:
        holder[path[-1]] = str(written_at(document, path).source.folder / value)


def _resolve_secret(values: Values, document: Mapping, path: tuple[str, ...]) -> None:
    holder = _holder(values, path)
    if (value := holder[path[-1]]) is not None:
        holder[path[-1]] = parse_secret(value, written_at(document, path).source.folder).reference


def _secret(reference: str | None) -> Secret | None:
    return None if reference is None else Secret(reference)


def _holder(values: Values, path: tuple[str, ...]) -> Values:
    for part in path[:-1]:
        values = values[part]
    return values


def _canonical(value: Any) -> Any:
    """The value with sorted keys, and without those that are not given."""
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value) if value[key] is not None}
    return list(value) if isinstance(value, list) else value
