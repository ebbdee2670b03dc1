"""Twenty typical answers, as the model writes them."""

# ruff: noqa: RUF001 - the signs of other scripts are what some of them are about

from dataclasses import dataclass

from tests.fakes.model.script import Fault, Reply

GROUP, TWICE, AWAY = "picture", "refusal", "away"
"""The answer in a group, the one that is asked for twice, and the one that does not come."""


@dataclass(frozen=True)
class Answer:
    """A question and the model's reply; the name is the picture's too."""

    name: str
    title: str
    question: str
    reply: Reply = ""
    about: str = ""
    """A sentence below the picture."""


DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
LONG = "\n\n".join(
    f"## {name}\n\n{name} is day {day} of the trip. You walk for about {day + 2} hours, first"
    " through the old town, then along the river, and have lunch at the mill. In the afternoon"
    f" **take the bus** back, because the path is steep there.\n\n- Start at {day + 7}:30\n"
    "- Bring water and a hat\n- Buy the ticket on the evening before"
    for day, name in enumerate(DAYS, 1)
)

ANSWERS = [
    Answer(
        "emphasis",
        "A greeting with emphasis",
        "Hello!",
        "**Hello, Ada!** I am *glad* that you are here. Ask me ~~something~~ ***anything***, or"
        " write `/help`.",
    ),
    Answer(
        "lists",
        "Lists and tasks",
        "What do I need for a cake?",
        "Take these:\n\n1. **Flour**, 300 g\n2. Three eggs\n   - whisked\n   - at room"
        " temperature\n3. Sugar\n\nWhat is done:\n\n- [x] Heat the oven\n- [ ] Bake",
    ),
    Answer(
        "narrow-table",
        "A narrow table",
        "Compare three cities",
        "Here they are:\n\n| City | People | Flag |\n|:---|---:|:---:|\n| Zürich | 436,000 | 🇨🇭 |\n"
        "| 東京 | 14,000,000 | 🇯🇵 |\n| **Nairobi** | 4,400,000 | 🇰🇪 |",
        "Columns that fit on a phone stand below each other.",
    ),
    Answer(
        "wide-table",
        "A wide table",
        "Compare the plans",
        "| Plan | Price | What it is for |\n|---|---|---|\n| Free | $0 | Trying it out, with a"
        " limit of ten questions a day |\n| Pro | $12 | Daily work, with **files**"
        " and long answers |",
        "A table that is too wide becomes labelled lines.",
    ),
    Answer(
        "code",
        "Code",
        "How do I reverse a list in Python?",
        "Use `reversed()`, or a slice:\n\n```python\n"
        "def backwards(items: list[int]) -> list[int]:\n"
        "    return items[::-1]  # a * copy *\n```\n\nThe slice makes a *copy*.",
    ),
    Answer(
        "code-in-code",
        "Code that holds code",
        "Show me a README",
        "````markdown\n# Title\n\n```sh\nmake run\n```\n\n**Bold** stays as typed.\n````\n\nThat is"
        " all.",
    ),
    Answer(
        "formulas",
        "Formulas",
        "Solve the equation",
        r"The roots of \( x^2 - 5x + 6 = 0 \) are $x_1 = 2$ and $x_2 = 3$, because"
        "\n\n\\[ x = \\frac{5 \\pm \\sqrt{25 - 24}}{2} \\]\n\nand $\\alpha \\leq \\beta$."
        " A matrix stays as typed:\n\n$$\n\\begin{pmatrix} a_1 & b_1 \\\\ c_1 & d_1 \\end{pmatrix}"
        "\n$$\n\nIt costs $5 or $10.",
        "Simple formulas become Unicode, the others stay as they were typed.",
    ),
    Answer(
        "links",
        "Links",
        "Where is that from?",
        "Read [the manual](https://example.com/manual_of_*style*) or <https://example.com/faq>."
        " It is so since 2024 [[1]](https://example.com/a) [[2]](https://example.com/b(c)).\n\n"
        "![A map](https://example.com/map.png)",
    ),
    Answer(
        "spoiler",
        "A spoiler",
        "Who did it?",
        "It was ||the **gardener**, at night||. In code, `a || b` is *or*; so is a || b.",
        "Both clients hide the words until somebody taps on them; the picture lets them through.",
    ),
    Answer(
        "quote",
        "A quote",
        "What did Ada Lovelace say?",
        "She wrote in 1843:\n\n> The engine **has no pretensions** to originate anything.\n>\n"
        "> – Note G, with `code`\n\nMany have answered her since.",
    ),
    Answer(
        "chinese",
        "Emphasis in Chinese",
        "怎么保存?",
        "**提示：**请先保存，点**「发送」**即可，再**等**一分钟。\n\n"
        "1. 打开**“设置”**。\n2. 选择*语言*。",
    ),
    Answer(
        "arabic",
        "From right to left",
        "كيف أحفظ الملف؟",
        "مرحبا! **احفظ الملف** أولا ثم اضغط على زر الإرسال.\n\n- الخطوة الأولى: افتح القائمة\n"
        "- الخطوة الثانية: اختر *حفظ* في Word 2024",
    ),
    Answer(
        "emoji",
        "Emoji",
        "Plan our evening",
        "🎉 **Tonight** with the family 👨‍👩‍👧‍👦:\n\n| When | What |\n|---|---|\n"
        "| 18:00 | 🍕 Pizza |\n| 20:00 | 👨‍👩‍👧 Film |\n| 22:00 | 👍🏽 Bed |\n\nEnjoy it ❤️",
    ),
    Answer(
        "headings",
        "Headings",
        "What is photosynthesis?",
        "# Photosynthesis\n\nPlants make sugar of light.\n\n## How it works\n\nIn two steps:\n\n"
        "### Light\n\nWater is split.\n\n#### Dark\n\nSugar is built from"
        " CO<sub>2</sub> and H<sub>2</sub>O.\n\n---\n\nThat is all.",
    ),
    Answer(
        "html",
        "HTML tags",
        "What is E = mc²?",
        "<b>Energy</b> is <i>mass</i> times c<sup>2</sup>.<br>Write <u>all</u> of it; press"
        " <kbd>Ctrl</kbd>.\n\n<details><summary>More</summary>\n\nLight is fast.\n\n</details>\n\n"
        "In code: `<b>E</b>`, and a < b, List<String>.",
    ),
    Answer(
        "signs",
        "Signs that are no markup",
        "Are stars and hyphens safe?",
        "7*6*5 = 210, and 2 ** 3 ** 2 = 512.\n\nPut it into __main__.py, not snake_case_x, and pass"
        " *args and **kwargs.\n\n+ 5 °C\n- 3 °C\n\n1986. A great year. #1 costs ~5 $.",
    ),
    Answer(
        "long",
        "A long answer",
        "Plan a week of walking",
        LONG,
        "Discord takes 2,000 characters in a message, so this answer has two parts there.",
    ),
    Answer(
        GROUP,
        "A question about somebody's picture",
        "what is this?",
        "A **green hill** below a blue sky.",
        "Ada replies to Bob's picture in a group and names the bot; the picture goes along.",
    ),
    Answer(
        TWICE,
        "A refusal",
        "/export",
        about="A refusal says when it ends.",
    ),
    Answer(
        AWAY,
        "While the model is away",
        "Are you there?",
        Fault(429, retry_after=1200),
        "The answer will take the place of this sentence.",
    ),
]

CHAT = [
    Answer(
        "chat",
        "A chat",
        "Rome, Oslo or the Harz: which trip is cheapest?",
        "The **Harz**, by far:\n\n| Trip | Days | Cost | Per day |\n|---|---:|---:|---:|\n"
        "| Rome | 4 | 620 | 155 |\n| Oslo | 5 | 940 | 188 |\n| **Harz** | 7 | 560 | **80** |\n\n"
        "Shall I plan it?",
    ),
    Answer(
        "chat",
        "A chat",
        "Yes, but only two days, please",
        "Gladly:\n\n1. **Saturday:** up the *Brocken* on foot, about 5 hours, and down by steam"
        " train\n2. **Sunday:** the caves at Rübeland, then lunch in Wernigerode\n\n"
        "> Book the train early; it is full at weekends.",
    ),
]
"""The dialog of the README, from its first question to its last answer."""
