"""Webhooks: updates that the service posts to a URL, as often as it takes."""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from tests.fakes.telegram.errors import bad_request, flooded
from tests.fakes.telegram.params import Params, number
from tests.fakes.telegram.spans import Json
from tests.fakes.telegram.updates import Updates

PORTS = (443, 80, 88, 8443)
DEFAULT_CONNECTIONS, MOST_CONNECTIONS = 40, 100
LONGEST_SECRET = 256
TIMEOUT = 30.0
"""The seconds that an answer may take."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""The seconds before an update is posted again. The service's own grow up to two minutes."""
LONGEST_TOLD = 3600
"""The most seconds of a `Retry-After` that are kept to."""
CHANGES_APART = 1.0
"""The seconds between two changes of the webhook."""
SECRET = "X-Telegram-Bot-Api-Secret-Token"
HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Delivery:
    """An update that was posted, with the status of the answer; 0 if there was none."""

    update_id: int
    status: int
    url: str


@dataclass
class Hook:
    """The webhook that is set; no URL means none."""

    url: str = ""
    secret: str = ""
    most: int = DEFAULT_CONNECTIONS
    failed_at: int = 0
    failure: str = ""

    def fail(self, why: str) -> None:
        """Note why an update could not be delivered."""
        self.failed_at, self.failure = int(time.time()), why

    def json(self, updates: Updates) -> Json:
        """The webhook as a WebhookInfo."""
        told: Json = {
            "url": self.url,
            "has_custom_certificate": False,
            "pending_update_count": len(updates.unacknowledged),
        }
        if self.url:
            told |= {"max_connections": self.most, "ip_address": "127.0.0.1"}
        if updates.allowed:
            told["allowed_updates"] = list(updates.allowed)
        if self.failure:
            told |= {"last_error_date": self.failed_at, "last_error_message": self.failure}
        return told


def read_hook(params: Params, *, is_local: bool) -> Hook:
    """Return the webhook that a call wants; a service that runs with `--local` takes any URL."""
    url, secret = str(params.get("url") or ""), str(params.get("secret_token") or "")
    if url:
        _check_url(url, is_local=is_local)
    if len(secret) > LONGEST_SECRET:
        raise bad_request("secret token is too long")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
        raise bad_request("secret token contains unallowed characters")
    most = number(params, "max_connections", 0, MOST_CONNECTIONS) or DEFAULT_CONNECTIONS
    return Hook(url, secret, most)


def _check_url(url: str, *, is_local: bool) -> None:
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise bad_request("bad webhook: invalid webhook URL specified")
    if is_local:
        return
    if split.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (split.port or 443) not in PORTS:
        ports = "80, 88, 443 or 8443"
        raise bad_request(f"bad webhook: Webhook can be set up only on ports {ports}")


@dataclass
class Deliveries:
    """Posts updates to the webhook; those of one queue one after the other."""

    updates: Updates
    hook: Hook = field(default_factory=Hook)
    made: list[Delivery] = field(default_factory=list)
    _busy: set[tuple[str, int]] = field(default_factory=set)
    _changed_at: float = float("-inf")

    def change(self, hook: Hook) -> None:
        """Set another webhook, or none; Refused if the last change was a moment ago."""
        same = (hook.url, hook.secret, hook.most) == (
            *(self.hook.url, self.hook.secret),
            self.hook.most,
        )
        if same:
            return
        now = time.monotonic()
        if hook.url and now - self._changed_at < CHANGES_APART:
            raise flooded(1)
        self._changed_at = now
        self.hook = hook
        self.updates.changed.set()

    async def run(self) -> None:
        """Post what waits, for ever."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as client, asyncio.TaskGroup() as tasks:
            while True:
                self.updates.changed.clear()
                for update in self.updates.waiting() if self.hook.url else ():
                    queue = queue_of(update)
                    if queue not in self._busy and len(self._busy) < self.hook.most:
                        self._busy.add(queue)
                        tasks.create_task(self._deliver(client, self.hook, update, queue))
                await self.updates.changed.wait()

    async def _deliver(
        self, client: aiohttp.ClientSession, hook: Hook, update: Json, queue: tuple[str, int]
    ) -> None:
        """Post an update until it is taken or the webhook is another one."""
        pause = SHORTEST_PAUSE
        try:
            while self.hook is hook:
                status, told = await self._post(client, hook, update)
                self.made.append(Delivery(update["update_id"], status, hook.url))
                if 200 <= status < 300:
                    self.updates.take_away(update)
                    return
                await asyncio.sleep(max(pause, told))
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._busy.discard(queue)
            self.updates.changed.set()

    async def _post(
        self, client: aiohttp.ClientSession, hook: Hook, update: Json
    ) -> tuple[int, float]:
        """Post an update once; return the status and the seconds to wait that the answer tells."""
        headers = {SECRET: hook.secret} if hook.secret else {}
        if urlsplit(hook.url).hostname not in HERE:
            hook.fail("Failed to resolve host")  # nothing leaves this machine
            return 0, 0.0
        try:
            async with client.post(hook.url, json=update, headers=headers) as answer:
                if not 200 <= answer.status < 300:
                    told = f"{answer.status} {answer.reason}"
                    hook.fail(f"Wrong response from the webhook: {told}")
                return answer.status, _told_pause(answer.headers)
        except TimeoutError:
            hook.fail("Read timeout expired")
        except (aiohttp.ClientError, OSError):
            hook.fail("Connection refused")
        return 0, 0.0


def _told_pause(headers: Mapping[str, str]) -> float:
    with suppress(KeyError, ValueError):
        return min(float(headers["Retry-After"]), LONGEST_TOLD)
    return 0.0


def queue_of(update: Json) -> tuple[str, int]:
    """Return the queue of an update: one chat's messages and edits, or one person's presses."""
    for kind, value in update.items():
        if not isinstance(value, dict):
            continue
        if kind == "callback_query":
            return "presses", value["from"]["id"]
        if isinstance(value.get("chat"), dict):
            return "chat", value["chat"].get("id", 0)
    return "others", 0
