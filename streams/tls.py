"""Certificates and keys of the program's own clients: PEM files, read and checked."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_NOT_NOW = (9, 10)  # OpenSSL's numbers for "is not yet valid" and "has expired"
_ANOTHER_HOST = (62, 64)  # and for another host name, another IP address


@dataclass(frozen=True)
class Tls:
    """The PEM files of a client: whom the client trusts, and how the client shows who it is.

    Without `ca` the client trusts the machine's own list of authorities. Without `key` the key lies in the file of the
    certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context for Python's own connections, which checks the server's certificate and host name."""
        context = ssl.create_default_context(cafile=self.ca)
        # Python 3.13 would refuse many private authorities that the other client libraries accept.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key, lambda: self.key_password or "")
        return context


def check_authority(file: Path) -> None:
    """Raise ValueError unless `file` holds certificates of authorities."""
    require_file(file)
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError as error:
        raise ValueError(f"{file} holds no certificate in PEM form") from error


def check_identity(tls: Tls) -> None:
    """Raise ValueError unless certificate and key of `tls` belong together and can be read."""
    for file in (tls.certificate, tls.key):
        if file is not None:
            require_file(file)
    try:
        Tls(None, tls.certificate, tls.key, tls.key_password).context  # noqa: B018 - the files are read by this
    except ssl.SSLError as error:
        raise ValueError(
            f"{tls.certificate} and {tls.key or 'the key in the same file'} are not a PEM certificate and its key, or "
            f"the key's password is wrong ({error.reason or error})"
        ) from error


def require_file(file: Path) -> None:
    """Raise ValueError unless `file` is a file that can be read."""
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error


def tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error behind `error`, None if there is none: client libraries wrap the error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause


def mistrust(error: ssl.SSLCertVerificationError, authority: str, address: str) -> str:
    """Return a sentence's end: why the server's certificate is not trusted, and what to do.

    `authority` and `address` name the settings of the trusted authority and of the server's address.
    """
    if error.verify_code in _NOT_NOW:
        remedy = "renew the server's certificate"
    elif error.verify_code in _ANOTHER_HOST:
        remedy = f"name the server in {address} as its certificate does"
    else:
        remedy = f"set {authority} to the authority of the server's certificate"
    return f"shows a certificate that is not trusted ({error.verify_message.rstrip('.')}): {remedy}"
