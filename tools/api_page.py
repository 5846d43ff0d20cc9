"""Print the page of Python names, docs/api.md: `python tools/api_page.py > docs/api.md`.

The words between the entries are those of tools/api_page.md. A line `:: caffelite.io.load_image` there becomes the
entry of that name: its signature and docstring, of a class those of its public members, too. Names after a class's name
are members that it inherits and that are shown as well; after `=` they are all that is shown.
`:module: caffelite.layer` is the docstring of a module, without its first line.
"""

import ast
import dataclasses
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# a line of a paragraph that has to stay a line: of a list "name: what it is", or indented
OWN_LINE = re.compile(r"\n(?=[a-z_]+(?:, [a-z_]+)*: |    )")
TEMPLATE = Path(__file__).with_suffix(".md")
ENTRY, MODULE = ":: ", ":module: "


def page(template: str) -> Iterator[str]:
    """Give the lines of the page."""
    for line in template.splitlines():
        if line.startswith(ENTRY):
            yield from entry(*line.removeprefix(ENTRY).split())
        elif line.startswith(MODULE):
            module = import_module(line.removeprefix(MODULE))
            yield markdown((inspect.getdoc(module) or "").partition("\n\n")[2])
        else:
            yield line


def entry(path: str, *members: str) -> Iterator[str]:
    """Give the lines of one name."""
    module_name, _, name = path.rpartition(".")
    thing = getattr(import_module(module_name), name)
    if not inspect.isclass(thing):
        yield from described("###", name, name + (signature(thing) if callable(thing) else ""), thing)
        return
    alone = members == ("=",)  # a class that differs from its base in nothing that can be shown
    head = f"({', '.join(map(ast.unparse, definition(thing).bases))})" if alone else constructor(thing)
    yield from described("###", name, f"class {name}{head}", thing)
    if issubclass(thing, enum.Enum):
        yield from (f"- `{name}.{case.name}`: {case.value}" for case in thing)
        yield ""
    for member in shown_members(thing, members):
        found = inspect.getattr_static(thing, member)
        lines = described("", member, f"{name}.{member}{member_signature(found)}", found)
        yield f"- {textwrap.indent(chr(10).join(lines), '  ').lstrip()}"


def shown_members(owner: type, asked: tuple[str, ...]) -> list[str]:
    """Return the members of a class that its entry shows, in the order of the source."""
    if asked[:1] == ("=",):
        return list(asked[1:])
    own = [name for name, member in vars(owner).items() if not name.startswith("_") and is_described(member)]
    return [*own, *asked]


def is_described(member: Any) -> bool:
    """Return whether a member of a class has an entry: methods and properties have, constants and types not."""
    return inspect.isroutine(member) or is_property(member)


def is_property(member: Any) -> bool:
    """Return whether a member is a property, of Python's or of ours."""
    return isinstance(member, property) or hasattr(member, "attrname")


def described(heading: str, name: str, text: str, thing: Any) -> Iterator[str]:
    """Give an entry's heading, signature and docstring."""
    if heading:
        yield f"{heading} {name}\n"
    yield f"`{text}`\n"
    yield f"{markdown(inspect.getdoc(thing) or '')}\n"


def markdown(doc: str) -> str:
    """Return a docstring, its indented blocks as blocks of Python where `::` announces them."""
    paragraphs: list[str] = []
    inside = False
    for paragraph in doc.split("\n\n"):
        if inside and paragraph.startswith("    "):
            paragraphs[-1] += "\n\n" + paragraph
            continue
        inside = paragraph.endswith("::")
        paragraphs.append(paragraph.removesuffix(":") if inside else paragraph)
        if inside:
            paragraphs.append("")
    return "\n\n".join(
        as_code(text) if text.startswith("\n\n    ") else OWN_LINE.sub(r"\\\n", text) for text in paragraphs
    )


def as_code(text: str) -> str:
    """Return an indented block as a fenced one."""
    return f"```python\n{textwrap.dedent(text.strip(chr(10)))}\n```"


def member_signature(member: Any) -> str:
    """Return what stands behind the name of a method or property."""
    if is_property(member):
        function = member.fget if isinstance(member, property) else member.func
        return f": {ast.unparse(returns)}" if (returns := definition(function).returns) else ""
    return signature(member)


def constructor(owner: type) -> str:
    """Return the arguments that make an object; of classes that are lists of fields, these."""
    if dataclasses.is_dataclass(owner) or issubclass(owner, tuple):
        fields = [ast.unparse(node) for node in definition(owner).body if isinstance(node, ast.AnnAssign)]
        return f"({', '.join(fields)})"
    return signature(owner.__init__)


def signature(function: Any) -> str:
    """Return the arguments and the type of the result as the source has them, without `self`."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(function):  # a class that takes no arguments of its own
        return ""
    node = definition(function)
    for first in (node.args.posonlyargs, node.args.args):
        if first and first[0].arg in ("self", "cls"):
            del first[0]
            break
    returns = "None" if node.returns is None else ast.unparse(node.returns).strip("'")
    return f"({', '.join(arguments(node.args))})" + ("" if returns in ("None", "NoReturn") else f" -> {returns}")


def arguments(args: ast.arguments) -> Iterator[str]:
    """Give the arguments of a function as they are written in a def."""
    positional = [*args.posonlyargs, *args.args]
    missing = len(positional) - len(args.defaults)
    for number, (arg, default) in enumerate(zip(positional, [None] * missing + args.defaults, strict=True), 1):
        yield argument(arg, default)
        if number == len(args.posonlyargs):
            yield "/"
    if args.vararg:
        yield f"*{argument(args.vararg)}"
    elif args.kwonlyargs:
        yield "*"
    yield from map(argument, args.kwonlyargs, args.kw_defaults)
    if args.kwarg:
        yield f"**{argument(args.kwarg)}"


def argument(arg: ast.arg, default: ast.expr | None = None) -> str:
    """Return one argument: its name, annotation and default."""
    if default is None:
        return ast.unparse(arg)
    return f"{ast.unparse(arg)}{' = ' if arg.annotation else '='}{ast.unparse(default)}"


def definition(thing: Any) -> Any:
    """Return the syntax tree of a function or class, a copy."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


if __name__ == "__main__":
    print("\n".join(page(TEMPLATE.read_text())))
