"""Names between two underscores, as Python and other languages have them (pure)."""

import re

_NAME = re.compile(r"__(?P<word>[A-Za-z][A-Za-z0-9]*+(?>(?:_[A-Za-z0-9]++)*))__(?!\w)")
_GOES_ON = re.compile(r"\.\w|[(\[/\\]|::|->")

_WORDS = """
abs add aenter aexit aiter all and anext annotations array author await bases bool builtins bytes
cached call ceil class clone closure cmp code complex construct contains context copy credits
cplusplus date debug decl deepcopy defaults del delattr delete delitem dest destruct dict dir
dirname div divmod doc email enter eq exit file filename float floor format fspath func ge get
getattr getattribute getinitargs getitem getnewargs getstate globals gt hash hex host iadd iand idiv
ifloordiv ilshift imod imul index init inline instancecheck int invert invoke invert ior ipow
irshift iset isub iter itruediv ixor kwdefaults le len length license line loader long lshift lt
main missing mocks mod module mro mul name ne neg new next nonzero oct or package parameters path
pos post pow prepare proto pycache qualname radd rand rdiv reduce repr restrict reversed rlshift
rmod rmul ror round rpow rrshift rshift rsub rtruediv rxor self set setattr setitem setstate sizeof
slots snapshots spec staticmethod stdcall str sub subclasscheck subclasshook subclasses tablename
tests traceback truediv trunc typename typeof unicode unused version volatile wakeup weakref wrapped
xor
"""
_KNOWN = frozenset(_WORDS.split())
"""The names of one word in lower case that are known; another one may be emphasis."""


def name_end(text: str, start: int) -> int | None:
    """Return the end of the name, such as `__init__`, that begins at a place; None for emphasis."""
    found = _NAME.match(text, start)
    return found.end() if found and _is_known(text, found) else None


def _is_known(text: str, found: re.Match[str]) -> bool:
    word = found["word"]
    if word in _KNOWN or not word.isalpha() or (word.isupper() and len(word) > 1):
        return True
    in_path = text[found.start() - 1 : found.start()] in (".", "/", "\\", ":")
    return in_path or _GOES_ON.match(text, found.end()) is not None
