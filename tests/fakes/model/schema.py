"""The request schema of the model API, as a strict service checks it."""

from typing import Any

from tests.fakes.model.checks import (
    Invalid,
    array,
    boolean,
    either,
    image_url,
    matching,
    nullable,
    number,
    one_of,
    path,
    pdf,
    shape,
    string,
    tagged,
    typed,
)

tool_name = matching(r"[A-Za-z0-9_-]{1,64}", "a-z, A-Z, 0-9, _ or -, at most 64 characters")


def parameters(value: Any, at: str) -> None:
    """A JSON schema of an object."""
    typed("object")(value, at)
    one_of("object")(value.get("type", "object"), path(at, "type"))
    typed("object")(value.get("properties", {}), path(at, "properties"))
    array(string)(value.get("required", []), path(at, "required"))


text_part = shape({"type": one_of("text"), "text": string})
image = shape({"url": image_url}, {"detail": one_of("low", "high", "auto")})
user_part = tagged(
    "type",
    {
        "text": text_part,
        "image_url": shape({"type": string, "image_url": image}),
        "file": shape({"type": string, "file": shape({"file_data": pdf}, {"filename": string})}),
    },
)
refusal_part = shape({"type": string, "refusal": string})
assistant_part = tagged("type", {"text": text_part, "refusal": refusal_part})
texts = either(string, array(text_part))
called = shape({"name": tool_name, "arguments": string})
tool_call = shape({"id": string, "type": one_of("function"), "function": called})
instruction = shape({"role": string, "content": texts}, {"name": string})
message = tagged(
    "role",
    {
        "system": instruction,
        "developer": instruction,
        "user": shape(
            {"role": string, "content": either(string, array(user_part))}, {"name": string}
        ),
        "assistant": shape(
            {"role": string},
            {
                "content": either(string, array(assistant_part)),
                "name": string,
                "tool_calls": array(tool_call, least=1),
                "refusal": nullable(string),
            },
        ),
        "tool": shape(
            {"role": string, "content": string, "tool_call_id": string},
            {"name": nullable(string)},
        ),
    },
)
function = shape(
    {"name": tool_name, "parameters": parameters},
    {"description": string, "strict": nullable(boolean)},
)
tool = shape({"type": one_of("function"), "function": function})
choice = shape({"type": one_of("function"), "function": shape({"name": tool_name})})
request = shape(
    {"model": string, "messages": array(message, least=1)},
    {
        "max_completion_tokens": number(1, whole=True),
        "max_tokens": number(1),
        "stream": boolean,
        "stream_options": shape({"include_usage": boolean}),
        "temperature": number(0, 2),
        "top_p": number(0.01, 1),
        "seed": number(1, whole=True),
        "top_k": number(),
        "repetition_penalty": nullable(number()),
        "top_a": number(0, 1),
        "prediction": shape({"type": one_of("content"), "content": texts}),
        "tools": array(tool, most=128),
        "tool_choice": either(one_of("none", "auto", "required"), choice),
        "parallel_tool_calls": boolean,
        "logprobs": nullable(boolean),
        "top_logprobs": nullable(number(0, 20)),
        "provider": string,
    },
)


def check(body: Any) -> None:
    """Raise Invalid unless the body is a request the service accepts."""
    request(body, "")
    check_options(body)
    check_tool_choice(body)
    check_order(body["messages"])


def check_options(body: dict[str, Any]) -> None:
    """Options that need another one beside them."""
    if "stream_options" in body and not body.get("stream"):
        raise Invalid("stream_options", "stream to be true", "false")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise Invalid("top_logprobs", "logprobs to be true", "false")


def check_tool_choice(body: dict[str, Any]) -> None:
    """A tool can only be chosen among those on offer."""
    choice = body.get("tool_choice", "none")
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    if choice != "none" and not names:
        raise Invalid("tool_choice", "tools beside it", "undefined")
    if isinstance(choice, dict):
        one_of(*names)(choice["function"]["name"], "tool_choice.function.name")


def check_order(messages: list[dict[str, Any]]) -> None:
    """Each tool call is answered once, right after the message that makes it."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if message["role"] == "tool":
            answer_call(open_calls, message["tool_call_id"], at)
            continue
        expect_no_calls(open_calls, at)
        if message["role"] == "assistant":
            open_calls = calls_of(message, at)
    expect_no_calls(open_calls, f"messages.{len(messages)}")


def answer_call(open_calls: set[str], call_id: str, at: str) -> None:
    """Take an answered call from the open ones."""
    if call_id not in open_calls:
        raise Invalid(f"{at}.tool_call_id", "the id of a preceding tool call", f"'{call_id}'")
    open_calls.remove(call_id)


def expect_no_calls(open_calls: set[str], at: str) -> None:
    """Complain about calls that nothing answers."""
    if open_calls:
        raise Invalid(at, f"a tool message for {', '.join(sorted(open_calls))}", "none")


def calls_of(message: dict[str, Any], at: str) -> set[str]:
    """The ids of a message's tool calls; one without any needs content."""
    calls = message.get("tool_calls", [])
    if not calls and "content" not in message:
        raise Invalid(f"{at}.content", "content or tool_calls", "undefined")
    return {call["id"] for call in calls}
