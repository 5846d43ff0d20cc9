import numpy as np
import pytest
from google.protobuf import text_format

from caffelite import TEST, Net
from caffelite.proto.caffe_pb2 import NetParameter, SolverParameter

NETS = ["input_fields", "input_shapes", "v0_data_kinds", "v0_net", "v1_net"]
SOLVERS = ["ADADELTA", "ADAGRAD", "ADAM", "NESTEROV", "RMSPROP", "SGD"]


@pytest.fixture
def old(folder, golden_folder):
    """Copy a file of golden/cli/upgrade here and read what Caffe made of it: old("v1_net", NetParameter())."""

    def copy(name, message):
        source = golden_folder / "cli" / "upgrade"
        (folder / f"{name}.prototxt").write_bytes((source / f"{name}.prototxt").read_bytes())
        return text_format.Parse((source / f"{name}_upgraded.prototxt").read_text(), message)

    return copy


@pytest.mark.parametrize("name", NETS)
def test_nets_become_what_caffe_makes_of_them(caffelite, old, golden_folder, texts, name):
    expected = old(name, NetParameter())
    result = caffelite("upgrade", "net", f"{name}.prototxt", f"{name}_upgraded.prototxt")
    assert result.status == (1 if name == "v0_data_kinds" else 0)
    with open(f"{name}_upgraded.prototxt") as file:
        written = file.read()
    assert text_format.Parse(written, NetParameter()) == expected
    assert written == text_format.MessageToString(expected)  # fields in the order of their numbers
    log = (golden_folder / "cli" / "upgrade" / f"{name}.log").read_text().splitlines()
    assert result.texts == texts("\n".join(line for line in log if not line.startswith("W")))


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_name_their_type(caffelite, old, name):
    expected = old(f"solver_{name}", SolverParameter())
    result = caffelite("upgrade", "solver", f"solver_{name}.prototxt", "out.prototxt")
    assert result.status == 0
    assert result.texts[-1] == "Wrote upgraded SolverParameter text proto to out.prototxt"
    with open("out.prototxt") as file:
        assert text_format.Parse(file.read(), SolverParameter()) == expected


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("v1_legacy", "Attempting to upgrade input file specified using deprecated V1LayerParameter: "),
        ("double", "File already in latest proto format: "),
        ("unpacked", "File already in latest proto format: "),
    ],
)
def test_weights_keep_their_values(caffelite, folder, golden_folder, name, logged):
    source = golden_folder / "cli" / "weights" / f"weights_{name}.caffemodel"
    result = caffelite("upgrade", "weights", str(source), "out.caffemodel")
    assert result.status == 0
    assert f"{logged}{source}" in result.texts
    assert result.texts[-1] == "Wrote upgraded NetParameter binary proto to out.caffemodel"
    message = NetParameter.FromString((folder / "out.caffemodel").read_bytes())
    assert not message.layers
    assert all(isinstance(layer.type, str) for layer in message.layer)
    net = Net(golden_folder / "cli" / "net.prototxt", TEST)
    net.copy_from("out.caffemodel")
    expected = np.load(golden_folder / "cli" / "weights" / "weights_expected.npz")
    for key in expected:
        layer, index = key.rsplit("_", 1)
        np.testing.assert_allclose(net.params[layer][int(index)].data, expected[key], rtol=1e-6)


def test_a_file_may_take_its_own_place(caffelite, old, folder):
    expected = old("v1_net", NetParameter())
    assert caffelite("upgrade", "net", "v1_net.prototxt", "v1_net.prototxt").status == 0
    assert text_format.Parse((folder / "v1_net.prototxt").read_text(), NetParameter()) == expected
    again = caffelite("upgrade", "net", "v1_net.prototxt", "v1_net.prototxt")
    assert (again.status, again.texts[0]) == (0, "File already in latest proto format: v1_net.prototxt")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["net", "in"], 1, "upgrade is missing OUT; write caffelite upgrade KIND IN OUT"),
        (["net", "nowhere", "out"], 2, "File not found: nowhere"),
        (["nets", "net.prototxt", "out"], 1, 'upgrade nets: KIND is net, solver or weights; did you mean "net"?'),
        (["net", "bad", "out"], 2, "bad:1:9: "),
        (["solver", "net.prototxt", "out"], 2, "net.prototxt: this describes a net, not a solver"),
        (["weights", "bad", "out"], 2, "bad: this is a text file (a prototxt describes a net"),
        (["net", "net.prototxt", "nowhere/out"], 1, "cannot write nowhere/out: there is no folder /"),
    ],
)
def test_what_cannot_work_is_one_line_and_writes_nothing(caffelite, folder, words, status, text):
    (folder / "bad").write_text("layer { nme: 3 }")
    before = set(folder.iterdir())
    result = caffelite("upgrade", *words)
    assert result.status == status
    assert text in result.err.replace("caffelite: error: ", "").splitlines()[-1]
    assert "Traceback" not in result.err
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("tool", "kind", "source"),
    [
        ("upgrade_net_proto_text", "net", "upgrade/v1_net.prototxt"),
        ("upgrade_net_proto_binary", "weights", "weights/weights_v1_legacy.caffemodel"),
        ("upgrade_solver_proto_text", "solver", "upgrade/solver_ADAM.prototxt"),
    ],
)
def test_caffes_names_of_the_tools(caffelite, folder, golden_folder, tool, kind, source):
    old = str(golden_folder / "cli" / source)
    assert caffelite("upgrade", kind, old, "expected").status == 0
    result = caffelite(tool, old, "written")
    assert result.status == 0 and result.texts[-1].endswith(" to written")
    assert (folder / "written").read_bytes() == (folder / "expected").read_bytes()
    assert caffelite(tool, "nowhere", "written").status == 2
    assert f"{tool} is missing OUT; write caffelite {tool} IN OUT" in caffelite(tool, old).error
