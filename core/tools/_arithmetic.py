"""Exact arithmetic on expressions as people write them (pure)."""

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction

LENGTH = 500
"""The longest expression, in characters."""
BITS = 13_000
"""The largest number, about 3,900 digits: Python writes out no more than 4,300."""
DECIMALS = 50
"""The most decimals of an exact result; a fraction that needs more is written as a fraction."""

APPROXIMATE = Context(
    prec=50,
    rounding=ROUND_HALF_EVEN,
    Emin=-4000,
    Emax=4000,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
"""The precision of roots and fractional powers: far more digits than are shown."""

TOO_LARGE = "The result is too large to be written out."
FUNCTIONS = "I know the functions sqrt, abs, round, min, max and factorial."

SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**"})
PERCENT = re.compile(r"(?<![\w.])(\d[\d_]*+(?>(?:\.\d*+)?))\s*+%(?=\s*(?:$|[-+]\s|[)*/,]|of\b))")
"""A percentage: no number follows its sign, as one follows the sign of a remainder."""

OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def evaluate(expression: str) -> str:
    """Return the result of an expression.

    A result that is not exact begins with "≈"; decimals follow a fraction. Raises ValueError with
    a sentence for the author of the expression.
    """
    if len(expression) > LENGTH:
        raise ValueError(f"An expression may have {LENGTH} characters at most.")
    source = re.sub(r"\bof\b", "*", PERCENT.sub(r"(\1/100)", expression.translate(SIGNS)))
    evaluation = _Evaluation(source.strip())
    try:
        value = evaluation.value(ast.parse(evaluation.source, mode="eval").body)
    except ZeroDivisionError:
        raise ValueError("A division by zero has no result.") from None
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"I cannot compute this expression: {expression}") from None
    except (Overflow, InvalidOperation):
        raise ValueError(TOO_LARGE) from None
    return _exact(value) if evaluation.exact else f"≈ {_digits(value)}"


@dataclass(slots=True)
class _Evaluation:
    """The walk through one expression; `exact` until a step gives an approximation."""

    source: str
    exact: bool = True

    def value(self, node: ast.expr) -> Fraction:
        """Return the value of a node of the expression."""
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return _bounded(_number(ast.get_source_segment(self.source, node) or ""))
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(node.operand)
            case ast.BinOp(op=ast.Pow()):
                return self._power(self.value(node.left), self.value(node.right))
            case ast.BinOp() if operation := OPERATORS.get(type(node.op)):
                result = operation(self.value(node.left), self.value(node.right))
                return _bounded(Fraction(result))
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._call(name, [self.value(argument) for argument in node.args])
            case ast.Tuple():
                raise ValueError("Numbers are written without commas: 1234.5")
        raise ValueError(f"I cannot compute this: {ast.unparse(node)}")

    def _call(self, name: str, arguments: Sequence[Fraction]) -> Fraction:
        match name, arguments:
            case "sqrt", [number]:
                return self._root(number)
            case "abs", [number]:
                return abs(number)
            case "round", [number]:
                return _rounded(number, 0)
            case "round", [number, Fraction(denominator=1) as decimals]:
                return _rounded(number, int(decimals))
            case (("min" | "max"), [_, *_]):
                return min(arguments) if name == "min" else max(arguments)
            case "factorial", [Fraction(denominator=1) as number]:
                return _factorial(int(number))
        raise ValueError(f"I cannot compute {name} of these {len(arguments)} values. {FUNCTIONS}")

    def _root(self, number: Fraction) -> Fraction:
        if number < 0:
            raise ValueError("A negative number has no real root.")
        root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
        return root if root * root == number else self._near(_decimal(number).sqrt(APPROXIMATE))

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator == 1 and self.exact:
            size = max(base.numerator.bit_length(), base.denominator.bit_length())
            # Checked before it is computed: 2**10**9 would fill the memory.
            if (size - 1) * abs(exponent) > BITS:
                raise ValueError(TOO_LARGE)
            return _bounded(Fraction(base ** int(exponent)))
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        if base < 0 and exponent.denominator != 1:
            raise ValueError("A negative number has no real power of that kind.")
        return self._near(APPROXIMATE.power(_decimal(base), _decimal(exponent)))

    def _near(self, number: Decimal) -> Fraction:
        self.exact = False
        return Fraction(number)


def _number(text: str) -> Fraction:
    """Return a number as it is written, not as a float rounds it."""
    if text[:2].lower() in ("0x", "0o", "0b"):
        return Fraction(int(text, 0))
    digits, _, exponent = text.replace("_", "").lower().partition("e")
    if abs(int(exponent or 0)) > LENGTH:
        raise ValueError(TOO_LARGE)
    return Fraction(digits) * Fraction(10) ** int(exponent or 0)


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > BITS:
        raise ValueError(TOO_LARGE)
    return value


def _rounded(number: Fraction, decimals: int) -> Fraction:
    """Round a number, halves away from zero, as schools teach it."""
    if abs(decimals) > LENGTH:
        raise ValueError(f"I round to {LENGTH} places at most.")
    scale = Fraction(10) ** decimals
    rounded = Fraction(math.floor(abs(number) * scale + Fraction(1, 2))) / scale
    return rounded if number >= 0 else -rounded


def _factorial(number: int) -> Fraction:
    if number < 0:
        raise ValueError("A negative number has no factorial.")
    if number > 1_000:
        raise ValueError("I compute factorials of numbers up to 1000.")
    return Fraction(math.factorial(number))


def _decimal(number: Fraction) -> Decimal:
    return APPROXIMATE.divide(Decimal(number.numerator), Decimal(number.denominator))


def _digits(number: Fraction) -> str:
    """Write a number with twelve digits, as a pocket calculator does."""
    rounded = Context(prec=12).plus(_decimal(number)).normalize()
    return f"{rounded:f}" if -7 < rounded.adjusted() < 12 else f"{rounded:e}"


def _exact(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number)
    scaled = number * 10**DECIMALS
    if scaled.denominator == 1:
        whole, rest = divmod(abs(scaled.numerator), 10**DECIMALS)
        return f"{'-' * (number < 0)}{whole}.{rest:0{DECIMALS}}".rstrip("0")
    return f"{number} ≈ {_digits(number)}"
