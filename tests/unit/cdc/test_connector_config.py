"""What the connector is told about the CRM's database, and what is refused because Debezium cannot do it."""

import pytest

from streams.cdc.connector_config import connector_config
from streams.errors import SettingsError
from streams.settings import Settings

SECRET = "s3cret"  # noqa: S105 - what must not be shown


def told(dsn: str, **settings: str) -> dict[str, str]:
    """Return what Debezium is told about the database, without the prefix."""
    config = connector_config(Settings(cdc_dsn=dsn, **settings))  # type: ignore[arg-type]  # parsed
    return {
        key.removeprefix("database."): value for key, value in config.items() if key.startswith("database.")
    }


def test_every_part_of_the_address_arrives_decoded() -> None:
    assert told("postgresql://me%40work:p%40s%24%7Bs%2F@db.example:5433/c%72m") == {
        "hostname": "db.example",
        "port": "5433",
        "user": "me@work",
        "password": "p@s${s/",
        "dbname": "crm",
    }
    assert told("postgresql:///crm?host=db&port=1&user=me&password=x")["hostname"] == "db"


def test_tls_parameters_arrive_with_the_paths_of_the_machine_of_connect() -> None:
    found = told(
        "postgresql://me@db/crm?sslmode=verify-full&sslrootcert=/c/root.pem&sslcert=/c/me.pem&sslkey=/c/me.key"
        "&application_name=x&target_session_attrs=read-write"
    )
    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == "/c/root.pem"
    assert found["sslcert"] == "/c/me.pem"
    assert found["sslkey"] == "/c/me.key"
    assert "application_name" not in found


def test_an_authority_is_used_even_where_debezium_would_not_look_at_it() -> None:
    assert told("postgresql://me@db/crm?sslmode=require&sslrootcert=/c/root.pem")["sslmode"] == "verify-ca"
    assert told("postgresql://me@db/crm?sslmode=require")["sslmode"] == "require"
    assert "sslmode" not in told("postgresql://me@db/crm")


def test_the_password_may_be_a_reference_that_connect_resolves() -> None:
    reference = "${file:/secrets/cdc.properties:password}"
    assert told("postgresql://me@db/crm", cdc_password_reference=reference)["password"] == reference
    settings = Settings(source_dsn=f"postgresql://me:{SECRET}@db/crm", cdc_password_reference=reference)
    assert connector_config(settings)["database.password"] == reference


@pytest.mark.parametrize(
    ("dsn", "problem"),
    [
        (f"postgresql:///crm?host=/run/pg&user=me&password={SECRET}", "leads to a local socket"),
        (f"postgresql://me:{SECRET}@%2Frun%2Fpg/crm", "leads to a local socket"),
        (f"postgresql:///crm?user=me&password={SECRET}", "leads to a local socket"),
        (f"postgresql://me:{SECRET}@a,b/crm?target_session_attrs=read-write", "names several hosts"),
        (f"postgresql://me:{SECRET}@[::1]/crm", "names an IPv6 address"),
        (f"postgresql://me:{SECRET}@d%C3%A9/crm", "names the host dé"),
        ("postgresql://db/crm", "names no user"),
        (f"postgresql://me:{SECRET}@db/crm?sslcrl=/c/l", "has the parameter sslcrl"),
        (f"postgresql://me:{SECRET}@db/crm?sslnegotiation=direct", "has the parameter sslnegotiation"),
    ],
)
def test_what_debezium_cannot_do_is_refused_with_the_setting(dsn: str, problem: str) -> None:
    with pytest.raises(SettingsError, match="^FUNNELPROOF_CDC_DSN " + problem) as raised:
        told(dsn)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_address_that_only_debezium_cannot_use_has_its_own_setting() -> None:
    with pytest.raises(
        SettingsError, match=r"^FUNNELPROOF_SOURCE_DSN names several hosts.*set FUNNELPROOF_CDC_DSN"
    ):
        connector_config(Settings(source_dsn="postgresql://me@a,b/crm"))
