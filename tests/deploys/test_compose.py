"""`compose.yaml`: the tables first, then the bot, with settings that the bot knows."""

import pytest

from bots.life import LAST_SECONDS
from core.settings import Settings
from tests.deploys.composition import composition, services
from tests.deploys.dockerfile import stages
from tests.deploys.names import known
from tests.deploys.unit import one

SET = {"POSTGRES_PASSWORD": "letters1"}


def seconds(told: str) -> int:
    """Return a time such as 30s in seconds."""
    return int(told.removesuffix("s"))


def test_the_database_is_up_and_its_tables_current_before_the_bot_starts() -> None:
    all_of_them = services(SET)
    assert all_of_them["migrate"].after == {"postgres": "service_healthy"}
    assert all_of_them["migrate"].command == ["migrate"]
    assert all_of_them["bot"].after["migrate"] == "service_completed_successfully"
    assert all_of_them["bot"].command == []
    assert all_of_them["migrate"].settings.items() <= all_of_them["bot"].settings.items()


def test_its_settings_are_ours_and_the_database_is_that_of_the_other_service() -> None:
    all_of_them = services(SET)
    bot, server = all_of_them["bot"].settings, all_of_them["postgres"].settings
    assert set(bot) <= known()
    user, password = server["POSTGRES_USER"], server["POSTGRES_PASSWORD"]
    assert bot["DATABASE_URL"] == f"postgres://{user}:{password}@postgres/{server['POSTGRES_DB']}"
    assert f"--username={user}" in all_of_them["postgres"].told["healthcheck"]["test"]


def test_without_a_password_nothing_starts() -> None:
    with pytest.raises(LookupError, match="letters and digits"):
        services({})


def test_every_volume_is_declared_and_the_port_is_for_this_machine_alone() -> None:
    told = composition()
    mounts = [each for service in told["services"].values() for each in service["volumes"]]
    assert {mount.partition(":")[0] for mount in mounts} == set(told["volumes"])
    [port] = told["services"]["bot"]["ports"]
    host, outside, inside = port.split(":")
    assert (host, outside) == ("127.0.0.1", inside)
    assert inside == services(SET)["bot"].settings["PORT"] == stages()[-1].last("EXPOSE")


def test_the_bot_may_do_nothing_that_it_does_not_need() -> None:
    bot = composition()["services"]["bot"]
    assert bot["read_only"] is True
    assert bot["cap_drop"] == ["ALL"]
    assert bot["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "user"} & set(bot)


def test_a_stop_leaves_running_answers_their_time() -> None:
    longest = Settings.model_fields["drain_seconds"].default + LAST_SECONDS
    assert seconds(composition()["services"]["bot"]["stop_grace_period"]) > longest
    assert seconds(one("TimeoutStopSec")) > longest
