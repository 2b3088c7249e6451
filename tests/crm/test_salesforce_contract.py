"""Our calls against Salesforce's published shapes, and another client against our server."""

import json
import re
from pathlib import Path

import pytest
from loopback import Request
from salesforce_kit import create_fields, night, populate, project_over
from test_salesforce_writing import DAY_1, DAY_2, EMIT, emit, scores_of

from scoring.ingest.run import ingest
from scoring.project import Project

SHAPES = Path(__file__).resolve().parents[3] / "shared" / "crm_contracts" / "salesforce"
# The vendor's own page names `contentType` and `lineEnding` for both kinds of jobs; the published
# example of an ingest job shows two of its keys.
ALSO = {"create_job": {"contentType", "lineEnding"}}


class Shapes:
    def __init__(self) -> None:
        if not SHAPES.is_dir():
            pytest.skip(f"the CRM contracts are not next to the checkout ({SHAPES})")
        self.known = []
        for path in sorted(SHAPES.glob("*.json")):
            shape = json.loads(path.read_text())
            url = shape["url"].partition("?")[0].replace("{{_endpoint}}", "")
            url = url.replace("{{url}}{{site}}", "").rstrip("/")
            # An update of collections names its object in the records (the published address is
            # that of an upsert).
            url = re.sub(r"(composite/sobjects)/<\w+>", r"\1(/<x>)?", url)
            pattern = re.sub(r"v\{\{version\}\}", r"v\\d\\d\\.0", url)
            pattern = re.sub(r"\{\{\w+\}\}|<\w+>", r"\\w+", pattern)
            name = path.stem.partition(".")[2]
            self.known.append((name, shape["method"], re.compile(pattern + "/?"), shape))

    def check(self, request: Request) -> None:
        path = re.sub(r"/query/\w+-\d+$", "/queryAll", request.path)
        fits = [s for s in self.known if s[1] == request.method and s[2].fullmatch(path)]
        assert fits, f"no shape has {request.method} {request.path}"
        name, _, _, shape = fits[0]
        raw = shape["rawModeData"]
        if raw and request.content:
            keys = set(re.findall(r'"(\w+)"\s*:', raw)) | ALSO.get(name, set())
            assert request.body.keys() <= keys, f"{name}: {request.body.keys() - keys}"
        kind = re.search(r"Content-Type: (\S+)", shape["headers"] or "")
        if request.content and kind:
            assert request.headers["content-type"].split(";")[0] == kind[1]


@pytest.mark.parametrize("bulk_from", [2_000, 20])
def test_every_call_has_a_published_shape(tmp_path, salesforce, monkeypatch, bulk_from):
    monkeypatch.setattr("scoring.crm.salesforce.sink.BULK_FROM", bulk_from)
    monkeypatch.delenv("SALESFORCE_TOKEN")
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", "client")
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "secret")
    shapes = Shapes()
    salesforce.page = 60
    ids = populate(salesforce, 100, 100)
    project = Project(project_over(tmp_path / "p", salesforce, emit=EMIT))
    create_fields(salesforce, project)
    ingest(project, night())
    ingest(project, night(1))
    emit(project, DAY_1, scores_of(ids))
    emit(project, DAY_2, scores_of(ids)[:50])
    methods = {request.method for request in salesforce.requests}
    assert methods == ({"GET", "POST", "PATCH", "PUT"} if bulk_from == 20 else
                       {"GET", "POST", "PATCH"})  # fmt: skip
    for request in salesforce.requests:
        shapes.check(request)


@pytest.fixture
def client(salesforce):
    """simple-salesforce, whose https calls go to the loopback server as they are."""
    simple = pytest.importorskip("simple_salesforce")
    from requests import Session
    from requests.adapters import HTTPAdapter

    class Plain(HTTPAdapter):
        def send(self, request, **how):
            request.url = request.url.replace("https://", "http://", 1)
            return super().send(request, **how)

    session = Session()
    session.mount("https://127.0.0.1", Plain())
    host = salesforce.address.removeprefix("http://")
    return simple.Salesforce(instance=host, session_id="token", version="62.0", session=session)


def test_another_client_reads_from_our_server(client, salesforce):
    ids = populate(salesforce, 90, 50)
    salesforce.state.delete("Lead", ids[3])
    salesforce.page = 20
    found = client.query_all("SELECT Id, Status FROM Lead ORDER BY Id")
    assert found["totalSize"] == 89
    assert [r["Id"] for r in found["records"]] == [i for i in ids if i != ids[3]]
    deleted = client.query_all("SELECT Id FROM Lead WHERE IsDeleted = true", include_deleted=True)
    assert [r["Id"] for r in deleted["records"]] == [ids[3]]
    names = {field["name"] for field in client.Lead.describe()["fields"]}
    assert {"Id", "Status", "IsConverted"} <= names
    assert client.limits()["DailyApiRequests"]["Max"] == salesforce.daily
    with pytest.raises(Exception, match="MALFORMED_QUERY"):
        client.query("SELECT FROM Lead")
    with pytest.raises(Exception, match="INVALID_FIELD"):
        client.query("SELECT Nothing FROM Lead")


def test_another_client_writes_to_our_server(client, salesforce):
    ids = populate(salesforce, 30, 0)
    salesforce.refuses = lambda each, _: "FIELD_CUSTOM_VALIDATION_EXCEPTION" * (each == ids[5])
    records = [{"attributes": {"type": "Lead"}, "id": each, "Rating": "Hot"} for each in ids[4:7]]
    body = json.dumps({"allOrNone": False, "records": records})
    told = client.restful("composite/sobjects", method="PATCH", data=body)
    assert [each["success"] for each in told] == [True, False, True]
    assert salesforce.state.stores["Lead"][ids[6]]["Rating"] == "Hot"
    salesforce.job_time = 0.0
    rows = [{"Id": each, "Rating": "#N/A", "Country": ""} for each in ids[4:7]]
    told = client.bulk2.Lead.update(records=rows, wait=0.01)
    assert told[0]["numberRecordsProcessed"] == 3
    assert told[0]["numberRecordsFailed"] == 1
    assert salesforce.state.stores["Lead"][ids[6]]["Rating"] is None
    failed = client.bulk2.Lead.get_failed_records(told[0]["job_id"])
    assert ids[5] in failed
