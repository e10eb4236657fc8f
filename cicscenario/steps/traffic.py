"""The step traffic: people pay each other, once everybody has arrived; its two files list what was paid."""

from cicscenario.capabilities.descriptor import backend_part
from cicscenario.capabilities.step import ResultFile, Step
from cicscenario.steps import accounts, faucet, gas, gift, pins, registration, ussd_data, work

STEP = Step(
    "traffic",
    backend_part(lambda declared: declared.traffic, lambda backend, step: backend.traffic(step)),
    after=tuple(
        one.STEP.name for one in (accounts, registration, gift, faucet, gas, pins, ussd_data)
    ),  # everybody has arrived
    files=(
        ResultFile("payments.csv", lambda run, path, pages: work.traffic.write_file(run, path)),
        ResultFile("payments.graphml", lambda run, path, pages: work.graph.write_file(run, path)),
    ),
    lacking="a payment that was not made",
    together=True,
)
