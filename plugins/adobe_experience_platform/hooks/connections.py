"""Reads Airflow's connection to AEP; needs no HTTP client, and so little time to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSecretsBackendAccessDenied
from airflow.sdk.log import mask_secret

from adobe_experience_platform.aep import AepConnection, conn_id_fault, no_connection
from adobe_experience_platform.errors import AepConnectionConfigError


def read_connection(get: Callable[[str], Any], conn_id: str, sandbox_name: str | None) -> AepConnection:
    """Return the checked connection; its secrets are masked in logs from now on.

    :param get: how a connection is got; a command line has a way of its own.
    """
    with looked_up(conn_id):
        connection = get(conn_id)
    settings = AepConnection.parse(connection, sandbox_name)
    for secret in settings.secrets:
        mask_secret(secret)
    return settings


@contextmanager
def looked_up(conn_id: str) -> Iterator[None]:
    """Look for a connection in the block; one that may not be named, is not there, or is hidden is the same error."""
    if fault := conn_id_fault(conn_id):
        raise AepConnectionConfigError(f"aep_conn_id {fault}")
    try:
        yield
    except (AirflowNotFoundException, AirflowSecretsBackendAccessDenied):
        raise no_connection(conn_id) from None
