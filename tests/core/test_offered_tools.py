"""The tools on offer, called as the model calls them."""

import json
import operator
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.trust import trust
from core import db, memory
from core.db import Sessions
from core.memory import Context
from core.messages import ToolCall, assistant, system, user
from core.tools import Toolbox, offer
from core.tools._offered import SEARCHES
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import NOW
from tests.fakes.model import MODEL, ModelServer

SUM = ToolCall("sum", "calculate", '{"expression": "1 + 1"}')
OPERATORS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


async def call(box: Toolbox, name: str, **arguments: str) -> str:
    """Return the result of a call, as the model gets it."""
    [answer] = await box.run_all([ToolCall("1", name, json.dumps(arguments))])
    return str(answer["content"])


@cache
def offline() -> Toolbox:
    """Return a toolbox that can only calculate; it has no history to search."""
    return offer(db.connect("sqlite://"), 1)


async def calculate(expression: str) -> str:
    return await call(offline(), "calculate", expression=expression)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * -3", "-9"),
        ("0.1 + 0.2", "0.3"),
        ("1/3", "1/3 ≈ 0.333333333333"),
        ("-2/3 * 3", "-2"),
        ("1/8 - 1", "-0.875"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 % 3", "1"),
        ("10 % -3", "-2"),
        ("2**64", "18446744073709551616"),
        ("2^10", "1024"),
        ("2*3^2", "18"),
        ("2**-2", "0.25"),
        ("123456789 * 987654321", "121932631112635269"),
        ("3 × 4 ÷ 2 − 1", "5"),
        ("1_000 + 0x10 + 1.5e3", "2516"),
        ("15% of 80", "12"),
        ("200 * 15%", "30"),
        ("50% + 1", "1.5"),
        ("80 / 15%", "1600/3 ≈ 533.333333333"),
        ("sqrt(16/9)", "4/3 ≈ 1.33333333333"),
        ("sqrt(2)", "≈ 1.41421356237"),
        ("sqrt(2)**2", "≈ 2"),
        ("2**0.5", "≈ 1.41421356237"),
        ("sqrt(2)**1000", "≈ 3.2733906079e+150"),
        ("abs(-3) + min(2, 1) + max(4, 5, 6)", "10"),
        ("round(2.5) + round(-2.5)", "0"),
        ("round(2.675, 2)", "2.68"),
        ("round(1234, -2)", "1200"),
        ("factorial(25)", "15511210043330985984000000"),
    ],
)
async def test_results_are_exact_or_say_that_they_are_not(expression: str, result: str) -> None:
    assert await calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1/0", "A division by zero has no result."),
        ("5 % 0", "A division by zero has no result."),
        ("0**-1", "A division by zero has no result."),
        ("(sqrt(2)-sqrt(2))**-1", "A division by zero has no result."),
        ("sqrt(-1)", "A negative number has no real root."),
        ("(-8)**(1/3)", "A negative number has no real power of that kind."),
        ("factorial(-1)", "A negative number has no factorial."),
        ("factorial(1001)", "I compute factorials of numbers up to 1000."),
        ("factorial(2.5)", "I cannot compute factorial of these 1 values."),
        ("sin(1)", "I cannot compute sin of these 1 values. I know the functions sqrt, abs,"),
        ("min()", "I cannot compute min of these 0 values."),
        ("1,000 + 1", "Numbers are written without commas: 1234.5"),
        ("1 +", "I cannot compute this expression: 1 +"),
        ("", "I cannot compute this expression: "),
        ("x + 1", "I cannot compute this: x"),
        ("True", "I cannot compute this: True"),
        ("2j", "I cannot compute this: 2j"),
        ("1 < 2", "I cannot compute this: 1 < 2"),
        ("[1]", "I cannot compute this: [1]"),
        ("abs.real", "I cannot compute this: abs.real"),
        ("__import__('os').getcwd()", "I cannot compute this: __import__('os').getcwd()"),
        ("abs(__import__('os'))", "I cannot compute this: 'os'"),
        ("(lambda: 1)()", "I cannot compute this: (lambda: 1)()"),
    ],
)
async def test_a_sentence_tells_why_an_expression_cannot_be_computed(
    expression: str, sentence: str
) -> None:
    assert (await calculate(expression)).startswith(sentence)


