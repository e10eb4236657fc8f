"""The scenario language: loads files into frozen models; errors show the file, line and column."""

from cicscenario.language.combination import Combination, SeveralRunsError
from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError
from cicscenario.language.load import is_environment, load_environment, load_scenario
from cicscenario.language.model import (
    AccountsEnvironment,
    BackendOptions,
    BackendTraits,
    ChainEnvironment,
    CheckOptions,
    CustodialEnvironment,
    Environment,
    GiftOptions,
    KeyHolder,
    Limits,
    MetaEnvironment,
    PinOptions,
    PopulationOptions,
    Scenario,
    SignerEnvironment,
    TrafficOptions,
    UssdEnvironment,
    WorkersEnvironment,
)
from cicscenario.language.secret import Secret
from cicscenario.language.vocabulary import Condition, Rule, Vocabulary

__all__ = [
    "AccountsEnvironment",
    "BackendOptions",
    "BackendTraits",
    "ChainEnvironment",
    "CheckOptions",
    "Combination",
    "Condition",
    "CustodialEnvironment",
    "Diagnostic",
    "DiagnosticsError",
    "Environment",
    "GiftOptions",
    "KeyHolder",
    "Limits",
    "MetaEnvironment",
    "PinOptions",
    "PopulationOptions",
    "Rule",
    "Scenario",
    "Secret",
    "SeveralRunsError",
    "SignerEnvironment",
    "TrafficOptions",
    "UssdEnvironment",
    "Vocabulary",
    "WorkersEnvironment",
    "is_environment",
    "load_environment",
    "load_scenario",
]
