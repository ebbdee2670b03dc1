"""The dialects of services that call themselves compatible, as far as they are documented."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Chunk = dict[str, Any]
Complaint = tuple[int, Any]
"""A status and the body of an error."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what it refuses, and how it words its answers and errors."""

    name: str
    refuse: tuple[Callable[[Mapping[str, Any]], Complaint | None], ...] = ()
    error: Callable[[int, str], Any] = lambda status, message: {
        "error": {"message": message, "type": "invalid_request_error", "code": None}
    }
    """The body of any other error, from its status and message."""
    word: tuple[Callable[[Chunk], Chunk | None], ...] = ()
    """Changes of each chunk, and of a whole answer; None leaves it out."""
    headers: Mapping[str, str] = field(default_factory=dict)
    ends_with_done: bool = True

    def complain(self, body: Mapping[str, Any]) -> Complaint | None:
        """Return the error for a request that this service does not take."""
        return next(filter(None, (rule(body) for rule in self.refuse)), None)

    def rewrite(self, events: bytes) -> bytes:
        """Put the events of an answer into this service's words."""
        told = []
        for event in events.decode().split("\n\n"):
            data = event.removeprefix("data: ")
            if data == "[DONE]":
                told += [event] * self.ends_with_done
            elif data and (chunk := self.tell(json.loads(data))) is not None:
                told.append(f"data: {json.dumps(chunk, ensure_ascii=False)}")
        return "".join(f"{event}\n\n" for event in told).encode()

    def tell(self, chunk: Chunk) -> Chunk | None:
        """Put one chunk into this service's words."""
        for change in self.word:
            changed = change(chunk)
            if changed is None:
                return None
            chunk = changed
        return chunk


def plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without the things that only other services know."""
    messages = [
        {
            name: value
            for name, value in message.items()
            if name != "reasoning_content" and (name, value) != ("content", None)
        }
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


# What they refuse


def without(key: str, status: int, body: Any) -> Callable[[Mapping[str, Any]], Complaint | None]:
    """Refuse a key of the request."""
    return lambda request: (status, body) if key in request else None


def only_one_system(request: Mapping[str, Any]) -> Complaint | None:
    """Refuse a system message that is not the first message, as strict chat templates do."""
    late = [each for each in request["messages"][1:] if each["role"] == "system"]
    message = "System message must be at the beginning."
    return (400, {"object": "error", "message": message, "code": 400}) if late else None


def tools_beside_calls(request: Mapping[str, Any]) -> Complaint | None:
    """Refuse tool calls in the messages without tools in the request."""
    if called(request) and "tools" not in request:
        message = "litellm.UnsupportedParamsError: Anthropic expects the `tools=` param to be set"
        return 400, {"error": {"message": message, "type": None, "param": None, "code": "400"}}
    return None


def content_beside_calls(request: Mapping[str, Any]) -> Complaint | None:
    """Refuse an assistant message without a content key."""
    if any("content" not in message for message in called(request)):
        message = "messages.content: field required"
        return 400, {"error": {"message": message, "type": "invalid_request_error"}}
    return None


def thoughts_beside_calls(request: Mapping[str, Any]) -> Complaint | None:
    """Refuse a tool call of the current turn without the thoughts that led to it."""
    users = [at for at, each in enumerate(request["messages"]) if each["role"] == "user"]
    since = request["messages"][users[-1] :]
    if any("tool_calls" in each and "reasoning_content" not in each for each in since):
        message = "Missing `reasoning_content` field in the assistant message"
        return 400, {"error": {"message": message, "code": "invalid_request_error"}}
    if any("reasoning_content" in each for each in request["messages"][: users[-1]]):
        message = "reasoning_content of an earlier turn"
        return 400, {"error": {"message": message, "code": "invalid_request_error"}}
    return None


def called(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The messages with tool calls."""
    return [message for message in request["messages"] if "tool_calls" in message]


# How they word an answer


def without_cost(chunk: Chunk) -> Chunk:
    """Tell no cost."""
    return {name: value for name, value in chunk.items() if name != "meta"}


def cost_in(key: str, share: float) -> Callable[[Chunk], Chunk]:
    """Tell the cost in the usage, in a unit of its own."""

    def word(chunk: Chunk) -> Chunk:
        meta = chunk.pop("meta", None)
        if meta and chunk.get("usage"):
            cost = meta["usage"]["usd_spent"] * share
            chunk["usage"] = {**chunk["usage"], key: round(cost) if share > 1 else cost}
        return chunk

    return word


