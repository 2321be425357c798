"""A private authority, and servers' certificates from it: right ones, expired ones, ones for other hosts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Authority:
    """Signs certificates; `file` is the authority's own certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *identities: str, expired: bool = False) -> Path:
        """Write a key and its certificate, signed for `identities`, into one PEM file, and into files of their own.

        These end in `.key` and `.crt`, and `.pk8` for the key in Java's form.
        """
        end = datetime.now(UTC) - timedelta(days=1) if expired else None
        begin = datetime.now(UTC) - timedelta(days=30) if expired else None
        issued = self._authority.issue_cert(*identities, not_before=begin, not_after=end)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        # Java reads no other form.
        told = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self._folder / f"{name}.pem"
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        file.write_bytes(told + chain)
        file.with_suffix(".key").write_bytes(told)
        file.with_suffix(".pk8").touch(mode=0o600)  # Debezium's driver takes no file that others may read
        file.with_suffix(".pk8").write_bytes(
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        )
        file.with_suffix(".crt").write_bytes(chain)
        return file
