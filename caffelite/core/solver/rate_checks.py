"""What lr_piece and lr_warmup must be."""

from __future__ import annotations

import math

from caffelite.core.solver.file import SolverFile
from caffelite.proto.caffe_pb2 import LrPiece


def check_pieces(file: SolverFile) -> None:
    """Raise SolverError for the first piece that cannot work, or if lr_policy "pieces" has none."""
    pieces = file.param.lr_piece
    if not pieces:
        example = "lr_piece { until: 1000 lr: 0.1 } lr_piece { lr: 0.01 }"
        raise file.refusal("lr_piece", "missing", f'lr_policy "pieces" needs one or more: {example}')
    begin = 0
    for index, piece in enumerate(pieces):
        field = f"lr_piece[{index}]"
        _check_piece(file, field, piece)
        if not piece.HasField("until"):
            if index + 1 < len(pieces):
                raise file.refusal(f"{field}.until", "missing", "only the last piece goes without an end")
        elif piece.until <= begin:
            raise file.refusal(f"{field}.until", piece.until, f"the piece begins at iteration {begin}; use a later one")
        begin = piece.until


def _check_piece(file: SolverFile, field: str, piece: LrPiece) -> None:
    for name in ("lr", "end_lr"):
        value = getattr(piece, name)
        if not 0 <= value < math.inf:
            raise file.refusal(f"{field}.{name}", f"{value:g}", "use a learning rate, 0 or more")
    if not piece.HasField("lr"):
        raise file.refusal(f"{field}.lr", "missing", "write the learning rate at the beginning of the piece")
    if piece.HasField("end_lr") and not piece.HasField("until"):
        raise file.refusal(f"{field}.until", "missing", "write the iteration at which end_lr is reached")
    if piece.HasField("shape") and not piece.HasField("end_lr"):
        shape = LrPiece.Shape.Name(piece.shape)
        raise file.refusal(f"{field}.shape", shape, "the rate of a piece without end_lr stays the same; write end_lr")
    if piece.shape == LrPiece.GEOMETRIC and not (piece.lr > 0 and piece.end_lr > 0):
        name = "end_lr" if piece.lr > 0 else "lr"
        raise file.refusal(f"{field}.{name}", 0, "no number of equal factors leads to or from 0; use more, or LINEAR")


def check_warmup(file: SolverFile) -> None:
    """Raise SolverError for a field of lr_warmup that cannot work."""
    warmup = file.param.lr_warmup
    if not file.param.HasField("lr_warmup"):
        return
    if warmup.iterations < 1:
        value = warmup.iterations if warmup.HasField("iterations") else "missing"
        raise file.refusal("lr_warmup.iterations", value, "use 1 or more: the first iteration with the whole rate")
    if not 0 <= warmup.start <= 1:
        raise file.refusal("lr_warmup.start", f"{warmup.start:g}", "use a share of the rate, from 0 to 1")
