"""The other side of ``RemoteProvider``: a service in memory, for the fault server.

>>> with FaultServer(Service()) as server:
...     provider = RemoteProvider("remote", endpoint=server.url, key="k")
"""

from __future__ import annotations

from collections.abc import Callable

from .fault_server import Reply, Request, answer
from .trainer import Trainer

#: From a text to a severity, 0 to 7, the same for every category.
Judge = Callable[[str], int]


class Service:
    """Plays the protocol as it should be, one instance a test.

    ``judge`` gives the severities; a build takes ``polls`` polls; ``builds`` lists the
    operations that were started, so that one started twice can be seen.
    """

    def __init__(self, judge: Judge = lambda text: 0, *, polls: int = 1) -> None:
        self.judge = judge
        self.trainer = Trainer(script=["running"] * (polls - 1) + ["succeeded"])
        #: The texts that were analyzed, in order.
        self.texts: list[str] = []

    @property
    def builds(self) -> list[str]:
        return self.trainer.operations

    def __call__(self, request: Request) -> Reply:
        """The reply to ``request``."""
        if request.path == "/analyze":
            return self._analyze(request)
        return self.trainer(request)

    def _analyze(self, request: Request) -> Reply:
        self.texts.append(request.data["text"])
        severity = self.judge(request.data["text"])
        return answer(
            {
                "scores": [
                    {
                        "category": one if isinstance(one, str) else one["name"],
                        "score": severity / 7,
                        "severity": severity,
                        "detected": severity > 0,
                    }
                    for one in request.data["categories"]
                ]
            }
        )
