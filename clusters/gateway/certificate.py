"""The certificate of the public port; one that was renewed in its files is taken up by itself."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key, and the TLS settings they serve with."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._loaded = self._changed_at()
        self.context.load_cert_chain(certificate, key)

    def refresh(self) -> bool:
        """Load files that changed, for connections from now on; True when they were taken."""
        try:
            changed_at = self._changed_at()
            if changed_at == self._loaded:
                return False
            # First elsewhere: a pair that does not match would leave the old one half replaced.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*self._paths)
            self.context.load_cert_chain(*self._paths)
        except (OSError, ssl.SSLError) as error:
            # Perhaps one file is new and the other not yet: tried again at the next look.
            log.warning("the renewed certificate does not load: %s", error)
            return False
        self._loaded = changed_at
        log.info("the renewed certificate is in use")
        return True

    def _changed_at(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in self._paths)
