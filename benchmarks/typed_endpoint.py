"""What a typed handler costs: CPU time of the server process for one request, JSON in and out, under uvicorn.

Atoll with everything on (problems, context, metrics) against the bare idea of a typed endpoint, which has none of
these, against Starlette as it is mostly used, and against ASGI by hand. Wants `wrk`; the server has a processor of
its own.
"""

import contextlib
import inspect
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.measuring import cpu_seconds, free_ports, running, say, table, wrk

CONNECTIONS = 64
SECONDS = 2.0
ROUNDS = 5

GET_PATH = "/products/0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11"
POST_PATH = "/products"
NEW_PRODUCT = json.dumps(
    {"name": "Desk lamp", "price": 34.5, "category": "home", "stock": 12, "description": "Warm white"}
)

Asgi = Callable[..., Any]


class Product(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    name: str
    description: str
    price: float
    category: str
    stock: int
    created_at: str


class NewProduct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    name: str
    price: float
    category: str
    description: str = ""
    stock: int = 0


def _product(id: str, new: NewProduct) -> Product:
    return Product(
        id=id,
        name=new.name,
        description=new.description,
        price=new.price,
        category=new.category,
        stock=new.stock,
        created_at="2026-11-22T06:30:51.347Z",
    )


LAMP = NewProduct(name="Desk lamp", price=34.5, category="home", stock=12, description="Warm white, with a dimmer")


async def get_product(product_id: str) -> Product:
    return _product(product_id, LAMP)


async def add_product(new: NewProduct) -> Product:
    return _product("0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11", new)


def atoll() -> Asgi:
    """A `Service`."""
    from atoll.endpoints import Route
    from atoll.service import Service

    routes = [Route("GET", "/products/{product_id}", get_product), Route("POST", "/products", add_product, status=201)]
    return Service("products", routes).app


def bare_idea() -> Asgi:
    """A typed endpoint and nothing else: a wrong body is a 500, nothing is measured, nobody knows the trace."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    encoder = msgspec.json.Encoder()

    class Typed:
        def __init__(self, handler: Callable[..., Any], status: int) -> None:
            self.handler = handler
            self.status = status
            self.decoders: dict[str, msgspec.json.Decoder[Any]] = {}
            self.names = []
            for name, parameter in inspect.signature(handler).parameters.items():
                if parameter.annotation is str:
                    self.names.append(name)
                else:
                    self.decoders[name] = msgspec.json.Decoder(parameter.annotation)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            arguments = {name: scope["path_params"][name] for name in self.names}
            for name, decoder in self.decoders.items():
                arguments[name] = decoder.decode(await _read(receive))
            body = encoder.encode(await self.handler(**arguments))
            await _send(send, self.status, body)

    return Starlette(
        routes=[
            Route("/products/{product_id}", Typed(get_product, 200), methods=["GET"]),
            Route("/products", Typed(add_product, 201), methods=["POST"]),
        ]
    )


def starlette() -> Asgi:
    """Request and JSONResponse, with the body checked by msgspec."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def get(request: Request) -> JSONResponse:
        return JSONResponse(msgspec.to_builtins(await get_product(request.path_params["product_id"])))

    async def add(request: Request) -> JSONResponse:
        new = msgspec.convert(await request.json(), NewProduct)
        return JSONResponse(msgspec.to_builtins(await add_product(new)), 201)

    return Starlette(
        routes=[Route("/products/{product_id}", get, methods=["GET"]), Route("/products", add, methods=["POST"])]
    )


def bare_asgi() -> Asgi:
    """No framework at all."""
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder(NewProduct).decode

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await _send(send, 200, encode(await get_product(scope["path"][10:])))
        else:
            await _send(send, 201, encode(await add_product(decode(await _read(receive)))))

    return app


async def _read(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


async def _send(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


REFERENCE = "the bare idea of a typed endpoint"
APPS: dict[str, Callable[[], Asgi]] = {
    "bare ASGI": bare_asgi,
    REFERENCE: bare_idea,
    "**Atoll: typed endpoint, everything on**": atoll,
    "Starlette: Request, JSONResponse": starlette,
}


def serve(name: str, port: int) -> None:
    """Be the server of one of the apps."""
    import uvicorn

    uvicorn.run(
        APPS[name](),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        proxy_headers=False,
        lifespan="off",
    )


def run() -> list[Sequence[object]]:
    """Rows of: the app, CPU µs for a GET, for a POST, and both as multiples of the bare idea."""
    with contextlib.ExitStack() as stack:
        servers = {name: _start(name, stack) for name in APPS}
        _rounds(servers, "GET", 1)  # to warm up
        gets = _rounds(servers, "GET", ROUNDS)
        posts = _rounds(servers, "POST", ROUNDS)
    for name in APPS:
        say(f"{name}: GET {gets[name]:.1f} µs, POST {posts[name]:.1f} µs")
    return [(name, f"{gets[name]:.1f}", f"{posts[name]:.1f}", _ratio(gets, name), _ratio(posts, name)) for name in APPS]


def _start(name: str, stack: contextlib.ExitStack) -> tuple[int, int]:
    """Process id and port of a server of the app, on the first processor."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.typed_endpoint", "serve", name, str(port)]
    return stack.enter_context(running(command, port=port, cpu=0)).pid, port


def _rounds(servers: dict[str, tuple[int, int]], method: str, rounds: int) -> dict[str, float]:
    """The median of `rounds` measurements, taken in turns, so that a busy minute is everybody's."""
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (pid, port) in servers.items():
            taken[name].append(_micros(pid, port, method))
    return {name: statistics.median(micros) for name, micros in taken.items()}


def _ratio(micros: dict[str, float], name: str) -> str:
    return f"{micros[name] / micros[REFERENCE]:.2f}"


def _micros(pid: int, port: int, method: str) -> float:
    """Microseconds of CPU time that one request costs the server."""
    path, body = (GET_PATH, "") if method == "GET" else (POST_PATH, NEW_PRODUCT)
    headers = {"Content-Type": "application/json"} if body else {}
    before = cpu_seconds([pid])
    load = wrk(
        f"http://127.0.0.1:{port}{path}",
        connections=CONNECTIONS,
        seconds=SECONDS,
        method=method,
        body=body,
        headers=headers,
    )
    if load.failed:
        raise RuntimeError(f"{load.failed} of {load.requests} requests failed")
    return (cpu_seconds([pid]) - before) / load.requests * 1e6


def report() -> str:
    """The rows as a Markdown table."""
    columns = ["app", "GET, CPU µs", "POST, CPU µs", "GET ratio", "POST ratio"]
    return table("CPU time of a service for one request, JSON in and out", columns, run())


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        print(report())
