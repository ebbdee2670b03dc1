"""The whole examination: all checks side by side, their findings in one order."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bots.accounts import Acquaintance
from bots.doctor import _machine as machine
from bots.doctor import _settings as settings
from bots.loading import recover
from bots.log import Mask
from bots.platform import Platform
from bots.terms import model_api
from core import checkup, db
from core.checkup import Stored
from core.errors import DeliveryError, SettingsError
from core.findings import Check, Finding, Severity, carry_out, fault
from core.quota import Rules
from core.settings import Settings

ENV = Path(".env")
EACH, WHOLE = 15.0, 40.0
"""The most seconds of one check of an account, and of all that needs several of them."""


async def examine() -> list[Finding]:
    """Return everything that is wrong; raises SettingsError if no settings can be read at all."""
    loaded, platforms, found = _read()
    found += settings.missing(loaded, platforms)
    found += machine.files(db.files(loaded.database_url))
    if blocked := machine.way():
        checks = _Checks(loaded, platforms).here
    else:
        checks = _Checks(loaded, platforms).all
    found += blocked + await carry_out(checks, WHOLE)
    mask = Mask(_secrets(loaded, platforms))
    return [replace(each, what=mask(each.what), remedy=mask(each.remedy)) for each in found]


def _read() -> tuple[Settings, list[Platform], list[Finding]]:
    """Return the settings as far as they can be read, and what is wrong with them."""
    try:
        loaded, platforms, faults = recover(str(ENV))
    except SettingsError as error:
        loaded, platforms, faults = recover(None)
        what, _, remedy = str(error).rpartition("; ")
        return loaded, platforms, [fault("env.file", what, remedy), *settings.wrong(faults)]
    return loaded, platforms, [*settings.of_file(ENV), *settings.wrong(faults)]


class _Checks:
    """The checks that the settings call for."""

    def __init__(self, loaded: Settings, platforms: Sequence[Platform]) -> None:
        self._loaded = loaded
        self._platforms = [platform for platform in platforms if platform.is_set]
        self._stored: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
        """What the database tells, as soon as that is known; None if it cannot."""
        self.here: tuple[Check, ...] = (Check("database", self._database),)
        self.all = (
            Check("network.proxy", machine.reach_proxies),
            Check("clock", partial(machine.clock, loaded.model_api_url)),
            *self.here,
            Check("model", self._model),
            *(Check(each.name, partial(self._platform, each)) for each in self._platforms),
        )

    async def _database(self) -> list[Finding]:
        loaded = self._loaded
        try:
            found = await checkup.database(
                loaded.database_url,
                loaded.database_direct_url,
                loaded.database_connections,
            )
            hinder = {"database.new", "database.tables", "database.foreign"}
            if not any(each.name in hinder or each.severity is Severity.FAULT for each in found):
                rules = Rules(loaded.quota, loaded.budget, loaded.timezone, loaded.tiers)
                stored = await checkup.stored(loaded.database_url, loaded.admins, rules)
                self._stored.set_result(stored)
                found += stored.findings
        finally:
            if not self._stored.done():
                self._stored.set_result(None)
        return found

    async def _model(self) -> list[Finding]:
        loaded = self._loaded
        if not loaded.model_api_key.get_secret_value():
            return []
        async with model_api(loaded) as model:
            return await checkup.model(model, loaded)

    async def _platform(self, platform: Platform) -> list[Finding]:
        """Return what is wrong with an account, once it and the database are known."""
        try:
            me = await platform.introduce()
        except SettingsError as error:
            what, _, remedy = str(error).partition(": ")
            return [fault(f"{platform.name}.token", what, remedy or "copy it again")]
        except DeliveryError as error:
            return [fault(f"{platform.name}.server", str(error), "see whether it can be reached")]
        stored = await asyncio.shield(self._stored)
        known = self._acquaintance(platform, me.account_id, stored)
        return await carry_out(platform.checks(me, known), EACH)

    def _acquaintance(
        self, platform: Platform, account_id: str, stored: Stored | None
    ) -> Acquaintance:
        account, groups = (platform.name, account_id), self._loaded.allowed_groups or ()
        return Acquaintance(
            groups=() if stored is None else stored.groups_of(account),
            allowed=tuple(sorted(number for name, number in groups if name == platform.name)),
            is_heard=None if stored is None else stored.is_heard(account),
        )


def _secrets(loaded: Settings, platforms: Sequence[Platform]) -> list[str]:
    """Return the values that no finding may repeat."""
    urls = (loaded.database_url, loaded.database_direct_url)
    passwords = [checkup.password_of(url) for url in urls if url]
    values = [value for each in (loaded, *platforms) for value in each.secrets()]
    return [*values, *passwords]
