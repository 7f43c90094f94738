"""SIGTERM and SIGINT stop the operator, replacing any earlier handler."""

import asyncio
import signal
import threading


def end_on_signals(stop: asyncio.Event) -> None:
    """Let both signals set *stop*. Only the main thread can handle signals; in another one nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
