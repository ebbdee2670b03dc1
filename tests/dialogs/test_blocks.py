"""Formulas, code, numbers and tables as people see them."""

import pytest

from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask

ANSWER = r"""
So \( x^2 \) with $a_1*b_2$ costs $5 or $10:

\[
\int f(t)\,dt \leq \frac{a}{b}
\]

$$
\begin{pmatrix} a_1 & b_1 \\ c_1 & d_1 \end{pmatrix}
$$

```markdown
# Title
```python
print(2 * 3 * 4)
```
Some **bold** words
```

+ 5 °C
- 3 °C

1986. A great year

| Who | Family |
|---|---|
| 漢字 | 👨‍👩‍👧 |
| Ada | none |

| Who | What |
|---|---|
| Ada | She wrote the first program, long before there was a machine for it. |
""".strip()

TELEGRAM = r"""
So x² with a₁*b₂ costs $5 or $10:

∫ f(t) dt ≤ a/b

\begin{pmatrix} a_1 & b_1 \\ c_1 & d_1 \end{pmatrix}

# Title
```python
print(2 * 3 * 4)
```
Some **bold** words

+ 5 °C
- 3 °C

1986. A great year

Who  │ Family
─────┼───────
漢字 │ 👨‍👩‍👧
Ada  │ none

Who: Ada
What: She wrote the first program, long before there was a machine for it.
""".strip()

DISCORD = r"""
So x² with a₁\*b₂ costs $5 or $10:

∫ f(t) dt ≤ a/b

```latex
\begin{pmatrix} a_1 & b_1 \\ c_1 & d_1 \end{pmatrix}
```

```markdown
# Title
`~``python
print(2 * 3 * 4)
`~``
Some **bold** words
```

+ 5 °C
\- 3 °C

1986\. A great year

```
Who  │ Family
─────┼───────
漢字 │ 👨‍👩‍👧
Ada  │ none
```

**Who:** Ada
**What:** She wrote the first program, long before there was a machine for it.
""".strip().replace("~", "\u200b")


@pytest.mark.parametrize("stage", ["telegram"], indirect=True)
async def test_blocks_on_telegram(stage: TelegramStage, world: World) -> None:
    world.model.enqueue(ANSWER)
    async with stage.running():
        await ask(stage, "Show me everything")
    [answer] = stage.server.answers(stage.chat)
    assert answer.text == TELEGRAM
    kinds = [(entity["type"], entity.get("language")) for entity in answer.entities]
    assert kinds == [
        ("pre", "latex"),
        ("pre", "markdown"),
        ("pre", None),
        ("bold", None),
        ("bold", None),
    ]


@pytest.mark.parametrize("stage", ["discord"], indirect=True)
async def test_blocks_on_discord(stage: DiscordStage, world: World) -> None:
    world.model.enqueue(ANSWER)
    async with stage.running():
        await ask(stage, "Show me everything")
    assert stage.heard() == DISCORD
