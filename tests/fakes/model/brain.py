"""The rules of the stand-in's answers: predictable, and based on the request alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from tests.fakes.model.script import Answer, Fault, ModelRequest, Reply, text_of

START = r"(?:\A|\n|[:\])>] )"
"""The beginning of a wish, also after the name or the quote that a group chat puts in front."""
LONGEST = 1_000_000
SLOW_PACE = 0.25

Rule = Callable[[re.Match[str], ModelRequest], Reply]


def converse(request: ModelRequest, *, standin: bool = False) -> Reply:
    """Answer the newest message of a request."""
    last = request.messages[-1]
    if last["role"] == "tool":
        return f"The tool says: {last['content'][:200]}"
    text = text_of(last)
    if re.search(r"\bbe slow\b", text, re.IGNORECASE):
        return slowly(text, request)
    return answer(text, request, standin=standin)


def answer(text: str, request: ModelRequest, *, standin: bool = False) -> Reply:
    """Answer by the first rule that fits; without one, repeat the question."""
    for pattern, rule in RULES:
        if match := re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return rule(match, request)
    if re.search(GREETING, text, re.IGNORECASE):
        return INTRODUCTION if standin else "Hello! How can I help you?"
    return f"You said: {text[:200]}"


def slowly(text: str, request: ModelRequest) -> Reply:
    """Do the rest of a message's wish, slowly."""
    rest = re.sub(r"\W*\bbe slow\b(?:\W+and\b)?\W*", "", text, count=1, flags=re.IGNORECASE)
    reply = answer(rest, request) if rest else prose(400)
    slow = Answer(reply) if isinstance(reply, str) else reply
    return replace(slow, pace=SLOW_PACE) if isinstance(slow, Answer) else slow


def say(match: re.Match[str], request: ModelRequest) -> Reply:
    return match[1]


def fail(match: re.Match[str], request: ModelRequest) -> Reply:
    return Fault(int(match[1]), message="As you wish")


def summary(match: re.Match[str], request: ModelRequest) -> Reply:
    heard = request.said[:-1] if request.messages[-1]["role"] == "user" else request.said
    return "\n".join(["Summary:", *(f"- {' '.join(text[:40].splitlines())}" for text in heard)])


def first(match: re.Match[str], request: ModelRequest) -> Reply:
    return request.said[0]


def before(match: re.Match[str], request: ModelRequest) -> Reply:
    return request.said[-2] if len(request.said) > 1 else "Nothing yet."


def how_many(match: re.Match[str], request: ModelRequest) -> Reply:
    return str(len(request.said))


def remembered(match: re.Match[str], request: ModelRequest) -> Reply:
    found = (re.search(REMEMBER, text, re.IGNORECASE | re.DOTALL) for text in request.said)
    kept = [each[1] for each in found if each]
    return "\n".join(kept) or "You asked me to remember nothing."


def remember(match: re.Match[str], request: ModelRequest) -> Reply:
    return f"I will remember: {match[1]}"


def numbers(match: re.Match[str], request: ModelRequest) -> Reply:
    return ", ".join(map(str, range(1, amount(match) + 1)))


def characters(match: re.Match[str], request: ModelRequest) -> Reply:
    return prose(amount(match))


def code(match: re.Match[str], request: ModelRequest) -> Reply:
    lines = (f"value_{n} = {n} * {n + 1}  # line {n}" for n in range(1, amount(match) + 1))
    return "\n".join(["```python", *lines, "```"])


def markdown(match: re.Match[str], request: ModelRequest) -> Reply:
    return SHOWPIECE


def amount(match: re.Match[str]) -> int:
    """The number in a wish, within reason."""
    return min(int(re.sub(r"[,_. ]", "", match[1])), LONGEST)


REMEMBER = START + r"(?:please )?remember(?: that|:)? (.+)"
GREETING = START + r"(?:hello|hi|hey|good (?:morning|day|evening))(?:,? [a-z]+)?[\s!.]*\Z"
NUMBER = r"(\d[\d,_.]*)"
RULES: tuple[tuple[str, Rule], ...] = (
    (START + r"say (.+)", say),
    (START + r"fail (\d{3})\b", fail),
    (r"\bsummar(?:y|i[sz]e)\b", summary),
    (r"\bwhat did I say first\b", first),
    (r"\bwhat did I say(?: before)?\b", before),
    (r"\bhow many messages\b", how_many),
    (r"\bwhat .*\bremember\b", remembered),
    (REMEMBER, remember),
    (rf"\bcount to {NUMBER}", numbers),
    (rf"\bwrite {NUMBER} characters\b", characters),
    (rf"\bwrite {NUMBER} lines of code\b", code),
    (r"\bshow (?:me )?markdown\b", markdown),
)


def prose(length: int) -> str:
    """Markdown of exactly so many characters; every sentence has a number of its own."""
    text = ""
    for block in blocks():
        text += block
        if len(text) >= length:
            break
    kept = text[: max(length - 1, 0)].rstrip()
    return kept + "." * (length - len(kept))


def blocks() -> Iterator[str]:
    """Headings, paragraphs and lists without end."""
    numbers = count(1)
    for section in count(1):
        yield f"## Part {section}\n\n"
        yield " ".join(sentence(next(numbers)) for _ in range(5)) + "\n\n"
        yield "".join(f"- {sentence(next(numbers))}\n" for _ in range(3)) + "\n"
        yield " ".join(sentence(next(numbers)) for _ in range(8)) + "\n\n"
        yield "".join(f"{at}. {sentence(next(numbers))}\n" for at in range(1, 4)) + "\n"


def sentence(number: int) -> str:
    """A sentence that occurs once."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return f"Sentence {number} tells of {subject} and {ENDINGS[number % len(ENDINGS)]}."


SUBJECTS = ("a river", "an old clock", "the night train", "two foxes", "a letter", "the harbour")
ENDINGS = (
    "what became of it",
    "leaves the rest to you",
    "takes its time",
    "comes to a good end after all, though nobody had expected one",
    "has a secret",
)
INTRODUCTION = """\
Hello! I am a **local stand-in** for the model: no account, no key, no cost. I answer by a few \
rules. Try one of these:

- `show markdown`
- `count to 20`, or `be slow and count to 20`
- `write 5000 characters`
- `remember that my cat is called Ada`, then `what should you remember?`
- `what did I say first?`"""
SHOWPIECE = """\
# A heading

Some **bold**, *italic*, ***both***, ~~struck~~ and `inline code`, with a [link](https://example.org).

## Lists

- one
  - one and a half
    - one and three quarters
- two

1. first
2. second

## A table

| name | value |
|------|------:|
| a    |     1 |
| b    |    22 |

> A quote
> on two lines.

```python
def greet(name: str) -> str:
    return f"Hello, {name} <{len(name)}>"
```

Raw HTML: <div>not a block</div>, and a < b && c > d."""
