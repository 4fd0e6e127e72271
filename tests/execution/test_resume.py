"""What a job is asked for when it goes on; pure. (That it does go on is tried where jobs are killed.)"""

from __future__ import annotations

import pytest

from starwhale.domain.job import OF_AN_IMAGE, PROCESS, ResumeChanges, RunRequest
from starwhale.execution.resume import changed_request


@pytest.mark.parametrize("executor", sorted(OF_AN_IMAGE))
def test_a_job_that_goes_on_keeps_its_image_while_it_runs_in_containers(executor: str) -> None:
    asked = RunRequest(workdir="/w", modules=("m",), executor=executor, image="mine:3")
    assert changed_request(asked, ResumeChanges()).image == "mine:3"
    assert changed_request(asked, ResumeChanges(image="mine:4")).image == "mine:4"
    assert changed_request(asked, ResumeChanges(executor=PROCESS)).image == "", "a process is made of none"


def test_a_number_of_tasks_takes_the_place_of_as_many_as_fit() -> None:
    asked = RunRequest(workdir="/w", modules=("m",), fits_replicas=True)
    assert changed_request(asked, ResumeChanges()).fits_replicas
    changed = changed_request(asked, ResumeChanges(replicas=3))
    assert (changed.replicas, changed.fits_replicas) == (3, False)
