import numpy as np

from caffelite.reports.calibration import calibration_html
from caffelite.reports.metrics import reliability


def test_only_bins_with_items_are_rows():
    html = calibration_html(reliability(np.array([0.55, 0.95, 0.97]), np.array([False, True, True]), bins=10))
    assert html.count("<tr>") == 3
    cells = ["0.50 - 0.60", "1", "0.550", "0.000", "-0.550", "0.90 - 1.00", "2", "0.960", "1.000", "+0.040"]
    positions = [html.index(f">{cell}</td>") for cell in cells]
    assert positions == sorted(positions)
    assert html.count('class="gap"') == 2
