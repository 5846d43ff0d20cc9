"""Turn proto/caffe.proto into caffelite/proto/caffe.desc (a descriptor set) and caffe_pb2.pyi (its types, for mypy).

Runs at every build of the package (setup.py); by hand after a change of the proto: python tools/generate_proto.py
"""

import sys
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write caffe.desc and caffe_pb2.pyi into the folder `target`; SystemExit if the proto does not compile."""
    from grpc_tools import protoc

    target.mkdir(parents=True, exist_ok=True)
    source = ROOT / "proto" / "caffe.proto"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={source.parent}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--descriptor_set_out={target / 'caffe.desc'}",
            f"--pyi_out={target}",
            str(source),
        ]
    )
    if status != 0:
        sys.exit(f"{source} does not compile (protoc exit status {status})")


if __name__ == "__main__":
    generate(ROOT / "caffelite" / "proto")
