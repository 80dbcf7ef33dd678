"""SECURITY.md's table of roles against Airflow's simple auth manager; tests/lab/distributed asks FAB."""

from __future__ import annotations

import pytest

from tests.airflow.web.conftest import Client
from tests.support.roles import COLUMNS, REQUESTS, SIMPLE, table, wrong_cells

USERS = dict(zip(COLUMNS, (None, "nobody", "viewer", "user", "op", "admin"), strict=True))


def test_the_table_has_these_rows_and_columns() -> None:
    assert {name: tuple(row) for name, row in table().items()} == dict.fromkeys(REQUESTS, COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_each_cell_is_what_airflow_answers(as_user: Client, column: str) -> None:
    client = as_user(USERS[column])
    wanted = {row: {**cells, **SIMPLE.get(row, {})} for row, cells in table().items()}

    def ask(method: str, path: str, body: object) -> int:
        return client.request(method, path, json=body).status_code

    assert wrong_cells(column, wanted, ask) == []
