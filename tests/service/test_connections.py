"""How many connections there are is known before the workers need them."""

import psycopg
import pytest

from service.connections import OF_A_WORKER, OF_COMMANDS, TooFewConnections, count_connections, require_connections
from service.database import build_addresses, open_database, require_server
from service.settings import load_settings_from
from store.logins import APP
from tests.http.served import prepared_home

WORKERS = 8


def test_the_embedded_server_takes_as_many_connections_as_its_workers_may_open() -> None:
    """It took 100 for any number of workers, and 8 of them were refused under load."""
    with prepared_home() as home:
        settings = load_settings_from({"DOSSIER_HOME": str(home), "DOSSIER_WORKERS": str(WORKERS)})
        with open_database(settings) as (_, addresses):
            require_server(addresses, WORKERS)
            assert addresses.superuser is not None
            with psycopg.connect(addresses.superuser, autocommit=True) as conn:
                taken = conn.execute("show max_connections").fetchone()
                assert taken == (str(count_connections(WORKERS) + OF_COMMANDS),)
                with psycopg.connect(addresses.web) as web:
                    require_connections(web, WORKERS)
                conn.execute(f"alter role {APP} connection limit {OF_A_WORKER}")
                with psycopg.connect(addresses.web) as web, pytest.raises(TooFewConnections, match="25 connections"):
                    require_connections(web, 1)
                conn.execute(f"alter role {APP} connection limit -1")
                conn.execute(f"alter database dossier connection limit {count_connections(WORKERS) - 1}")
                alone = build_addresses(load_settings_from({"DOSSIER_DATABASE_URL": addresses.web}), addresses.web)
                with pytest.raises(TooFewConnections, match="DOSSIER_WORKERS=8 may open 216: raise max_connections"):
                    require_server(alone, WORKERS)
                require_server(alone, WORKERS - 1)
