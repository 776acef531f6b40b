"""A Python kernel as they were before subshells: what a page says waits for a running cell."""

from typing import Any

from ipykernel.kernelapp import IPKernelApp


class Old(IPKernelApp):
    """Read the shell's messages in the main thread."""

    def init_control(self, context: Any) -> None:
        super().init_control(context)
        self.shell_channel_thread = None


if __name__ == "__main__":
    Old.launch_instance()
