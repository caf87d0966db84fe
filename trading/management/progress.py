"""How long work shows itself: a bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

SECONDS_A_LINE = 5.0


class MinuteProgress:
    """Minutes done of a known total, bars stored, bars a second and the time left.

    With a terminal as standard output a bar is drawn there; otherwise a line goes to ``out`` at most
    every five seconds, and one at the end.
    """

    def __init__(self, out: OutputWrapper, title: str, *, minutes: int) -> None:
        self._out, self._title, self._total = out, title, minutes
        self.minutes = self.bars = 0
        self._began = self._told = time.monotonic()
        self._drawn = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[bars]:,} bars, {task.fields[rate]:,.0f} bars/s, left"),
            TimeRemainingColumn(),
            console=Console(file=sys.stdout),
            disable=not (out.isatty() and sys.stdout.isatty()),
        )
        self._task = self._drawn.add_task(title, total=max(minutes, 1), bars=0, rate=0.0)

    def __enter__(self) -> Self:
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawn.stop()
        if self._drawn.disable and kind is None:
            self._out.write(self.line())

    def advance(self, *, minutes: int, bars: int) -> None:
        """Note what one step did."""
        self.minutes += minutes
        self.bars += bars
        self._drawn.update(self._task, advance=minutes, bars=self.bars, rate=self.rate)
        if self._drawn.disable and time.monotonic() - self._told >= SECONDS_A_LINE:
            self._told = time.monotonic()
            self._out.write(self.line())

    @property
    def rate(self) -> float:
        """Bars a second since the beginning."""
        return self.bars / max(time.monotonic() - self._began, 1e-9)

    def line(self) -> str:
        """All of it in one line."""
        seconds = time.monotonic() - self._began
        share = self.minutes / max(self._total, 1)
        left = f", {seconds / share - seconds:,.0f} s left" if 0 < share < 1 else ""
        return (
            f"{self._title}: {share:.0%}, {self.minutes:,} of {self._total:,} minutes, {self.bars:,} bars,"
            f" {self.rate:,.0f} bars/s{left}"
        )
