"""What is put on the engine's queue is what its own client puts there, field by field."""

import base64
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.services.custodial.messages import Messages

RECORDINGS: dict[str, Any] = json.loads(Path(__file__).with_name("custodial_recordings.json").read_text("utf-8"))
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
MESSAGES = Messages("cic-eth", SPEC)
#: These say who sent it, and are made anew for each message.
OF_THE_SENDER = {"headers": ["origin"], "properties": ["reply_to", "delivery_tag"]}


def opened(pushed: str | bytes) -> dict[str, Any]:
    """A message with its body decoded, without what differs from sender to sender."""
    message: dict[str, Any] = json.loads(pushed)
    assert message["properties"]["body_encoding"] == "base64"
    message["body"] = json.loads(base64.b64decode(message["body"]))
    for part, names in OF_THE_SENDER.items():
        for name in names:
            assert message[part].pop(name)
    return message


def test_an_account_with_registration_is_asked_for_with_an_error_link_on_every_task() -> None:
    recorded = RECORDINGS["create-account-error-links"]
    destination = f"127.0.0.1:6390:0:{recorded['channel']}"
    assert opened(MESSAGES.create_account(recorded["root_id"], destination)) == opened(recorded["pushed"])


def test_an_account_without_registration_is_linked_to_the_callback_alone() -> None:
    recorded = RECORDINGS["create-account-no-register"]
    destination = f"127.0.0.1:6390:0:{recorded['channel']}"
    ours = opened(MESSAGES.create_account(recorded["root_id"], destination, register=False))
    theirs = opened(recorded["pushed"])
    error_link = {
        "task": "cic_eth.callbacks.redis.redis",
        "args": [destination, 1],
        "kwargs": {},
        "options": {"queue": "cic-eth"},
        "subtask_type": None,
        "immutable": False,
    }
    assert theirs["body"][2]["errbacks"] is None
    theirs["body"][2]["errbacks"] = [error_link]  # the recorded client had none, and was never told of a failure
    theirs["body"][2]["callbacks"][0]["options"]["link_error"] = [error_link]
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "task", "arguments"),
    [
        (
            "have-account",
            "cic_eth.eth.account.have",
            [
                "8e9b045d508c028109b2d990fc022fba5b09457b",
                {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []},
            ],
        ),
        ("default-token", "cic_eth.eth.erc20.default_token", []),
    ],
)
def test_questions_are_sent_as_by_the_engines_own_client(name: str, task: str, arguments: list[Any]) -> None:
    recorded = RECORDINGS[name]
    assert opened(MESSAGES.call(recorded["root_id"], task, arguments)) == opened(recorded["pushed"])


@pytest.mark.parametrize(
    ("message", "nonces_of", "task"),
    [
        (MESSAGES.register_account, ["ACCOUNT_REGISTRY_WRITER"], "cic_eth.eth.account.register"),
        (MESSAGES.gift_account, [], "cic_eth.eth.account.gift"),
    ],
)
def test_what_is_asked_for_again_draws_its_nonce_first(
    message: Callable[[str, str], bytes], nonces_of: list[str], task: str
) -> None:
    """The writer's for a registration, and for a gift that of the account: it calls the faucet itself."""
    spec = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}
    made = opened(message(str(uuid.uuid4()), "5a" * 20))
    arguments, _, options = made["body"]
    assert (made["headers"]["task"], arguments) == ("cic_eth.eth.nonce.reserve_nonce", ["5a" * 20, spec, *nonces_of])
    assert [(link["task"], link["args"]) for link in options["callbacks"]] == [(task, [spec])]


def test_another_chain_and_another_queue_are_told_apart() -> None:
    recorded = RECORDINGS["create-account-error-links"]
    destination = f"127.0.0.1:6390:0:{recorded['channel']}"
    for other in (Messages("cic-eth", ChainSpec.parse("evm:byzantium:1:bloxberg")), Messages("other", SPEC)):
        assert opened(other.create_account(recorded["root_id"], destination)) != opened(recorded["pushed"])


def test_every_message_is_of_its_own() -> None:
    roots = [str(uuid.uuid4()) for _ in range(50)]
    made = [json.loads(MESSAGES.create_account(root, "127.0.0.1:6379:0:channel")) for root in roots]
    assert [message["headers"]["root_id"] for message in made] == roots
    assert len({message["properties"]["delivery_tag"] for message in made}) == len(roots)
    assert len({message["body"] for message in made}) == 1


def test_a_transfer_is_asked_for_by_the_tasks_of_the_engines_own_client() -> None:
    """Source: ``Api.transfer`` in cic_eth/api/api_task.py. Its error link is only set when a callback is asked for."""
    payer, payee, chain = "0a" * 20, "0b" * 20, SPEC.asdict()
    message = opened(MESSAGES.transfer("root", payer, payee, 5_500_000, "GFT"))
    assert (message["headers"]["task"], message["headers"]["id"]) == ("cic_eth.admin.ctrl.check_lock", "root")
    (arguments, _, links), found = message["body"], []
    assert arguments == [["GFT"], chain, 16, payer]
    (link,) = links["callbacks"]
    while True:
        assert link["options"]["queue"] == "cic-eth"
        found.append((link["task"], link["args"]))
        if not (more := link["options"].get("link")):
            break
        (link,) = more
    assert found == [
        ("cic_eth.eth.nonce.reserve_nonce", [chain, payer]),
        ("cic_eth.eth.erc20.resolve_tokens_by_symbol", [chain]),
        ("cic_eth.eth.erc20.transfer", [payer, payee, 5_500_000, chain]),
    ]
