"""Runs one job on an opened device: stores page after page in the spool and reports each once it is durable.
child.py calls it."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from scanner import pages
from scanner.driver import Device, Raster, Watcher
from scanner.errors import DeviceFault, Fault
from scanner.messages import DeviceMessage, Finished, Opened, PageDone, PageStarted, Progress, Scan
from scanner.profiles import PageMode, PageSource
from scanner.spool import Spool, SpoolJob, SpoolPage, digest_of

PROGRESS_SECONDS_MIN: Final = 0.25

SendMessage = Callable[[DeviceMessage], None]


class Acquisition:
    """One job. `is_cancelled` is called at every row; `now` gives the time stamps of pages."""

    def __init__(
        self,
        scan: Scan,
        spool: Spool,
        tell: SendMessage,
        *,
        is_cancelled: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._scan, self._spool, self._tell = scan, spool, tell
        self._is_cancelled, self._now = is_cancelled, now

    def run(self, device: Device) -> Finished:
        """Scan all pages of the job. Raises DeviceFault; pages reported before it stay in the spool. The caller
        cancels and closes the device."""
        scan = self._scan
        sources = tuple(device.sources())
        source = scan.source or sources[0]
        self._begin_job()
        dpi = device.prepare(scan.profile, source)
        self._tell(Opened(scan.device, sources))
        if source is PageSource.FLATBED:
            self._scan_page(device, scan.first_page, dpi)
            return Finished(1)
        return Finished(self._scan_batch(device, dpi))

    def _begin_job(self) -> None:
        scan = self._scan
        job = SpoolJob(id=scan.job, device=scan.device, source=scan.source, profile=scan.profile, begun_at=self._now())
        self._spool.begin_job(job)

    def _scan_batch(self, device: Device, dpi: int) -> int:
        """Scan until the feeder is empty. A feeder that is empty at the start is a fault."""
        first = self._scan.first_page
        number = first
        while True:
            try:
                self._scan_page(device, number, dpi)
            except DeviceFault as fault:
                if fault.fault is Fault.OUT_OF_PAPER and number > first:
                    return number - first
                raise
            number += 1

    def _scan_page(self, device: Device, number: int, dpi: int) -> None:
        if self._is_cancelled():
            raise DeviceFault(Fault.CANCELLED)
        sheet = device.start_page()
        if number > self._scan.pages_max:
            raise DeviceFault(Fault.TOO_MANY_PAGES, f"more than {self._scan.pages_max} pages")
        self._tell(PageStarted(number))
        raster = device.read_page(self._make_watcher(number, sheet.rows))
        self._store_page(number, raster, dpi)

    def _make_watcher(self, number: int, rows_total: int | None) -> Watcher:
        told_at = time.monotonic()

        def watch(rows: int) -> bool:
            nonlocal told_at
            now = time.monotonic()
            if now - told_at >= PROGRESS_SECONDS_MIN:
                told_at = now
                self._tell(Progress(number, rows, rows_total))
            return not self._is_cancelled()

        return watch

    def _store_page(self, number: int, raster: Raster, dpi: int) -> None:
        data = pages.encode_page(raster, dpi)
        page = SpoolPage(
            number=number,
            sha256=digest_of(data),
            size_bytes=len(data),
            width_px=raster.width,
            height_px=raster.rows,
            dpi=dpi,
            mode=PageMode.GRAY if raster.channels == 1 else PageMode.COLOUR,
            warnings=pages.warnings_of(raster),
            scanned_at=self._now(),
        )
        path = self._spool.store_page(self._scan.job, page, data)
        self._tell(PageDone(page, str(path.absolute())))
