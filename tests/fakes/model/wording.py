"""An answer in the words of the API: the JSON of a whole one, the event bytes of a streamed one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.fakes.model.script import Answer
from tests.fakes.model.usage import Prompt, credits_for, price, report, tokens

BROKEN = {"error": {"message": "The model failed in mid-answer", "type": "server_error"}}


@dataclass(frozen=True, slots=True)
class Wording:
    """One answer to one request, ready to be put into words."""

    id: str
    created: int
    model: str
    pieces: list[str]
    """The answer token by token, limited as the request asks."""
    tool_calls: list[dict[str, Any]]
    finish_reason: str
    refusal: str | None
    usage: dict[str, Any] | None
    usd_spent: Decimal
    meta: dict[str, Any] | None
    """The cost as the last chunk tells it."""


def word(
    answer: Answer, body: Mapping[str, Any], prompt: Prompt, *, number: int, now: int
) -> Wording:
    """Put an answer into the words of the API."""
    pieces = list(tokens(answer.text) if answer.pieces is None else answer.pieces)
    calls = [wire_call(call, f"call_{number}_{at}") for at, call in enumerate(answer.tool_calls)]
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    cut = limit is not None and len(pieces) > limit
    pieces = pieces[: int(limit)] if limit is not None and cut else pieces
    usage = usage_of(answer, prompt, len(pieces) + sum(map(call_tokens, calls)))
    spent = cost_of(answer, usage)
    return Wording(
        id=f"chatcmpl-{number:08d}",
        created=now,
        model=body["model"].rpartition("/")[2],
        pieces=pieces,
        tool_calls=calls,
        finish_reason="length" if cut else finish_of(answer),
        refusal=answer.refusal,
        usage=usage if answer.usage is not False else None,
        usd_spent=spent,
        meta=None if answer.cost is False else {"usage": cost_report(spent)},
    )


def wire_call(call: Mapping[str, Any] | tuple[str, Any], call_id: str) -> dict[str, Any]:
    """A tool call in the API's form."""
    if isinstance(call, Mapping):
        return {"id": call_id, "type": "function", **call}
    name, arguments = call
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def call_tokens(call: Mapping[str, Any]) -> int:
    """The tokens of a tool call."""
    return 1 + len(tokens(call["function"]["arguments"]))


def finish_of(answer: Answer) -> str:
    """Return the reason for which the model stopped; calling tools is one of its own."""
    called = answer.tool_calls and answer.finish_reason == "stop"
    return "tool_calls" if called else answer.finish_reason


def usage_of(answer: Answer, prompt: Prompt, completion: int) -> dict[str, Any]:
    """The usage to bill by, as it was scripted or as it was counted."""
    return answer.usage if isinstance(answer.usage, dict) else report(prompt, completion)


def cost_of(answer: Answer, usage: dict[str, Any]) -> Decimal:
    """Return the cost of the answer in USD, from the script or at list price."""
    if isinstance(answer.cost, bool):
        return price(usage)
    return Decimal(str(answer.cost))


def cost_report(spent: Decimal) -> dict[str, Any]:
    """A cost as JSON tells it."""
    return {"credits_used": credits_for(spent), "usd_spent": float(spent)}


def completion(wording: Wording) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(wording.pieces),
        "refusal": wording.refusal,
    }
    if wording.tool_calls:
        message["tool_calls"] = wording.tool_calls
    choice = {"index": 0, "finish_reason": wording.finish_reason, "message": message}
    body = {
        "id": wording.id,
        "object": "chat.completion",
        "created": wording.created,
        "model": wording.model,
        "choices": [choice],
    }
    return body if wording.usage is None else {**body, "usage": wording.usage}


class Events:
    """The server-sent events of one answer, as bytes."""

    def __init__(self, wording: Wording, *, crlf: bool = False, comments: bool = False) -> None:
        self._wording = wording
        self._crlf = crlf
        self._comments = comments
        # A delta is the one thing sent by the thousand: everything around its text is made once.
        self._before, self._after = self._delta({"content": "\0"}).split(b'"\\u0000"')

    def opening(self) -> bytes:
        """The chunk that begins an answer."""
        return self._delta({"content": ""})

    def text(self, piece: str) -> bytes:
        """A delta of text."""
        return self._before + json.dumps(piece, ensure_ascii=False).encode() + self._after

    def tool_calls(self) -> Iterator[bytes]:
        """The deltas of the tool calls: name first, then the arguments in pieces."""
        for index, call in enumerate(self._wording.tool_calls):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            head = {**call, "function": {"name": name, "arguments": ""}}
            yield self._delta({"content": "", "tool_calls": [{"index": index, **head}]})
            for piece in tokens(arguments):
                part = {"index": index, "function": {"arguments": piece}}
                yield self._delta({"tool_calls": [part]})

    def ending(self, *, usage: bool) -> bytes:
        """Return the chunks after the last delta; the very last one has the cost."""
        wording = self._wording
        usage = usage and wording.usage is not None
        meta = {} if wording.meta is None else {"meta": wording.meta}
        refusal = b"" if wording.refusal is None else self._delta({"refusal": wording.refusal})
        last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": wording.finish_reason}
        end = self._chunk([last], {} if usage else meta)
        return refusal + end + (self._chunk([], {"usage": wording.usage, **meta}) if usage else b"")

    def error(self) -> bytes:
        """Return the chunks after the last delta of an answer that fails."""
        return self.event(json.dumps(BROKEN))

    def event(self, data: str) -> bytes:
        """Any event."""
        lines = f": keep-alive\n\n\ndata: {data}\n\n" if self._comments else f"data: {data}\n\n"
        return (lines.replace("\n", "\r\n") if self._crlf else lines).encode()

    def _delta(self, delta: dict[str, Any]) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}
        return self._chunk([choice], {})

    def _chunk(self, choices: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
        wording = self._wording
        head = {"id": wording.id, "object": "chat.completion.chunk", "created": wording.created}
        return self.event(json.dumps({**head, "model": wording.model, "choices": choices, **more}))
