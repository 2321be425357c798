"""Whatever is wrong with the settings is told at once, before anything runs."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings import PREFIX, load_settings

TENANT = "aaaaaaaa-0000-4000-8000-00000000000a"


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def complaints() -> list[str]:
    """Load the settings; return the lines of the one message."""
    with pytest.raises(SettingsError) as refused:
        load_settings()
    first, *lines = str(refused.value).splitlines()
    assert first == "wrong settings:"
    return [line.strip() for line in lines]


def test_every_unknown_window_timezone_and_negative_length_is_named_in_one_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = {
        "WINDOWS": "hour,dya,-5s,100ms",
        "TIMEZONE": "Europe/Berln",
        "TENANT_TIMEZONES": f"acme=UTC,{TENANT}=Mars/Phobos",
        "GRACE": "-5s",
        "PROOF_WAIT": "soon",
        "RETENTION": "hour=1d,weak=1y",
        "STAGE_PAIRS": '{"x": []}',
        "NO_SUCH_THING": "1",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(PREFIX + name, value)
    told = complaints()
    assert {line.partition(":")[0] for line in told} == {PREFIX + name for name in wrong}
    assert len(told) == len(wrong)
    message = "\n".join(told)
    for named in (
        "'dya'",
        "'-5s' is no window",
        "'100ms'",
        "'Europe/Berln'",
        "acme",
        "'Mars/Phobos'",
        "'weak'",
    ):
        assert named in message
    assert "'-5s' is not a length of time" in message


@pytest.mark.parametrize("value", ["-5", "5", "true", "1.5", "[]", '"-5s"'])
def test_a_length_without_a_unit_is_refused_in_the_settings_file_too(tmp_path: Path, value: str) -> None:
    (tmp_path / "funnelproof.toml").write_text(f"grace = {value}\nretention = {{ hour = -3 }}\n", "utf-8")
    told = complaints()
    assert [line.partition(":")[0] for line in told] == ["FUNNELPROOF_GRACE", "FUNNELPROOF_RETENTION"]


def test_a_negative_length_is_refused_however_it_is_given() -> None:
    with pytest.raises(SettingsError, match="FUNNELPROOF_GRACE"):
        load_settings(grace=timedelta(seconds=-1))


def test_the_settings_file_may_hold_everything(tmp_path: Path) -> None:
    (tmp_path / "funnelproof.toml").write_text(
        'windows = ["hour", "15s"]\ntimezone = "Asia/Tokyo"\ngrace = "5s"\n'
        f'retention = {{ hour = "2y" }}\n[tenant_timezones]\n"{TENANT}" = "Europe/Berlin"\n',
        "utf-8",
    )
    settings = load_settings()
    assert settings.windows == ("hour", "15s")
    assert settings.grace.total_seconds() == 5
    assert settings.retention["hour"].days == 730
    assert settings.own_timezones == {TENANT: "Europe/Berlin"}


@pytest.mark.parametrize("windows", ["36526d", "0s", "hour,hour", ""])
def test_windows_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch, windows: str) -> None:
    monkeypatch.setenv(PREFIX + "WINDOWS", windows)
    assert [line.partition(":")[0] for line in complaints()] == [PREFIX + "WINDOWS"]


def test_a_misspelt_setting_is_answered_with_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNNELPROOF_SORCE_DSN", "x")
    monkeypatch.setenv("FUNNELPROOF_XYZZY", "x")
    Path("funnelproof.toml").write_text('repot_dsn = "x"', "utf-8")
    assert set(complaints()) == {
        "FUNNELPROOF_SORCE_DSN: no such setting, did you mean FUNNELPROOF_SOURCE_DSN?",
        "FUNNELPROOF_XYZZY: no such setting",
        "FUNNELPROOF_REPOT_DSN: no such setting, did you mean FUNNELPROOF_REPORT_DSN?",
    }


@pytest.mark.parametrize(
    "address",
    ["funnels.example", "ftp://host", "https://", "https://me:pw@host", "https://host/?a=b", "https://a b"],
)
def test_an_address_that_makes_no_links_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DASHBOARD_URL", address)
    assert complaints() == [
        f"{PREFIX}DASHBOARD_URL: is no address for links: write it as https://host, without user and question mark"
    ]


def test_an_address_for_links_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DASHBOARD_URL", "https://funnels.example/sales/")
    assert load_settings().dashboard_url == "https://funnels.example/sales"
