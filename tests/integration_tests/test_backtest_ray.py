"""A backtest whose splits are played on a Ray cluster."""

import pytest

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.ray_cluster import joblib_on_ray
from tests.unit_tests.kit.backtesting.backtests import outcomes, run

ray = pytest.importorskip("ray")


@pytest.mark.slow
def test_splits_on_a_cluster_change_nothing_and_each_is_reported():
    lines, table = [], outcomes(80)
    alone = run(table, budgets=[15, 25], splits=2, draws=50)
    with joblib_on_ray(None, 2):
        with pytest.raises(MenuError, match="has 2 CPUs, too few for 3 workers"), joblib_on_ray(None, 3):
            pass
        together = run(table, budgets=[15, 25], splits=2, draws=50, n_jobs=2, on_progress=lines.append)
    assert together == alone
    assert [line.split(" took ")[0] for line in lines] == ["split 1 of 2", "split 2 of 2"]
    assert not any("left" in line for line in lines)
    assert not ray.is_initialized()
