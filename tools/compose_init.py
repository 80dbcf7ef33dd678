"""What the service `airflow-init` of docker-compose.yaml does, before any other part of Airflow starts.

Refuses weak secrets, migrates Airflow's database, makes Celery's database and the user admin. Secrets come by the
environment and stay in this process: every user of a host can read command lines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from tools import compose_env

# Airflow's `db clean` does not reach Celery's database, and nobody reads a result after minutes.
FORGET_RESULTS = "DELETE FROM celery_taskmeta WHERE date_done < now() - interval '7 days'"


def main() -> int:
    """Do it all, again and again without harm; return the exit code."""
    secrets = {name: os.environ.pop(name, "") for name in compose_env.SECRETS}
    if faults := compose_env.weaknesses(secrets):
        print("\n".join(["Not starting:", *faults]), file=sys.stderr)
        return 1
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    make_celery_database(secrets["CELERY_RESULTS_PASSWORD"])
    make_admin(secrets["AIRFLOW_ADMIN_PASSWORD"])
    return 0


def make_celery_database(password: str) -> None:
    """Give Celery's results a database and a user that can read nothing else."""
    # load time: of the image only, which has Airflow's database packages; these lines are tested without
    from airflow.configuration import conf
    from sqlalchemy import create_engine, make_url

    url = make_url(conf.get("database", "sql_alchemy_conn"))
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as server:
        for statement in celery_statements(server):
            server.exec_driver_sql(statement)
        server.exec_driver_sql("ALTER ROLE celery PASSWORD %s", (password,))
    with create_engine(url.set(database="celery"), isolation_level="AUTOCOMMIT").connect() as results:
        if results.exec_driver_sql("SELECT to_regclass('celery_taskmeta')").scalar():
            results.exec_driver_sql(FORGET_RESULTS)


def celery_statements(server: Any) -> list[str]:
    """Return what is still to do on a PostgreSQL server, as SQL."""
    has_role = server.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = 'celery'").scalar()
    has_database = server.exec_driver_sql("SELECT 1 FROM pg_database WHERE datname = 'celery'").scalar()
    return [
        *([] if has_role else ["CREATE ROLE celery LOGIN"]),
        *([] if has_database else ["CREATE DATABASE celery OWNER celery"]),
        # By default every user may connect to every database.
        "REVOKE CONNECT ON DATABASE airflow FROM PUBLIC",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
    ]


def make_admin(password: str) -> None:
    """Create the user admin, or let a new password in `.env` count."""
    # load time: as above; FAB's provider is in the image alone
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder  # type: ignore[import-not-found]
    from airflow.providers_manager import ProvidersManager

    ProvidersManager().initialize_providers_configuration()
    with get_application_builder() as builder:
        print(f"The user admin was {set_admin(builder.sm, password)}")


def set_admin(users: Any, password: str) -> str:
    """Make the admin's password so in FAB's security manager, and say what was done."""
    admin = users.find_user("admin")
    if admin is None:
        role = users.find_role("Admin")
        if not users.add_user("admin", "Admin", "Admin", "admin@localhost", role, password):
            raise SystemExit("The user admin could not be created (the reason is above).")
        return "created"
    if users.check_password("admin", password):
        return "left as it is"
    if not users.reset_password(admin.id, password):
        raise SystemExit("The password of the user admin could not be changed (the reason is above).")
    return "given the new password"


if __name__ == "__main__":
    sys.exit(main())
