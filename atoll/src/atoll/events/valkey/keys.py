"""The names of the keys of one system on a server."""


class Keys:
    """They share the hash tag of the namespace: in a cluster they are in one slot, as reading several at once needs."""

    def __init__(self, namespace: str) -> None:
        self.epoch = f"{{{namespace}}}:epoch".encode()
        self._events = f"{{{namespace}}}:events:".encode()

    def stream(self, topic: str) -> bytes:
        return self._events + topic.encode()

    def topic(self, stream: bytes) -> str:
        return stream.removeprefix(self._events).decode()
