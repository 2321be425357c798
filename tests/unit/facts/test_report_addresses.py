import subprocess
import sys

import pytest

from streams.errors import SettingsError, UnreachableError
from streams.store.database import address, connect

SECRET = "s3cret"  # noqa: S105 - what must not be shown


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        (f"postgresql://me:{SECRET}@db.example:5432/crm", "db.example:5432/crm"),
        (f"postgresql://db.example/crm?user=me&password={SECRET}", "db.example:5432/crm"),
        (f"postgresql://me:{SECRET}@a:1,b:2/crm", "a:1,b:2/crm"),
        (f"postgresql:///crm?password={SECRET}", "the local socket/crm"),
        (f"postgresql://me:x/{SECRET}@db.example/crm", "an unreadable address"),
        (f"postgresql://me:x?{SECRET}@db.example/crm", "an unreadable address"),
        (f"postgresql://me:x[{SECRET}@db.example/crm", "an unreadable address"),
    ],
)
def test_an_address_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert address(dsn) == shown


@pytest.mark.parametrize(
    "dsn", [f"postgresql://me:x/{SECRET}@db.example/crm", f"host=db password={SECRET}", "crm"]
)
async def test_what_is_no_address_is_told_as_such_with_its_setting_and_without_the_password(dsn: str) -> None:
    with pytest.raises(SettingsError, match="FUNNELPROOF_SOURCE_DSN") as raised:
        await connect(dsn, "FUNNELPROOF_SOURCE_DSN")
    assert SECRET not in str(raised.value)


async def test_a_server_that_does_not_answer_is_named_with_its_setting_and_without_the_password(
    unused_tcp_port: int,
) -> None:
    with pytest.raises(UnreachableError) as raised:
        await connect(f"postgresql://me:{SECRET}@127.0.0.1:{unused_tcp_port}/crm", "FUNNELPROOF_SOURCE_DSN")
    told = str(raised.value)
    assert f"127.0.0.1:{unused_tcp_port}/crm" in told
    assert "FUNNELPROOF_SOURCE_DSN" in told
    assert SECRET not in told
    assert "\n" not in told


def test_importing_the_package_loads_no_driver_and_asking_for_the_report_no_faust() -> None:
    program = (
        "import sys, streams\n"
        "assert 'asyncpg' not in sys.modules\n"
        "assert streams.run_stage_conversion_report.__name__ == 'run_stage_conversion_report'\n"
        "assert 'asyncpg' in sys.modules and 'faust' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
