"""The values that the shell offers for options and arguments. Loads no more than a schema, so that it answers at once."""

#: Names whose registries take long to load; a test holds them to these.
STEPS = (
    "population", "accounts", "registration", "gift", "faucet", "gas", "keystore", "metadata", "metadata_phone",
    "metadata_preferences", "metadata_custom", "pins", "ussd_data",
)  # fmt: skip
NODES = ("embedded", "anvil")
CONTRACTS = ("classic", "latest")


def steps() -> list[str]:
    return list(STEPS)


def nodes() -> list[str]:
    return list(NODES)


def contracts() -> list[str]:
    return list(CONTRACTS)


def checks() -> list[str]:
    return _choices("checks", "include")


def backends() -> list[str]:
    return _choices("backend", "kind")


def metadata() -> list[str]:
    return _choices("metadata")


def _choices(*path: str) -> list[str]:
    """The names that a key of the scenario language takes, alone or in a list."""
    from cicscenario.resources import load_schema

    schema = load_schema("scenario-v1")
    for name in path:
        schema = schema["properties"][name]
    names: list[str] = schema.get("items", schema)["enum"]
    return names


def explained() -> list[str]:
    """What ``explain`` knows: keys of both kinds of file, and error codes."""
    from cicscenario.language.diagnostic import EXPLANATIONS
    from cicscenario.language.schema import keys
    from cicscenario.resources import load_schema

    environment = [f"environment.{name}" for name in keys(load_schema("environment-v1"))]
    return [*keys(load_schema("scenario-v1")), *environment, *map(str, EXPLANATIONS)]
