from uuid import UUID

import pytest

from streams.domain.timezone import check_timezone, parse_tenant_timezones

HERE, THERE = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Etc/GMT+3", "America/Argentina/Ushuaia"])
def test_a_timezone_is_known_by_its_name(name: str) -> None:
    assert check_timezone(name) == name


@pytest.mark.parametrize("name", ["", "Europe/Berln", "/etc/localtime", "../UTC", "Europe", "UTC+1"])
def test_what_is_no_timezone_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not a timezone: write it as Europe/Berlin"):
        check_timezone(name)


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "right/UTC", "posix/UTC"])
def test_a_name_that_means_something_else_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not a timezone"):
        check_timezone(name)


@pytest.mark.parametrize(
    "given",
    [
        f"{HERE}=Asia/Tokyo, {THERE} = UTC,",
        {HERE: "Asia/Tokyo", THERE: "UTC"},
        {str(HERE): "Asia/Tokyo", THERE: "UTC"},
    ],
)
def test_tenants_may_have_timezones_of_their_own(given: object) -> None:
    assert parse_tenant_timezones(given) == {HERE: "Asia/Tokyo", THERE: "UTC"}


def test_every_wrong_tenant_and_timezone_is_named() -> None:
    with pytest.raises(ValueError, match="Mars") as refused:
        parse_tenant_timezones(f"acme=UTC,{HERE}=Mars/Phobos,{THERE},{HERE}=UTC,{HERE}=UTC")
    assert str(refused.value).split("; ") == [
        "acme: is no tenant's UUID",
        f"{HERE}: 'Mars/Phobos' is not a timezone: write it as Europe/Berlin or UTC",
        f"{THERE}: '' is not a timezone: write it as Europe/Berlin or UTC",
        f"{HERE}: is named twice",
    ]


def test_what_is_no_table_of_tenants_is_refused() -> None:
    with pytest.raises(ValueError, match="write it as id=Asia/Tokyo"):
        parse_tenant_timezones(3)
