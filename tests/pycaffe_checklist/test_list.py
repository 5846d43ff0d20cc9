"""Caffe's own 52 Python tests, each with the tests here that assert what it does, in tests/."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
NET, SOLVER, LAYER, MODULE = (
    f"pycaffe_checklist/test_{name}.py" for name in ("net", "solver", "python_layer", "module")
)
SPEC, MAP, ARRAYS = "test_net_spec.py", "test_coord_map.py", "test_proto_arrays.py"
CHECKLIST = {
    "test_net.TestNet.test_memory": (NET, "test_memory_outlives_the_net"),
    "test_net.TestNet.test_layer_dict": (NET, "test_layer_dict"),
    "test_net.TestNet.test_forward_backward": (NET, "test_forward_backward"),
    "test_net.TestNet.test_forward_start_end": (NET, "test_forward_start_end"),
    "test_net.TestNet.test_backward_start_end": (NET, "test_backward_start_end"),
    "test_net.TestNet.test_clear_param_diffs": (NET, "test_clear_param_diffs"),
    "test_net.TestNet.test_inputs_outputs": (NET, "test_inputs_outputs"),
    "test_net.TestNet.test_top_bottom_names": (NET, "test_top_bottom_names"),
    "test_net.TestNet.test_save_and_read": (NET, "test_save_and_read"),
    "test_net.TestNet.test_save_hdf5": (NET, "test_save_hdf5"),
    "test_net.TestLevels.test_0": (NET, "test_levels"),
    "test_net.TestLevels.test_1": (NET, "test_levels"),
    "test_net.TestStages.test_A": (NET, "test_stages"),
    "test_net.TestStages.test_B": (NET, "test_stages"),
    "test_net.TestStages.test_AandB": (NET, "test_stages"),
    "test_net.TestAllInOne.test_train": (NET, "test_all_in_one"),
    "test_net.TestAllInOne.test_val": (NET, "test_all_in_one"),
    "test_net.TestAllInOne.test_deploy": (NET, "test_all_in_one"),
    "test_solver.TestSolver.test_solve": (SOLVER, "test_solve"),
    "test_solver.TestSolver.test_apply_update": (SOLVER, "test_apply_update"),
    "test_solver.TestSolver.test_net_memory": (SOLVER, "test_net_memory"),
    "test_solver.TestSolver.test_snapshot": (SOLVER, "test_snapshot"),
    "test_net_spec.TestNetSpec.test_lenet": (SPEC, "test_lenet_by_names", "test_lenet_without_names"),
    "test_net_spec.TestNetSpec.test_zero_tops": (SPEC, "test_a_layer_without_tops"),
    "test_net_spec.TestNetSpec.test_type_error": (SPEC, "test_a_tuple_of_tops_is_no_top"),
    "test_coord_map.TestCoordMap.test_conv_pool_deconv": (MAP, "test_golden_maps"),
    "test_coord_map.TestCoordMap.test_pass": (MAP, "test_layers_that_coordinates_pass_through"),
    "test_coord_map.TestCoordMap.test_padding": (MAP, "test_padding"),
    "test_coord_map.TestCoordMap.test_multi_conv": (MAP, "test_several_bottoms_and_tops"),
    "test_coord_map.TestCoordMap.test_rect": (MAP, "test_rectangles_are_their_parts"),
    "test_coord_map.TestCoordMap.test_nd_conv": (MAP, "test_three_axes"),
    "test_coord_map.TestCoordMap.test_crop_of_crop": (
        MAP,
        "test_a_crop_moves_by_its_offset_and_follows_its_first_bottom",
    ),
    "test_coord_map.TestCoordMap.test_crop_helper": (MAP, "test_golden_maps", "test_the_crop_runs_in_a_net"),
    "test_coord_map.TestCoordMap.test_catch_unconnected": (MAP, "test_tops_that_nothing_connects"),
    "test_coord_map.TestCoordMap.test_catch_scale_mismatch": (MAP, "test_crops_that_cannot_be"),
    "test_coord_map.TestCoordMap.test_catch_negative_crop": (MAP, "test_crops_that_cannot_be"),
    "test_io.TestBlobProtoToArray.test_old_format": (ARRAYS, "test_the_old_4_fields"),
    "test_io.TestBlobProtoToArray.test_new_format": (ARRAYS, "test_a_shape"),
    "test_io.TestBlobProtoToArray.test_no_shape": (ARRAYS, "test_without_a_shape_there_is_one_value"),
    "test_io.TestBlobProtoToArray.test_scalar": (ARRAYS, "test_without_a_shape_there_is_one_value"),
    "test_io.TestArrayToDatum.test_label_none_size": (ARRAYS, "test_a_label_makes_the_datum_longer"),
    "test_layer_type_list.TestLayerTypeList.test_standard_types": (MODULE, "test_layer_type_list"),
    "test_nccl.TestNCCL.test_newuid": (MODULE, "test_nccl"),
    "test_draw.TestDraw.test_draw_net": ("test_draw.py", "test_draw_net"),
    "test_python_layer.TestPythonLayer.test_forward": (LAYER, "test_forward"),
    "test_python_layer.TestPythonLayer.test_backward": (LAYER, "test_backward"),
    "test_python_layer.TestPythonLayer.test_reshape": (LAYER, "test_reshape"),
    "test_python_layer.TestPythonLayer.test_exception": (LAYER, "test_exception"),
    "test_python_layer.TestPythonLayer.test_parameter": (LAYER, "test_parameter"),
    "test_python_layer.TestPythonLayer.test_phase": (LAYER, "test_phase"),
    "test_python_layer_with_param_str.TestLayerWithParam.test_forward": (LAYER, "test_param_str"),
    "test_python_layer_with_param_str.TestLayerWithParam.test_backward": (LAYER, "test_param_str"),
}


def test_there_are_52():
    assert len(CHECKLIST) == 52


@pytest.mark.parametrize("path", sorted({path for path, *_ in CHECKLIST.values()}))
def test_every_one_has_its_test(path):
    found = {node.name for node in ast.parse((TESTS / path).read_text()).body if isinstance(node, ast.FunctionDef)}
    wanted = {name for there, *names in CHECKLIST.values() if there == path for name in names}
    assert wanted <= found
