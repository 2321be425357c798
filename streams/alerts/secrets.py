"""Secrets of a rule file: in the environment, in a file of their own, or as plain text. No secret is ever printed."""

import base64
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.networks import AnyHttpUrl
from pydantic_core import PydanticCustomError, Url

_STANDARD = "whsec_"
_FORMS = 'text, as "env:NAME", "file:/path" or the value itself'


def read_secret(value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
    """Return the secret that `value` names: `env:NAME`, `file:/path`, or the secret itself.

    The line's end at a file's end is no part of the secret. Raises ValueError, with the reference and never with a
    secret, if there is no such variable or file, or if the secret is empty.
    """
    if not isinstance(value, str):
        raise ValueError(f"is no secret: write {_FORMS}")  # noqa: TRY004 - for pydantic
    kind, colon, name = value.partition(":")
    if not colon or kind not in ("env", "file"):
        secret, where = value, "the secret"
    elif kind == "env":
        secret, where = _from_environment(name), value
    else:
        secret, where = _from_file(name), value
    if not secret.strip():
        raise ValueError(f"{where} is empty")
    return secret


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ValueError(f"env:{name} cannot be read: set the environment variable {name}") from None


def _from_file(name: str) -> str:
    try:
        return Path(name).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"file:{name} cannot be read: {error.strerror}") from None
    except ValueError:  # no UTF-8, or no path at all
        raise ValueError(f"file:{name} cannot be read: it holds no text in UTF-8") from None


def _web_address(secret: SecretStr) -> SecretStr:
    try:
        Url(secret.get_secret_value())
        AnyHttpUrl(secret.get_secret_value())
    except ValueError:
        raise PydanticCustomError("address", "is no address: write http://host or https://host") from None
    return secret


def _service_address(secret: SecretStr) -> SecretStr:
    if "://" not in secret.get_secret_value():
        raise PydanticCustomError("address", "is no address of Apprise: write service://...")
    return secret


def _signing_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text.startswith(_STANDARD):
        key = text.removeprefix(_STANDARD).strip()
        try:
            base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
        except ValueError:
            key = ""
        if not key:
            raise PydanticCustomError("secret", "is no secret: base64 follows whsec_, or whsec_ is left out")
    return secret


Secret = Annotated[SecretStr, BeforeValidator(read_secret), Field(json_schema_extra={"writeOnly": True})]
WebAddress = Annotated[Secret, AfterValidator(_web_address)]
"""An http:// or https:// address. The address is a secret: many services put a token into the path."""
SigningSecret = Annotated[Secret, AfterValidator(_signing_key)]
"""A secret of Standard Webhooks: base64 behind `whsec_`, else the text itself."""
ServiceAddress = Annotated[Secret, AfterValidator(_service_address)]
"""An address of a service in the form of Apprise, for example `mailtos://user:password@host`."""
