import pytest

from streams.domain.proof import OpenTransaction


@pytest.mark.parametrize(
    ("transaction", "said"),
    [
        (OpenTransaction("3/7", 42, None, "crm", "import", 61.4), "pid 42 (crm, import), open for 61 s"),
        (OpenTransaction("3/7", 42, None, "crm", ""), "pid 42 (crm)"),
        (OpenTransaction("-1/7", None, None, None, None), "prepared transaction -1/7"),
        (
            OpenTransaction("-1/7", None, None, "crm", "tx 9", 61.4),
            "prepared transaction 'tx 9' (crm), open for 61 s",
        ),
    ],
)
def test_an_open_transaction_is_named_so_that_its_owner_is_found(
    transaction: OpenTransaction, said: str
) -> None:
    assert transaction.description == said
