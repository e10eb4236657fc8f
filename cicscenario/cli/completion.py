"""Shell completion: the values of options and arguments. Each function imports only what it needs."""

NODES = ("embedded", "anvil")
STEPS = (
    *("population", "accounts", "registration", "gift", "faucet", "gas", "keystore"),
    *("metadata", "metadata_phone", "metadata_preferences", "metadata_custom", "pins", "ussd_data", "traffic"),
)  #: of this package
REPORTS = ("html", "junit", "markdown", "openmetrics", "json")  #: of this package
SERVICES = ("node", "redis", "postgres", "meta", "custodial", "ussd")  #: of the sandbox
CONTRACTS = ("classic", "latest")
PACES = ("fast", "real")


def steps() -> list[str]:
    from cicscenario.steps import all_steps

    return [step.name for step in all_steps()]


def nodes() -> list[str]:
    return list(NODES)


def contracts() -> list[str]:
    return list(CONTRACTS)


def paces() -> list[str]:
    return list(PACES)


def services() -> list[str]:
    return list(SERVICES)


def faults() -> list[str]:
    from cicscenario.sandbox.faultnames import FAULTS

    return list(FAULTS)


def checks() -> list[str]:
    return _choices("checks", "include")


def backends() -> list[str]:
    return _choices("backend", "kind")


def metadata() -> list[str]:
    return _choices("metadata")


def _choices(*path: str) -> list[str]:
    """The enum of a key of the scenario language, or of its list items."""
    from cicscenario.vocabulary import scenario_schema

    schema = scenario_schema()
    for name in path:
        schema = schema["properties"][name]
    names: list[str] = schema.get("items", schema)["enum"]
    return names


def reports() -> list[str]:
    from cicscenario.report import all_forms

    return [form.name for form in all_forms()]


def explained() -> list[str]:
    """The arguments of ``explain``: keys of every kind of file, names, and codes."""
    from cicscenario.cli.explainnames import names
    from cicscenario.language.diagnostic import EXPLANATIONS
    from cicscenario.language.schema import keys
    from cicscenario.resources import load_schema
    from cicscenario.vocabulary import scenario_schema

    others = [f"{kind}.{name}" for kind in ("environment", "profile") for name in keys(load_schema(f"{kind}-v1"))]
    return list(dict.fromkeys([*keys(scenario_schema()), *others, *map(str, EXPLANATIONS), *names()]))
