"""The scenario language: files in, frozen models out, and errors that show their place."""

from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError
from cicscenario.language.load import is_environment, load_environment, load_scenario
from cicscenario.language.model import (
    AccountsEnvironment,
    Backend,
    ChainEnvironment,
    Checks,
    CustodialEnvironment,
    Environment,
    Gift,
    Keystore,
    MetadataKind,
    MetaEnvironment,
    Pins,
    Population,
    Scenario,
    SignerEnvironment,
    UssdEnvironment,
)
from cicscenario.language.secret import Secret

__all__ = [
    "AccountsEnvironment",
    "Backend",
    "ChainEnvironment",
    "Checks",
    "CustodialEnvironment",
    "Diagnostic",
    "DiagnosticsError",
    "Environment",
    "Gift",
    "Keystore",
    "MetaEnvironment",
    "MetadataKind",
    "Pins",
    "Population",
    "Scenario",
    "Secret",
    "SignerEnvironment",
    "UssdEnvironment",
    "is_environment",
    "load_environment",
    "load_scenario",
]
