"""Builds the models from documents that are known to be valid."""

from collections.abc import Mapping as Mapped
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from cicscenario.chainspec import ChainSpec
from cicscenario.language.model import (
    AccountsEnvironment,
    BackendOptions,
    BackendTraits,
    ChainEnvironment,
    CheckOptions,
    CustodialEnvironment,
    Environment,
    GiftOptions,
    Limits,
    MetaEnvironment,
    PinOptions,
    PopulationOptions,
    Scenario,
    SignerEnvironment,
    StepOptions,
    TrafficOptions,
    UssdEnvironment,
    WorkersEnvironment,
)
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.profiles import PAYERS, PEOPLE, UNIFORM
from cicscenario.language.schema import Schema, secret_paths
from cicscenario.language.secret import Secret, parse_secret
from cicscenario.profile import Profile
from cicscenario.resources import load_schema, profile_names

Values = dict[str, Any]


def scenario(
    path: Path,
    document: Mapping,
    values: Values,
    schema: Schema,
    backends: Mapped[str, BackendTraits],
    profile: Profile | None = None,
    payers: Profile | None = None,
) -> Scenario:
    """The scenario with the effective ``values``, and the profiles that it names: of its people, and of their payments.

    Relative paths are resolved against the file that ``document`` names.
    """
    _resolve(values, document, ("environment",), keep=("sandbox",))
    _resolve(values, document, ("population", "from"))
    _resolve(values, document, ("pins", "from"))
    for place in (PEOPLE, PAYERS) if values["traffic"] else (PEOPLE,):
        _resolve(values, document, place, keep=(UNIFORM, *profile_names()))
    secrets = [cast("tuple[str, ...]", secret) for secret in secret_paths(schema)]
    for secret in secrets:
        _resolve_secret(values, document, secret)
    people, checks, kind = values["population"], values["checks"], values["backend"]["kind"]
    include, adjust = checks["include"], checks["balance_adjust"]
    return Scenario(
        version=values["version"],
        name=values["name"],
        description=values["description"],
        population=PopulationOptions(
            size=people["size"],
            source=_path(people["from"] or None),
            columns=_canonical(people["columns"]) if people["columns"] else None,
            seed=people["seed"],
            profile=profile,
            locales=tuple(people["locales"] or ()),
            region=people["region"],
            languages=_weights(people["languages"]),
            gender=_weights(people["gender"]),
            tags=tuple(people["tags"]),
            on_bad_row=people["on_bad_row"],
        ),
        gift=GiftOptions(**values["gift"]),
        faucet=values["faucet"],
        gas=values["gas"],
        backend=BackendOptions(backends[kind], _with_secrets(values, secrets)["backend"]),
        metadata=tuple(values["metadata"]),
        pins=_pins(values["pins"]),
        ussd_data=values["ussd_data"],
        traffic=_traffic(values["traffic"], payers),
        checks=CheckOptions(
            include=None if include is None else tuple(include),
            exclude=tuple(checks["exclude"]),
            balance_adjust=None if adjust is None else _share(adjust),
            read_again=checks["read_again"],
        ),
        environment=values["environment"],
        path=path,
        document=_canonical(values),
        steps={name: StepOptions(**options) for name, options in (values["steps"] or {}).items()},
    )


def _weights(table: dict[str, int] | None) -> tuple[tuple[str, int], ...]:
    """Sorted, so that the order in the file does not matter."""
    return tuple(sorted((table or {}).items()))


def environment(path: Path, document: Mapping, values: Values) -> Environment:
    """The environment with the effective ``values``."""
    for file in _PATHS:
        _resolve(values, document, file)
    for secret in _SECRETS:
        _resolve_secret(values, document, secret)
    for name in ("chain", "custodial", "ussd", "accounts", "meta"):
        if values[name]:
            values[name] |= {"limits": Limits(**values[name]["limits"])}
    custodial, ussd, accounts, meta = (values[name] for name in ("custodial", "ussd", "accounts", "meta"))
    workers = values["workers"]
    return Environment(
        version=values["version"],
        name=values["name"],
        spec=ChainSpec.parse(values["spec"]) if values["spec"] else None,
        public_network=values["public_network"],
        ca=_path(values["ca"]),
        chain=_chain(values["chain"]) if values["chain"] else None,
        custodial=CustodialEnvironment(**_revealing(custodial, "password")) if custodial else None,
        ussd=UssdEnvironment(**_revealing(ussd, "password")) if ussd else None,
        accounts=_accounts(accounts, document) if accounts else None,
        meta=MetaEnvironment(**_revealing(meta, "key", "passphrase")) if meta else None,
        workers=WorkersEnvironment(**_revealing(workers, "password", "secret")) if workers else None,
        path=path,
    )


