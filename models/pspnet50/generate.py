"""Write PSPNet-50's deploy.prototxt beside this script: python models/pspnet50/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# PSPNet-50 for use: a BGR image of 473x473 less 103.939, 116.779, 123.68 in; scores of ADE20K's 150 classes for each of
# its pixels out.
# caffelite time --model models/pspnet50/deploy.prototxt --phase TEST
# Made by models/pspnet50/generate.py.
name: "PSPNet-50"
"""
CLASSES = 150
# Number of the stage: channels of its 3x3 convolutions, its blocks, stride of the first, dilation.
STAGES = {2: (64, 3, 1, 1), 3: (128, 4, 2, 1), 4: (256, 6, 1, 2), 5: (512, 3, 1, 4)}
MAP = 60  # height and width of the last map
POOLED = (1, 2, 3, 6)  # rows and columns of the means of the last map


class PSPNet(PrototxtWriter):
    """PSPNet's layers."""

    def convolution(self, name: str, bottom: str, shape: str, relu: str = "") -> str:
        """Add a convolution without bias, BN with running averages, and ReLU if it has a name."""
        self.learned(name, "Convolution", bottom, f"{shape} bias_term: false")
        bn = "bn_param { slope_filler { value: 1 } bias_filler { value: 0 } frozen: true }"
        top = self.layer(f"{name}/bn", "BN", name, f"{name}/bn", bn)
        return self.relu(relu, top) if relu else top

    def bottleneck(self, block: str, bottom: str, stage: int, projected: bool) -> str:
        """Add 1x1, 3x3 and 1x1 convolutions, to which `bottom` is added, projected by a 1x1 convolution or as it is."""
        channels, _, first_stride, dilation = STAGES[stage]
        stride, name = first_stride if projected else 1, f"conv{block}"
        shape = f"num_output: {channels} kernel_size: 1 stride: {stride}"
        top = self.convolution(f"{name}_1x1_reduce", bottom, shape, f"{name}_1x1_reduce/relu")
        shape = f"num_output: {channels} kernel_size: 3 pad: {dilation} dilation: {dilation}"
        top = self.convolution(f"{name}_3x3", top, shape, f"{name}_3x3/relu")
        top = self.convolution(f"{name}_1x1_increase", top, f"num_output: {4 * channels} kernel_size: 1")
        if projected:
            shape = f"num_output: {4 * channels} kernel_size: 1 stride: {stride}"
            bottom = self.convolution(f"{name}_1x1_proj", bottom, shape)
        top = self.layer(name, "Eltwise", [bottom, top], name)
        return self.relu(f"{name}/relu", top)

    def resnet(self) -> str:
        """Add the dilated ResNet-50 below the pyramid."""
        top = "data"
        stem = {"1_1_3x3_s2": (64, 2), "1_2_3x3": (64, 1), "1_3_3x3": (128, 1)}
        for label, (channels, stride) in stem.items():
            shape = f"num_output: {channels} kernel_size: 3 stride: {stride} pad: 1"
            top = self.convolution(f"conv{label}", top, shape, f"conv{label}/relu")
        top = self.pool("pool1_3x3_s2", top, "pool: MAX kernel_size: 3 stride: 2 pad: 1")
        for stage, (_, blocks, _, _) in STAGES.items():
            for index in range(1, blocks + 1):
                top = self.bottleneck(f"{stage}_{index}", top, stage, projected=index == 1)
        return top

    def pyramid(self, bottom: str) -> str:
        """Add means over ever smaller parts of the map, enlarged again, behind the map itself."""
        maps = []
        for count in POOLED:
            name, size = f"conv5_3_pool{count}", MAP // count
            top = self.pool(name, bottom, f"pool: AVE kernel_size: {size} stride: {size}")
            top = self.convolution(f"{name}_conv", top, "num_output: 512 kernel_size: 1", f"{name}_conv/relu")
            shape = f"interp_param {{ height: {MAP} width: {MAP} }}"
            maps.append(self.layer(f"{name}_interp", "Interp", top, f"{name}_interp", shape))
        # an order of its own: that of the weights of conv5_4
        return self.layer("conv5_3_concat", "Concat", [bottom, *reversed(maps)], "conv5_3_concat")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = PSPNet(HEAD, training=False)
    net.input(1, 3, 473, 473)
    top = net.pyramid(net.resnet())
    top = net.convolution("conv5_4", top, "num_output: 512 kernel_size: 3 pad: 1", "conv5_4/relu")
    top = net.learned(
        "conv6", "Convolution", net.dropout("conv5_4/dropout", top, 0.1), f"num_output: {CLASSES} kernel_size: 1"
    )
    net.layer("conv6_interp", "Interp", top, "conv6_interp", "interp_param { zoom_factor: 8 }")
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
