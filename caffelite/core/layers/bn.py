"""BN: batch normalization of three forks under one name, with the scale and shift that BVLC puts into a Scale layer.

Told apart by the fields of bn_param that are given, else by the number of stored blobs; with neither it is PSPNet's.
Source: alexgkendall/caffe-segnet, yjxiong/caffe and hszhao/PSPNet, weiliu89/caffe@fcn, each bn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, BlobSpec, register_layer
from caffelite.core.layers.shared.scaled_normalization import ScaledNormalization
from caffelite.proto import caffe_pb2

SEGNETS = ("scale_filler", "shift_filler", "bn_mode")
PSPNETS = ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")
PARSENETS = ("var_eps", "moving_average", "decay", "across_spatial")
SEGNETS_EPS = 1e-9


def _gives(layer: caffe_pb2.LayerParameter, names: Sequence[str]) -> bool:
    return any(layer.bn_param.HasField(name) for name in names)


def is_parsenets(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether a field that ParseNet alone has is given; the others of it are SegNet's, too."""
    return _gives(layer, PARSENETS)


def is_segnets(layer: caffe_pb2.LayerParameter) -> bool:
    """Whether a field of SegNet's is given, or nothing but two stored blobs."""
    if is_parsenets(layer):
        return False
    return _gives(layer, SEGNETS) or (not _gives(layer, PSPNETS) and len(layer.blobs) == 2)


def _unread(*of_others: Sequence[str]) -> dict[str, str]:
    return {
        f"bn_param.{name}": "it is a field of another fork's BN, and the other fields say which BN this is"
        for names in of_others
        for name in names
        if name != "engine"
    }


OF_TWO_BLOBS = (
    "bn_param { bn_mode: INFERENCE } (SegNet's, its statistics put into scale and shift) "
    "or bn_param { bn_mode: LEARN } (SegNet's, by the statistics of each batch)"
)
OF_FOUR_BLOBS = (
    "bn_param { frozen: false } (PSPNet's) or bn_param { moving_average: true } (ParseNet's), without the fields that "
    "it has now"
)


class _BN(ScaledNormalization):
    """What the three share: blobs of shape (1, C, 1, 1), of which the first two are scale and shift."""

    def advice_for_blobs(self, count: int) -> str:
        """Say how a BN is written whose files have two blobs, or four."""
        kinds = {2: OF_TWO_BLOBS, 4: OF_FOUR_BLOBS}
        return f"; a BN of {count} blobs is written {kinds[count]}" if count in kinds else ""

    def make_blobs(
        self,
        scale: tuple[caffe_pb2.FillerParameter, bool],
        shift: caffe_pb2.FillerParameter,
        statistics: Sequence[float] = (),
    ) -> None:
        """Make scale (its filler, and whether that is given; else it is 1), shift, and running statistics."""
        filler, given = scale
        fillers = [filler if given else caffe_pb2.FillerParameter(value=1), shift]
        fillers += [caffe_pb2.FillerParameter(value=value) for value in statistics]
        self.init_params([BlobSpec((1, self.channels, 1, 1), one) for one in fillers])
        self._do_not_learn(range(2, len(self.blobs)))

    def _do_not_learn(self, numbers: Sequence[int]) -> None:
        """Set the lr_mult of these blobs to 0, whatever is written, as the forks do."""
        specs = self.layer_param.param
        while numbers and len(specs) < len(self.blobs):
            specs.add(lr_mult=1)
        for number in numbers:
            specs[number].lr_mult = 0

    def formula_of(self, eps: float, whose: str) -> str:
        """Return the formula for these statistics."""
        return (
            f"y[n, c, i] = scale[c] * (x[n, c, i] - mean[c]) / sqrt(variance[c] + {eps:g}) + shift[c], "
            f"c < {self.channels}; mean and variance are {whose}"
        )

    def _of_batch(self) -> str:
        return f"those of {self._around[0] * self._around[2]} values"

    def normalize_by_running(self, eps: float, bottom: Blobs, top: Blobs) -> None:
        """Fill the top by blobs 2 and 3."""
        mean, variance = (blob.data.reshape(-1) for blob in self.blobs[2:])
        self.normalize_by(mean, variance, eps, bottom, top)

    def keep_running(self, share: float) -> None:
        """Let blobs 2 and 3 be `share` of what they are and the rest of the batch's mean and variance."""
        for blob, value in zip(self.blobs[2:], self._statistics, strict=False):
            blob.data[...] = share * blob.data + (1 - share) * value.reshape(blob.shape)


