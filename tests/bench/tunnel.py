"""The tunnel beside its peer: remotedialer v0.6.1 behind Go's ReverseProxy.

Both carry the same load from the same driver to the same backend: TLS with the same certificate
and cipher on both legs, keep-alive, five interleaved rounds, medians. Ours also does what the
peer does not: who is asking, the rules for requests, a signed assertion checked at the far end,
the access log.
"""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.bench.processes import (
    Processes,
    cpu_seconds,
    first_line,
    resident_mb,
    wait_until,
)
from tests.bench.rows import Row, load_average, median
from tests.clusters.rig import RESOURCES, FakeApi, pin_of, self_signed

PEER = "remotedialer v0.6.1 + ReverseProxy"
PEER_SOURCE = Path(__file__).parent / "peer"
ROUNDS = 5
BULK_BYTES = 200_000_000
SLOW_BYTES = 100_000_000
SECONDS = 4.0

# One cipher for both: Go picks AES-128 where OpenSSL would pick AES-256.
OPENSSL_CONF = """
openssl_conf = start
[start]
ssl_conf = tls
[tls]
system_default = suites
[suites]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


@dataclass
class Tunnel:
    """A tunnel under load: where the driver goes, and the two processes that are measured."""

    name: str
    base: str
    portal: subprocess.Popen[str]
    agent: subprocess.Popen[str]


@dataclass
class Bench:
    """The parts that both tunnels share."""

    processes: Processes
    folder: Path
    peer: str

    def drive(self, tunnel: Tunnel, mode: str, path: str, **flags: Any) -> dict[str, float]:
        """Run the driver to its end and return what it measured."""
        command = self.command(tunnel, mode, path, **flags)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{tunnel.name} {mode}: {done.stderr.strip()}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        if found["errors"]:
            raise RuntimeError(f"{tunnel.name} {mode}: {found} {done.stderr.strip()}")
        return found

    def command(self, tunnel: Tunnel, mode: str, path: str, **flags: Any) -> list[str]:
        """Return the driver's command."""
        url = f"{tunnel.base}/api/v1/bench/{path}"
        extra = [f"-{name}={value}" for name, value in flags.items()]
        return [self.peer, "driver", "-url", url, "-mode", mode, *extra]


def build_peer() -> str:
    """Return the peer's program, built where it is not yet."""
    if shutil.which("go") is None:
        raise RuntimeError("the tunnel's benchmark needs Go: https://go.dev/dl")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "fleet-portal", "bench")
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / "peer"
    subprocess.run(["go", "build", "-o", str(target), "."], cwd=PEER_SOURCE, check=True)
    return str(target)


@contextmanager
def bench(**settings: str) -> Iterator[tuple[Bench, Tunnel, Tunnel]]:
    """Run both tunnels side by side: (shared, ours, peer). `settings` go to our gateway."""
    peer = build_peer()
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as name:
        folder = Path(name)
        certificate, key, _, parsed = self_signed("localhost")
        (folder / "tls.crt").write_bytes(certificate)
        (folder / "tls.key").write_bytes(key)
        (folder / "openssl.cnf").write_text(OPENSSL_CONF)
        with Processes(folder) as processes:
            gateway, port = start_gateway(processes, folder, settings)
            _write_objects(folder, port, pin_of(parsed))
            objects = str(folder / "objects.json")
            backend = first_line(processes.start(peer, "backend", "-objects", objects, read=True))
            agent = start_agent(processes, folder, backend)
            shared = Bench(processes, folder, peer)
            ours = Tunnel("ours", f"https://127.0.0.1:{port}/k8s/clusters/c1", gateway, agent)
            theirs = start_peer(shared, backend)
            for tunnel in (ours, theirs):
                wait_until(lambda tunnel=tunnel: _answers(tunnel), tunnel.name)  # type: ignore[misc]
            yield shared, ours, theirs


