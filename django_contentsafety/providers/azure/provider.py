"""What Azure's providers have in common: a resource, and who asks it."""

from __future__ import annotations

from hashlib import blake2b

from django.core.checks import CheckMessage

from ..base import Provider
from .checks import check_connection
from .common import connect
from .questions import Interview


class AzureProvider(Provider):
    """Asks one resource, of a batch each text by itself: several go out at once."""

    batch_size = 1

    def open(
        self,
        *,
        credential: object,
        cloud: object,
        product: str = "contentsafety",
        **options: object,
    ) -> None:
        """Connect, as ``common.connect`` does: no connection is opened yet."""
        self.client = connect(
            self.alias,
            credential=credential,
            cloud=cloud,
            product=product,
            provider=type(self).__name__,
            **options,
        )
        self.interview = Interview(self.client)
        self._cloud = str(cloud)
        # Of one that is an object nothing can be checked.
        self._credential = credential if isinstance(credential, str) else ""

    @property
    def versions(self) -> tuple[str, ...]:
        """The API versions that are spoken."""
        return ()

    @property
    def credential(self) -> str:
        # Also the versions: where one of them is gone, another one may be called.
        whose = (self.client.fingerprint, self.client.endpoint, *self.versions)
        return blake2b("\n".join(whose).encode(), digest_size=8).hexdigest()

    def check(self) -> list[CheckMessage]:
        return list(
            check_connection(
                self.alias,
                endpoint=self.client.endpoint,
                cloud=self._cloud,
                credential=self._credential,
            )
        )
