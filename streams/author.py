"""The author of what is recorded: a repair, a silence."""

import getpass
import socket


def author() -> str:
    """Return the user of this process, and the machine: `ada@reports-1`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
