"""The page's files: served under names with a digest, so that a browser keeps each for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file: public name, bytes and media type."""

    name: str
    body: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Return the files by public name, for example `page.1f0c2b7a9d3e.css`."""
    found = {}
    for file in (resources.files("streams.web") / "assets").iterdir():
        stem, _, ending = file.name.rpartition(".")
        if ending in MEDIA:
            body = file.read_bytes()
            name = f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}"
            found[name] = Asset(name, body, MEDIA[ending])
    return found


@cache
def asset_url(name: str) -> str:
    """Return the path of the file `name`. Raises KeyError for a name without a file."""
    stem, _, ending = name.rpartition(".")
    for public in assets():
        if (
            public.startswith(f"{stem}.")
            and public.endswith(f".{ending}")
            and public.count(".") == name.count(".") + 1
        ):
            return f"/assets/{public}"
    raise KeyError(name)
