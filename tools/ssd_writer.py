"""Write nets of the SSD family: what stands between their feature maps and their detections."""

from typing import NamedTuple

from prototxt_writer import PrototxtWriter

ORDER = "permute_param { order: 0 order: 2 order: 3 order: 1 }"  # a pixel's predictions beside each other


class Boxes(NamedTuple):
    """The boxes of one feature map: sides in pixels of the image (largest 0: none), and ratios of width to height.

    `step` is the distance of their centres in pixels of the image; 0: image by feature map.
    """

    smallest: int
    largest: int
    ratios: tuple[int, ...]
    step: int = 0

    @property
    def count(self) -> int:
        """How many there are at a pixel."""
        return 1 + bool(self.largest) + 2 * len(self.ratios)

    def fields(self) -> str:
        """Return them as PriorBox layers say them."""
        largest = [f"max_size: {self.largest}"] if self.largest else []
        ratios = [f"aspect_ratio: {ratio}" for ratio in self.ratios]
        step = [f"step: {self.step}"] if self.step else []
        return " ".join([f"min_size: {self.smallest}", *largest, *ratios, "flip: true clip: false", *step])


class SSDWriter(PrototxtWriter):
    """Layers of nets that say boxes; predictions are convolutions with square kernels of `kernel_size`."""

    kernel_size = 3

    def predictions(self, feature_map: str, part: str, num_output: int) -> None:
        """Add a convolution whose values lie box by box; `part` is loc or conf."""
        name, pad = f"{feature_map}_mbox_{part}", self.kernel_size // 2
        shape = f"num_output: {num_output} kernel_size: {self.kernel_size}" + (f" pad: {pad}" if pad else "")
        top = self.layer(
            f"{name}_perm", "Permute", self.learned(name, "Convolution", feature_map, shape), f"{name}_perm", ORDER
        )
        self.layer(f"{name}_flat", "Flatten", top, f"{name}_flat", "flatten_param { axis: 1 }")

    def boxes(self, feature_map: str, boxes: Boxes, classes: int) -> None:
        """Add one feature map's boxes, their corrections and their scores."""
        self.predictions(feature_map, "loc", 4 * boxes.count)
        self.predictions(feature_map, "conf", classes * boxes.count)
        name = f"{feature_map}_mbox_priorbox"
        variance = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
        self.layer(
            name, "PriorBox", [feature_map, "data"], name, f"prior_box_param {{ {boxes.fields()}", f"  {variance} }}"
        )

    def joined(self, maps: dict[str, Boxes], part: str, ending: str, axis: int) -> str:
        """Add the Concat of one part of all feature maps."""
        names = [f"{feature_map}_mbox_{ending}" for feature_map in maps]
        return self.layer(f"mbox_{part}", "Concat", names, f"mbox_{part}", f"concat_param {{ axis: {axis} }}")

    def detections(self, maps: dict[str, Boxes], classes: int, kept: str) -> None:
        """Add what makes the best boxes of all; `kept` are the fields of DetectionOutput that say how many."""
        for feature_map, boxes in maps.items():
            self.boxes(feature_map, boxes, classes)
        loc = self.joined(maps, "loc", "loc_flat", 1)
        conf = self.joined(maps, "conf", "conf_flat", 1)
        priors = self.joined(maps, "priorbox", "priorbox", 2)
        shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
        conf = self.layer("mbox_conf_reshape", "Reshape", conf, "mbox_conf_reshape", shape)
        conf = self.layer("mbox_conf_softmax", "Softmax", conf, "mbox_conf_softmax", "softmax_param { axis: 2 }")
        conf = self.layer("mbox_conf_flatten", "Flatten", conf, "mbox_conf_flatten", "flatten_param { axis: 1 }")
        self.layer(
            "detection_out",
            "DetectionOutput",
            [loc, conf, priors],
            "detection_out",
            "detection_output_param {",
            f"  num_classes: {classes} share_location: true background_label_id: 0 code_type: CENTER_SIZE",
            f"  {kept}",
            "}",
        )
