"""Online evaluation: what a model offers online is declared here and recorded at build; `swcli model serve` is not built yet."""

from __future__ import annotations

from starwhale.handlers.service import SERVICES, LLMChat, Service, ServiceType, TextToImage

api = SERVICES.api

__all__ = ["LLMChat", "Service", "ServiceType", "TextToImage", "api"]
