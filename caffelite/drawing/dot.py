"""A drawing as text in Graphviz's language."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from caffelite.core.errors import printable
from caffelite.core.type_names import CONVOLUTIONS
from caffelite.drawing.blocks import repeated_blocks
from caffelite.drawing.net import Drawing, Edge, Unit
from caffelite.drawing.words import colour, figures, lr_mults, shape_words
from caffelite.proto.caffe_pb2 import TEST, LayerParameter

FONT = "Helvetica,DejaVu Sans,sans-serif"
LEARNING = (*CONVOLUTIONS, "InnerProduct")


def dot_text(drawing: Drawing, rankdir: str = "TB", display_lrm: bool = False) -> str:
    """Return the graph; `rankdir` is TB, BT, LR or RL; with `display_lrm`, learning rates stand in the layers."""
    lines = [
        f"digraph {_quoted(drawing.name or 'Net')} {{",
        f'  graph [rankdir={rankdir}, newrank=true, fontname="{FONT}", nodesep=0.3, ranksep=0.35];',
        f'  node [shape=plain, fontname="{FONT}", fontsize=11];',
        f'  edge [fontname="{FONT}", fontsize=9, arrowsize=0.6, color="#555555", fontcolor="#333333"];',
    ]
    in_block = set()
    for number, block in enumerate(repeated_blocks(drawing)):
        lines.append(f"  subgraph cluster_{number} {{")
        style = 'style="rounded,filled", color="#9e9e9e", fillcolor="#fafafa", fontsize=12, labeljust=l'
        lines.append(f"    graph [label={_quoted(block.name)}, {style}];")
        for unit in range(block.start, block.stop):
            lines.append(f"    {_node(drawing, unit, display_lrm)}")
            in_block.add(unit)
        lines.append("  }")
    lines += [f"  {_node(drawing, unit, display_lrm)}" for unit in range(len(drawing.units)) if unit not in in_block]
    statements: dict[str, str] = {}  # of two phases the first gives a label its shape
    for edge in drawing.edges:
        for subject, attributes in _edge(drawing, edge):
            statements.setdefault(subject, f"  {subject} [{attributes}];")
    lines += statements.values()
    return "\n".join([*lines, "}", ""])


def _node(drawing: Drawing, number: int, display_lrm: bool) -> str:
    unit = drawing.units[number]
    rows = "".join(_row(layer, not index, drawing, unit, display_lrm) for index, layer in enumerate(unit.layers))
    table = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4" COLOR="#666666">{rows}</TABLE>'
    return f"u{number} [label=<{table}>];"


def _row(layer: LayerParameter, first: bool, drawing: Drawing, unit: Unit, display_lrm: bool) -> str:
    kind = f"{layer.type} {figures(layer)}".strip()
    words = [f"<B>{_html(layer.name)}</B>", _html(kind)] if first else [_html(f"{layer.name}: {kind}")]
    if first and len(drawing.phases) > len(unit.phases):
        words.append(f"<I>{'TEST' if TEST in unit.phases else 'TRAIN'} only</I>")
    if display_lrm and layer.type in LEARNING:
        weights, bias = lr_mults(layer)
        words.append(_html(f"lr mult: {weights:.1f}, {bias:.1f}"))
    return f'<TR><TD BGCOLOR="{colour(layer)}">{"<BR/>".join(words)}</TD></TR>'


def _edge(drawing: Drawing, edge: Edge) -> Iterator[tuple[str, str]]:
    """Yield the arrow of a blob, and its other end if that is no unit, as subject and attributes of a statement.

    Labels begin in a note beside who reads them; what nobody reads leads to its name.
    """
    source, target = f"u{edge.source}", f"u{edge.target}"
    shape = "" if edge.shape is None else shape_words(edge.shape)
    label = shape
    names = {layer.name for layer in drawing.units[edge.source].layers}
    if drawing.is_label(edge):
        source, label = _quoted(f"{target} {edge.blob}"), ""
        yield source, f'shape=plaintext, label={_quoted(f"{edge.blob} {shape}")}, fontsize=9, fontcolor="#333333"'
    elif edge.target < 0:
        if edge.shape == () and edge.blob in names:  # a loss or accuracy, which is the end
            return
        target = _quoted(f"{source} {edge.blob}")
        yield target, f'shape=plaintext, label={_quoted(edge.blob)}, fontcolor="#333333"'
    elif edge.blob not in names:
        label = f"{edge.blob}\n{shape}".rstrip()
    yield f"{source} -> {target}", f"label={_quoted(label)}"


def _quoted(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _html(text: str) -> str:
    return escape(printable(text))
