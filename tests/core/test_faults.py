"""Errors of many services are told apart: by status, by code, by words, also inside a 200."""

import json
import random
import time
from typing import Any

import pytest

from core.errors import (
    ContentRefused,
    CreditUsedUp,
    FileRefused,
    KeyRefused,
    ModelBusy,
    ModelError,
    ModelGone,
    ModelRejected,
    ModelUnavailable,
    PromptTooLong,
)
from core.llm._faults import Costly, NotFound, Unsuitable, fault, read, retry_after, wait_of
from tests.core.streams import KEY, asking, hear, heard_from, sse, text_of
from tests.fakes.model import Fault, ModelServer

KINDS: list[tuple[int, Any, type[ModelError]]] = [
    # The key
    (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}},
        KeyRefused),
    (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided:"},
        KeyRefused),
    (400, [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
        KeyRefused),
    (403, {"message": "[plan.rule:api_token] not allowed"}, KeyRefused),
    # A gateway without a database, which knows but its own key; an old key; the wrong header
    (400, {"error": {"message": "No connected db.", "type": "no_db_connection", "param": None,
        "code": "400"}}, KeyRefused),
    (400, {"error": {"message": "Authentication Error - Expired Key. Key Expiry time 2020",
        "type": "expired_key", "param": KEY, "code": "400"}}, KeyRefused),
    (401, {"error": {"message": "Authentication Error, No api key passed in.",
        "type": "auth_error", "param": "None", "code": "401"}}, KeyRefused),
    # Money
    (402, {"error": {"message": "Insufficient credits", "code": 402}}, CreditUsedUp),
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}, CreditUsedUp),
    (403, {"message": "You've run out of credits. Please top up your balance"}, CreditUsedUp),
    (403, {"code": "The caller does not have permission", "error": "Your team has either used all"
        " available credits or reached its monthly spending limit."}, CreditUsedUp),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan and"
        " billing details.", "code": "insufficient_quota"}}, CreditUsedUp),
    (400, {"error": {"message": "Access denied, account is in arrears", "code": "Arrearage"}},
        CreditUsedUp),
    # The budget of a key or of a provider at a gateway, which it tells with several statuses
    (400, {"error": {"message": "Budget has been exceeded! Current cost: 2.0, Max budget: 1.0",
        "type": "budget_exceeded", "param": None, "code": "400"}}, CreditUsedUp),
    (422, {"error": {"message": "Budget has been exceeded! Current cost: 2.0, Max budget: 1.0",
        "type": "budget_exceeded", "param": None, "code": "422"}}, CreditUsedUp),
    (429, {"error": {"message": "No deployments available - crossed budget: Exceeded budget for"
        " provider openai: 5.4e-06 >= 1e-09\n", "type": "internal_server_error", "param": None,
        "code": "429"}}, CreditUsedUp),
    # A gateway quotes what a provider told
    (400, {"error": {"message": 'BadRequestError: {"error": {"message": "Your credit balance is'
        ' too low to access the API."}}', "type": "invalid_request_error"}}, CreditUsedUp),
    (422, {"message": "the provider says: 'the model m does not exist'"}, ModelGone),
    # The content
    (403, {"code": "permission-denied", "error": "Content violates usage guidelines. Team: x"},
        ContentRefused),
    (400, {"error": {"code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
        "message": "The response was filtered due to the prompt triggering content management"}},
        ContentRefused),
    (403, {"error": {"message": "Input was flagged by moderation", "code": 403}}, ContentRefused),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain it"}},
        ContentRefused),
    # The model
    (404, {"code": "Some requested entity was not found", "error": "The model grok-9 does not exist"
        " or your team x does not have access to it."}, ModelGone),
    (400, {"error": {"message": "litellm.BadRequestError: Invalid model name passed in model=x."
        " Call `/v1/models` to view available models"}}, ModelGone),
    (400, {"error": {"message": "x is not a valid model ID", "code": 400}}, ModelGone),
    (403, {"error": {"message": "The requested model 'x' is not available for this API key, or the"
        " model name is invalid.", "type": "key_model_access_denied", "param": "model",
        "code": "403"}}, ModelGone),
    (404, {"error": {"message": 'model "llama9" not found, try pulling it first'}}, ModelGone),
    (410, {"error": "Live search is gone"}, ModelGone),
    (400, {"error": {"message": "The model `x` has been deprecated", "code": "model_not_found"}},
        ModelGone),
    (404, "<html>nginx</html>", NotFound),
    # The length
    (400, {"error": {"message": "This model's maximum context length is 8192 tokens. However, your"
        " messages resulted in 9001 tokens.", "code": "context_length_exceeded"}}, PromptTooLong),
    (400, {"error": "[input_too_large] Current message (900 tokens) exceeds budget (800 tokens)"},
        PromptTooLong),
    (400, {"error": {"message": "the request exceeds the available context size", "code": 400,
        "type": "exceed_context_size_error"}}, PromptTooLong),
    (413, "Request Entity Too Large", PromptTooLong),
    (400, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}, PromptTooLong),
    # One file
    (400, {"error": {"message": "Could not process image", "type": "invalid_request_error"}},
        FileRefused),
    (400, {"error": {"message": "The PDF specified is password protected."}}, FileRefused),
    (400, {"error": "Invalid image: the file is corrupted"}, FileRefused),
    (400, {"error": {"message": "image exceeds 5 MB maximum: 6291456 bytes"}}, FileRefused),
    # Passing
    (429, {"error": {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded"}},
        ModelBusy),
    (429, {"message": "Resource has been exhausted (e.g. check quota)."}, ModelBusy),
    (409, {"error": "Conflict"}, ModelBusy),
    (500, {"message": "The model is under maintenance. Request ID: 7"}, ModelBusy),
    (503, "", ModelBusy),
    (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, ModelBusy),
    (504, {"message": "Timeout"}, Costly),
    # The address
    (301, "", ModelUnavailable),
    (405, "", ModelUnavailable),
    # Anything else
    (400, {"error": {"message": "seed must be positive"}}, Unsuitable),
    (422, {"detail": [{"msg": "Extra inputs are not permitted"}]}, Unsuitable),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), KINDS, ids=lambda each: str(each)[:60])
