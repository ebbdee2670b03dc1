"""Posts as an SVG picture of two phones side by side."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from tests.pictures.looks import USUAL, Look, Theme
from tests.pictures.metrics import Font, columns, is_right_to_left, width, wrap
from tests.pictures.posts import Block, Line, Post, Run

PHONE = 390
"""The width of a phone in pixels."""
GAP, EDGE = 20, 12
TEXT = Font(16, 14.5)
LEADING = 1.36
HARD = "\u00a0"
"""A space that stays at the end of a stretch, and beside another one."""
SANS = "Helvetica,Arial,'Noto Sans','DejaVu Sans',sans-serif"
MONO = "Menlo,Consolas,'Roboto Mono','Liberation Mono','DejaVu Sans Mono',monospace"
SIZES = {"title": 24.0, "section": 20.0, "topic": 16.5, "small": 13.0}


BLURPLE, GREEN, WHITE = "#5865f2", "#3ba55c", "#ffffff"


@dataclass
class Canvas:
    """Shapes below each other, `y` pixels high so far."""

    y: float = 0
    shapes: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, w: float, h: float, fill: str, radius: float = 0) -> None:
        """Draw a box."""
        self.shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius:g}" '
            f'fill="{fill}"/>'
        )

    def write(self, x: float, y: float, text: str, size: float, fill: str, **more: str) -> None:
        """Write a text on a baseline; `more` are further attributes."""
        extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}"{extra}>'
            f"{escape(text.replace(' ', HARD), quote=False)}</text>"
        )


def paint(telegram: list[Post], discord: list[Post], theme: Theme = USUAL) -> str:
    """Return the picture of a dialog on both platforms."""
    looks = (theme.telegram, theme.discord)
    phones = [_phone(posts, look) for posts, look in zip((telegram, discord), looks, strict=True)]
    height = max(canvas.y for canvas in phones) + EDGE
    shapes: list[str] = []
    for number, (canvas, look) in enumerate(zip(phones, looks, strict=True)):
        shapes.append(f'<g transform="translate({number * (PHONE + GAP)},0)">')
        frame = Canvas()
        frame.box(0, 0, PHONE, height, look.ground, 14)
        shapes += frame.shapes + canvas.shapes
        shapes.append("</g>")
    wide = 2 * PHONE + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height:.0f}" '
        f'width="{wide}" height="{height:.0f}" font-family="{SANS}">'
    )
    return "\n".join([head, *shapes, "</svg>", ""])


def _phone(posts: Iterable[Post], look: Look) -> Canvas:
    canvas = Canvas(EDGE)
    canvas.write(PHONE / 2, 26, look.name, 14, look.faint, text_anchor="middle", font_weight="bold")
    canvas.y = 38
    for post in posts:
        (_bubble if look.is_bubble else _row)(canvas, post, look)
    return canvas


def _bubble(canvas: Canvas, post: Post, look: Look) -> None:
    """Draw a message of Telegram: what the person wrote stands on the right."""
    pad = 10.0
    most = PHONE - 2 * EDGE - 2 * pad - (40 if post.is_mine else 0)
    inner = Writer(Canvas(), look, 0, most)
    inner.post(post)
    wide = min(most, max(inner.widest, 40)) + 2 * pad
    left = PHONE - EDGE - wide if post.is_mine else EDGE
    placed = Writer(Canvas(canvas.y + 8), look, left + pad, wide - 2 * pad)
    placed.post(post)
    tall = placed.canvas.y + 8 - canvas.y
    canvas.box(left, canvas.y, wide, tall, look.mine if post.is_mine else look.paper, 14)
    canvas.shapes += placed.canvas.shapes
    canvas.y += tall + 4
    _buttons(canvas, post, left, max(wide, 180), look.button)
    canvas.y += 6


def _row(canvas: Canvas, post: Post, look: Look) -> None:
    """Draw a message of Discord: the picture of its author, the name, and what was said."""
    left = 62.0
    if post.reply:
        author, _, words = post.reply.partition("\n")
        words = f"@{author} {words.splitlines()[0]}"
        canvas.write(left, canvas.y + 12, f"↱ {words}"[:42], 13, look.faint)
        canvas.y += 20
    colour = BLURPLE if post.is_bot else GREEN
    canvas.shapes.append(f'<circle cx="34" cy="{canvas.y + 20:.1f}" r="18" fill="{colour}"/>')
    canvas.write(34, canvas.y + 26, post.author[0], 17, WHITE, text_anchor="middle")
    canvas.write(left, canvas.y + 15, post.author, 15, look.name_ink, font_weight="bold")
    if post.is_bot:
        at = left + width(post.author, 15, bold=True) + 8
        canvas.box(at, canvas.y + 3, 34, 15, BLURPLE, 4)
        canvas.write(at + 17, canvas.y + 14.5, "APP", 11, WHITE, text_anchor="middle")
    writer = Writer(Canvas(canvas.y + 20), look, left, PHONE - EDGE - left)
    writer.post(post)
    canvas.shapes += writer.canvas.shapes
    canvas.y = max(writer.canvas.y + 4, canvas.y + 44)
    _buttons(canvas, post, left, 110, look.button)
    canvas.y += 12


def _buttons(canvas: Canvas, post: Post, left: float, wide: float, fill: str) -> None:
    for number, label in enumerate(post.buttons):
        x = left + number * (wide + 8)
        canvas.box(x, canvas.y, wide, 30, fill, 8)
        canvas.write(x + wide / 2, canvas.y + 20, label, 14, WHITE, text_anchor="middle")
    canvas.y += 34 if post.buttons else 0


class Writer:
    """Writes the blocks of a post into a column that begins at `left`."""

    def __init__(self, canvas: Canvas, look: Look, left: float, room: float) -> None:
        self.canvas = canvas
        self.widest = 0.0
        self._look = look
        self._left = left
        self._room = room

    def post(self, post: Post) -> None:
        """Write a post: what it replies to, its files, its words."""
        look = self._look
        if look.is_bubble and not post.is_bot and not post.is_mine:
            self.lines([[Run(post.author, frozenset({"bold"}))]], Font(14, 13), look.bar)
        if post.reply and look.is_bubble:
            author, _, words = post.reply.partition("\n")
            top = self.canvas.y
            self.lines([[Run(author, frozenset({"bold"}))]], Font(14, 13), look.bar, 10)
            self.lines([[Run(words.splitlines()[0][:38])]], Font(14, 13), look.ink, 10)
            self.canvas.box(self._left, top, 3, self.canvas.y - top, look.bar)
            self.canvas.y += 4
        for name in post.files:
            self._file(name)
        self.blocks(post.blocks)

    def _file(self, name: str) -> None:
        look = self._look
        if name.lower().startswith("photo"):
            wide, tall = min(self._room, 200), 110
            self.canvas.box(self._left, self.canvas.y, wide, tall, "#8fb8d8", 8)
            x, y = self._left, self.canvas.y
            self.canvas.shapes.append(
                f'<path d="M{x:.1f} {y + 100:.1f}l60 -60 40 40 30 -25 60 45z" fill="#4d7f57"/>'
            )
            self.canvas.y += tall + 6
        else:
            wide = min(self._room, 60 + width(name, 15))
            self.canvas.box(self._left, self.canvas.y, wide, 44, look.code, 8)
            self.canvas.write(self._left + 12, self.canvas.y + 28, "📄", 18, look.ink)
            self.canvas.write(self._left + 42, self.canvas.y + 27, name, 15, look.link)
            self.canvas.y += 50
        self.widest = max(self.widest, wide)

    def blocks(self, blocks: Iterable[Block]) -> None:
        """Write blocks below each other."""
        for block in blocks:
            match block.kind:
                case "pre":
                    self._code(block)
                case "quote":
                    self._quote(block)
                case "item":
                    self._item(block)
                case "text":
                    self.lines(block.lines, TEXT, self._look.ink)
                case kind:
                    bold = kind != "small"
                    font = Font(SIZES[kind], SIZES[kind] * 0.9, bold=bold)
                    self.lines(block.lines, font, self._look.ink if bold else self._look.faint)

    def _item(self, block: Block) -> None:
        indent = 22.0 + 20 * block.level
        label = "◦" if block.label == "•" and block.level else block.label
        self.canvas.write(
            self._left + indent - 6, self.canvas.y + 17, label, TEXT.size, self._look.ink,
            text_anchor="end",
        )  # fmt: skip
        self.lines(block.lines, TEXT, self._look.ink, indent)

    def _quote(self, block: Block) -> None:
        top, look = self.canvas.y, self._look
        inner = Writer(Canvas(top + 2), look, self._left + 12, self._room - 16)
        inner.blocks(block.inside)
        tall = inner.canvas.y + 2 - top
        self.widest = max(self.widest, inner.widest + 16)
        if look.is_bubble:
            self.canvas.box(self._left, top, max(inner.widest + 16, 60), tall, look.quote, 5)
        self.canvas.box(self._left, top, 3, tall, look.bar, 1.5)
        self.canvas.shapes += inner.canvas.shapes
        self.canvas.y = top + tall + 2

    def _code(self, block: Block) -> None:
        look, canvas = self._look, self.canvas
        font = Font(look.code_size, look.code_size)
        pad = 5.0 if look.is_bubble else 8.0
        wrapped = [one for line in block.lines for one in wrap(line, font, self._room - 2 * pad)]
        tall = font.size * LEADING
        head = tall if block.label else 0
        wide = max([font.width(Run("".join(r.text for r in one), frozenset({"code"})))
                    for one in wrapped] + [width(block.label, 13, bold=True)])  # fmt: skip
        box = wide + 2 * pad if look.is_bubble else self._room
        canvas.box(
            self._left, canvas.y + 2, box, tall * len(wrapped) + head + 2 * pad, look.code, 5
        )
        self.widest = max(self.widest, box)
        if block.label:
            attributes = {"font_weight": "bold"}
            canvas.write(
                self._left + pad, canvas.y + pad + 15, block.label, 13, look.bar, **attributes
            )
        y = canvas.y + 2 + pad + head
        for number, line in enumerate(wrapped):
            baseline = y + tall * number + font.size
            for column, text in columns("".join(run.text for run in line)):
                self._mono(self._left + pad + column * font.size * 0.6, baseline, text, font.size)
        canvas.y = y + tall * len(wrapped) + pad + 4

    def _mono(self, x: float, y: float, text: str, size: float) -> None:
        if text.strip():
            wide = width(text, size, mono=True)
            self.canvas.write(
                x, y, text, size, self._look.ink, font_family=MONO, textLength=f"{wide:.1f}",
                lengthAdjust="spacingAndGlyphs",
            )  # fmt: skip

    def lines(self, lines: list[Line], font: Font, ink: str, indent: float = 0) -> None:
        """Write the lines of a paragraph."""
        tall = font.size * LEADING
        for line in lines:
            is_rtl = is_right_to_left([line])
            for one in wrap(line, font, self._room - indent):
                wide = sum(font.width(run) for run in one)
                self.widest = max(self.widest, wide + indent)
                at = self._left + indent
                if is_rtl and self._look.follows_script:
                    at = self._left + self._room - wide
                for run in reversed(one) if is_rtl else one:
                    self._run(run, at, self.canvas.y + font.size * 1.06, font, ink, is_rtl=is_rtl)
                    at += font.width(run)
                self.canvas.y += tall if one else tall * 0.6

    def _run(self, run: Run, x: float, y: float, font: Font, ink: str, *, is_rtl: bool) -> None:
        look, wide = self._look, font.width(run)
        size = font.code if "code" in run.styles else font.size
        more = {"textLength": f"{wide:.1f}", "lengthAdjust": "spacingAndGlyphs"}
        if "code" in run.styles:
            more["font_family"] = MONO
            self.canvas.box(x - 1, y - size, wide + 2, size * 1.3, look.code, 3)
        if font.bold or "bold" in run.styles:
            more["font_weight"] = "bold"
        if "italic" in run.styles:
            more["font_style"] = "italic"
        lines = {"underline": "underline", "strikethrough": "line-through"}
        if drawn := " ".join(lines[style] for style in lines if style in run.styles):
            more["text_decoration"] = drawn
        fill = look.link if "link" in run.styles else ink
        if "spoiler" in run.styles:
            self.canvas.box(x - 1, y - size, wide + 2, size * 1.3, look.veil, 3)
            more["opacity"] = "0.7"
        if is_rtl:
            more["direction"] = "rtl"
            x += wide
        if run.text.strip():
            self.canvas.write(x, y, run.text, size, fill, **more)
