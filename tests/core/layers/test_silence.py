import numpy as np

from caffelite.testing import blob_of, layer_from, run_backward, set_up


# Without tops there is nothing that check_gradient could differentiate; the gradient is 0 by definition.
def test_takes_any_number_of_blobs_and_gives_them_no_gradient():
    layer, bottoms = layer_from('type: "Silence"'), [blob_of(np.ones((2, 3))), blob_of(np.ones(4))]
    assert set_up(layer, bottoms) == []
    layer.forward(bottoms, [])
    for blob in bottoms:
        blob.diff[...] = 5
    run_backward(layer, bottoms, [], [True, False])
    assert (bottoms[0].diff == 0).all() and (bottoms[1].diff == 5).all()
