"""What all the other tests have left behind holds no secret."""

from __future__ import annotations

from collections.abc import Iterator

from lab.local_postgres import LocalPostgres
from tests.support.aep import LocalAep
from tests.support.leaks import leaks
from tools.local_airflow import LocalAirflow


def test_no_secret_and_no_token_is_left_behind(
    airflow: LocalAirflow, postgres: LocalPostgres, aeps: dict[str, LocalAep]
) -> None:
    """Looks into the metadata database (XComs, trigger kwargs, state store), all logs and all other files."""
    passwords = {aep.connection()["password"] for aep in aeps.values()} | {"wrong-secret"}
    secrets = {*passwords, "Bearer eyJ"}
    secrets |= set().union(*(aep.tokens() for aep in aeps.values()))
    assert len(secrets) > 3, "no token was minted: run this test together with the others"

    looked_at = []
    for name, content in _left_behind(airflow, postgres):
        found = [*leaks(content, passwords), *(secret for secret in secrets if secret.encode() in content)]
        assert not found, f"{name} holds {len(found)} of the secrets"
        looked_at.append(name)
    assert any("wait_for_flow_runs" in name for name in looked_at)


def _left_behind(airflow: LocalAirflow, postgres: LocalPostgres) -> Iterator[tuple[str, bytes]]:
    database = postgres.dump()
    assert "aep_adhoc_activation" in database
    yield "the database", database.encode()
    for path in airflow.home.rglob("*"):
        if path.is_file() and path.name != "passwords.json":
            yield str(path.relative_to(airflow.home)), path.read_bytes()
