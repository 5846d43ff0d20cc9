from caffelite.databases.record import Record, format_of, joined, key_text, labels_text, unreadable


def test_texts():
    assert key_text(b"a\x00\xff") == "a\\x00\\xff"
    assert [labels_text(labels) for labels in ((3,), (3.0, 0.25), ())] == ["3", "3 0.25", "-"]
    assert [format_of(data) for data in (b"\xff\xd8..", b"BM..", b"??")] == ["JPEG", "BMP", "encoded"]


def test_what_cannot_be_read_for_one_reason_is_one():
    good = Record(0, "a", 5, (1, 2, 3), "uint8", (0,))
    first = joined([good, unreadable(1, "page")], [unreadable(2, "page")])
    assert first == [good, unreadable(1, "page", 2)]
    assert first[1].key == "records 1 to 2"
    assert joined(first, [unreadable(3, "other")]) == [*first, unreadable(3, "other")]
    assert joined(first, [good]) == [*first, good]