def usage_everywhere(chunk: Chunk) -> Chunk:
    """Tell a usage in every chunk, that grows."""
    return (
        chunk
        if "usage" in chunk
        else {**chunk, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    )


def thoughts_in(key: str) -> Callable[[Chunk], Chunk]:
    """Think first, in a field of its own."""

    def word(chunk: Chunk) -> Chunk:
        for choice in chunk.get("choices", []):
            delta = choice.get("delta", {})
            if delta.get("content") == "" and "tool_calls" not in delta:
                choice["delta"] = {"role": "assistant", "content": None, key: "Let me think."}
        return chunk

    return word


def thoughts_uncounted(chunk: Chunk) -> Chunk:
    """Count thoughts in the total only."""
    if usage := chunk.get("usage"):
        total = usage["prompt_tokens"] + usage["completion_tokens"] + 100
        details = {"reasoning_tokens": 100}
        chunk["usage"] = {**usage, "total_tokens": total, "completion_tokens_details": details}
    return chunk


def content_in_parts(chunk: Chunk) -> Chunk:
    """Send the content as a list of parts."""
    for choice in chunk.get("choices", []):
        delta = choice.get("delta", {})
        if isinstance(delta.get("content"), str):
            delta["content"] = [{"type": "text", "text": delta["content"]}]
    return chunk


def whole_calls(chunk: Chunk) -> Chunk:
    """Send the arguments of a tool call as an object, without an index."""
    for choice in chunk.get("choices", []):
        for call in choice.get("delta", {}).get("tool_calls", []):
            call.pop("index", None)
    return chunk


def finish_as(reason: str) -> Callable[[Chunk], Chunk]:
    """Name the end in another word."""

    def word(chunk: Chunk) -> Chunk:
        for choice in chunk.get("choices", []):
            if choice.get("finish_reason") == "stop":
                choice["finish_reason"] = reason
        return chunk

    return word


def without_finish(chunk: Chunk) -> Chunk:
    """Never say why the answer ends."""
    for choice in chunk.get("choices", []):
        choice["finish_reason"] = None
    return chunk


def as_message(status: int, message: str) -> Any:
    """An error whose `error` is a text, as xAI's."""
    return {"code": f"The caller sent status {status}", "error": message}


def as_detail(status: int, message: str) -> Any:
    """An error in `detail`."""
    return {"detail": [{"type": "value_error", "loc": ["body"], "msg": message}]}


def as_object(status: int, message: str) -> Any:
    """An error of vLLM's form."""
    return {"object": "error", "message": message, "type": "BadRequestError", "code": status}


EXTRA = {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"],
                     "msg": "Extra inputs are not permitted"}]}  # fmt: skip
UNSUPPORTED = {
    "error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead.",
        "type": "invalid_request_error",
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
}
ONLY_ONE_TEMPERATURE = {
    "error": {
        "message": "Unsupported value: 'temperature' does not support 0.5 with this model.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_value",
    }
}
NO_TOOLS = {"error": {"message": "registry.ollama.ai/library/gemma does not support tools",
                      "type": "api_error"}}  # fmt: skip
NO_IMAGES = {"error": {"message": "No endpoints found that support image input", "code": 404}}


def no_images(request: Mapping[str, Any]) -> Complaint | None:
    """Refuse pictures."""
    contents = [message.get("content") for message in request["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return (404, NO_IMAGES) if any(part["type"] == "image_url" for part in parts) else None


SERVICES = (
    Service("AI/ML API"),
    Service(
        "xAI",
        error=as_message,
        word=(cost_in("cost_in_usd_ticks", 1e10), thoughts_uncounted),
    ),
    Service(
        "OpenRouter",
        refuse=(no_images,),
        word=(cost_in("cost", 1), thoughts_in("reasoning")),
    ),
    Service(
        "OpenAI",
        refuse=(
            without("max_tokens", 400, UNSUPPORTED),
            without("temperature", 400, ONLY_ONE_TEMPERATURE),
        ),
        word=(without_cost,),
    ),
    Service(
        "Mistral",
        refuse=(without("max_completion_tokens", 422, EXTRA),),
        error=as_detail,
        word=(without_cost, content_in_parts),
    ),
    Service(
        "DeepSeek",
        refuse=(thoughts_beside_calls, content_beside_calls),
        word=(without_cost, thoughts_in("reasoning_content")),
    ),
    Service(
        "vLLM",
        refuse=(only_one_system,),
        error=as_object,
        word=(without_cost, usage_everywhere),
    ),
    Service(
        "llama.cpp",
        refuse=(only_one_system, without("stream_options", 400, as_object(400, "stream_options"))),
        error=as_object,
        word=(without_cost, finish_as("eos")),
        headers={"Content-Type": "text/plain"},
    ),
    Service(
        "Ollama",
        refuse=(without("tools", 400, NO_TOOLS),),
        word=(without_cost, without_finish),
        ends_with_done=False,
    ),
    Service("LiteLLM", refuse=(tools_beside_calls,), word=(without_cost, whole_calls)),
    Service("Azure", word=(without_cost, finish_as("end_turn"))),
)
