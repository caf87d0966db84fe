"""What compose.yaml asks of the engine, before anything runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docker import stack as stacks

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]

EXACT_TAG = re.compile(r".+:(?!latest$)[\w][\w.-]*")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """compose.yaml after docker/init, as the engine is asked to run it, research worker included."""
    folder = tmp_path_factory.mktemp("configured")
    stacks.lay_out(folder)
    stacks.init(folder)
    said = stacks.docker("compose", "--profile", "*", "config", "--format", "json", folder=folder)
    found: dict[str, Any] = json.loads(said)
    return found


def test_without_init_it_says_what_to_do(tmp_path: Path) -> None:
    stacks.lay_out(tmp_path)
    with pytest.raises(stacks.Refused, match=r"run docker/init first: it makes the passwords and \.env"):
        stacks.docker("compose", "config", folder=tmp_path)


def test_every_role_has_its_container(configured: dict[str, Any]) -> None:
    workers = {"worker-scan", "worker-control", "worker-research"}
    assert set(configured["services"]) == {"db", "redis", "web", "beat", "desk", "flower"} | workers
    assert configured["services"]["worker-research"]["profiles"] == ["research"]


def test_images_carry_exact_tags(configured: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in configured["services"].items()}
    assert not {name: image for name, image in images.items() if not EXACT_TAG.fullmatch(image)}
    assert images["db"] == "postgres:15"
    assert images["redis"] == "redis:7"


def test_only_web_and_flower_are_published_and_only_on_this_machine(configured: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], port["published"], port["target"]) for port in service["ports"]]
        for name, service in configured["services"].items()
        if service.get("ports")
    }
    assert published == {"web": [("127.0.0.1", "8000", 8000)], "flower": [("127.0.0.1", "5555", 5555)]}


def test_only_what_asks_an_exchange_has_a_way_out(configured: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in configured["services"].items()}
    asking = {"web", "worker-scan", "worker-control", "worker-research"}
    assert {name for name, joined in networks.items() if "outside" in joined} == asking
    assert configured["networks"]["inside"]["internal"] is True
    assert all(networks[name] == {"inside"} for name in ("db", "redis", "beat", "desk"))
    # Docker publishes no port of an internal network; this one has no address translation, so no way out.
    assert networks["flower"] == {"inside", "monitor"}
    options = configured["networks"]["monitor"]["driver_opts"]
    assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_each_container_is_given_only_the_secrets_it_needs(configured: dict[str, Any]) -> None:
    given = {
        name: {secret["source"] for secret in service["secrets"]}
        for name, service in configured["services"].items()
    }
    common = {"secret_key", "db_password", "redis_url"}
    assert given.pop("db") == {"db_superuser_password", "db_password"}
    assert given.pop("redis") == {"redis_acl", "redis_password"}
    assert given.pop("web") == common | {"admin_password"}
    assert given.pop("flower") == {"secret_key", "redis_url", "flower_password"}
    assert all(secrets == common for secrets in given.values())


def test_database_and_desk_are_spared_when_memory_runs_out(configured: dict[str, Any]) -> None:
    spared = {name: service.get("oom_score_adj") for name, service in configured["services"].items()}
    assert {name: score for name, score in spared.items() if score} == {"db": -500, "desk": -500}


def test_the_database_keeps_what_it_confirmed(configured: dict[str, Any]) -> None:
    command = configured["services"]["db"]["command"]
    assert {"-cfsync=on", "-cfull_page_writes=on", "-csynchronous_commit=on"} <= set(command)
    assert "--data-checksums" in configured["services"]["db"]["environment"]["POSTGRES_INITDB_ARGS"]


def test_the_broker_refuses_rather_than_forgets(configured: dict[str, Any]) -> None:
    command = " ".join(configured["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory 256mb --maxmemory-policy noeviction" in command