@pytest.mark.parametrize(
    "expression",
    [
        "2**10**9",
        "9**9**9**9",
        "1e999999999",
        "(2**12000)**2",
        "10**-99999",
        "sqrt(2)**10**9",
        "7**6500",
        "*".join(["factorial(1000)"] * 30),
        "9" * 499,
        "9" * 5000,
        "-" * 499 + "1",
        "(" * 240 + "1" + ")" * 240,
        "round(1, 99999)",
        "((1/3)**99)**99",
    ],
)
async def test_enormous_expressions_are_refused_or_computed_at_once(expression: str) -> None:
    begun = time.process_time()
    await calculate(expression)
    assert time.process_time() - begun < 0.5


@given(st.text(alphabet="0123456789.+-*/%()e,^ sqrtabmine", max_size=40))
async def test_no_text_at_all_is_an_error(text: str) -> None:
    assert "failed" not in await calculate(text)


@given(st.recursive(st.integers(0, 99), lambda x: st.tuples(st.sampled_from("+-*/"), x, x)))
@pytest.mark.slow
async def test_the_four_operations_agree_with_fractions(tree: Any) -> None:
    expression = write(tree)
    try:
        expected = value(tree)
    except ZeroDivisionError:
        return
    if len(expression) <= 500:
        assert Fraction((await calculate(expression)).split(" ≈ ")[0]) == expected


def write(tree: Any) -> str:
    """A tree of operations as an expression."""
    if isinstance(tree, int):
        return str(tree)
    sign, left, right = tree
    return f"({write(left)} {sign} {write(right)})"


def value(tree: Any) -> Fraction:
    """Return the value of a tree of operations."""
    if isinstance(tree, int):
        return Fraction(tree)
    sign, left, right = tree
    return OPERATORS[sign](value(left), value(right))


async def test_the_model_can_search_this_conversation(sessions: Sessions) -> None:
    ada = await rows.speaker(sessions)
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    async with rows.begin(sessions) as session:
        said = [user("My dog is called Biscuit."), assistant("Biscuit is a lovely name.")]
        await memory.remember(session, turn, Context(), said, None, now=NOW)
    box = offer(sessions, ada.conversation_id)
    assert sorted((await call(box, "search_history", query="Biscuit?")).splitlines()) == [
        "[2026-03-14 09:26 UTC] assistant: Biscuit is a lovely name.",
        "[2026-03-14 09:26 UTC] user: My dog is called Biscuit.",
    ]
    assert await call(box, "search_history", query="cat") == "Nothing was found."
    other = offer(sessions, ada.conversation_id + 1)
    assert await call(other, "search_history", query="Biscuit") == "Nothing was found."


async def test_the_history_is_searched_ten_times_at_most_in_all_rounds(
    sessions: Sessions, ada: Speaker
) -> None:
    box = offer(sessions, ada.conversation_id)
    searches = [ToolCall(str(n), "search_history", '{"query": "cat"}') for n in range(6)]
    with rows.statements(sessions) as seen:
        results = [await box.run_all([*searches, SUM]) for _ in range(3)]
    told = [[str(message["content"]) for message in round_] for round_ in results]
    assert [each[-1] for each in told] == ["2"] * 3, "other tools go on"
    found = [each for round_ in told for each in round_[:-1]]
    assert found[:SEARCHES] == ["Nothing was found."] * SEARCHES
    assert all("10 times" in each for each in found[SEARCHES:])
    assert len(seen) == 2 * SEARCHES, "each asks for the conversations, then for the words in them"


async def test_tools_cost_little_in_every_prompt(model: ModelServer) -> None:
    messages = [system("Be kind. " * 30), user("hi")]
    body = {"model": MODEL, "messages": messages, "tools": offline().schemas}
    headers = {"Authorization": "Bearer test-key"}
    async with httpx.AsyncClient(headers=headers, verify=trust()) as client:
        answer = await client.post(f"{model.url}/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.json()["usage"]["prompt_tokens"] < 300


def test_the_prompt_is_the_same_in_every_turn() -> None:
    assert json.dumps(offline().schemas) == json.dumps(offer(db.connect("sqlite://"), 2).schemas)