async def test_an_error_is_told_by_status_and_words(
    status: int, body: Any, kind: type[ModelError]
) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    async with ModelServer() as model, asking(model.url, patience_seconds=0.0) as llm:
        model.respond = lambda request: Fault(status, body=data)
        with pytest.raises(ModelError) as caught:
            await hear(llm)
    assert type(caught.value) is kind
    told = str(caught.value)
    assert "\n" not in told
    assert KEY not in told
    if kind is ContentRefused:
        assert "top" not in told
    if issubclass(kind, ModelUnavailable):
        assert told.startswith(("MODEL_API_KEY", "MODEL_API_URL", "MODEL", "the account"))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "No such model", "code": 404}}, ModelGone),
        ({"error": {"message": "x", "code": "model_not_found"}}, ModelGone),
        ({"error": {"message": "Model x does not exist", "type": "invalid_request_error"}},
            ModelGone),
        ({"error": {"message": "Bad key", "code": "invalid_api_key"}}, KeyRefused),
        ({"error": {"message": "Out of it", "code": "insufficient_quota"}}, CreditUsedUp),
        ({"error": {"message": "Insufficient credits", "code": 402}}, CreditUsedUp),
        ({"error": {"message": "Overloaded", "code": 529}}, ModelBusy),
        ({"error": {"message": "Upstream", "code": 502}}, ModelBusy),
        ({"error": "something broke"}, ModelBusy),
        ({"error": {"message": "Content violates usage guidelines"}}, ContentRefused),
        ({"error": {"code": "content_filter", "message": "x"}}, ContentRefused),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_error_inside_a_200_is_told_by_its_own_code(
    body: Any, kind: type[ModelError], streamed: bool
) -> None:
    data = sse(body) if streamed else json.dumps(body).encode()
    with pytest.raises(ModelError) as caught:
        await heard_from(data)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("30", 30), ("0.5", 0.5), ("30s", 30), ("1m30s", 90), ("250ms", 0.25), ("2h", 7200),
        (" 7 ", 7), ("1m 30s", 90), ("soon", None), ("-5", None), ("1e3", None), ("nan", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_wait_is_read_in_every_spelling(told: str, seconds: float | None) -> None:
    assert retry_after(told) == seconds


def test_a_wait_is_found_in_headers_and_words() -> None:
    assert wait_of({"retry-after-ms": "1500"}) == 1.5
    assert wait_of({"retry-after": "2"}, "try again in 5s") == 2
    assert wait_of({}, "rate limit reached. please try again in 1.5s.") == 1.5
    assert wait_of({}, 'details: retrydelay": "34s"') == 34
    assert wait_of({}, "nothing") is None


@pytest.mark.parametrize(
    ("words", "size", "most"),
    [
        ("This model's maximum context length is 8192 tokens. However, your messages resulted in"
            " 9001 tokens.", 9001, 8192),
        ("[input_too_large] Current message (900 tokens) exceeds budget (800 tokens)", 900, 800),
        ("prompt is too long: 210000 tokens > 200000 maximum", 210000, 200000),
        ("prompt is too long: 1,210,000 tokens, at most 200,000 tokens", 1210000, 200000),
        ("context_length_exceeded", None, None),
        ("the context size is 4096 tokens", None, None),
        ("context window: 1000 tokens, 2000 tokens, 3000 tokens", None, None),
    ],
)  # fmt: skip
def test_the_size_of_a_prompt_is_told_as_far_as_the_server_tells_it(
    words: str, size: int | None, most: int | None
) -> None:
    error = fault(400, read({"error": words}, ""), model="m")
    assert isinstance(error, PromptTooLong)
    assert (error.size, error.most) == (size, most)


async def test_a_rejected_request_names_no_words_of_people() -> None:
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(Fault(400, message="Invalid value: 'my secret diary of all days'"))
        with pytest.raises(ModelRejected) as caught:
            await hear(llm, "my secret diary of all days")
    assert "diary" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        "Is it true that the model gpt-1 does not exist?",
        "My invalid api_key, what now?",
        "We are out of credits here.",
    ],
)
async def test_what_a_refusal_quotes_is_no_fault_of_the_operator(said: str) -> None:
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(Fault(400, message=f"Invalid input: {said}"), "Fine.")
        with pytest.raises(ModelRejected):
            await hear(llm, said)
        assert text_of(await hear(llm, "Go on.")) == "Fine."


@pytest.mark.slow
async def test_a_long_prompt_is_not_compared_with_an_error_in_the_event_loop() -> None:
    """By the processor time of the loop's thread, in which the fake server works, too."""
    signs = random.Random(1).choices([chr(code) for code in range(0x4E00, 0x9000)], k=400_000)
    prompt, told = "".join(signs), "".join(reversed(signs[:2000]))
    taken = []
    async with ModelServer() as model, asking(model.url) as llm:
        for message in ("No", told, "No", told):
            model.enqueue(Fault(400, message=message))
            began = time.thread_time()
            with pytest.raises(ModelRejected):
                await hear(llm, prompt)
            taken.append(time.thread_time() - began)
    assert min(taken[1::2]) < min(taken[::2]) + 0.1
