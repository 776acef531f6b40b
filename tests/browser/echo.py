"""A kernel of another language: it says back what it is told."""

from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class Echo(Kernel):
    """Answer every cell with its own text."""

    implementation = "echo"
    implementation_version = "1.0"
    language_info = {  # noqa: RUF012 - the form that ipykernel wants
        "name": "echo", "mimetype": "text/plain", "file_extension": ".txt",
    }  # fmt: skip
    banner = "Echo"

    def do_execute(self, code: str, silent: bool, *_: Any, **__: Any) -> dict[str, Any]:
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code})
        return {
            "status": "ok", "execution_count": self.execution_count, "payload": [],
            "user_expressions": {},
        }  # fmt: skip


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=Echo)
