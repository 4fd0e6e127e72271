"""`starwhale.utils.config`: the user's configuration file, for scripts that look into it."""

from __future__ import annotations

from typing import Any

from starwhale.instances.place.configuration import read_configuration
from starwhale.settings import read_settings


def load_swcli_config() -> dict[str, Any]:  # Any: YAML
    """Return what the configuration file says; an empty mapping where there is none.

    Raises:
        UsageError: It cannot be read.
    """
    return dict(read_configuration(read_settings().config_path).data)


__all__ = ["load_swcli_config"]
