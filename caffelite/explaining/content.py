"""A net after its passes as plain data for the page: versions of blobs, layers, weights, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from caffelite.core.blob import Array, Blob
from caffelite.core.errors import printable
from caffelite.core.net.graph import Node
from caffelite.core.net.net import Net
from caffelite.explaining.arrays import Arrays
from caffelite.explaining.kinds import kind_of
from caffelite.explaining.loss_kinds import Figures
from caffelite.explaining.passes import Differentiated
from caffelite.explaining.sampling import (
    MOST_SHOWN,
    Limits,
    Part,
    by_weight,
    fair_share,
    lines_that_fit,
    part_of,
    places_by_weight,
)
from caffelite.explaining.versions import Origin

WEIGHTED = ("convolution", "deconvolution", "inner product")  # kinds whose first parameter may be cut
LARGEST_PICTURE = 64  # pixels along a side, of channels whose values are not all in the page, and of so many channels:
MOST_PICTURES = 32


def content_of(
    net: Net,
    origins: Mapping[str, Origin],
    differentiated: Differentiated,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> dict[str, Any]:
    """Return what the page shows of a net that was made by `without_in_place` and ran forward and backward.

    All blobs must have been pinned before. The result holds what JSON can: see web/store.js, which reads it.
    """
    return _Content(net, origins, differentiated, limits or Limits()).as_dict(progress)


class _Content:
    def __init__(self, net: Net, origins: Mapping[str, Origin], differentiated: Differentiated, limits: Limits) -> None:
        self.net, self.origins, self.differentiated = net, origins, differentiated
        self.nodes: list[Node] = net.graph().nodes
        self.arrays = Arrays()
        self.blobs: dict[str, Blob] = {}
        for node in self.nodes:
            self.blobs.update(blob for blob in net.tops(node.index))
        self.read_in = {name for node in self.nodes if not node.bottoms for name in node.tops}
        self.ids = {name: number for number, name in enumerate(self.blobs)}
        self.kinds = [kind_of(net.core_layers[node.index]) for node in self.nodes]
        inside = [value.size for kind in self.kinds for value in (kind or {}).values() if isinstance(value, np.ndarray)]
        self.most_values = fair_share([blob.count for blob in self.blobs.values()] + inside, limits.values)
        counts = [blob.count for node in self.nodes for blob in net.core_layers[node.index].blobs]
        self.most_weights = fair_share(counts, limits.weights)
        self.left_out = {"positions": False, "items": False, "channels": False, "weights": False}

    def as_dict(self, progress: Callable[[int, int], None]) -> dict[str, Any]:
        versions = []
        for number, name in enumerate(self.blobs):
            progress(number, len(self.blobs) + len(self.nodes))
            versions.append(self._version(name))
        layers = []
        for number, node in enumerate(self.nodes):
            progress(len(self.blobs) + number, len(self.blobs) + len(self.nodes))
            layers.append(self._layer(node, self.kinds[number]))
        progress(len(self.blobs) + len(self.nodes), len(self.blobs) + len(self.nodes))
        return {
            "name": printable(self.net.name),
            "differentiated": self.differentiated.words,
            "versions": versions,
            "layers": layers,
            "arrays": self.arrays.texts,
            "left_out": [name for name, is_left_out in self.left_out.items() if is_left_out],
        }

    # Blobs

    def _version(self, name: str) -> dict[str, Any]:
        blob = self.blobs[name]
        origin = self.origins.get(name)
        part = part_of(blob.shape, self.most_values)
        channels = self._shown_channels(name)
        found: dict[str, Any] = {
            "name": name,
            "blob": origin.blob if origin else name,
            "shape": list(blob.shape),
            "input": name in self.read_in,
            "given": name == self.differentiated.blob,
            "channels": channels,
            "items": part.items if part else 0,
            "rectangle": part.rectangle if part else None,
            "data": self.arrays.add(part.of(blob.data)) if part else None,
            "diff": self.arrays.add(part.of(blob.diff)) if part else None,
        }
        self._note(blob, part, channels)
        if part is not None and part.rectangle is not None:
            found["data_picture"] = self._picture(blob.data[0][channels])
            found["diff_picture"] = self._picture(blob.diff[0][channels])
        return found

    def _note(self, blob: Blob, part: Part | None, channels: Sequence[int]) -> None:
        self.left_out["positions"] |= part is None or part.rectangle is not None
        self.left_out["items"] |= part is not None and bool(blob.shape) and part.items < blob.shape[0]
        self.left_out["channels"] |= blob.num_axes == 4 and len(channels) < blob.shape[1]

    def _shown_channels(self, name: str) -> list[int]:
        """Return the channels that are drawn, in order: those whose weights are in the page, as far as these go."""
        blob = self.blobs[name]
        if blob.num_axes < 2:
            return [0]
        part = part_of(blob.shape, self.most_values)
        most = MOST_PICTURES if part is not None and part.rectangle is not None else MOST_SHOWN
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            if kind is None or kind["kind"] not in WEIGHTED or blob.num_axes == 2:
                continue
            weight = self.net.core_layers[node.index].blobs[0]
            if weight.count <= self.most_weights:
                continue
            rows, columns = lines_that_fit(weight.shape, self.most_weights)
            turned = kind["kind"] == "deconvolution" or kind.get("transpose", False)
            made, read = (columns, rows) if turned else (rows, columns)
            if name in node.tops:
                most = min(most, made)
            elif name in node.bottoms and kind["kind"] != "inner product":
                most = min(most, read)
        if blob.shape[1] <= most:
            return list(range(blob.shape[1]))
        return sorted(int(channel) for channel in by_weight(blob.data, blob.diff)[: max(most, 1)])

    def _picture(self, planes: Array) -> dict[str, Any]:
        """Return channels (C, H, W) in 256 steps, and no larger than one can see."""
        step = -(-max(planes.shape[1:]) // LARGEST_PICTURE)
        small = np.nan_to_num(planes[:, ::step, ::step].astype(np.float64))
        low, high = float(small.min()), float(small.max())
        steps = np.round((small - low) / ((high - low) or 1.0) * 255)
        return {
            "low": low,
            "high": high,
            "step": step,
            "shape": list(small.shape),
            "bytes": self.arrays.add_bytes(steps),
        }

    # Layers

    def _layer(self, node: Node, kind: Figures | None) -> dict[str, Any]:
        step = self.net.plan.layer_steps[node.index]
        layer = step.layer
        ran = step.need_backward and node.index <= self.differentiated.last_layer
        formula = layer.formula_with_numbers(step.bottom, step.top)
        return {
            "name": printable(node.name),
            "type": node.type,
            "where": "" if layer.place is None else layer.place.where().rstrip(": "),
            "formula": printable(formula or f"{type(layer).__name__} does not say its formula"),
            "bottoms": [self.ids[name] for name in node.bottoms],
            "tops": [self.ids[name] for name in node.tops],
            "sends": [ran and sends for sends in step.propagate_down],
            "loss_weights": [float(weight) for weight in step.loss_weights],
            "rule": None if kind is None else {word: self._figure(figure) for word, figure in kind.items()},
            "params": [self._param(node, number, blob, kind) for number, blob in enumerate(layer.blobs)],
        }

    def _figure(self, figure: Any) -> Any:
        """Return a figure of a kind as JSON can hold it: an array becomes its number, null if it is too large."""
        if not isinstance(figure, np.ndarray):
            return figure
        return self.arrays.add(figure) if figure.size <= self.most_values else None

    def _param(self, node: Node, number: int, blob: Blob, kind: Figures | None) -> dict[str, Any]:
        found: dict[str, Any] = {"name": f"{printable(node.name)}[{number}]", "shape": list(blob.shape)}
        if blob.count <= self.most_weights:
            return {**found, "whole": self.arrays.add(blob.data)}
        self.left_out["weights"] = True
        if number or kind is None or kind["kind"] not in WEIGHTED:
            return found
        rows, columns = self._lines(node, kind, blob)
        return {
            **found,
            "rows": {"of": rows, "array": self.arrays.add(blob.data[rows])},
            "columns": {"of": columns, "array": self.arrays.add(np.swapaxes(blob.data[:, columns], 0, 1))},
        }

    def _lines(self, node: Node, kind: Figures, weight: Blob) -> tuple[list[int], list[int]]:
        """Return which rows and columns of a weight are in the page: those of the channels that count most."""
        top, bottom = self.blobs[node.tops[0]], self.blobs[node.bottoms[0]]
        if kind["kind"] == "inner product":
            places = places_by_weight(*(array.reshape(-1, kind["inputs"]) for array in (bottom.data, bottom.diff)))
            outputs = places_by_weight(*(array.reshape(-1, kind["outputs"]) for array in (top.data, top.diff)))
            ranked = [places, outputs] if kind["transpose"] else [outputs, places]
        else:
            images, outputs_blob = (top, bottom) if kind["kind"] == "deconvolution" else (bottom, top)
            in_group = by_weight(images.data, images.diff) % weight.shape[1]
            ranked = [by_weight(outputs_blob.data, outputs_blob.diff), in_group]
        rows, columns = (
            sorted(list(dict.fromkeys(lines.tolist()))[:count])
            for lines, count in zip(ranked, lines_that_fit(weight.shape, self.most_weights), strict=True)
        )
        return rows, columns
