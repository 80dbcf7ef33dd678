"""docs/airflow.md promises nothing that is not tested."""

from __future__ import annotations

import ast

import pytest

from tests.conftest import REPOSITORY
from tests.docs.test_docs import rows

CONTRACT = "tests/airflow/dags/test_contract.py"
LIMITS = "tests/unit/operators/test_limits.py"
OWN = "tests/airflow/examples/test_own_dags.py"
SENSORS = "tests/unit/sensors/test_sensors.py"
TEMPLATES = "tests/unit/operators/test_templates.py"
TESTS: dict[str, list[tuple[str, str]]] = {
    "templates": [
        (TEMPLATES, "test_a_template_says_the_value"),
        (TEMPLATES, "test_a_template_without_a_value_is_not_given"),
        (CONTRACT, "test_templates"),
    ],
    "`render_template_as_native_obj`": [
        (TEMPLATES, "test_templates_inside_a_mapping_leave_ids_alone"),
        (TEMPLATES, "test_templates_stay_in_the_sandbox"),
    ],
    "templates in notices": [
        ("tests/unit/notifications/test_notifiers.py", "test_text_stays_text_however_the_dag_renders")
    ],
    "outputs of mapped tasks": [(TEMPLATES, "test_lists_may_be_lazy"), (CONTRACT, "test_mapped_outputs")],
    "`.expand()`": [
        (TEMPLATES, "test_a_mapped_task_renders_the_same_way"),
        (OWN, "test_every_task_knows_what_may_be_retried_mapped_or_not"),
    ],
    "`execution_timeout`": [
        (LIMITS, "test_execution_timeout_holds_across_deferrals"),
        (LIMITS, "test_a_retry_has_all_of_execution_timeout_again"),
        (LIMITS, "test_an_approval_ends_with_its_try"),
    ],
    "`timeout`, `poke_interval`": [
        (LIMITS, "test_timeout_and_poke_interval_count_wherever_they_are_given"),
        (LIMITS, "test_beside_a_plan_the_shorter_limit_counts"),
    ],
    "`mode`, `deferrable`": [
        (SENSORS, "test_rescheduling_gives_the_worker_back"),
        (OWN, "test_a_pipeline_delivers_without_a_triggerer"),
    ],
    "`soft_fail`, `never_fail`": [
        (SENSORS, "test_a_deferred_sensor_that_may_fail_softly_is_skipped"),
        (SENSORS, "test_a_sensor_that_may_fail_softly_is_skipped_however_it_waits"),
    ],
    "`retries`, `retry_delay`": [
        (CONTRACT, "test_retries"),
        (OWN, "test_a_dags_own_retries_count_and_ours_where_it_names_none"),
    ],
    "`retry_policy`": [(OWN, "test_every_task_knows_what_may_be_retried_mapped_or_not")],
    "`default_args`": [(CONTRACT, "test_default_args"), (CONTRACT, "test_settings_of_default_args")],
    "`pool`, `queue`, `priority_weight`": [(CONTRACT, "test_default_args")],
    "`trigger_rule`": [(CONTRACT, "test_trigger_rule")],
    "callbacks": [("tests/airflow/dags/test_notices.py", "test_callbacks_of_the_dags_author_stay")],
    "setup and teardown": [(CONTRACT, "test_setup_and_teardown")],
    "`dag.test()`": [("tests/airflow/dags/test_runs.py", "test_audiences_are_delivered")],
    "`depends_on_past`": [(CONTRACT, "test_depends_on_past")],
    "backfill": [(CONTRACT, "test_backfill")],
    "asset-triggered runs": [(CONTRACT, "test_asset_triggered")],
    "clear, mark success, mark failed": [("tests/promises/protocol/test_histories.py", "")],
}
LISTED = [cells[0] for cells in rows(REPOSITORY / "docs" / "airflow.md", "of Airflow")]


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    assert list(TESTS) == LISTED


@pytest.mark.parametrize("row", TESTS)
def test_the_test_of_a_row_exists(row: str) -> None:
    for path, name in TESTS[row]:
        tree = ast.parse((REPOSITORY / path).read_text())
        assert any(isinstance(node, ast.FunctionDef) and node.name.startswith(name or "test_") for node in tree.body)