@register_layer("BN", when=is_segnets)
class SegNetBNLayer(_BN):
    """Normalize each channel by the batch's own statistics, in both phases; SegNet's BN.

    bottom[0]: (N, C, ...), the channels on axis 1.
    top[0]:    scale * (x - mean) / sqrt(variance + 1e-9) + shift, of the bottom's shape, or the bottom itself.
    top[1], top[2]: optional, mean and biased variance of the batch, (1, C, 1, 1); they pass no gradient on.
    blobs[0]:  scale (1, C, 1, 1), 1 unless there is a scale_filler; blobs[1]: shift.

    bn_mode: INFERENCE makes scale * x + shift: SegNet's own script has put the statistics into these. Raises LayerError
    for a bottom without channels, if their number changes, and for top[1] with INFERENCE, which has no statistics.
    """

    messages = ("bn_param",)
    not_read = _unread(PSPNETS, PARSENETS)
    fork: ClassVar[str] = "SegNet"
    exact_num_top_blobs: ClassVar[int | None] = None
    min_top_blobs = 1
    max_top_blobs = 3

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula of the mode."""
        if self.inference:
            return f"y[n, c, i] = scale[c] * x[n, c, i] + shift[c], c < {self.channels}"
        return self.formula_of(SEGNETS_EPS, self._of_batch())

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read bn_param; make scale and shift."""
        param = self.layer_param.bn_param
        self.inference = param.bn_mode == caffe_pb2.BNParameter.INFERENCE
        if self.inference and len(top) > 1:
            raise LayerError(
                "bn_param.bn_mode", "INFERENCE", "it takes no statistics, so leave out the tops behind the first"
            )
        self.set_channels(bottom)
        self.make_blobs((param.scale_filler, param.HasField("scale_filler")), param.shift_filler)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops."""
        super().reshape(bottom, top)
        for blob in top[1:]:
            blob.reshape(1, self.channels, 1, 1)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops."""
        if self.inference:
            self.scale_alone(bottom, top)
            return
        statistics = self.normalize_batch(SEGNETS_EPS, bottom, top)
        if statistics is not None:
            for blob, values in zip(top[1:], statistics[:2], strict=False):
                blob.data[...] = values.reshape(blob.shape)


@register_layer("BN", when=is_parsenets)
class ParseNetBNLayer(_BN):
    """Normalize each channel by the batch's own statistics, or with moving_average by running ones; ParseNet's BN.

    bottom[0]: (N, C, ...), the channels on axis 1.
    top[0]:    scale * (x - mean) / sqrt(variance + var_eps) + shift, of the bottom's shape, or the bottom itself.
    blobs[0]:  scale (1, C, 1, 1), 1 unless there is a scale_filler; blobs[1]: shift; with moving_average blobs[2] and
               blobs[3]: running mean and biased variance, `decay` of which a forward in TRAIN keeps; TEST takes them.

    Raises LayerError for a bottom without channels, if their number changes, and for across_spatial: false.
    """

    messages = ("bn_param",)
    not_read = {**_unread(PSPNETS), "bn_param.bn_mode": "ParseNet's BN, which this is, has no modes"}
    fork: ClassVar[str] = "ParseNet"

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which depends on whose statistics are taken."""
        return self.formula_of(self.added, "blobs[2] and blobs[3]" if self.running else self._of_batch())

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read bn_param; make scale, shift and running statistics."""
        param = self.layer_param.bn_param
        if not param.across_spatial:
            raise LayerError(
                "bn_param.across_spatial", "false", "statistics of each pixel by itself are not made here; use true"
            )
        self.added, self.moving_average = param.var_eps, param.moving_average
        self.running = self.moving_average and self.phase == caffe_pb2.TEST
        self.set_channels(bottom)
        statistics = (0.0, 0.0) if self.moving_average else ()
        self.make_blobs((param.scale_filler, param.HasField("scale_filler")), param.shift_filler, statistics)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top; in TRAIN, update the running statistics."""
        if self.running:
            self.normalize_by_running(self.added, bottom, top)
        elif self.normalize_batch(self.added, bottom, top) is not None and self.moving_average:
            self.keep_running(self.layer_param.bn_param.decay)


@register_layer("BN")
class PSPNetBNLayer(_BN):
    """Normalize each channel by the batch's statistics in TRAIN, by running ones in TEST; the BN of DeepLab and PSPNet.

    bottom[0]: (N, C, ...), the channels on axis 1.
    top[0]:    slope * (x - mean) / sqrt(variance + eps) + bias, of the bottom's shape, or the bottom itself.
    blobs:     slope (1, C, 1, 1), 1 unless there is a slope_filler; bias; running mean; running biased variance.

    A forward in TRAIN keeps `momentum` of the running statistics. `frozen` takes them in TRAIN, too, and then nothing
    is learned. As in the fork, the lr_mult of what is not learned becomes 0 whatever is written, and a variance that
    no file fills is 0, frozen 1. Raises LayerError for a bottom without channels, and if their number changes.
    """

    messages = ("bn_param",)
    not_read = _unread(SEGNETS, PARSENETS)
    fork: ClassVar[str] = "DeepLab and PSPNet"

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which depends on whose statistics are taken."""
        eps = self.layer_param.bn_param.eps
        return self.formula_of(eps, "blobs[2] and blobs[3]" if self.running else self._of_batch())

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read bn_param; make slope, bias and running statistics."""
        param = self.layer_param.bn_param
        self.running = param.frozen or self.phase == caffe_pb2.TEST
        self.set_channels(bottom)
        slope = (param.slope_filler, param.HasField("slope_filler"))
        self.make_blobs(slope, param.bias_filler, (0.0, 1.0 if param.frozen else 0.0))
        if param.frozen:
            self._do_not_learn(range(4))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top; in TRAIN, update the running statistics unless they are frozen."""
        param = self.layer_param.bn_param
        if self.running:
            self.normalize_by_running(param.eps, bottom, top)
        elif self.normalize_batch(param.eps, bottom, top) is not None:
            self.keep_running(param.momentum)
