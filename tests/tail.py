"""The tail of the code: `python tests/tail.py` prints its longest, widest and least documented pieces; `test_house` holds it to limits.

Nothing is imported: everything is read as syntax.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
Function = ast.FunctionDef | ast.AsyncFunctionDef
EXPECTED = frozenset({
    "ArgumentTypeError", "AssertionError", "AttributeError", "IndexError", "KeyError", "NotImplementedError", "StopIteration", "TypeError",
})  # fmt: skip
"""What a reader expects of Python without being told."""
SHOWN = 15
"""Pieces that are printed of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Piece:
    """A function, as long and as wide as it is."""

    body: int
    """Lines without the docstring."""
    lines: int
    """Lines from `def` to the end."""
    parameters: int
    """Without `self` and `cls`."""
    name: str
    """File below the package, and name in it: `api/job.py Job.run`."""
    is_entry: bool
    """Whether it is a command or a route: what it takes are options, and its docstring is their help."""


@dataclass(slots=True)
class Tail:
    """What was found in a source tree and in its tests."""

    modules: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Lines of each module."""
    functions: list[Piece] = field(default_factory=list[Piece])
    """Every function, nested ones too."""
    mute_fields: list[str] = field(default_factory=list[str])
    """Fields of public dataclasses without a docstring."""
    mute_raises: list[str] = field(default_factory=list[str])
    """Public functions that raise an error of ours by name, and have a docstring without `Raises:`."""
    tests: int = 0
    """Test functions."""
    patches: Counter[str] = field(default_factory=Counter[str])
    """What tests replace: name of the object and attribute, with how often."""

    def share_within(self, lines: int) -> float:
        """Return the share of functions that have no more lines, docstring included."""
        return sum(each.lines <= lines for each in self.functions) / len(self.functions)

    @property
    def patches_per_100(self) -> float:
        """Replaced attributes per 100 test functions."""
        return 100 * self.patches.total() / self.tests


def look(source: Path, tests: Path) -> Tail:
    """Read a source tree and its tests."""
    tail = Tail()
    for path in sorted(source.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        place = path.relative_to(source).as_posix()
        tail.modules.append((text.count("\n"), place))
        for name, node, is_inside in _definitions(ast.parse(text)):
            _note(tail, f"{place} {name}", node, is_open=_is_public(name) and not is_inside)
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            tail.tests += isinstance(node, Function) and node.name.startswith("test_")
            if replaced := _replaced(node):
                tail.patches[replaced] += 1
    return tail


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef, bool]]:
    """Yield each function and class with its name, and whether it stands inside a function."""

    def go(node: ast.AST, name: str, *, is_inside: bool) -> Iterator[tuple[str, Function | ast.ClassDef, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                own = f"{name}.{child.name}" if name else child.name
                yield own, child, is_inside
                yield from go(child, own, is_inside=is_inside or isinstance(child, Function))
            else:
                yield from go(child, name, is_inside=is_inside)

    return go(tree, "", is_inside=False)


def _note(tail: Tail, name: str, node: Function | ast.ClassDef, *, is_open: bool) -> None:
    if isinstance(node, Function):
        lines = _lines(node)
        told = node.body[0]
        body = lines - (_lines(told) if _is_text(told) else 0)
        decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
        is_entry = re.search(r"\.(command|group|get|post|delete|put)\(", decorators) is not None
        wide = len(_parameters(node))
        tail.functions.append(Piece(body=body, lines=lines, parameters=wide, name=name, is_entry=is_entry))
        if is_open and not is_entry and _hides_errors(node):
            tail.mute_raises.append(name)
    elif is_open and any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        pairs = zip(node.body, [*node.body[1:], None], strict=True)
        tail.mute_fields.extend(
            f"{name}.{item.target.id}"
            for item, after in pairs
            if isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and not item.target.id.startswith("_")
            and not (after and _is_text(after))
        )


def _hides_errors(node: Function) -> bool:
    """Whether a function with a docstring raises an error by name and does not say so."""
    text = ast.get_docstring(node)
    if text is None or "Raises:" in text:
        return False
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            raised = ast.unparse(each.exc.func if isinstance(each.exc, ast.Call) else each.exc)
            if raised[:1].isupper() and raised.endswith("Error") and raised not in EXPECTED:
                return True
    return False


def _replaced(node: ast.AST) -> str:
    """Return what a call of a test replaces, such as `packs.PACK_BYTES`; nothing where it replaces nothing."""
    if not isinstance(node, ast.Call):
        return ""
    called = ast.unparse(node.func)
    if called.endswith(("monkeypatch.setattr", "patch.setattr")):
        return ".".join(ast.unparse(each).strip("'\"") for each in node.args[:2])
    return called if re.search(r"(^|\.)(Mock|MagicMock|AsyncMock|patch|create_autospec)$", called) else ""


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _parameters(node: Function) -> list[str]:
    given = node.args
    named = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [each for each in named if each not in {"self", "cls"}]


def _is_public(name: str) -> bool:
    return not any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def _tell(tail: Tail) -> Iterator[str]:
    functions = tail.functions
    yield f"modules {len(tail.modules)}, lines {sum(n for n, _ in tail.modules)}, functions {len(functions)}"
    for limit in (20, 25, 30, 40, 60):
        short = sum(each.body <= limit for each in functions) / len(functions)
        yield f"functions of at most {limit} lines: {tail.share_within(limit):.1%}, without docstring {short:.1%}"
    yield "longest functions (lines without docstring, with it):"
    yield from (f"  {each.body:4} {each.lines:4} {each.name}" for each in sorted(functions, reverse=True)[:SHOWN])
    yield "modules over 400 lines:"
    yield from (f"  {lines:4} {name}" for lines, name in sorted(tail.modules, reverse=True) if lines > 400)
    yield "functions with more than 8 parameters:"
    wide = sorted(functions, key=lambda each: -each.parameters)
    yield from (f"  {each.parameters:4} {each.name}" for each in wide if each.parameters > 8)
    yield f"fields without docstring: {len(tail.mute_fields)}"
    yield from (f"  {each}" for each in tail.mute_fields)
    yield f"raise an error and do not say so: {len(tail.mute_raises)}"
    yield from (f"  {each}" for each in tail.mute_raises)
    yield f"tests {tail.tests}, replaced attributes per 100 of them {tail.patches_per_100:.1f}:"
    yield from (f"  {count:4} {name}" for name, count in tail.patches.most_common())


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in _tell(look(ROOT / "src/starwhale", ROOT / "tests")))
