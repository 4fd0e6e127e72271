"""Mistakes that people make at the command line, with what the answer has to say. `{place}` is the folder of the mistakes."""

from __future__ import annotations

from dataclasses import dataclass

FILES = {
    "rows.csv": "text,label\nyes,1\nno,0\n",
    "empty.csv": "",
    "header.csv": "text,label\n",
    "latin.csv": b"name\nJos\xe9\n",
    "binary.csv": b"\x00\x01\x02\xff\xfe\n\x00",
    "old.csv": "id,right,lang\n" + "".join(f"{k},{int(k % 3 > 0)},{'de' if k < 3 else 'en'}\n" for k in range(40)),
    "new.csv": "id,right,lang\n" + "".join(f"{k},{int(k % 5 > 0)},{'de' if k < 3 else 'en'}\n" for k in range(40)),
    "others.csv": "id,right\nx1,1\nx2,0\n",
    "broken.json": '[{"a": 1},\n {"b": ]',
    "number.json": "7",
    "object.json": '{"data": {"rows": [{"a": 1}]}}',
    "broken.yaml": "name: [unclosed",
    "list.yaml": "- one\n- two\n",
    "dataset_without_handler.yaml": "name: x\n",
    "pictures/readme.txt": "no picture",
    "good/evaluation.py": """
from starwhale import evaluation

@evaluation.predict(log_mode="plain")
def predict(row):
    return row["number"] * 2

@evaluation.evaluate(needs=[predict])
def score(results):
    evaluation.log_summary(count=len(list(results)))
""",
    "failing/evaluation.py": """
from starwhale import evaluation

@evaluation.predict
def predict(row):
    return row["numbr"] * 2
""",
    "failing_score/evaluation.py": """
from starwhale import evaluation

@evaluation.predict
def predict(row):
    return row["number"] * 2

@evaluation.evaluate(needs=[predict])
def score(results):
    return 1 / 0
""",
    "two_ends/evaluation.py": """
from starwhale import handler

@handler()
def left():
    pass

@handler()
def right():
    pass
""",
    "circle/evaluation.py": """
from starwhale import handler

@handler(needs=["evaluation:second"])
def first():
    pass

@handler(needs=["evaluation:first"])
def second():
    pass
""",
    "unknown_need/evaluation.py": """
from starwhale import handler

@handler(needs=["evaluation:nobody"])
def first():
    pass
""",
    "two_files/one.py": "from starwhale import evaluation\n\n@evaluation.predict\ndef a(row):\n    return 1\n",
    "two_files/two.py": "from starwhale import evaluation\n\n@evaluation.predict\ndef b(row):\n    return 1\n",
    "no_handlers/evaluation.py": "from starwhale import evaluation\n",
    "nothing/readme.txt": "no module",
    "syntax/evaluation.py": "from starwhale import evaluation\n\n@evaluation.predict\ndef a(row:\n    return 1\n",
    "imports/evaluation.py": "import nobody_has_this\nfrom starwhale import evaluation\n\n@evaluation.predict\ndef a(row):\n    return 1\n",
    "raises/evaluation.py": "from starwhale import evaluation\n\nopen('/does/not/exist')\n\n@evaluation.predict\ndef a(row):\n    return 1\n",
    "exits/evaluation.py": "import sys\nfrom starwhale import evaluation\n\nsys.exit('bye')\n\n@evaluation.predict\ndef a(row):\n    return 1\n",
    "no_parameters/evaluation.py": "from starwhale import evaluation\n\n@evaluation.predict\ndef a():\n    return 1\n",
    "wrong_keyword/evaluation.py": "from starwhale import evaluation\n\n@evaluation.predict(batch=8)\ndef a(row):\n    return 1\n",
    "options/evaluation.py": """
import dataclasses
from typing import Literal
from starwhale import argument, evaluation

@dataclasses.dataclass
class Options:
    factor: int
    mode: Literal["quiet", "plain"] = "plain"

@evaluation.predict(log_mode="plain")
@argument(Options)
def predict(row, argument):
    return row["number"] * argument.factor
""",
    "no_needs/evaluation.py": "from starwhale import evaluation\n\n@evaluation.evaluate\ndef a(rows):\n    return 1\n",
    "rows_fail.py": "def rows():\n    yield {'a': 1}\n    raise ValueError('the third sensor is off')\n\ndef no_rows():\n    return 7\n\nnumber = 3\n",
    "taken/evaluation.py": "# mine\n",
    "secret_command.yaml": "name: r\ndependencies:\n  - commands: [curl https://me:pw@host/x]\n",
}
"""The user's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One command that cannot work."""

    argv: str
    """What is typed after `swcli`, split at blanks; `_` stands for a blank inside a word."""
    says: tuple[str, ...]
    """What the answer has to name."""
    exit_code: int = 1
    """How it ends."""


