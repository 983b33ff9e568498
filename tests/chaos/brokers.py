"""A broker that may be killed: Redis itself, or the proxy before RabbitMQ."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import servers

from .processes import Process, free_port, listens, python, wait_until


class Brokers:
    """What stands between savers and workers, and where results are kept.

    Redis is a server of this run's own, without persistence: killed, it forgets all.
    RabbitMQ is the one that runs anyway, reached through a proxy that is killed. Both
    are recorded by that proxy.
    """

    def __init__(self, kind: str, folder: Path, queue: str) -> None:
        self.kind, self.folder, self.queue = kind, folder, queue
        self.redis_port, self.port = free_port(), free_port()
        address = urlsplit(servers.url("rabbitmq"))
        there = ["127.0.0.1", str(self.redis_port)]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        if kind == "rabbitmq":
            there = [address.hostname or "127.0.0.1", str(address.port or 5672)]
            user = address.netloc.rpartition("@")[0]
            self.url = f"amqp://{user}@127.0.0.1:{self.port}{address.path}"
        # Past the proxy, so that only the broker's traffic is in the recording.
        self.results_url = f"redis://127.0.0.1:{self.redis_port}/1"
        log = folder / "logs"
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1"]
        options += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        self.redis = Process(
            "redis", lambda starts: ["redis-server", *options], log / "redis.log"
        )
        self.proxy = Process(
            "proxy",
            python("tests.chaos.proxy", str(self.port), *there),
            log / "proxy.log",
        )
        self._dumps = (folder / "redis-dumps.bin").open("ab")

    @property
    def victim(self) -> Process:
        """Whose death is the broker's."""
        return self.redis if self.kind == "redis" else self.proxy

    def start(self) -> None:
        self.redis.start()
        self.proxy.start()
        for port in (self.redis_port, self.port):
            wait_until(lambda port=port: listens(port), 20, f"port {port}")

    def dump(self) -> int:
        """Write down every key and value Redis holds; return how many keys."""
        count = 0
        for database in (0, 1):
            client = redis.Redis(
                port=self.redis_port,
                db=database,
                socket_timeout=2,
                # Without this a dead server costs the killer eight seconds.
                retry=Retry(NoBackoff(), 0),
            )
            try:
                for key in client.scan_iter(count=1000):
                    count += 1
                    self._dumps.write(key + b"\0" + _value(client, key) + b"\n")
            except redis.RedisError:
                pass  # Killed just now.
            finally:
                client.close()
        self._dumps.flush()
        return count

    def version(self) -> str:
        if self.kind == "redis":
            with redis.Redis(port=self.redis_port, socket_timeout=2) as client:
                return f"Redis {client.info()['redis_version']} without persistence"
        import kombu

        with kombu.Connection(servers.url("rabbitmq")) as connection:
            connection.connect()
            properties = connection.connection.server_properties
            return f"RabbitMQ {properties['version']} behind a proxy"

    def end(self) -> None:
        self._dumps.close()
        if self.kind == "rabbitmq":
            import kombu

            with kombu.Connection(servers.url("rabbitmq")) as connection:
                connection.default_channel.queue_delete(self.queue)
        self.proxy.end()
        self.redis.end()


def _value(client: redis.Redis, key: bytes) -> bytes:
    kind = client.type(key)
    read = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
    }.get(kind, lambda: b"")
    value = read()
    if isinstance(value, bytes):
        return value
    parts = value.items() if isinstance(value, dict) else value or []
    return b"\n".join(
        b"\n".join(part) if isinstance(part, tuple) else part for part in parts
    )
