"""Online evaluation: what a model offers online is declared here, recorded at build, and served by `swcli model serve`."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starwhale.errors import HandlerError, StarwhaleError
from starwhale.handlers.service import PORT, SERVICES, LLMChat, ServiceType, TextToImage
from starwhale.handlers.service import Service as _Service

if TYPE_CHECKING:
    from starwhale.instances.server_process import ServerProcess

api = SERVICES.api


class Service(_Service):
    """A set of online APIs of one's own, which a script can serve itself."""

    def serve(self, addr: str = "127.0.0.1", port: int = PORT, title: str | None = None) -> None:
        """Serve it until Ctrl-C: functions are called in this thread, and requests are answered by a process beside it.

        Args:
            addr: Address to listen on.
            port: The port.
            title: What its page is called.

        Raises:
            HandlerError: Nothing is offered.
            PortError: The port is taken, or the address is none of this machine's.
        """
        from starwhale.instances.online import OnlineOptions
        from starwhale.instances.server_process import ServerProcess
        from starwhale.serving.callables import callables_of
        from starwhale.serving.model_process import ModelProcess
        from starwhale.storage.carriers.frames import Channel

        if not self.apis():
            raise HandlerError("this service offers nothing", hint="decorate functions with its api()")
        callables = callables_of(self.apis())
        ours, theirs = socket.socketpair()
        options = OnlineOptions(host=addr, port=port, title=title or "service", socket=theirs.fileno())
        process = ServerProcess("starwhale.server.online", [options.to_json()], pass_fds=[theirs.fileno()])
        theirs.close()
        failed: list[StarwhaleError] = []
        telling = threading.Thread(target=_tell, args=(process, failed), name="service-start", daemon=True)
        with ours, contextlib.closing(callables), process.passing_on(), _leaving_interrupts_to_server():
            telling.start()
            ModelProcess(Channel(ours)).serve_here(callables)
            ours.close()  # which the server waits for
            telling.join()
            process.wait()
        if failed:
            raise failed[0]


def _tell(process: ServerProcess, failed: list[StarwhaleError]) -> None:
    try:
        said = process.started()
    except StarwhaleError as error:
        failed.append(error)
    else:
        sys.stderr.write(f"the page is at {said['address']} (Ctrl-C ends it)\n")


@contextmanager
def _leaving_interrupts_to_server() -> Generator[None]:
    """Let Ctrl-C end the server, which finishes what it has begun and then lets go of this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = ["LLMChat", "Service", "ServiceType", "TextToImage", "api"]
