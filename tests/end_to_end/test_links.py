"""User code reads what links lead to, in a worker that has nothing but what its parent passed on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project
    from tests.s3_server import S3Server


@pytest.mark.needs_s3
def test_a_predict_reads_links_with_the_keys_of_the_configuration(project: Project, s3: S3Server) -> None:
    """The keys stand in the configuration file alone, which only the parent reads."""
    s3.replace("words.txt", b"one two three")
    Path(project.swcli.env["SW_CLI_CONFIG"]).write_text(
        f"link_auths: [{{type: s3, endpoint: '{s3.endpoint}', bucket: {s3.bucket}, "
        f"ak: {s3.access_key}, sk: {s3.secret}, region: us-east-1}}]\n"
    )
    project.python(f"""
        from starwhale import dataset, Link, Text
        with dataset("words") as ds:
            for offset, size in ((0, 3), (4, 3), (8, 5)):
                ds.append({{"text": Text(link=Link("s3://{s3.bucket}/words.txt", offset, size))}})
            ds.commit()
    """)
    project.write(
        "reading.py",
        """
        import sys
        sys.modules["yaml"] = None  # as in an environment that has none of our packages
        from starwhale import evaluation

        @evaluation.predict
        def predict(data):
            return data["text"].to_str()

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            evaluation.log_summary({"words": " ".join(row["output"] for row in results)})
        """,
    )
    done = project.run("--handler", "reading:evaluate", "--dataset", "words", module="reading")
    assert done.returncode == 0, done.stderr
    assert "one two three" in done.stdout
    s3.client().delete_object(Bucket=s3.bucket, Key="words.txt")
    failed = project.run("--handler", "reading:evaluate", "--dataset", "words", module="reading")
    assert failed.returncode == 1
    assert "no such object" in failed.stderr
    assert "words: 0" in failed.stderr
