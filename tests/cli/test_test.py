import pytest

SCORE = ("test", "-model", "net.prototxt", "-weights", "constant_iter_5.caffemodel")


def test_the_log_is_caffes(program, golden_cli, golden_lines):
    result = program(*SCORE, "-iterations", "3")
    assert (result.status, result.out) == (0, "")
    # Caffe's log is of weights trained longer than these, whose loss (by hand, in float64) is 0.3021436
    assert result.texts == [line.replace("0.0834025", "0.302144") for line in golden_lines("test.log")]


def test_50_iterations_if_none_are_given(caffelite, golden_cli):
    result = caffelite(*SCORE)
    assert result.status == 0
    assert "Running for 50 iterations." in result.texts
    assert "Batch 49, accuracy = 1" in result.texts


def test_the_mean_of_nothing(caffelite, golden_cli):
    result = caffelite(*SCORE, "-iterations", "0")
    assert result.status == 0
    assert result.texts[-2:] == ["Running for 0 iterations.", "Loss: -nan"]


def test_elements_of_a_vector_are_told_one_by_one(caffelite, folder):
    folder.joinpath("net.prototxt").write_text(
        'layer { name: "d" type: "DummyData" top: "d"\n'
        "  dummy_data_param { shape { dim: 2 dim: 2 } data_filler { value: 3 } } }\n"
        'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "y" inner_product_param { num_output: 1 } }\n'
    )
    from caffelite.proto.caffe_pb2 import TEST
    from caffelite.pycaffe import Net

    net = Net("net.prototxt", TEST)
    net.params["ip"][0].data[...] = 0.5
    net.save("weights.caffemodel")
    result = caffelite("test", "--model=net.prototxt", "--weights=weights.caffemodel", "--iterations=2")
    assert result.status == 0
    assert result.texts[-7:] == [*["Batch 0, y = 3"] * 2, *["Batch 1, y = 3"] * 2, "Loss: 0", *["y = 3"] * 2]


def test_stage_chooses_layers(caffelite, golden_cli):
    text = (golden_cli / "net.prototxt").read_text()
    (golden_cli / "net.prototxt").write_text(text.replace("include { phase: TEST } }", 'include { stage: "score" } }'))
    assert not any("accuracy" in line for line in caffelite(*SCORE, "--iterations=1").texts[-3:])
    assert "accuracy = 1" in caffelite(*SCORE, "--iterations=1", "--stage=score").texts


@pytest.mark.parametrize("weights", ["double", "unpacked", "v1_legacy"])
def test_old_weight_files(caffelite, golden_cli, golden_folder, weights):
    file = golden_folder / "cli" / "weights" / f"weights_{weights}.caffemodel"
    result = caffelite("test", "--model=net.prototxt", f"--weights={file}", "--iterations=1")
    assert result.status == 0
    assert result.texts[-2:] == ["accuracy = 0", "loss = 1.62447 (* 1 = 1.62447 loss)"]


@pytest.mark.parametrize("loss", [True, False])
def test_nan_scores_are_told_once_with_the_parameter_they_began_in(caffelite, folder, loss):
    net_text = folder.joinpath("net.prototxt").read_text()
    lines = [line for line in net_text.splitlines() if loss or "SoftmaxWithLoss" not in line]
    folder.joinpath("net.prototxt").write_text("\n".join(lines))
    from caffelite.proto.caffe_pb2 import TEST
    from caffelite.pycaffe import Net

    net = Net("net.prototxt", TEST)
    net.params["ip"][1].data[...] = float("nan")
    net.save("weights.caffemodel")
    result = caffelite("test", "--model=net.prototxt", "--weights=weights.caffemodel", "--iterations=3")
    assert result.status == 0
    warned = [line for line in result.texts if "it began with" in line]
    output = '"loss" is nan' if loss else '"accuracy" is computed from nan'
    assert warned == [
        f'net "tiny": output {output}; it began with param 1 of layer "ip" (InnerProduct). What it scores means nothing'
    ]
    assert "Batch 2, accuracy = 0" in result.texts


def test_a_report_changes_nothing_of_the_log(caffelite, golden_cli):
    plain = caffelite(*SCORE, "--iterations=3")
    result = caffelite(*SCORE, "--iterations=3", "--report=x.html")
    assert (result.status, result.out) == (0, "")
    assert result.texts[:-1] == plain.texts
    assert result.texts[-1] == "Wrote x.html and x_wrong_labels.csv"
    page = (golden_cli / "x.html").read_text()
    assert "100.00%</b><span>accuracy" in page and "figures of layer accuracy" in page


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--report=x.txt",), "a report's name ends in .html or .htm"),
        (("--report=nowhere/x.html",), "there is no folder nowhere; make it first"),
        (("--report=x.html", "--layer=los"), 'has no layer "los" in phase TEST; did you mean "loss"?'),
        (("--report=x.html", "--labels=nowhere"), "--labels: File not found: nowhere"),
        (("--report=x.html", "--iterations=0"), "nothing was tested, so there is no report"),
    ],
)
def test_reports_that_cannot_be(caffelite, golden_cli, words, error):
    result = caffelite(*SCORE, *words)
    assert result.status == 1
    assert error in result.error
    assert not list(golden_cli.glob("x*"))


def test_a_net_without_scores_has_no_report(caffelite, golden_cli):
    text = (golden_cli / "net.prototxt").read_text()
    lines = [line for line in text.splitlines() if "Accuracy" not in line]
    (golden_cli / "net.prototxt").write_text("\n".join(lines).replace("SoftmaxWithLoss", "HingeLoss"))
    result = caffelite(*SCORE, "--report=x.html")
    assert result.status == 1
    assert "has no Accuracy and no SoftmaxWithLoss layer in phase TEST" in result.error


@pytest.mark.parametrize("words", [("--labels=x",), ("--layer=loss",)])
def test_what_is_for_a_report_alone_is_refused_without_one(caffelite, golden_cli, words):
    result = caffelite(*SCORE, *words)
    assert result.status == 1
    assert result.error.endswith(f"{words[0].partition('=')[0]} is for a report; give --report=FILE, too")
