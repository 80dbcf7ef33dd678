"""What all the other tests have left behind holds no secret."""

from __future__ import annotations

from tests.support.aep import LocalAep
from tools.local_airflow import LocalAirflow


def test_no_secret_and_no_token_is_left_in_airflow_home(airflow: LocalAirflow, aeps: dict[str, LocalAep]) -> None:
    """Looks into the metadata database (XComs, trigger kwargs, state store), all logs and all other files."""
    secrets = {aep.connection()["password"] for aep in aeps.values()} | {"wrong-secret", "Bearer eyJ"}
    secrets |= set().union(*(aep.tokens() for aep in aeps.values()))
    assert len(secrets) > 3, "no token was minted: run this test together with the others"

    files = [path for path in airflow.home.rglob("*") if path.is_file() and path.name != "passwords.json"]
    assert any(path.suffix == ".db" for path in files)
    assert any("wait_for_flow_runs" in str(path) for path in files)
    for path in files:
        content = path.read_bytes()
        found = [secret for secret in secrets if secret.encode() in content]
        assert not found, f"{path.relative_to(airflow.home)} holds {len(found)} of the secrets"
