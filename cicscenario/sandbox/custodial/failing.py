"""Failures of tasks that are a part of their work, such as an account without gas: nearly every person has one.

Celery looks at each frame and each instruction of such a failure three times, and formats it for a log that nobody keeps.
"""

import logging
import traceback
from typing import Any

from celery.app.trace import TraceInfo

_log = logging.getLogger("celery.app.trace")


class FailingInfo(TraceInfo):  # type: ignore[misc]
    """What Celery knows of a task that failed. A failure that the task declares in ``throws`` takes a short way.

    The result, the tasks that follow an error, and ``on_failure`` are the same. Source: ``TraceInfo.handle_failure``.
    """

    def handle_failure(self, task: Any, req: Any, store_errors: bool = True, call_errbacks: bool = True) -> Any:
        error = self.retval
        if not isinstance(error, task.throws or ()) or _log.isEnabledFor(logging.INFO):
            return super().handle_failure(task, req, store_errors=store_errors, call_errbacks=call_errbacks)
        text = "".join(traceback.format_exception(error))
        task.backend.mark_as_failure(
            req.id, error, text, request=req, store_result=store_errors, call_errbacks=call_errbacks
        )
        task.on_failure(error, req.id, req.args, req.kwargs, None)
        return None
