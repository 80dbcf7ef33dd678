"""An auth manager with rights on single DAGs, which Airflow's simple one does not have."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

USERS = {"admin": "admin", "op": "op", "user": "user", "viewer": "viewer", "nobody": "none", "one": "viewer"}
"""``nobody`` can log in, but has no role that Airflow knows; ``one`` is a viewer of ONE_DAG only."""
ONE_DAG = "aep_campaign_mine"


class ManyRights(SimpleAuthManager):
    """The simple auth manager, except that the user ``one`` may read one DAG only."""

    def user_named(self, name: str) -> SimpleAuthManagerUser:
        """Return a user of USERS."""
        role = USERS[name]
        return SimpleAuthManagerUser(username=name, role=None if role == "none" else role)

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: SimpleAuthManagerUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Say whether a DAG may be read; a question about no single one passes, as with Airflow's FAB."""
        if user.username == "one" and details is not None and details.id not in (None, ONE_DAG):
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
