"""The gateways that are measured side by side, each in its shortest sensible configuration before two upstreams."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway_programs import door
from benchmarks.measuring import Skipped, need

NODE_MODULES = Path(__file__).with_name("peers") / "node" / "node_modules"

Command = Callable[[Path, int, Sequence[int]], Sequence[str]]
"""How to start a gateway: with a folder, at a port, in front of the upstreams' ports."""


@dataclass(frozen=True)
class Gateway:
    """One of them."""

    name: str
    command: Command


def _nginx(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    servers = " ".join(f"server 127.0.0.1:{each};" for each in upstreams)
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 4096; }}
        http {{
            log_format json escape=json '{{"time":"$time_iso8601","uri":"$uri","status":$status,"t":$request_time}}';
            access_log {folder}/access.log json buffer=64k flush=1s;
            keepalive_requests 100000000;
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            upstream things {{ {servers} keepalive 128; keepalive_requests 100000000; }}
            server {{ listen 127.0.0.1:{port};
                location /api/things {{ rewrite ^/api(.*)$ $1 break; proxy_pass http://things;
                    proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id; }} }}
        }}"""
    )
    return [need("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def _haproxy(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    servers = "\n".join(f"  server s{each} 127.0.0.1:{each} maxconn 1000" for each in upstreams)
    (folder / "haproxy.cfg").write_text(
        f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend door
  bind 127.0.0.1:{port}
  use_backend things if {{ path_beg /api/things }}
backend things
  balance leastconn
  option forwardfor
  http-request replace-path /api(/.*) \\1
{servers}
"""
    )
    return [need("haproxy"), "-q", "-f", str(folder / "haproxy.cfg")]


def _caddy(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
    targets = " ".join(f"127.0.0.1:{each}" for each in upstreams)
    (folder / "Caddyfile").write_text(
        f"""{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  handle_path /api/* {{
    rewrite * {{path}}
    reverse_proxy {targets} {{
      lb_policy least_conn
    }}
  }}
}}
"""
    )
    return ["env", "GOMAXPROCS=1", f"HOME={folder}", need("caddy"), "run", "--config", str(folder / "Caddyfile")]


def _node(program: str) -> Command:
    def command(folder: Path, port: int, upstreams: Sequence[int]) -> Sequence[str]:
        if not NODE_MODULES.is_dir():
            raise Skipped(f"its packages are not installed (npm install in {NODE_MODULES.parent.name})")
        script = folder / "gateway.js"
        script.write_text(program)
        return ["env", f"NODE_PATH={NODE_MODULES}", need("node"), str(script), str(port), *map(str, upstreams)]

    return command


EXPRESS = """
const [port, upstream] = process.argv.slice(2);
const { createProxyMiddleware } = require("http-proxy-middleware");
const agent = new (require("http").Agent)({ keepAlive: true, maxSockets: 256 });
const target = `http://127.0.0.1:${upstream}`;
require("express")()
  .use("/api/things", createProxyMiddleware({ target, agent, pathRewrite: { "^/api": "" }, logLevel: "silent" }))
  .listen(port, "127.0.0.1");
"""

FASTIFY = """
const [port, upstream] = process.argv.slice(2);
const app = require("fastify")();
const target = `http://127.0.0.1:${upstream}`;
app.register(require("@fastify/http-proxy"), { upstream: target, prefix: "/api/things", rewritePrefix: "/things" });
app.listen({ port: Number(port), host: "127.0.0.1" });
"""

OURS = Gateway("Atoll", door)
NGINX = Gateway("nginx, one worker", _nginx)
GATEWAYS = (
    OURS,
    NGINX,
    Gateway("HAProxy, one thread", _haproxy),
    Gateway("Caddy, GOMAXPROCS=1", _caddy),
    Gateway("Fastify http-proxy", _node(FASTIFY)),
    Gateway("Express, keep-alive agent", _node(EXPRESS)),
)
