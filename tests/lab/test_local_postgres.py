"""The PostgreSQL of the live tests."""

from __future__ import annotations

import sqlalchemy

from lab.local_postgres import LocalPostgres


def test_serves_a_database_that_is_gone_afterwards() -> None:
    with LocalPostgres("shop") as server:
        engine = sqlalchemy.create_engine(server.url)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE fruit AS SELECT 'pear' AS name"))
            version = connection.execute(sqlalchemy.text("SELECT version()")).scalar_one()
        engine.dispose()

        assert version.startswith("PostgreSQL")
        assert "pear" in server.dump()
        home = server._home
    assert not home.exists()