_SECRETS = tuple(cast("tuple[str, ...]", path) for path in secret_paths(load_schema("environment-v1")))
#: Keys of an environment whose values are paths of files.
_PATHS: tuple[tuple[str, ...], ...] = (
    ("ca",),
    ("chain", "signer", "keyfile"),
    ("accounts", "servicefile"),
    ("accounts", "sslrootcert"),
    ("accounts", "sslcert"),
    ("accounts", "sslkey"),
)


def _accounts(values: Values, document: Mapping) -> AccountsEnvironment:
    if values["service"]:  # it says what the file does not: the defaults do not count
        written = document.entries["accounts"].value
        names = written.entries if isinstance(written, Mapping) else {}
        values = values | {name: None for name in ("port", "database", "user") if name not in names}
    files = {file[1]: _path(values[file[1]]) for file in _PATHS if file[0] == "accounts"}
    return AccountsEnvironment(**_revealing(values, "password", "pepper") | files)


def _chain(values: Values) -> ChainEnvironment:
    signer, rpc = values["signer"], values["rpc"]
    return ChainEnvironment(
        **values
        | {
            "rpc": (rpc,) if isinstance(rpc, str) else tuple(rpc),
            "spec": ChainSpec.parse(values["spec"]),
            "signer": SignerEnvironment(
                private_key=_secret(signer["private_key"]),
                keyfile=_path(signer["keyfile"]),
                password=_secret(signer["password"]),
            ),
        }
    )


def _pins(values: Values | None) -> PinOptions | None:
    if values is None:
        return None
    fixed = values["fixed"]
    return PinOptions(values["scheme"], values["cost"], tuple(fixed) if fixed else None, _path(values["from"]))


def _traffic(values: Values | None, profile: Profile | None) -> TrafficOptions | None:
    if values is None:
        return None
    days, _, _ = values["span"].partition(" ")
    return TrafficOptions(
        values["payments"],
        _decimal(values["per_person"]),
        _decimal(values["duration"]),
        values["rate"],
        profile,
        int(days),
        _share(values["overdrafts"]),
    )


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _share(percentage: str) -> Decimal:
    return Decimal(percentage.removesuffix("%")) / 100


def _revealing(values: Values, *secrets: str) -> Values:
    """The values with Secret objects for the given keys."""
    return values | {name: _secret(values[name]) for name in secrets}


def _resolve(values: Values, document: Mapping, path: tuple[str, ...], keep: tuple[str, ...] = ()) -> None:
    """Makes the file path at ``path`` absolute, relative to the folder of the file that it is written in."""
    holder = _holder(values, path)
    if holder and (value := holder[path[-1]]) is not None and value not in keep:
        holder[path[-1]] = str(written_at(document, path).source.folder / value)


def _resolve_secret(values: Values, document: Mapping, path: tuple[str, ...]) -> None:
    holder = _holder(values, path)
    if holder and (value := holder[path[-1]]) is not None:
        holder[path[-1]] = parse_secret(value, written_at(document, path).source.folder).reference


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _secret(reference: str | None) -> Secret | None:
    return None if reference is None else Secret(reference)


def _with_secrets(values: Values, secrets: list[tuple[str, ...]]) -> Values:
    """A copy of the values with Secret objects at the paths ``secrets``."""
    copied = deepcopy(values)
    for path in secrets:
        if holder := _holder(copied, path):
            holder[path[-1]] = _secret(holder[path[-1]])
    return copied


def _holder(values: Values, path: tuple[str, ...]) -> Values | None:
    """The mapping that holds the last key of ``path``; None when a mapping on the path is missing."""
    found: Values | None = values
    for part in path[:-1]:
        found = found and found[part]
    return found


def _canonical(value: Any) -> Any:
    """The value with sorted keys, and without keys that are None."""
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value) if value[key] is not None}
    return list(value) if isinstance(value, list) else value
