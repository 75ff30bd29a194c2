"""Which protocol to use: pure functions of what a server can do and what was chosen for it."""

from __future__ import annotations

from typing import TypeVar

from .config import QueryProtocol, RetrieveProtocol, ServerConfig, StoreProtocol
from .errors import PermanentDicomError

_T = TypeVar("_T")


def query_protocols(server: ServerConfig) -> list[QueryProtocol]:
    """C-FIND, else QIDO-RS; the preferred one first."""
    supported: list[QueryProtocol] = []
    if server.patient_root_find_support or server.study_root_find_support:
        supported.append(QueryProtocol.C_FIND)
    if server.dicomweb_qido_support and server.dicomweb_root_url:
        supported.append(QueryProtocol.QIDO_RS)
    return sorted(supported, key=lambda protocol: protocol != server.preferred_query)


def retrieve_protocols(server: ServerConfig, *, can_receive: bool) -> list[RetrieveProtocol]:
    """WADO-RS, else C-GET, else C-MOVE (only where there is a receiver); the preferred one first.

    WADO-RS streams a series without a dialogue for each instance, and is several times faster.
    """
    supported: list[RetrieveProtocol] = []
    if server.dicomweb_wado_support and server.dicomweb_root_url:
        supported.append(RetrieveProtocol.WADO_RS)
    if server.patient_root_get_support or server.study_root_get_support:
        supported.append(RetrieveProtocol.C_GET)
    if can_receive and (server.patient_root_move_support or server.study_root_move_support):
        supported.append(RetrieveProtocol.C_MOVE)
    return sorted(supported, key=lambda protocol: protocol != server.preferred_retrieve)


def store_protocols(server: ServerConfig) -> list[StoreProtocol]:
    """C-STORE, else STOW-RS; the preferred one first."""
    supported: list[StoreProtocol] = []
    if server.store_scp_support:
        supported.append(StoreProtocol.C_STORE)
    if server.dicomweb_stow_support and server.dicomweb_root_url:
        supported.append(StoreProtocol.STOW_RS)
    return sorted(supported, key=lambda protocol: protocol != server.preferred_store)


def choose(supported: list[_T], wanted: _T | None, server: str) -> _T:
    """The wanted protocol if the server has it, else the first.

    Raises:
        PermanentDicomError: If there is none.
    """
    if wanted is None and supported:
        return supported[0]
    if wanted is not None and wanted in supported:
        return wanted
    raise unsupported(server, "this operation" + (f" with {wanted}" if wanted else ""))


def unsupported(server: str, what: str) -> PermanentDicomError:
    """The error of a server that is not set up for what is asked of it."""
    return PermanentDicomError(
        f"{server} is not set up for {what}.",
        code="unsupported",
        advice="Check which operations are switched on for this server.",
    )