def start_gateway(
    processes: Processes, folder: Path, settings: dict[str, str]
) -> tuple[subprocess.Popen[str], int]:
    """Start the link's far end and the gateway; return the gateway and its port."""
    first_line(processes.python("-m", "tests.bench.portal", str(folder / "link.sock"), read=True))
    port_file = folder / "port"
    gateway = processes.python(
        "-m",
        "clusters.gateway",
        env={
            "FLEET_GATEWAY_LISTEN": "127.0.0.1:0",
            "FLEET_GATEWAY_TLS_CERT": str(folder / "tls.crt"),
            "FLEET_GATEWAY_TLS_KEY": str(folder / "tls.key"),
            "FLEET_LINK": str(folder / "link.sock"),
            "FLEET_WEB_SOCKET": str(folder / "web.sock"),
            "FLEET_ACCESS_LOG": str(folder / "access.log"),
            "FLEET_GATEWAY_PORT_FILE": str(port_file),
            "FLEET_CONNECTIONS_PER_ADDRESS": "20000",
            "FLEET_STREAMS_PER_PERSON": "5000",
            "OPENSSL_CONF": str(folder / "openssl.cnf"),
            **settings,
        },
    )
    wait_until(port_file.exists, "the gateway")
    return gateway, int(port_file.read_text())