def _wrong(argv: str, *says: str) -> Mistake:
    return Mistake(argv=argv, says=says, exit_code=2)


def _failed(argv: str, *says: str) -> Mistake:
    return Mistake(argv=argv, says=says)


MISTAKES = [
    # commands and options
    _wrong("datset list", "datset", "dataset"),
    _wrong("dataset lst", "lst", "list"),
    _wrong("model bild .", "bild", "build"),
    _wrong("job reslts latest", "reslts", "results"),
    _wrong("--ouput json job list", "--ouput", "--output"),
    _wrong("-o yaml job list", "yaml", "json"),
    _wrong("dataset info", "URI"),
    _wrong("dataset list --pag 1", "--pag", "--page"),
    _wrong("dataset list --page 0", "--page", "0"),
    _wrong("dataset list --size nothing", "--size", "nothing"),
    # servers
    _wrong("server strat", "strat", "start"),
    _wrong("server start --port nine", "--port", "nine"),
    _failed("server stop", "no server runs", "swcli server start"),
    _failed("instance login http://127.0.0.1:9 --token {place}", "127.0.0.1:9"),
    _failed("instance select nobody", "nobody"),
    _failed("dataset info cloud://nobody/project/self/dataset/numbers", "nobody"),
    # datasets
    _failed("dataset info numbres", "numbres", "numbers"),
    _failed("dataset info numbers/version/zzzzzz", "zzzzzz", "numbers"),
    _failed("dataset head nobody", "nobody"),
    _wrong("dataset head numbers --rows -1", "--rows", "-1"),
    _wrong("dataset head numbers --rows ten", "--rows", "ten"),
    _failed("dataset summary nobody", "nobody"),
    _failed("dataset history nobody", "nobody"),
    _failed("dataset tag nobody mine", "nobody"),
    _wrong("dataset tag numbers latest", "latest", "reserved"),
    _wrong("dataset tag numbers v7", "v7", "reserved"),
    _wrong("dataset tag numbers my_tag", "my tag"),
    _failed("dataset tag numbers --remove nobody", "nobody"),
    _failed("dataset remove nobody", "nobody"),
    _failed("dataset recover numbers", "numbers"),
    _failed("dataset recover nobody", "nobody"),
    _failed("dataset list --project nowhere", "nowhere"),
    _wrong("dataset info numbers//latest", "numbers//latest"),
    _failed("dataset copy numbrs other", "numbrs", "numbers"),
    # building datasets
    _wrong("dataset build", "dataset.yaml"),
    _failed("dataset build --csv {place}/nobody.csv --name x", "nobody.csv"),
    _wrong("dataset build --csv {place}/rows.csv --json {place}/object.json --name x", "csv", "json"),
    _failed("dataset build --csv {place}/empty.csv --name x", "empty.csv"),
    _failed("dataset build --csv {place}/header.csv --name x", "header.csv"),
    _failed("dataset build --csv {place}/latin.csv --name x", "latin.csv", "--encoding"),
    _failed("dataset build --csv {place}/binary.csv --name x", "binary.csv"),
    _failed("dataset build --json {place}/broken.json --name x", "broken.json", "line 2"),
    _failed("dataset build --json {place}/number.json --name x", "number.json"),
    _failed("dataset build --json {place}/object.json --field-selector data.lines --name x", "data.lines"),
    _wrong("dataset build --csv {place}/rows.csv --name two_words", "two words"),
    _wrong("dataset build --csv {place}/rows.csv --name 9lives", "9lives"),
    _wrong("dataset build --csv {place}/rows.csv --name x --tag latest", "latest", "reserved"),
    _wrong("dataset build --csv {place}/rows.csv --name x --dialect nobody", "nobody", "excel"),
    _failed("dataset build --csv {place}/rows.csv --name x --delimiter ;;", ";;"),
    _failed("dataset build --csv {place}/rows.csv --name x --encoding klingon", "klingon"),
    _failed("dataset build --csv {place}/rows.csv --name x --project nowhere", "nowhere"),
    _failed("dataset build --image {place}/nobody --name x", "nobody"),
    _failed("dataset build --image {place}/pictures --name x", "pictures"),
    _failed("dataset build --handler nobody:rows --workdir {place} --name x", "nobody"),
    _failed("dataset build --handler rows_fail:nobody --workdir {place} --name x", "nobody", "rows_fail"),
    _failed("dataset build --handler rows_fail:rows --workdir {place} --name x", "the third sensor is off"),
    _failed("dataset build --handler rows_fail:number --workdir {place} --name x", "rows_fail:number"),
    _failed("dataset build --handler rows_fail:no_rows --workdir {place} --name x", "rows_fail:no_rows"),
    _wrong("dataset build --handler rows_fail --workdir {place} --name x", "rows_fail", "module:"),
    _wrong("dataset build --yaml {place}/nobody.yaml", "nobody.yaml"),
    _wrong("dataset build --yaml {place}/broken.yaml", "broken.yaml"),
    _wrong("dataset build --yaml {place}/dataset_without_handler.yaml", "handler"),
    # models
    _failed("model info nobody", "nobody"),
    _failed("model info paritty", "paritty", "parity"),
    _wrong("model info parity --output-filter nobody", "nobody", "handlers"),
    _failed("model history nobody", "nobody"),
    _failed("model tag nobody mine", "nobody"),
    _wrong("model tag parity v1", "v1", "reserved"),
    _failed("model remove nobody", "nobody"),
    _failed("model recover parity", "parity"),
    _failed("model list --project nowhere", "nowhere"),
    _wrong("model build {place}/nobody", "nobody"),
    _wrong("model build {place}/rows.csv", "rows.csv"),
    _wrong("model build {place}/nothing", "nothing"),
    _wrong("model build {place}/good --name two_words", "two words"),
    _failed("model build {place}/good --module nobody", "nobody"),
    _failed("model build {place}/imports", "nobody_has_this"),
    _wrong("model build {place}/good --model-yaml {place}/nobody.yaml", "nobody.yaml"),
    _failed("model build {place}/good --exclude *", "all of it is left out", "--exclude"),
    _wrong("model build {place}/good --module :predict", "name of a module is empty"),
    _wrong("model export parity /dev/null --force", "/dev/null", "not replaced"),
    _wrong("model export parity {place}/nobody/x.swa", "there is no folder"),
    _wrong("model import {place}/nobody.swa", "nobody.swa"),
    _failed("model import {place}/rows.csv", "rows.csv", "archive"),
    _wrong("model extract parity {place}/rows.csv", "rows.csv"),
    # runtimes
    _wrong("runtime build --yaml {place}/nobody.yaml", "nobody.yaml"),
    _wrong("runtime build --yaml {place}/secret_command.yaml", "secret_command.yaml:3", "secret", "$NAME"),
    _failed("runtime run nobody -- true", "nobody"),
    # running a model
    _wrong("model run {place}/nobody -d numbers", "nobody"),
    _wrong("model run {place}/nobody.py -d numbers", "nobody.py"),
    _failed("model run paritty -d numbers", "paritty", "parity"),
    _failed("model run --uri paritty -d numbers", "paritty", "parity"),
    _wrong("model run {place}/nothing -d numbers", "nothing"),
    _wrong("model run {place}/no_handlers -d numbers", "no_handlers"),
    _wrong("model run {place}/two_files -d numbers", "one.py", "two.py"),
    _wrong("model run {place}/two_ends", "left", "right"),
    _wrong("model run {place}/good", "dataset"),
    _failed("model run {place}/good -d numbres", "numbres", "numbers"),
    _failed("model run {place}/good -d numbers/version/zzzzzz", "zzzzzz"),
    _wrong("model run {place}/good --dataest numbers", "--dataest", "--dataset"),
    _wrong("model run {place}/good -d numbers --limit -1", "--limit"),
    _wrong("model run {place}/good -d numbers --replicas 0", "--replicas"),
    _wrong("model run {place}/good -d numbers --executor proces", "proces", "process"),
    _wrong("model run {place}/good -d numbers --row 3", "--row", "--debug"),
    _wrong("model run {place}/good -d numbers --debug --executor process", "--debug", "process"),
    _failed("model run {place}/good -d numbers --debug --row 99", "99", "numbers"),
    _wrong("model run {place}/good --workdir {place}/good -d numbers", "--workdir"),
    _wrong("model run --workdir {place}/good --uri parity -d numbers", "--uri"),
    _wrong("model run --workdir {place}/nobody -d numbers", "nobody"),
    _failed("model run {place}/good -h nobody -d numbers", "nobody", "score"),
    _failed("model run {place}/good -h 9 -d numbers", "9", "score"),
    _failed("model run --workdir {place}/good -m nobody -d numbers", "nobody"),
    _wrong("model run {place}/good --model-yaml {place}/nobody.yaml -d numbers", "nobody.yaml"),
    _wrong("model run {place}/good --model-yaml {place}/broken.yaml -d numbers", "broken.yaml"),
    _wrong("model run {place}/good --model-yaml {place}/list.yaml -d numbers", "list.yaml"),
    _wrong("model run {place}/good -d numbers --name latest", "latest"),
    _wrong("model run {place}/good -d numbers --name two_words", "two words"),
    _failed("model run {place}/good -d numbers --project nowhere", "nowhere"),
    _failed("model run {place}/good -d numbers --runtime nobody", "nobody", "runtime build"),
    _failed("model run {place}/circle", "first", "second"),
    _failed("model run {place}/unknown_need", "nobody"),
    _failed("model run {place}/syntax -d numbers", "evaluation.py", "line 4"),
    _failed("model run {place}/imports -d numbers", "nobody_has_this", "evaluation.py"),
    _failed("model run {place}/raises -d numbers", "/does/not/exist", "evaluation.py"),
    _failed("model run {place}/exits -d numbers", "bye"),
    _failed("model run {place}/no_parameters -d numbers", "a", "parameter"),
    _failed("model run {place}/wrong_keyword -d numbers", "batch"),
    _failed("model run {place}/no_needs -d numbers", "needs"),
    _failed("model run {place}/failing -d numbers", "numbr", "evaluation.py", "--debug --row"),
    _failed("model run {place}/failing_score -d numbers", "ZeroDivisionError", "evaluation.py", "--debug"),
    _failed("model run {place}/good -m evaluation:nobody -d numbers", "evaluation", "nobody"),
    _failed("model build {place}/good -m evaluation:predct", "predct", "did you mean 'predict'"),
    _wrong("model run --workdir {place}/good -m ../evaluation -d numbers", "../evaluation", "package.module"),
    _wrong("model run {place}/options -d numbers --factor two", "--factor", "two", "INT"),
    _wrong("model run {place}/options -d numbers --factor 1 -- --factor", "--factor", "needs a value"),
    _wrong("model run {place}/options -d numbers --factor 1 --mode loud", "--mode", "loud", "quiet"),
    _wrong("model run {place}/options -d numbers", "--factor", "missing"),
    _wrong("model run {place}/good/evaluation.py:predict -d numbers", "evaluation.py:predict", "--handler predict"),
    # jobs
    _wrong("job info good --max-report-cols 0", "--max-report-cols"),
    _failed("job info nobody", "nobody"),
    _failed("job info goood", "goood", "good"),
    _failed("job info abc", "abc"),
    _failed("job info latest~99", "latest~99"),
    _failed("job results nobody", "nobody"),
    _failed("job results good --table reslts", "reslts", "results"),
    _wrong("job results good --where outptu==4", "outptu", "output"),
    _wrong("job results good --where output==", "output=="),
    _wrong("job results good -n -1", "-1"),
    _failed("job resume nobody", "nobody"),
    _failed("job recover bad", "resume"),
    _failed("job recover nobody", "nobody"),
    _failed("job remove nobody", "nobody"),
    _failed("job wait nobody", "nobody"),
    _wrong("job wait good --timeout soon", "soon"),
    _failed("job list --project nowhere", "nowhere"),
    _failed("job cancel good", "canceled", "ended", "success"),
    _failed("job cancel nobody", "nobody"),
    _failed("job logs nobody", "nobody"),
    _failed("job logs good --task 7", "task 7", "there are"),
    _failed("job logs good --attempt 3", "attempt 3", "attempt 1"),
    _failed("job logs good --step predcit", "predcit", "predict"),
    _wrong("job compare good", "one run only"),
    _failed("job compare good nobody", "nobody"),
    _wrong("job compare good good", "one run only"),
    _wrong("job compare good {place}/rows.csv", "a file", "a job"),
    _failed("job compare {place}/rows.csv {place}/nothing.csv", "no column 'id'", "--key"),
    _failed("job compare {place}/rows.csv {place}/header.csv --key text", "no column of numbers"),
    _failed("job compare {place}/nothing.csv {place}/rows.csv", "no file", "nothing.csv"),
    _wrong("job compare {place}/latin.csv {place}/rows.csv --key name", "latin.csv", "no text"),
    _wrong("job compare {place}/rows.csv {place}/empty.csv --key text", "empty.csv", "cannot be read"),
    _wrong("job compare good bad --margin -1", "margin"),
    _wrong("job compare good bad --margin much", "much"),
    _failed("job compare {place}/old.csv {place}/others.csv", "share no row", "old has 0", "others has 'x1'"),
    _failed("job gate {place}/new.csv --baseline {place}/others.csv --rule right>=baseline", "share no row"),
    _failed("job compare {place}/old.csv {place}/new.csv --metric rigth", "'rigth' of", "did you mean 'right'"),
    _failed("job compare {place}/old.csv {place}/new.csv --metric lang", "holds no numbers", "numbers there: right"),
    _failed("job compare {place}/old.csv {place}/new.csv --by lnag", "no run has a column 'lnag'", "'lang'"),
    _failed("job gate {place}/new.csv --rule right[lang=dee]>=0.5", "no row has lang=dee", "did you mean 'de'"),
    _wrong("job gate {place}/new.csv --rule right[lang=de>=0.5", "'[' is not closed", "^"),
    _wrong("job compare good bad --flips out.txt", "out.txt ends in none of .csv, .jsonl, .parquet"),
    _wrong("job compare good bad --flips no/out.csv", "no folder no"),
    _wrong("job gate good --rule output>=1 --flips out.csv", "no rule names the baseline"),
    _wrong("job gate good", "no rule", "--rules gate.yaml"),
    _wrong("job gate good --rule accuracy", "a comparison, and the rule ends"),
    _wrong("job gate good --rule accuracy>=basline", "not 'basline'", "did you mean 'baseline'"),
    _wrong("job gate good --rule accuracy>=baseline-1%", "a % of what", "1 points"),
    _wrong("job gate good --rule output>=baseline", "names the baseline", "--baseline"),
    _wrong("job gate good --baseline good --rule output>=baseline", "compared with itself"),
    _wrong("job gate good --baseline {place}/rows.csv --rule output>=baseline", "is a file"),
    _failed("job gate good --baseline nobody --rule output>=baseline", "nobody"),
    _failed("job gate bad --rule output>=1", "job bad is failed"),
    _failed("job gate good --rule outputs>=1", "gives no metric 'outputs'", "'output'"),
    _failed("job gate good --rule count>=1", "'count' of the summary", "results.output"),
    _failed("job gate good --rule output[nmber=1]>=1", "no column 'nmber'"),
    _failed("job gate good --rule output[number=7]>=1", "no row has number=7"),
    _failed("job gate good --rules {place}/nothing.yaml", "no file", "nothing.yaml"),
    _wrong("job gate good --rules {place}/broken.yaml", "broken.yaml, line 1"),
    _wrong("job gate good --rules {place}/list.yaml", "holds no rules"),
    _failed("job gate {place}/rows.csv --key text --rule labl>=1", "column 'labl'", "did you mean 'label'"),
    _wrong("job gate {place}/rows.csv --key text --rule label>=70", "between 0 and 1", "70%"),
    _wrong("job gate {place}/rows.csv --key text --rule label>=0.7 --lower-is-better loss", "no metric of a rule"),
    _failed("job pause bad", "paused", "ended", "failed"),
    _wrong("job pause good --timeout soon", "soon"),
    _wrong("model run --time-limit soon", "soon", "2h"),
    # projects and the rest
    _wrong("project create two_words", "two words"),
    _failed("project create self", "self"),
    _failed("project remove self", "self"),
    _failed("project remove nobody", "nobody"),
    _failed("project select slef", "slef", "self"),
    _failed("project info nobody", "nobody"),
    _failed("project recover nobody", "nobody"),
    _wrong("completion show tcsh", "tcsh", "bash"),
    _failed("instance select nobody", "nobody"),
    _failed("init {place}/taken", "evaluation.py"),
]
"""More than a hundred."""
