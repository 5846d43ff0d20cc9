from caffelite.core.data.share import Share


def test_several_solvers_take_all_records_once():
    shares = [Share(rank, 3) for rank in range(3)]
    taken = [[*share.take(2), *share.take(1), *share.take(4)] for share in shares]
    assert taken == [list(range(rank, 21, 3)) for rank in range(3)]
    assert [share.position for share in shares] == [19, 20, 21]


def test_the_next_ones_follow_any_position():
    share = Share(1, 3)
    for position, expected in ((0, [1, 4]), (1, [1, 4]), (2, [4, 7]), (5, [7, 10])):
        share.position = position
        assert list(share.take(2)) == expected
