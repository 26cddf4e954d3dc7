"""The OpenAI-compatible server as a FastAPI application."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from adaptive_reasoner.integrations.context import Tenants
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.server.answering import Answerer, ServedAction
from adaptive_reasoner.server.chat import ChatWire
from adaptive_reasoner.server.chat_request import ChatRequest
from adaptive_reasoner.server.endpoint import Endpoint
from adaptive_reasoner.server.errors import Problem, RequestError, draining
from adaptive_reasoner.server.keys import Caller, KeyFile
from adaptive_reasoner.server.limits import Gate, LimitedApp, Limits
from adaptive_reasoner.server.metrics import MEDIA_TYPE, Metrics
from adaptive_reasoner.server.repeats import Repeats
from adaptive_reasoner.server.responses import ResponsesWire
from adaptive_reasoner.server.responses_request import ResponsesRequest

_INVALID = "invalid_request_error"

_NO_BODY = "the body is empty; a JSON object is needed"
_UNREADABLE = "the body is not JSON in UTF-8, or is nested too deeply"

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": told, "content": {"application/json": {"schema": _ERROR}}}
    for status, told in {
        400: "The request is wrong.",
        401: "The API key is missing or unknown.",
        402: "The budget has no room for it.",
        403: "The key belongs to another tenant.",
        404: "There is no such model.",
        408: "The body did not arrive in time.",
        409: "The Idempotency-Key was charged, and its answer is not kept.",
        413: "The body is too large.",
        422: "The Idempotency-Key was used for another request.",
        429: "Too many requests, here or upstream.",
        500: "A fault of the server.",
        502: "The model's endpoint failed.",
        503: "The server is shutting down, or the ledger or the model is not available.",
        504: "The answer took too long.",
    }.items()
}


def app(
    reasoner: AdaptiveReasoner,
    *,
    actions: Mapping[str, ServedAction] | None = None,
    keys: KeyFile | None = None,
    open_tenant: Callable[[str], Ledger] | None = None,
    limits: Limits | None = None,
    connections: AbstractAsyncContextManager[Any] | None = None,
) -> FastAPI:
    """The server of a reasoner, as an ASGI application.

    Its routes are `/v1/chat/completions`, `/v1/responses`, `/v1/models`, `/healthz` and `/metrics`. It
    closes the ledger when it shuts down. `app.state.gate` counts the requests in flight.

    Args:
        reasoner: Decides, calls and settles.
        actions: The actions that a request can name as its model; by default those of the policy.
        keys: The API keys; without any, every client that reaches the server may ask, for any tenant.
        open_tenant: Opens a tenant's own ledger by name; by default tenants are counted in memory.
        limits: The limits of the server.
        connections: Those of the models, open while the server runs; by default each model keeps its own.

    Example:
        >>> from fastapi.testclient import TestClient
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import SampleMeter
        >>> model = FakeListChatModel(responses=["Answer: 7"])
        >>> served = app(AdaptiveReasoner(model, budget=3.0, meter=SampleMeter()))
        >>> question = {"role": "user", "content": "What is 3 + 4?"}
        >>> asked = {"model": "adaptive", "messages": [question]}
        >>> with TestClient(served) as client:
        ...     answer = client.post("/v1/chat/completions", json=asked).json()
        >>> answer["choices"][0]["message"]["content"]
        'Answer: 7'
    """
    limits = limits or Limits()
    gate = Gate(limits.concurrency)
    tenants = Tenants(reasoner.ledger, open_tenant)
    named = {name: ServedAction(reasoner.actions[name]) for name in reasoner.policy.actions}
    answerer = Answerer(reasoner, named if actions is None else actions, tenants)
    metrics = Metrics(gate, reasoner.ledger.cost_unit)
    endpoint = Endpoint(answerer, Repeats(), metrics, limits, gate.cut)
    for tenant in keys.tenants if keys else ():
        tenants.ledger_of(tenant)

    async def caller(request: Request) -> Caller:
        return Caller() if keys is None else keys.caller(request.headers.get("authorization"))

    Asking = Annotated[Caller, Depends(caller)]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with connections or nullcontext():
            yield
        tenants.close()

    served = FastAPI(
        title="adaptive_reasoner",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to an address that may be none behind a proxy, and without TLS
    )
    served.state.gate = gate
    served.add_middleware(LimitedApp, gate=gate, limits=limits, observe=metrics.count)
    _add_error_handlers(served)

    @served.post("/v1/chat/completions", responses=_ERRORS)
    async def chat_completions(request: Request, body: ChatRequest, who: Asking) -> Response:
        return await endpoint.reply(request, who, lambda key: ChatWire(body, key))

    @served.post("/v1/responses", responses=_ERRORS)
    async def responses(request: Request, body: ResponsesRequest, who: Asking) -> Response:
        return await endpoint.reply(request, who, lambda key: ResponsesWire(body, key))

    @served.get("/v1/models", responses={401: _ERRORS[401]})
    async def models(_: Asking) -> dict[str, Any]:
        return {"object": "list", "data": [_model(name) for name in answerer.models]}

    @served.get("/v1/models/{name}", responses={401: _ERRORS[401], 404: _ERRORS[404]})
    async def model(name: str, _: Asking) -> dict[str, Any]:
        if name not in answerer.models:
            raise RequestError(
                f"there is no model {name[:80]!r}", status=404, code="model_not_found", param="model"
            )
        return _model(name)

    @served.get("/healthz", responses={503: _ERRORS[503]})
    async def healthz() -> Response:
        if gate.draining:
            return _problem(draining().problem)
        return JSONResponse({"status": "ok"})

    @served.get("/metrics", responses={401: _ERRORS[401]}, response_class=Response)
    async def prometheus(_: Asking) -> Response:
        return Response(await metrics.text(reasoner.ledger), media_type=MEDIA_TYPE)

    return served


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "adaptive_reasoner"}


def _problem(problem: Problem) -> Response:
    return JSONResponse(problem.body, problem.status, dict(problem.headers))


def _depth(error: Mapping[str, Any]) -> int:
    """How near an error is to what is wrong: where a text or a list may stand, a list is no wrong text."""
    where: tuple[str | int, ...] = error["loc"]
    return len(where) - int(where[-1] == "str")


def _place(error: Mapping[str, Any], body: Any) -> str:
    """Where in a body an error is, without the names of the types that could stand there."""
    *around, last = error["loc"][1:] or ("",)
    found = list[str]()
    for part in (*around, last):
        if (isinstance(body, dict) and part in body) or (isinstance(body, list) and isinstance(part, int)):
            body = body[part]
        elif part is not last or error["type"] != "missing":
            continue
        found.append(str(part))
    return ".".join(found)


def _add_error_handlers(served: FastAPI) -> None:
    @served.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return _problem(error.problem)

    @served.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = max(error.errors(), key=_depth)
        place = _place(first, error.body)
        if first["type"] == "json_invalid":
            return _problem(Problem(400, "invalid_json", "the body is not JSON", _INVALID))
        if first["type"] == "extra_forbidden":
            unknown = f"there is no parameter {place}, or it is not supported"
            return _problem(Problem(400, "unknown_parameter", unknown, _INVALID, place))
        message = first["msg"].removeprefix("Value error, ") if error.body is not None else _NO_BODY
        told = f"{place}: {message}" if place else message
        return _problem(Problem(400, "invalid_value", told, _INVALID, place or None))

    @served.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI could not read the body, and does not say why
            return _problem(Problem(400, "invalid_json", _UNREADABLE, _INVALID))
        codes = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "invalid_request")
        return _problem(
            Problem(error.status_code, code, str(error.detail), _INVALID, headers=error.headers or {})
        )

    @served.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return _problem(Problem(500, "internal_error", f"a fault of the server: {type(error).__name__}"))
