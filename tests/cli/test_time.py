import signal

import caffelite as package
from caffelite.cli.time import Benchmark
from caffelite.core.net.layer_times import LayerTimes

FROM_DATA = """
layer {{ name: "data" type: "Data" top: "data" data_param {{ source: "{source}" backend: LMDB batch_size: 2 }} }}
layer {{ name: "loss" type: "Reduction" bottom: "data" top: "loss" loss_weight: 1 }}
"""
WITHOUT_LOSS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
"""


def test_the_log_is_caffes(program, golden_cli, golden_lines):
    result = program("time", "-model", "net.prototxt", "-iterations", "2")
    assert (result.status, result.out) == (0, "")
    lines = [line if "forward-backward time" not in line else line.replace("#", "0") for line in result.texts]
    expected = [
        line if "forward-backward time" not in line else line.replace("#", "0") for line in golden_lines("time.log")
    ]
    assert lines == expected


def test_phase_and_layers_without_backward(caffelite):
    result = caffelite("time", "--model=net.prototxt", "--phase=TEST", "--iterations=1")
    assert result.status == 0
    assert "  accuracy\tforward: # ms." in result.texts
    assert "  accuracy\tbackward: # ms." not in result.texts
    assert "        ip\tbackward: # ms." in result.texts


def test_weights_do_nothing(caffelite):
    result = caffelite("time", "--model=net.prototxt", "--weights=nowhere", "--iterations=1")
    assert result.status == 0
    assert "--weights does nothing in time" in result.texts


def test_ctrl_c_ends_quietly(started_program):
    process = started_program("time", "--model=net.prototxt", "--iterations=100000000")
    while "Benchmark begins" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_net_without_a_loss_is_timed_backward_too(folder, monkeypatch):
    (folder / "net.prototxt").write_text(WITHOUT_LOSS)
    net = package.Net("net.prototxt", package.TEST)
    assert not any(net.layer_need_backward)
    ran = []
    for layer in net.core_layers:
        monkeypatch.setattr(layer, "backward", lambda *_, name=layer.name: ran.append(name))
    Benchmark(net, LayerTimes(3)).run(iterations=2)
    assert ran == ["relu", "ip"] * 2


def test_the_initial_loss_is_that_of_the_first_batch(caffelite, golden_folder):
    text = FROM_DATA.format(source=golden_folder / "data" / "raw_lmdb")
    with open("net.prototxt", "w") as file:
        file.write(text)
    loss = package.Net("net.prototxt", package.TRAIN).forward()["loss"]
    result = caffelite("time", "--model=net.prototxt", "--iterations=1")
    assert f"Initial loss: {loss:.6g}" in result.texts


def test_debug_info_is_not_timed(caffelite, folder):
    with open("net.prototxt", "a") as file:
        file.write("debug_info: true")
    texts = caffelite("time", "--model=net.prototxt", "--iterations=1").texts
    begin = texts.index("*** Benchmark begins ***")
    assert any("[Forward]" in line for line in texts[:begin])
    assert not any("[Forward]" in line or "[Backward]" in line for line in texts[begin:])
