"""What a plan does and costs, as tables."""

from __future__ import annotations

from cyconv.table import Table

STEP_COLUMNS = {
    "name": "step",
    "op": "op",
    "shape": "output",
    "layout": "layout",
    "algorithm": "algorithm",
    "out_bytes": "bytes",
    "macs": "multiply-adds",
}
PROFILE_COLUMNS = {
    "name": "step",
    "op": "op",
    "shape": "output",
    "algorithm": "algorithm",
    "ms": "ms",
    "percent": "% of time",
    "macs": "multiply-adds",
    "gflops": "GFLOP/s",
    "share_of_peak": "% of peak",
}


def plan_table(steps: list[dict]) -> str:
    """The steps of a plan as text."""
    return str(Table(steps, STEP_COLUMNS))


class Profile:
    """Time per step of a plan.

    Attributes
    ----------
    records : list of dict
        The plan's steps with ``ms`` (median), ``percent`` of the total, ``gflops`` and ``share_of_peak`` (between 0 and 1; None
        for steps without multiply-adds).
    total_ms : float
        Median of whole runs.
    peak_gflops : float
        Measured multiply-adds of this machine with as many threads, two operations each.
    """

    def __init__(self, steps: list[dict], ms: list[float], total_ms: float, peak_gflops: float, num_threads: int, isa: str):
        self.total_ms = total_ms
        self.peak_gflops = peak_gflops
        self.num_threads = num_threads
        self.isa = isa
        self.records = []
        for step, time in zip(steps, ms, strict=True):
            gflops = 2e-6 * step["macs"] / time if step["macs"] and time > 0 else None
            share = gflops / peak_gflops if gflops is not None and peak_gflops > 0 else None
            percent = 100 * time / total_ms if total_ms > 0 else 0.0
            self.records.append({**step, "ms": time, "percent": percent, "gflops": gflops, "share_of_peak": share})

    def table(self) -> Table:
        """The records for people: rounded, shares in percent."""
        rows = []
        for r in self.records:
            share = None if r["share_of_peak"] is None else round(100 * r["share_of_peak"])
            gflops = None if r["gflops"] is None else round(r["gflops"], 1)
            rows.append(
                {
                    **r,
                    "ms": f"{r['ms']:.3f}",
                    "percent": f"{r['percent']:.1f}",
                    "gflops": gflops,
                    "share_of_peak": share,
                    "macs": r["macs"] or None,
                }
            )
        macs = sum(r["macs"] for r in self.records)
        rate = 2e-6 * macs / self.total_ms if self.total_ms > 0 else 0.0
        share = 100 * rate / self.peak_gflops if self.peak_gflops > 0 else 0.0
        note = (
            f"total {self.total_ms:.3f} ms, {macs / 1e6:.0f} M multiply-adds, {rate:.0f} GFLOP/s = {share:.0f} % of the measured peak "
            f"({self.peak_gflops:.0f} GFLOP/s, {self.isa}, {self.num_threads} thread(s))"
        )
        return Table(rows, PROFILE_COLUMNS, [note])

    def to_markdown(self) -> str:
        """The table in Markdown."""
        return self.table().to_markdown()

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__
