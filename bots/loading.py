"""Reading the settings of the core and of all platforms at once."""

from collections.abc import Iterator

from bots.platform import Platform
from bots.registry import PLATFORMS
from core import environment, words
from core.errors import SettingsError
from core.settings import Settings

NAMES = ", ".join(platform.name for platform in PLATFORMS)


def load(env_file: str | None = ".env", **values: object) -> tuple[Settings, list[Platform]]:
    """Read the settings of the core and of all platforms; `values` override the environment.

    Raises SettingsError, which names every wrong setting.
    """
    found = environment.read(Settings, *PLATFORMS, env_file=env_file, **values)
    [loaded] = [each for each in found if isinstance(each, Settings)]
    if faults := [*_wrong_ids(loaded), *_wrong_language(loaded)]:
        raise SettingsError("\n".join(faults))
    return loaded, [each for each in found if isinstance(each, Platform)]


def recover(
    env_file: str | None = ".env", **values: object
) -> tuple[Settings, list[Platform], dict[str, str]]:
    """Read all settings; those that are wrong have their defaults, or no limit.

    Return the sentences about these, too, by the names of the settings. Raises SettingsError if
    `env_file` cannot be read.
    """
    faults: dict[str, str] = {}
    given = dict(values)
    while True:
        try:
            return (*load(env_file, **given), faults)
        except SettingsError as error:
            new = parted(error)
            if "" in new or env_file in new:
                raise
            if new.keys() <= faults.keys():
                if given.get("quota") == "":
                    raise
                given |= {"quota": "", "budget": ""}  # a limit in usd wants prices
            given |= {name.lower(): "" for name in new}
            faults = new | faults


def parted(error: SettingsError) -> dict[str, str]:
    """Return the sentences of an error of `load` by the names of the settings."""
    found = (line.partition(": ") for line in str(error).splitlines())
    return {name if colon else "": told for name, colon, told in found}


def _wrong_ids(loaded: Settings) -> Iterator[str]:
    """Yield a sentence for each setting with an account or a group that no platform can have."""
    accounts = {"ADMINS": loaded.admins, "ALLOWED_PEOPLE": loaded.allowed_people}
    groups = {"ALLOWED_GROUPS": loaded.allowed_groups or ()}
    for name, told in (accounts | groups).items():
        wrong = (_wrong_id(name, *each, is_group=name in groups) for each in sorted(told))
        if sentence := next(filter(None, wrong), ""):
            yield sentence


def _wrong_id(name: str, platform: str, number: str, *, is_group: bool) -> str:
    """Return a sentence for an id that the platform cannot have; "" for any other."""
    known = {each.name: each for each in PLATFORMS}
    if platform not in known:
        return f"{name}: {platform!r} is not one of {NAMES}; write one of them before the colon"
    digits = number.removeprefix("-") if is_group else number
    if not known[platform].numbers_accounts or digits.isdecimal():
        return ""
    if is_group:
        return f"{name}: a group on {platform} is a number, as {platform}:-100123; write that"
    return (
        f"{name}: an account on {platform} is a number, as {platform}:123;"
        " write that; `parley users NAME` shows it for people who have written to the bot"
    )


def _wrong_language(loaded: Settings) -> Iterator[str]:
    """Yield a sentence if the bot does not speak DEFAULT_LANGUAGE."""
    if not words.nearest(loaded.default_language):
        known = ", ".join(words.languages())
        yield f"DEFAULT_LANGUAGE: {loaded.default_language!r} is none of {known}; set one of them"
