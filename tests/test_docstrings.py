"""The public surface says what it does: docstrings exist, name the errors raised and the parameters, in plain words."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from test_house import sources

import learnact

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Texts = Mapping[str, str]
"""Module name -> its source."""

PRIVATE_WORDS = {
    r"hand(s|ed|ing)? on": "passes, propagates or returns",
    r"hand(s|ed)? back": "returns",
    r"alive": "active",
    r"(un)?settle[sd]?": "converged or materialized, as meant",
    r"citizen": "what it does",
    r"doors?": "stage, command or entry point",
}
"""Patterns of words that only we use, and the field's words for them."""

UNNAMED = {"self", "cls", "_", "__"}
"""Parameters that no docstring needs to explain."""


@dataclass(frozen=True)
class Documented:
    """A public function, class or method, and where it stands."""

    name: str  # dotted: module, class, function
    node: Function | ast.ClassDef
    module: str
    inherited: bool = False  # a method that a base class, or a protocol of the module, documents

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


def is_public(node: Function | ast.ClassDef) -> bool:
    return not node.name.startswith("_")


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def surface(texts: Texts) -> list[Documented]:
    """Every public function, class and method of these modules; what is inside functions is private."""
    classes = {n.name: n for text in texts.values() for n in parsed(text).body if isinstance(n, ast.ClassDef)}
    found = []
    for module, text in texts.items():
        nodes = [n for n in parsed(text).body if isinstance(n, (*FUNCTIONS, ast.ClassDef)) and is_public(n)]
        found += [Documented(f"{module}.{n.name}", n, module) for n in nodes]
        protocols = [n for n in nodes if isinstance(n, ast.ClassDef) and "Protocol" in map(ast.unparse, n.bases)]
        for cls in (n for n in nodes if isinstance(n, ast.ClassDef)):
            for method in (m for m in cls.body if isinstance(m, FUNCTIONS) and is_public(m)):
                inherited = overrides(cls, method.name, classes) or (
                    cls not in protocols and any(documents(p, method.name) for p in protocols)
                )
                found.append(Documented(f"{module}.{cls.name}.{method.name}", method, module, inherited))
    return found


def documents(cls: ast.ClassDef, method: str) -> bool:
    return any(isinstance(m, FUNCTIONS) and m.name == method and ast.get_docstring(m) for m in cls.body)


def overrides(cls: ast.ClassDef, method: str, classes: Mapping[str, ast.ClassDef]) -> bool:
    """Whether a base class documents the method; of a base from another library we take it that it does."""
    for base in map(ast.unparse, cls.bases):
        if base in classes:
            if documents(classes[base], method) or overrides(classes[base], method, classes):
                return True
        elif base not in {"ABC", "NamedTuple", "Protocol", "Exception"}:
            return True
    return False


def raised(node: ast.AST, helpers: Mapping[str, Function]) -> set[str]:
    """Exceptions raised by name in a function's own body, or in the module's private functions that it calls.

    Errors written with their module (click.UsageError) belong to that library, and are not counted.
    """
    found: set[str] = set()
    caught = node.body if isinstance(node, ast.Try) else []  # what a try holds may not leave it
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.Lambda)) or child in caught:
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            error = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            if isinstance(error, ast.Name) and error.id[0].isupper() and error.id != "NotImplementedError":
                found.add(error.id)
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in helpers:
            rest = {name: f for name, f in helpers.items() if name != child.func.id}
            found |= raised(helpers[child.func.id], rest)
        found |= raised(child, helpers)
    return found


def unnamed_errors(item: Documented, texts: Texts) -> list[str]:
    """Errors that the item raises, and that no sentence with "Raises" in its docstring names."""
    helpers = {n.name: n for n in parsed(texts[item.module]).body if isinstance(n, FUNCTIONS) and not is_public(n)}
    nodes: list[ast.AST] = [item.node]
    if isinstance(item.node, ast.ClassDef):
        nodes = [m for m in item.node.body if isinstance(m, FUNCTIONS) and m.name in {"__init__", "__post_init__"}]
    errors = set().union(*(raised(node, helpers) for node in nodes))
    _, _, said = item.docstring.partition("Raise")
    return [e for e in sorted(errors) if not re.search(rf"\b{e}\b", said)]


