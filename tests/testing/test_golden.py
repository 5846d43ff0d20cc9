import numpy as np
import pytest

from caffelite.testing import assert_agrees, run_golden


def test_agreement_allows_for_the_largest_value_and_for_each():
    caffes = np.array([1000.0, 0.0])
    assert_agrees(np.array([1000.11, 0.019]), caffes)
    with pytest.raises(AssertionError, match="top_0"):
        assert_agrees(np.array([1000.0, 0.021]), caffes, "top_0")
    with pytest.raises(AssertionError):
        assert_agrees(np.array([1000.13, 0.0]), caffes)


def test_small_arrays_agree_within_the_least_tolerance():
    assert_agrees(np.array([1.9e-5]), np.array([0.0]))
    with pytest.raises(AssertionError):
        assert_agrees(np.array([2.1e-5]), np.array([0.0]))


def test_shapes_must_be_equal():
    with pytest.raises(AssertionError, match=r"top_0 has the shape \(2, 1\), Caffe's has \(2,\)"):
        assert_agrees(np.zeros((2, 1)), np.zeros(2), "top_0")


@pytest.mark.parametrize("key", ["top_1", "bottom_diff_0", "param_diff_0", "param_diff_1"])
def test_a_case_with_another_result_fails_by_name(golden_folder, tmp_path, key):
    with np.load(golden_folder / "layers" / "conv_two_bottoms.npz") as stored:
        case = dict(stored)
    np.savez(tmp_path / "same.npz", **case)
    run_golden(tmp_path / "same.npz")
    case[key] = case[key].copy()
    case[key].flat[1] += 0.1
    np.savez(tmp_path / "other.npz", **case)
    with pytest.raises(AssertionError, match=key):
        run_golden(tmp_path / "other.npz")
