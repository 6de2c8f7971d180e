"""What is patched, in one table, when the program imports it. Installing twice is a no-op; removing restores the same objects.

Installing is light: what the patches need is imported with the first SDK, so that a program without one pays nothing.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt

if TYPE_CHECKING:
    from otel_agenttrace_instrumentation.tap import Tap

__all__ = ["HTTP_LIBRARIES", "PROVIDERS", "Seam", "are_told", "install", "missing_seams", "seams", "uninstall"]

_log = logging.getLogger("otel_agenttrace")

HTTP_LIBRARIES: Final = ("httpx", "httpx2")
PROVIDERS: Final = ("openai", "anthropic")


@dataclass(frozen=True, slots=True)
class Seam:
    """One place that is patched once the module is imported: an attribute of a class in it, or a function where none is named.

    An optional one may be missing: not all releases have it.
    """

    module: str
    owner: str
    attribute: str
    make: Callable[[ModuleType], Callable[..., Any]]
    is_optional: bool = False

    @property
    def name(self) -> str:
        """The place as a reader would look for it."""
        return ".".join(filter(None, (self.module, self.owner, self.attribute)))


# --- the HTTP clients -------------------------------------------------------------------------------------------------


def _tapped(kind: str) -> Callable[[ModuleType], Callable[..., Any]]:
    def make(module: ModuleType) -> Callable[..., Any]:
        transport = getattr(_tap_of(module), kind)

        def wrapper(wrapped: Callable[..., Any], client: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            inner = wrapped(*args, **kwargs)
            return inner if isinstance(inner, transport) else transport(inner, client)

        return wrapper

    return make


@functools.cache
def _tap_of(module: ModuleType) -> Tap:
    from otel_agenttrace_instrumentation.tap import Tap

    return Tap(module)


# --- the logical calls of the SDKs ------------------------------------------------------------------------------------


def _request(module: ModuleType) -> Callable[..., Any]:
    from otel_agenttrace_instrumentation.border import Interrupt
    from otel_agenttrace_instrumentation.calls import LogicalCall, current_call

    library = module.__name__.partition(".")[0]

    def wrapper(wrapped: Callable[..., Any], sdk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = LogicalCall(library, getattr(sdk, "_client", None), _given(args, kwargs))
        token = current_call.set(call)
        try:
            result = wrapped(*args, **kwargs)
        except Interrupt as interrupt:
            call.returned(interrupt.error)
            raise interrupt.error from None
        except BaseException as error:
            call.returned(error)
            raise
        finally:
            current_call.reset(token)
        call.returned()
        return result

    return wrapper


def _async_request(module: ModuleType) -> Callable[..., Any]:
    from otel_agenttrace_instrumentation.border import Interrupt
    from otel_agenttrace_instrumentation.calls import LogicalCall, current_call

    library = module.__name__.partition(".")[0]

    async def run(
        wrapped: Callable[..., Awaitable[Any]], sdk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = LogicalCall(library, getattr(sdk, "_client", None), _given(args, kwargs))
        token = current_call.set(call)
        try:
            result = await wrapped(*args, **kwargs)
        except Interrupt as interrupt:
            call.returned(interrupt.error)
            raise interrupt.error from None
        except BaseException as error:
            call.returned(error)
            raise
        finally:
            current_call.reset(token)
        call.returned()
        return result

    def wrapper(wrapped: Callable[..., Any], sdk: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return run(wrapped, sdk, args, kwargs)

    return wrapper


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the body of a request as the SDK has it, `request(cast_to, options)`, if that is all that is sent."""
    options = kwargs.get("options", args[1] if len(args) > 1 else None)
    body = getattr(options, "json_data", None)
    return cast("Any", body) if isinstance(body, dict) and not getattr(options, "extra_json", None) else None


