"""A plain client of one real API server: requests, and waiting on what a watch delivers.

For what a test sets up and looks at. What the product does is tested through the product's own
clients, never through this one.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]
Condition = Callable[[list[Object]], bool]


class ApiError(Exception):
    """The API server refused; `status` is the HTTP status, `body` what it said."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status
        self.body = body


class NeverHappened(AssertionError):
    """What a test waited for did not come about before its deadline."""


class Api:
    """Speaks to one API server with one bearer token."""

    def __init__(self, port: int, ca: Path, token: str) -> None:
        self.port = port
        self.token = token
        self._watches: set[http.client.HTTPSConnection] = set()
        self._tls = ssl.create_default_context(cafile=str(ca))

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send one request; return the JSON answer, or the text as {"text": …}.

        Raises ApiError for every status from 400 on.
        """
        connection = self._connection(30)
        try:
            sent = self._headers(headers) | ({"Content-Type": content_type} if body else {})
            connection.request(method, path, json.dumps(body) if body else None, sent)
            answer = connection.getresponse()
            content = _decoded(answer.read())
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiError(answer.status, content)
        return content

    def get(self, path: str) -> Object:
        return self.request("GET", path)

    def items(self, path: str) -> list[Object]:
        """Return the objects of a collection."""
        items: list[Object] = self.get(path)["items"]
        return items

    def answers(self, path: str = "/readyz") -> bool:
        """Say whether a GET is answered well, whatever else goes wrong."""
        try:
            self.request("GET", path)
        except (ApiError, OSError, http.client.HTTPException):
            return False
        return True

    def wait_for(
        self, path: str, condition: Condition, *, deadline_seconds: float = 30, what: str = ""
    ) -> list[Object]:
        """Watch a collection until `condition(objects)`; return its objects then.

        Raises NeverHappened with the last objects seen.
        """
        ends = time.monotonic() + deadline_seconds
        objects: list[Object] = []
        for objects in self.snapshots(path, ends):
            if condition(objects):
                return objects
        seen = json.dumps([_summary(item) for item in objects], indent=1)
        raise NeverHappened(f"not in {deadline_seconds} s: {what or path}\nlast seen: {seen}")

    def snapshots(self, path: str, ends: float | None = None) -> Iterator[list[Object]]:
        """Yield a collection's objects now and after each change, until `ends` (monotonic)."""
        while ends is None or time.monotonic() < ends:
            listed = self.get(path)
            objects = {_key(item): item for item in listed["items"]}
            yield list(objects.values())
            for event in self._watch(path, listed["metadata"]["resourceVersion"], ends):
                if event["type"] == "ERROR":
                    break
                if event["type"] == "DELETED":
                    objects.pop(_key(event["object"]), None)
                else:
                    objects[_key(event["object"])] = event["object"]
                yield list(objects.values())

    def _watch(self, path: str, version: str, ends: float | None) -> Iterator[Object]:
        connection = self._connection(_remaining(ends))
        self._watches.add(connection)
        query = urllib.parse.urlencode({"watch": "true", "resourceVersion": version})
        try:
            joined = f"{path}{'&' if '?' in path else '?'}{query}"
            connection.request("GET", joined, headers=self._headers())
            answer = connection.getresponse()
            while line := answer.readline():
                yield json.loads(line)
                if connection.sock is not None:
                    connection.sock.settimeout(_remaining(ends))
        except (OSError, http.client.HTTPException):
            return
        finally:
            self._watches.discard(connection)
            connection.close()

    def stop_watching(self) -> None:
        """End the watches that other threads have open."""
        for connection in list(self._watches):
            if connection.sock is not None:
                # The other end may have closed it already.
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _connection(self, timeout_seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=timeout_seconds, context=self._tls
        )

    def _headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **(more or {})}


def _remaining(ends: float | None) -> float:
    return 3600.0 if ends is None else max(ends - time.monotonic(), 0.001)


def _decoded(content: bytes) -> Object:
    try:
        decoded = json.loads(content)
    except ValueError:
        return {"text": content.decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {"text": content.decode()}


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _summary(item: Object) -> Object:
    return {"name": item["metadata"]["name"], "status": item.get("status")}
