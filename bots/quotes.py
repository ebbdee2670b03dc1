"""The words of a message that another one is about: it replies to that message, or forwards it."""

LONGEST = 4096
"""The most UTF-16 units of a quote: as long as a message may be on every platform."""
CUT = "[The rest of this message is left out here.]"
"""The line below a quote that was cut."""


def cut(text: str, longest: int = LONGEST) -> str:
    """Return the words of a message: all of them, or the first `longest` UTF-16 units and `CUT`."""
    if len(text) <= longest // 2:
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    if len(data) <= 2 * longest:
        return text
    return f"{data[: 2 * longest].decode('utf-16-le', 'ignore')}\n{CUT}"
