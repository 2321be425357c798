"""Credentials and certificates are checked before anything connects, and no message shows a secret."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.errors import SettingsError
from streams.settings import PREFIX, Settings, load_settings
from tests.certificates import Authority

SECRET = "s3cret"  # noqa: S105 - what must not be shown


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def refused(monkeypatch: pytest.MonkeyPatch, **given: str) -> dict[str, str]:
    """Load these settings; return what is said about each."""
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert SECRET not in str(raised.value)
    lines = [line.strip().partition(": ") for line in str(raised.value).splitlines()[1:]]
    return {name.removeprefix(PREFIX): told for name, _, told in lines}


@pytest.mark.parametrize("protocol", ["SASL_SSL", "sasl_plaintext"])
def test_everything_that_a_log_in_to_kafka_lacks_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    told = refused(monkeypatch, KAFKA_SECURITY_PROTOCOL=protocol)
    assert told.keys() == {"KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}
    assert all("is missing" in line and protocol.upper() in line for line in told.values())


def test_what_the_protocol_has_no_use_for_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    told = refused(
        monkeypatch,
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="me",
        KAFKA_SASL_PASSWORD=SECRET,
        KAFKA_SSL_CA=str(authority.file),
        KAFKA_SSL_KEY_PASSWORD=SECRET,
        CONNECT_CA=str(authority.file),
    )
    assert told.keys() == {
        *("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
        *("KAFKA_SSL_CA", "KAFKA_SSL_KEY_PASSWORD", "CONNECT_CA"),
    }
    assert all("has no effect" in line for line in told.values())


def test_a_file_that_is_missing_or_holds_something_else_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "text.pem").write_text("no certificate\n", "utf-8")
    own, other = authority.issue("own", "me"), authority.issue("other", "me")
    told = refused(
        monkeypatch,
        KAFKA_SECURITY_PROTOCOL="SSL",
        KAFKA_SSL_CA="nowhere.pem",
        KAFKA_SSL_CERT=str(own),
        KAFKA_SSL_KEY=str(other),
        CONNECT_URL="https://connect",
        CONNECT_CA="text.pem",
        SOURCE_DSN="postgresql://me@db/crm?sslmode=verify-full&sslrootcert=/nowhere/root.pem",
    )
    assert "nowhere.pem cannot be read: No such file" in told["KAFKA_SSL_CA"]
    assert "are not a PEM certificate and its key" in told["KAFKA_SSL_CERT"]
    assert "text.pem holds no certificate" in told["CONNECT_CA"]
    assert "sslrootcert: /nowhere/root.pem cannot be read" in told["SOURCE_DSN"]
    assert len(told) == 4


def test_files_of_the_address_for_connect_lie_on_the_machine_of_connect() -> None:
    assert load_settings(cdc_dsn="postgresql://me@db/crm?sslrootcert=/only/there.pem").cdc_dsn


def test_credentials_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(
        monkeypatch,
        CONNECT_URL=f"http://me:{SECRET}@connect:8083",
        CONNECT_USERNAME="you",
        CDC_DSN=f"postgresql://me:{SECRET}@db/crm",
        CDC_PASSWORD_REFERENCE="${file:/secrets:password}",  # noqa: S106 - a reference, no password
    )
    assert told.keys() == {"CONNECT_USERNAME", "CDC_PASSWORD_REFERENCE"}
    assert "stands beside a user in FUNNELPROOF_CONNECT_URL" in told["CONNECT_USERNAME"]
    assert "stands beside a password in FUNNELPROOF_CDC_DSN" in told["CDC_PASSWORD_REFERENCE"]


@pytest.mark.parametrize(
    "given",
    [
        {"CONNECT_PASSWORD": SECRET},
        {"CONNECT_USERNAME": "me"},
        {"CONNECT_URL": f"connect:8083/{SECRET}"},
        {"CONNECT_URL": f"http://me:x/{SECRET}@connect"},
        {"KAFKA_SECURITY_PROTOCOL": "TLS"},
        {"CDC_PASSWORD_REFERENCE": SECRET},
        {"SOURCE_DSN": f"postgresql://me:p@{SECRET}@db/crm"},
        {"SOURCE_DSN": f"postgresql://me:{SECRET}@db/crm?connect_timeout=5&channel_binding=require"},
        {"REPORT_DSN": f"host=db password={SECRET}"},
    ],
)
def test_what_cannot_be_used_is_refused_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    assert len(refused(monkeypatch, **given)) == 1


def test_a_key_without_its_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_KEY="my.key")
    assert told.keys() == {"KAFKA_SSL_CERT"}
    assert "is missing" in told["KAFKA_SSL_CERT"]


def test_an_unknown_parameter_of_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, SOURCE_DSN="postgresql://me@db/crm?sslmode=require&channel_binding=require")
    assert "has the parameter channel_binding" in told["SOURCE_DSN"]


def test_settings_show_no_secret_of_kafka_and_connect() -> None:
    settings = Settings(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="me",
        kafka_sasl_password=SecretStr(SECRET),
        connect_username="me",
        connect_password=SecretStr(SECRET),
    )
    for shown in (settings, settings.brokers, settings.brokers.sasl):
        assert SECRET not in f"{shown!r} {shown}"
    assert settings.brokers.confluent()["sasl.password"] == SECRET
    assert settings.connect_credentials == ("me", SECRET)


def test_user_and_password_of_connect_may_stand_in_its_address_and_are_not_shown() -> None:
    settings = load_settings(connect_url="https://me:p%40ss@connect.example:8083/path/")
    assert settings.connect_credentials == ("me", "p@ss")
    assert settings.connect_address == "https://connect.example:8083/path"
    assert load_settings().connect_credentials is None
