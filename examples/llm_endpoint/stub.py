"""A stand-in for a language model behind the OpenAI protocol, on loopback: adds two numbers, is wrong now and then, and refuses haste.

python stub.py COMMAND …    runs a command with OPENAI_BASE_URL set to the stub, and ends with it
python stub.py              serves until Ctrl-C, and says under which address

More than LIMIT requests at a time are refused with HTTP 429 and `Retry-After`, as a real service does. With STUB_LOG=FILE every answered
question, which a real service would have charged for, is written there.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LIMIT = int(os.environ.get("STUB_LIMIT", "24"))
DELAY_S = float(os.environ.get("STUB_DELAY_S", "0.05"))
LOG = os.environ.get("STUB_LOG", "")


class Stub(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    active = 0

    def do_POST(self) -> None:
        """Answer a chat completion, or refuse it."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Stub.lock:
            is_let_in = Stub.active < LIMIT
            Stub.active += is_let_in
        if not is_let_in:
            self.answer(429, {"error": {"message": "too many requests at a time"}}, {"Retry-After": "1"})
            return
        try:
            time.sleep(DELAY_S)
            question = request["messages"][-1]["content"]
            if LOG:
                with Stub.lock, Path(LOG).open("a", encoding="utf-8") as log:
                    log.write(question + "\n")
            self.answer(200, completion(question))
        finally:
            with Stub.lock:
                Stub.active -= 1

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Send a response."""
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the command."""


def completion(question: str) -> dict[str, Any]:
    """Return what the model says: the sum of the numbers, one too many where it is a multiple of ten."""
    total = sum(map(int, re.findall(r"\d+", question)))
    text = str(total + (total % 10 == 0))
    used = {"prompt_tokens": len(question.split()), "completion_tokens": len(text)}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {**used, "total_tokens": sum(used.values())}
    kind = {"id": "stub", "object": "chat.completion", "created": 0, "model": "stub-small"}
    return {**kind, "choices": [choice], "usage": usage}


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 1024


def main(command: list[str]) -> int:
    """Serve while a command runs, or until Ctrl-C."""
    server = Server(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    if command:
        environment = {**os.environ, "OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
        return subprocess.run(command, env=environment, check=False).returncode
    print(f"OPENAI_BASE_URL={address} OPENAI_API_KEY=none", flush=True)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
