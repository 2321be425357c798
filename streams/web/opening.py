"""Which gate a page gets: open to this machine alone, else closed."""

from ipaddress import ip_address

from streams.errors import PreconditionError, SettingsError
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.web.gate import Gate, OpenGate, ProxyGate, TokenGate
from streams.web.tokens import tokens


async def gate_for(settings: Settings, host: str) -> Gate:
    """Return the gate of a page that listens on `host`.

    Raises PreconditionError if other machines could reach the page and nobody has a token, SettingsError if a setting
    of the proxy is missing.
    """
    peers, secret = settings.dashboard_proxy_peers, settings.dashboard_proxy_secret
    if bool(peers) != (secret is not None):
        raise SettingsError(
            "a proxy needs both FUNNELPROOF_DASHBOARD_PROXY_PEERS and FUNNELPROOF_DASHBOARD_PROXY_SECRET"
        )
    if secret is not None:
        return ProxyGate(peers, secret.get_secret_value())
    if is_loopback(host):
        return OpenGate(settings.dashboard_hosts)
    async with facts_connection(settings) as connection:
        if not any(token.is_valid for token in await tokens(connection)):
            raise PreconditionError(
                f"other machines reach {host}, and nobody has a token: make one with "
                "`funnelproof dashboard token add`, or have a proxy sign people in (FUNNELPROOF_DASHBOARD_PROXY_PEERS)"
            )
    return TokenGate()


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
