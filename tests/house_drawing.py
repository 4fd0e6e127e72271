"""The rooms and who imports whom, drawn of the code as it is: `python tests/house_drawing.py [SOURCE]`.

Floors are those of the import contract, the top one first. Behind a room stand its files, then the rooms below that it imports, with how many of its
imports do; `+n` are imports for types only. Circles between files are counted with imports inside functions, and are none: a test says so.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "starwhale"
FLOORS = (
    ("compat",),
    ("cli", "server", "api", "testing"),
    ("instances",),
    ("execution", "serving", "transfer"),
    ("handlers",),
    ("datasets", "models", "runtimes", "results"),
    ("storage",),
    ("wire",),
    ("domain", "media"),
    ("settings", "plugins"),
    ("errors",),
)


def imports_of(path: Path, source: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules of ours that a file imports, at its top and in functions, with whether it is for types only."""

    def look(node: ast.AST, *, is_typing: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and (child.module or "").split(".")[0] == PACKAGE and not child.level:
                for each in child.names:
                    yield _module(f"{child.module}.{each.name}", source), is_typing
            elif isinstance(child, ast.Import):
                for each in child.names:
                    if each.name.split(".")[0] == PACKAGE:
                        yield _module(each.name, source), is_typing
            inner = is_typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            yield from look(child, is_typing=inner)

    yield from look(ast.parse(path.read_text(encoding="utf-8")), is_typing=False)


def _module(name: str, source: Path) -> str:
    """Return the module that a dotted name lies in."""
    parts = name.split(".")
    while parts[1:]:
        path = source.joinpath(*parts[1:])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            break
        parts.pop()
    return ".".join(parts)


def module_name(path: Path, source: Path) -> str:
    """Return the dotted name of a file."""
    parts = [PACKAGE, *path.relative_to(source).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(source: Path) -> list[list[str]]:
    """Return the groups of files that import each other when they run, imports inside functions counted; the front door is left out."""
    graph: dict[str, set[str]] = {}
    for path in sorted(source.rglob("*.py")):
        own = module_name(path, source)
        found = {name for name, is_typing in imports_of(path, source) if not is_typing}
        graph[own] = found - {own, PACKAGE} if own != PACKAGE else set()
    return [sorted(group) for group in _components(graph) if len(group) > 1]


def _components(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected components (Tarjan 1972, written without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    for root, needed in graph.items():
        work = [(root, iter(sorted(needed)))] if root not in index else []
        if work:
            index[root] = low[root] = len(index)
            stack.append(root)
            waiting.add(root)
        while work:
            node, children = work[-1]
            child = next((each for each in children if each in graph), None)
            if child is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    group, stack[cut:] = stack[cut:], []
                    waiting.difference_update(group)
                    yield group
            elif child not in index:
                index[child] = low[child] = len(index)
                stack.append(child)
                waiting.add(child)
                work.append((child, iter(sorted(graph[child]))))
            elif child in waiting:
                low[node] = min(low[node], index[child])


def draw(source: Path) -> str:
    """Return the drawing."""
    runs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    typed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    files: Counter[str] = Counter()
    rooms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        own = parts[0].removesuffix(".py")
        files[own] += 1
        if len(parts) > 2:
            rooms[own][parts[1]] += 1
        for name, is_typing in imports_of(path, source):
            other = name.removeprefix(PACKAGE).strip(".").partition(".")[0]
            if other and other != own:
                (typed if is_typing else runs)[own][other] += 1
    lines: list[str] = []
    for number, floor in enumerate(FLOORS):
        for name in floor:
            if not files[name]:
                continue
            inside = ", ".join(f"{room}/ {count}" for room, count in rooms[name].most_common())
            below = [
                f"{other} {runs[name][other]}" + (f"+{typed[name][other]}" if typed[name][other] else "")
                for other in sorted(runs[name].keys() | typed[name].keys(), key=lambda each: -runs[name][each])
            ]
            lines.append(
                f"{len(FLOORS) - 1 - number:>2}  {name:<10} {files[name]:>3} files{f' ({inside})' if inside else ''}"
            )
            lines.append(f"{'':15}→ {' · '.join(below)}" if below else f"{'':15}→ nothing")
    found = circles(source)
    lines.append(f"circles between files, imports in functions counted: {len(found) or 'none'}")
    lines.extend(f"  {' → '.join(each)}" for each in found)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "src" / PACKAGE) + "\n")
