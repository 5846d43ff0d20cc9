"""Print the table of layer types for the README: `python tools/layer_table.py`, or one line with `--short`."""

import argparse
import re
import sys

from caffelite.core.layer import LAYERS, Layer, layer_type_list


def main() -> None:
    """Print all layer types, from what their classes say of themselves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="names only")
    if parser.parse_args().short:
        print(", ".join(layer_type_list()))
        return
    print("| type | what it does | bottom | top |")
    print("|---|---|---|---|")
    for name in layer_type_list():
        for kind in LAYERS[name]:
            print(table_row(name, kind.layer_class))


def table_row(name: str, layer_class: type[Layer]) -> str:
    """Return the line of one layer class: first sentence of its docstring, shapes of its bottoms and tops."""
    text = layer_class.__doc__ or sys.modules[layer_class.__module__].__doc__ or ""
    sentence = text.strip().split("\n\n")[0].split(". ")[0].rstrip(".")
    cells = [name, " ".join(sentence.split()), _shapes(text, "bottom"), _shapes(text, "top")]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shapes(text: str, side: str) -> str:
    """Return what `bottom[0]: (N, C, H, W), ...` in the docstring says: the parentheses, or all to the full stop."""
    found = re.findall(rf"\b({side}(?:s|\[[^]]*\])?)[^:\n]*?: *(\([^)]*\)|(?:[^.\n]|\.(?=\w))*)", text)
    return "; ".join(" ".join(shape.split()) for _, shape in found) or "none"


if __name__ == "__main__":
    main()
