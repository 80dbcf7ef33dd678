from __future__ import annotations

import pytest

from tools.simulator_process import SimulatorError, SimulatorProcess


def test_starts_with_a_connection_to_itself(simulator: SimulatorProcess) -> None:
    assert simulator.base_url.startswith("http://127.0.0.1:")
    assert simulator.connection()["host"] == simulator.base_url


def test_a_reset_forgets_what_a_test_did(simulator: SimulatorProcess) -> None:
    flow_id = simulator.state()["flows"][0]["id"]
    fault_id = simulator.add_faults({"kind": "status", "status": 503, "times": None})[0]
    simulator.start_run(flow_id)
    simulator.change_settings(max_pairs=2)
    assert [fault["id"] for fault in simulator.faults()] == [fault_id]

    simulator.reset()

    assert simulator.faults() == []
    assert simulator.state()["runs"]["in_progress"] == 0
    assert simulator.state()["settings"]["max_pairs"] == 80


def test_a_refused_control_call_says_why(simulator: SimulatorProcess) -> None:
    with pytest.raises(SimulatorError, match="no_such_setting"):
        simulator.change_settings(no_such_setting=1)
