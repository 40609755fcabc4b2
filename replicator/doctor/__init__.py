"""Says whether a deployment is sound, why not, and how it is mended.

Adapters find out facts (`adapters/inspection`), which are plain values (`facts`). The judgements here are pure
functions from those to findings. `docs/doctor.md` lists every check.
"""

from replicator.doctor.examination import Examination, examine
from replicator.doctor.finding import Area, Check, Finding, Status, worst

__all__ = ["Area", "Check", "Examination", "Finding", "Status", "examine", "worst"]
