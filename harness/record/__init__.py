"""Records: one file a run, and the tables that they make. No statistic."""

from harness.record.schema import (
    CURVE_POINTS,
    ClassMetrics,
    CurvePoint,
    Metrics,
    PhaseEnd,
    Provenance,
    Pruned,
    Record,
)
from harness.record.store import (
    Agreement,
    Duplicate,
    Recorded,
    duplicate_path,
    duplicates,
    fingerprint,
    missing,
    publish,
    read_planned,
    read_present,
    read_record,
    read_records,
    record_path,
    recorded,
    set_aside,
    verdict,
)
from harness.record.table import for_spreadsheets, runs_table, write_table
