"""Write DenseNet-121's deploy.prototxt beside this script: python models/densenet121/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# DenseNet-121 for use: BGR images of 224x224, less 103.94, 116.78, 123.68, times 0.017 in; the scores of 1,000 classes
# out.
# caffelite time --model models/densenet121/deploy.prototxt --phase TEST
# Made by models/densenet121/generate.py.
name: "DenseNet-121"
"""
GROWTH = 32  # channels that each layer of a block adds
STAGES = {2: 6, 3: 12, 4: 24, 5: 16}  # number of the block: its layers


class DenseNet(PrototxtWriter):
    """DenseNet's layers."""

    def normalized(self, name: str, relu: str, bottom: str) -> str:
        """Add BatchNorm with a top of its own, Scale and ReLU."""
        top = self.layer(f"{name}/bn", "BatchNorm", bottom, f"{name}/bn", "batch_norm_param { eps: 1e-5 }")
        self.layer(f"{name}/scale", "Scale", top, top, "scale_param { bias_term: true }")
        return self.relu(relu, top)

    def dense(self, name: str, bottom: str) -> str:
        """Add what makes `GROWTH` channels of all that are there, and put them behind these."""
        top = self.normalized(f"conv{name}/x1", f"relu{name}/x1", bottom)
        top = self.learned(
            f"conv{name}/x1", "Convolution", top, f"num_output: {4 * GROWTH} kernel_size: 1 bias_term: false"
        )
        top = self.normalized(f"conv{name}/x2", f"relu{name}/x2", top)
        shape = f"num_output: {GROWTH} kernel_size: 3 pad: 1 bias_term: false"
        top = self.learned(f"conv{name}/x2", "Convolution", top, shape)
        return self.layer(f"concat_{name}", "Concat", [bottom, top], f"concat_{name}")

    def body(self) -> str:
        """Add everything between the data and the scores."""
        shape = "num_output: 64 kernel_size: 7 stride: 2 pad: 3 bias_term: false"
        top = self.normalized("conv1", "relu1", self.learned("conv1", "Convolution", "data", shape))
        top, channels = self.pool("pool1", top, "pool: MAX kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR"), 64
        for stage, layers in STAGES.items():
            for index in range(1, layers + 1):
                top = self.dense(f"{stage}_{index}", top)
            channels += layers * GROWTH
            top = self.normalized(f"conv{stage}_blk", f"relu{stage}_blk", top)
            if stage == max(STAGES):
                break
            channels //= 2
            shape = f"num_output: {channels} kernel_size: 1 bias_term: false"
            top = self.learned(f"conv{stage}_blk", "Convolution", top, shape)
            top = self.pool(f"pool{stage}", top, "pool: AVE kernel_size: 2 stride: 2")
        top = self.pool("pool5", top, "pool: AVE global_pooling: true")
        return self.learned("fc6", "Convolution", top, "num_output: 1000 kernel_size: 1")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = DenseNet(HEAD, training=False)
    net.input(1, 3, 224, 224)
    net.body()
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
