import h5py


def test_a_table_becomes_files_that_a_net_reads(caffelite, folder):
    (folder / "t.csv").write_text("x,y,kind\n" + "".join(f"{i},{-i},{'ab'[i % 2]}\n" for i in range(20)))
    result = caffelite("convert_csv", "t.csv", "new/t", "--label=kind", "--test=0.2")
    assert (result.status, result.out) == (0, "new/t_train.txt\nnew/t_test.txt\n")
    with h5py.File("new/t_test.h5") as file:
        assert file["data"].shape == (4, 2) and file["label"][...].tolist() == [0, 1, 0, 1]
    text = (folder / "net.prototxt").read_text()
    start, end = text.index("type: "), text.index("layer", text.index("type: "))
    rows = 'type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "new/t_train.txt" batch_size: 8 } }\n'
    (folder / "net.prototxt").write_text(text[:start] + rows + text[end:])
    assert caffelite("train", "--solver=solver.prototxt").status == 0


def test_refuses(caffelite, folder):
    (folder / "t.csv").write_text("x,kind\n1,a\nq,b\n")
    for words, message in (
        (("t.csv", "t"), 't.csv:3: column "x" is "q", not a number'),
        (("none.csv", "t"), "none.csv: No such file"),
        (("t.csv", "t", "--test=some"), "--test is some; give a share such as 0.2"),
        (("t.csv", "t", "--label=kin"), 'there is no column "kin"; did you mean "kind"?'),
    ):
        result = caffelite("convert_csv", *words)
        assert (result.status, result.out) == (1, "")
        assert message in result.error