def _retry_timeout(_: ModuleType) -> Callable[..., Any]:
    from otel_agenttrace_instrumentation.calls import current_call

    def wrapper(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = current_call.get()
        return wrapped(*args, **kwargs) if call is None else call.retry_after_s(lambda: wrapped(*args, **kwargs))

    return wrapper


# --- the credentials of clouds ----------------------------------------------------------------------------------------

_AZURE: Final = (
    "AzureCliCredential",
    "AzureDeveloperCliCredential",
    "ChainedTokenCredential",
    "DefaultAzureCredential",
    "EnvironmentCredential",
    "ManagedIdentityCredential",
    "SharedTokenCacheCredential",
)
_AZURE_PLACES: Final = tuple(
    place
    for package in ("azure.identity", "azure.identity.aio")
    for place in (*((package, name) for name in _AZURE), (f"{package}._internal.get_token_mixin", "GetTokenMixin"))
)
_GOOGLE_PLACES: Final = (
    ("google.auth.credentials", "CredentialsWithRegionalAccessBoundary"),
    ("google.auth.compute_engine.credentials", "Credentials"),
    ("google.oauth2.credentials", "Credentials"),
    ("google.oauth2.service_account", "Credentials"),
)


def _lent(kind: str) -> Callable[[ModuleType], Callable[..., Any]]:
    def make(module: ModuleType) -> Callable[..., Any]:
        from otel_agenttrace_instrumentation import credentials

        return getattr(credentials, kind)(module)

    return make


_TABLE: Final = (
    *(Seam(name, "Client", "_transport_for_url", _tapped("transport")) for name in HTTP_LIBRARIES),
    *(Seam(name, "AsyncClient", "_transport_for_url", _tapped("async_transport")) for name in HTTP_LIBRARIES),
    *(Seam(f"{name}._base_client", "SyncAPIClient", "request", _request) for name in PROVIDERS),
    *(Seam(f"{name}._base_client", "AsyncAPIClient", "request", _async_request) for name in PROVIDERS),
    *(Seam(f"{name}._base_client", "BaseClient", "_calculate_retry_timeout", _retry_timeout) for name in PROVIDERS),
    *(Seam(*place, "get_token", _lent("azure_token"), is_optional=True) for place in _AZURE_PLACES),
    *(Seam(*place, "get_token_info", _lent("azure_token_info"), is_optional=True) for place in _AZURE_PLACES),
    Seam("google.auth", "", "default", _lent("google_default")),
    *(Seam(*place, "refresh", _lent("google_refresh"), is_optional=True) for place in _GOOGLE_PLACES),
    Seam("botocore.session", "Session", "get_credentials", _lent("aws")),
)


def seams() -> tuple[Seam, ...]:
    """Return every place that is patched."""
    return _TABLE


# --- installing -------------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_holders: set[object] = set()
_on_guard = threading.Event()
_hooked: set[str] = set()
_patched: dict[str, tuple[type | ModuleType, object, object]] = {}
_missing: dict[str, str] = {}


def install(holder: object) -> None:
    """Patch each place now if its module is imported, else when it is. The patches stay as long as somebody holds them."""
    with _lock:
        _holders.add(holder)
        for name in dict.fromkeys(seam.module for seam in _TABLE):
            if name not in _hooked:
                _hooked.add(name)
                wrapt.register_post_import_hook(_patch_module, name)
            else:
                _patch_imported(name)


def uninstall(holder: object, *, stay_on_guard: bool = False) -> None:
    """Let go; with the last holder the very same objects are put back.

    A place that somebody has wrapped since keeps our wrapper, which then passes everything on.

    Args:
        holder: What `install` was given.
        stay_on_guard: Whether the patches stay, silent, for what was begun inside a replay and outlives it.
    """
    with _lock:
        _holders.discard(holder)
        if stay_on_guard:
            _on_guard.set()
        if _is_held():
            return
        for name, (owner, original, ours) in tuple(_patched.items()):
            attribute = name.rpartition(".")[2]
            if vars(owner).get(attribute) is ours:
                setattr(owner, attribute, original)
                del _patched[name]


def are_told() -> bool:
    """Whether anybody wants to hear of calls that no session takes."""
    return bool(_holders)


def _is_held() -> bool:
    return bool(_holders) or _on_guard.is_set()


def _patch_imported(name: str) -> None:
    module = sys.modules.get(name)
    if module is not None:
        _patch_module(module)


def _patch_module(module: ModuleType) -> None:
    if not _is_held():
        return
    for seam in _TABLE:
        if seam.module == module.__name__:
            _patch(seam, module)


def _patch(seam: Seam, module: ModuleType) -> None:
    if seam.name in _patched:
        return
    owner = getattr(module, seam.owner, None) if seam.owner else module
    original: object = vars(owner).get(seam.attribute) if isinstance(owner, type | ModuleType) else None
    if not isinstance(owner, type | ModuleType) or original is None:
        if seam.is_optional:
            return
        _missing[seam.name] = f"{module.__name__} {getattr(module, '__version__', '')} has no such place"
        _log.warning("seam missing: %s; its calls are not seen (otel-agenttrace doctor tells more)", seam.name)
        return
    ours = wrapt.FunctionWrapper(cast("Any", original), seam.make(module), _is_held)
    _patched[seam.name] = (owner, original, ours)
    setattr(owner, seam.attribute, ours)


def missing_seams() -> dict[str, str]:
    """Return the places that an imported module does not have, with the reason."""
    return dict(_missing)
