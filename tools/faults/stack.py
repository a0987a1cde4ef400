"""A local stack whose functions reach AWS through the fault proxy."""

from pathlib import Path

from tools.faults.proxy import FaultProxy
from tools.local.emulator import Emulator
from tools.local.processes import free_port
from tools.local.stack import Description, LocalStack, Options, Reporter


class FaultyEmulator(Emulator):
    """It hands functions the proxy's address. IAM is off: a signature is of the proxy's host."""

    def __init__(self, state: Path, port: int, proxy_url: str) -> None:
        super().__init__(state, port)
        self._proxy_url = proxy_url

    def _env(self) -> dict[str, str]:
        return super()._env() | {"AWS_ENDPOINT_URL": self._proxy_url, "AUTH": "false"}


class FaultyStack(LocalStack):
    """`proxy` has no rules at first: the stack comes up without faults."""

    def __init__(self, state: Path, reporter: Reporter, options: Options | None = None) -> None:
        super().__init__(state, reporter, options)
        port = (options or Options()).aws_port or free_port()
        self.proxy = FaultProxy(state, port)
        self.emulator = FaultyEmulator(state, port, self.proxy.url)

    def up(self) -> Description:
        self.proxy.start()
        try:
            return super().up()
        except BaseException:
            self.proxy.stop()
            raise

    def down(self) -> list[str]:
        stopped = super().down()
        self.proxy.stop()
        return stopped
