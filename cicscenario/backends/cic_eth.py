"""The backend cic_eth: the custodial engine makes keys, registers accounts, gives gas and triggers the faucet."""

from cicscenario.backends import work
from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION, TRAFFIC_COST
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service
from cicscenario.language import KeyHolder

BACKEND = BackendDescriptor(
    kind="cic_eth",
    summary="the custodial engine makes the accounts, and gives gas and triggers the faucet by itself",
    keys=KeyHolder.ENGINE,
    no_payments="",
    options={"patience": PATIENCE},
    open=lambda run: work.cic_eth.CicEthBackend(run),
    accounts=BackendPart("have the custodial engine make accounts", Lane.SERVICE, (Service.CUSTODIAL,)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
    traffic=BackendPart(
        "have the engine transfer what people pay each other",
        Lane.SERVICE,
        (Service.CHAIN, Service.CUSTODIAL),
        TRAFFIC_COST,
        applies=lambda s: s.traffic is not None,
    ),
)
