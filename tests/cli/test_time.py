import signal


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
