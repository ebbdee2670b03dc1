"""The command line and entry point: `python -m bots [PLATFORM ...]`."""

import asyncio
import gc
import logging
import sys
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    BooleanOptionalAction,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence

if __name__ == "__main__":
    gc.disable()  # see `bots.garbage`, which is not loaded yet

from bots import dynos, garbage, loops, permissions, streams
from bots import log as lines
from bots.loading import NAMES, load
from bots.platform import Platform
from bots.registry import PLATFORMS
from bots.version import VERSION
from core import db, schema, settings
from core.adapter import VERBS
from core.errors import SettingsError
from core.plain import visible
from core.settings import Settings

NOTHING_TO_RUN = """\
Nothing to run: no platform has a token. `make init` asks for all that is needed. Or set at least
one, in the environment or in a file .env:

{needs}

and the key of the language model:

  MODEL_API_KEY    from https://aimlapi.com/app/keys

`python -m bots {free}` needs only MODEL_API_KEY; `make demo` needs nothing at all."""

SET_FIRST = """\
Missing for what is to run. Set it, in the environment or in a file .env:

{needs}"""

NO_KEY = "MODEL_API_KEY: not set; get a key at https://aimlapi.com/app/keys"

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ends, as shells have it."""

EPILOG = "\n".join(
    [
        "In place of platforms, one of these commands, each with a --help of its own:",
        "",
        *(f"  {verb.name:<10}{verb.summary}" for verb in VERBS),
        "  init      Set the bot up: ask for tokens and the key, check them, write .env",
        "  doctor    Look for everything that is wrong, and tell what to do about it",
        "  models    What the model API offers and what it costs",
        "  migrate   Bring the tables up to date, as a deploy needs on PostgreSQL",
        "  backup    Write everything that is stored to a file; the bot may go on meanwhile",
        "  restore   Fill an empty database from such a file",
    ]
)


def _name(told: str) -> str:
    """Return the name of a platform as it was typed; ArgumentTypeError for an unknown one."""
    if told not in {platform.name for platform in PLATFORMS}:
        raise ArgumentTypeError(f"{told!r} is not one of {NAMES}.")
    return told


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="parley",
        description="Answer people on the platforms where they talk to the bot.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "platforms",
        metavar="PLATFORM",
        nargs="*",
        type=_name,
        help=f"a platform to run, of {NAMES}; none named: those that have a token",
    )
    parser.add_argument(
        "--listen",
        action=BooleanOptionalAction,
        default=True,
        help="listen for messages; without it only answer what is stored",
    )
    parser.add_argument("--version", action="version", version=f"parley {VERSION}")
    return parser


def serve(platforms: Sequence[str], *, listen: bool) -> int:
    """Run the bot until it is stopped; return its exit status."""
    try:
        loaded, known = load()
        chosen = _choose(known, platforms)
        if not loaded.model_api_key.get_secret_value():
            raise SettingsError(NO_KEY)
        _log_to_stderr(loaded, chosen)
        permissions.warn(*db.files(loaded.database_url), ".env")
        dynos.warn(db.files(loaded.database_url))
        with garbage.unsought():
            from bots.composition import run  # noqa: PLC0415 - a command or a wrong setting needs no bot

        with asyncio.Runner(loop_factory=loops.fastest) as runner:
            runner.run(run(loaded, chosen, listen=listen))
    except* SettingsError as group:
        errors = _leaves(group)
    else:
        return 0
    for error in errors:
        sys.stderr.write(f"{visible(str(error))}\n")
    return 2


def migrate() -> int:
    """Bring the tables up to date; return the exit status."""
    try:
        loaded = settings.load()
        schema.migrate(loaded.database_direct_url or loaded.database_url)
    except SettingsError as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    return 0


def main() -> None:
    """Run the console script `parley`."""
    garbage.freeze()
    permissions.narrow()
    streams.open_closed()
    with streams.ending_quietly():
        try:
            sys.exit(_carry_out(sys.argv[1:]))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _carry_out(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in {verb.name for verb in VERBS}:
        from bots import operator  # noqa: PLC0415 - a running bot needs no tables

        return operator.main(arguments)
    if arguments == ["migrate"]:
        return migrate()
    if arguments[:1] in (["backup"], ["restore"]):
        from bots import backups  # noqa: PLC0415 - as above

        return backups.main(arguments)
    if arguments[:1] == ["models"]:
        from bots import models  # noqa: PLC0415 - as above

        return models.main(arguments[1:])
    if arguments[:1] in (["init"], ["doctor"]):
        from bots import doctor, setup  # noqa: PLC0415 - as above

        main = setup.main if arguments[0] == "init" else doctor.main
        return main(arguments[1:])
    told = _parser().parse_args(arguments)
    return serve(told.platforms, listen=told.listen)


def _choose(platforms: Sequence[Platform], names: Sequence[str]) -> list[Platform]:
    """Return the platforms to run; raises SettingsError, which tells how to get what is missing."""
    named = {platform.name: platform for platform in platforms}
    chosen = [named[name] for name in dict.fromkeys(names)]
    chosen = chosen or [platform for platform in platforms if platform.is_set]
    if not chosen:
        free = " ".join(platform.name for platform in platforms if not platform.needs)
        raise SettingsError(NOTHING_TO_RUN.format(needs=_needs(platforms), free=free))
    if needs := _needs(chosen):
        raise SettingsError(SET_FIRST.format(needs=needs))
    return chosen


def _needs(platforms: Sequence[Platform]) -> str:
    return "\n".join(each.needs for each in platforms if each.needs and not each.is_set)


def _log_to_stderr(loaded: Settings, platforms: Sequence[Platform]) -> None:
    on_terminal = any(platform.on_terminal for platform in platforms)
    secrets = [secret for each in (loaded, *platforms) for secret in each.secrets()]
    level = loaded.log_level or ("warning" if on_terminal else "info")
    lines.begin(logging.getLevelNamesMapping()[level.upper()], secrets, layout=loaded.log_format)
    dsn, endpoint = loaded.sentry_dsn.get_secret_value(), loaded.otel_exporter_otlp_endpoint
    if dsn or endpoint:
        from bots import telemetry  # noqa: PLC0415 - few need it

        telemetry.begin(dsn, endpoint, lines.Mask(secrets))
    # httpx logs every URL at INFO, and a URL may hold a token.
    libraries = ["httpx", "httpcore", "alembic"]
    for platform in platforms:
        libraries.extend(platform.loggers)
    for name in libraries:
        logging.getLogger(name).setLevel(logging.WARNING)


def _leaves(group: BaseExceptionGroup[SettingsError]) -> list[SettingsError]:
    found: list[SettingsError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


if __name__ == "__main__":
    main()