def start_agent(processes: Processes, folder: Path, backend: str) -> subprocess.Popen[str]:
    """Start the agent on a kubeconfig for the backend."""
    config = {
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{backend}"}}],
        "users": [{"name": "bench", "user": {"token": "own"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return processes.python(
        "-m",
        "fleet_portal.agent",
        "--kubeconfig",
        str(path),
        env={"OPENSSL_CONF": str(folder / "openssl.cnf")},
    )


def start_peer(shared: Bench, backend: str) -> Tunnel:
    """Start the peer's two ends."""
    pair = ("-cert", str(shared.folder / "tls.crt"), "-key", str(shared.folder / "tls.key"))
    upstream = ("-upstream", f"127.0.0.1:{backend}")
    server = shared.processes.start(shared.peer, "server", *pair, *upstream, read=True)
    port = first_line(server)
    client = shared.processes.start(
        shared.peer, "client", "-server", f"wss://127.0.0.1:{port}/tunnel/v1"
    )
    return Tunnel("peer", f"https://127.0.0.1:{port}", server, client)


def _write_objects(folder: Path, port: int, pins: str) -> None:
    api = FakeApi(f"https://127.0.0.1:{port}", pins)
    objects = api.objects | {
        "/version": {"gitVersion": "v1.36.3"},
        "/readyz": {},
        "/api/v1": {"resources": RESOURCES},
    }
    (folder / "objects.json").write_text(json.dumps(objects))


def _answers(tunnel: Tunnel) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(  # noqa: S310 - an https address of our own
        f"{tunnel.base}/api/v1/bench/small", headers={"Authorization": "Bearer good"}
    )
    try:
        with urllib.request.urlopen(request, context=context, timeout=6) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def in_turn(
    ours: Tunnel, theirs: Tunnel, measure: Callable[[Tunnel], dict[str, float]]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Measure both, five times, one after the other; which goes first changes each round."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for number in range(ROUNDS):
        for tunnel in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            found[tunnel.name].append(measure(tunnel))
    return found["ours"], found["peer"]


def _row(
    name: str,
    unit: str,
    field: str,
    measured: tuple[list[dict[str, float]], list[dict[str, float]]],
    load: float,
    less: bool = False,
) -> Row:
    ours, theirs = (median([found[field] for found in side]) for side in measured)
    return Row(name, ours, unit, PEER, theirs, less_is_better=less, load=load)


def request_rows(shared: Bench, ours: Tunnel, theirs: Tunnel) -> list[Row]:
    """1 KiB GETs on 32 keep-alive connections."""
    load = load_average()
    for tunnel in (ours, theirs):
        shared.drive(tunnel, "requests", "small", c=32, seconds=1)
    cpu = {"ours": 0.0, "peer": 0.0}

    def measure(tunnel: Tunnel) -> dict[str, float]:
        before = cpu_seconds(tunnel.portal.pid) + cpu_seconds(tunnel.agent.pid)
        found = shared.drive(tunnel, "requests", "small", c=32, seconds=SECONDS)
        used = cpu_seconds(tunnel.portal.pid) + cpu_seconds(tunnel.agent.pid) - before
        cpu[tunnel.name] = used / found["requests"] * 1e6
        return found | {"cpu_us": cpu[tunnel.name]}

    measured = in_turn(ours, theirs, measure)
    return [
        _row("tunnel.requests_per_second", "1/s", "per_second", measured, load),
        _row("tunnel.request_p99_ms", "ms", "p99_ms", measured, load, less=True),
        _row("tunnel.request_cpu_us", "µs", "cpu_us", measured, load, less=True),
    ]


def bulk_rows(shared: Bench, ours: Tunnel, theirs: Tunnel) -> list[Row]:
    """One and eight streams of 200 MB."""
    rows = []
    for streams in (1, 8):
        load = load_average()
        path = f"bytes?n={BULK_BYTES}"
        measured = in_turn(ours, theirs, lambda t: shared.drive(t, "bulk", path, c=streams))  # noqa: B023
        name = f"tunnel.bulk_{streams}_mb_per_second"
        rows.append(_row(name, "MB/s", "mb_per_second", measured, load))
    return rows


def _rate(shared: Bench, tunnel: Tunnel) -> float:
    rounds = [
        shared.drive(tunnel, "requests", "small", c=32, seconds=SECONDS / 2) for _ in range(ROUNDS)
    ]
    return median([found["per_second"] for found in rounds])


def slow_rows(shared: Bench, ours: Tunnel, theirs: Tunnel) -> list[Row]:
    """100 slow readers of 100 MB: what the portal's memory grows by, what others lose."""
    load = load_average()
    grown, lost = {}, {}
    for tunnel in (ours, theirs):
        alone = _rate(shared, tunnel)
        before = resident_mb(tunnel.portal.pid)
        readers = shared.processes.start(
            *shared.command(tunnel, "slow", f"bytes?n={SLOW_BYTES}", c=100, rate=8192), read=True
        )
        assert first_line(readers) == "ready"
        beside = _rate(shared, tunnel)
        grown[tunnel.name] = resident_mb(tunnel.portal.pid) - before
        lost[tunnel.name] = 100 * (1 - beside / alone)
        shared.processes.end(readers, kill=True)
    return [
        Row(
            "tunnel.slow_readers_rss_mb",
            grown["ours"],
            "MB",
            PEER,
            grown["peer"],
            less_is_better=True,
            note=f"others lose {lost['ours']:.0f} %, the peer's {lost['peer']:.0f} %",
            load=load,
        )
    ]


def watch_rows(shared: Bench, ours: Tunnel, theirs: Tunnel) -> list[Row]:
    """1,000 watches with an event a second each: how late events are, memory for each watch."""
    load = load_average()
    late, kib = {}, {}
    for tunnel in (ours, theirs):
        before = resident_mb(tunnel.portal.pid)
        driver = shared.processes.start(
            *shared.command(tunnel, "watch", "watch?ms=1000", c=1000, seconds=10), read=True
        )
        assert first_line(driver) == "ready"
        kib[tunnel.name] = (resident_mb(tunnel.portal.pid) - before) * 1024 / 1000
        assert driver.stdout is not None
        found = json.loads(driver.stdout.read())
        late[tunnel.name] = found["p99_ms"]
        shared.processes.end(driver)
    return [
        Row("tunnel.watch_added_p99_ms", late["ours"], "ms", PEER, late["peer"], True, load=load),
        Row("tunnel.watch_kib", kib["ours"], "KiB", PEER, kib["peer"], True, load=load),
    ]


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    with bench() as (shared, ours, theirs):
        yield from request_rows(shared, ours, theirs)
        yield from bulk_rows(shared, ours, theirs)
    # Fresh processes: memory that a bulk transfer left behind would hide what these need.
    for measure in (slow_rows, watch_rows):
        with bench() as (shared, ours, theirs):
            yield from measure(shared, ours, theirs)