def unexplained(item: Documented, texts: Texts) -> list[str]:
    """A function's parameters, a dataclass's fields, that neither the docstring nor a comment beside them explains."""
    lines = texts[item.module].splitlines()
    if isinstance(item.node, ast.ClassDef):
        named = [(n.target, n) for n in item.node.body if isinstance(n, ast.AnnAssign)]
        names = [t.id for t, n in named if isinstance(t, ast.Name) and "#" not in lines[n.lineno - 1]]
    else:
        a = item.node.args
        names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return [n for n in names if n not in UNNAMED and not re.search(rf"\b{n}\b", item.docstring)]


def private_words(text: str) -> list[str]:
    """Private words in the docstrings and error messages of a module, each with what to write."""
    tree = parsed(text)
    statements = [n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)]
    messages = [c for n in ast.walk(tree) if isinstance(n, ast.Raise) for c in ast.walk(n)]
    sentences = [c.value for c in (*statements, *messages) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    return [
        f"{found.group()!r}: write {better}"
        for sentence in sentences
        for pattern, better in PRIVATE_WORDS.items()
        for found in re.finditer(rf"\b({pattern})\b", sentence, re.IGNORECASE)
    ]


@cache
def house() -> dict[str, str]:
    """What people wrote: generated modules are checked by the referee."""
    return {
        name or "learnact": path.read_text(encoding="utf-8")
        for name, path in sources().items()
        if name.split(".")[0] not in {"generated", "templates"}
    }


def roots() -> list[Documented]:
    """What `learnact.__all__` offers, where it is defined; classes with their public methods."""
    defined = [f"{module}.{name}" for module, names in learnact._MODULES.items() for name in names]
    return [d for d in surface(house()) if any(d.name == n or d.name.startswith(f"{n}.") for n in defined)]


def test_every_module_opens_with_a_sentence():
    assert [name for name, text in house().items() if text and not ast.get_docstring(parsed(text))] == []


def test_every_public_name_has_a_docstring():
    assert [d.name for d in surface(house()) if not d.docstring and not d.inherited] == []


def test_docstrings_name_the_errors_that_are_raised():
    lacks = [f"{d.name}: Raises {e}" for d in surface(house()) for e in unnamed_errors(d, house()) if d.docstring]
    assert lacks == []


def test_every_name_of_the_root_is_checked():
    assert set(learnact.__all__) - {d.name.split(".")[-1] for d in roots()} == {"__version__"}


def test_the_root_says_what_every_parameter_and_field_is():
    assert [f"{d.name}: {n}" for d in roots() for n in unexplained(d, house()) if not d.inherited] == []


def test_docstrings_and_messages_use_the_words_of_the_field():
    assert [f"{name}: {w}" for name, text in house().items() for w in private_words(text)] == []


PLANTED = {
    "planted": '''
def bare(x): return x

def silent(spec):
    """Parse a SPEC."""
    if not spec:
        raise BadDegree("no degree")

def through_a_helper(spec):
    """Parse a SPEC."""
    return _checked(spec)

def honest(spec):
    """Parse `spec`. Raises BadDegree, BadName."""
    raise BadName(_checked(spec))

def caught(spec):
    """Parse a SPEC."""
    try:
        raise BadDegree("caught below")
    except BadDegree:
        return None

def translated(spec):
    """Parse a SPEC."""
    try:
        return open(spec)
    except OSError as err:
        raise BadDegree("no file") from err

def _checked(spec):
    raise BadDegree(f"{spec} hands on what is alive")

class Base:
    """A base."""
    def f(self):
        """f."""

class Derived(Base):
    """Derived."""
    size: int  # in bytes
    weight: int
    def __post_init__(self): raise BadLaw("never")
    def f(self): ...
    def g(self): ...
'''
}


def test_planted_lacks_are_seen():
    found = {d.name.removeprefix("planted."): d for d in surface(PLANTED)}
    errors = {n: e for n, d in found.items() if (e := unnamed_errors(d, PLANTED))}
    silent = {name: ["BadDegree"] for name in ("silent", "through_a_helper", "translated")}  # not honest, not caught
    assert errors == {**silent, "Derived": ["BadLaw"]}
    assert [n for n, d in found.items() if not d.docstring and not d.inherited] == ["bare", "Derived.g"]
    assert unexplained(found["silent"], PLANTED) == ["spec"]
    assert unexplained(found["honest"], PLANTED) == []
    assert unexplained(found["Derived"], PLANTED) == ["weight"]
    assert private_words(PLANTED["planted"]) == [
        "'hands on': write passes, propagates or returns",
        "'alive': write active",
    ]
