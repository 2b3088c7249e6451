"""The vendor's own client works against our server: code from elsewhere checks its answers.

The client refuses answers that lack what the contract requires, so each call is a check.
"""

import pytest
from hubspot_server import HubSpotServer
from hubspot_world import END, account, record

hubspot_client = pytest.importorskip("hubspot", reason="hubspot-api-client is not installed")


@pytest.fixture
def client(hubspot: HubSpotServer) -> "hubspot_client.HubSpot":
    state = account(hubspot)
    state.stores["contacts"].load([record(n, END, END + n, country="FI") for n in range(1, 251)])
    return hubspot_client.HubSpot(access_token="token", host=hubspot.address)


def test_objects(client: "hubspot_client.HubSpot") -> None:
    from hubspot.crm import contacts as api

    made = client.crm.contacts.basic_api.create(
        api.SimplePublicObjectInputForCreate(properties={"country": "EE"}, associations=[])
    )
    assert made.properties["country"] == "EE"
    both = api.BatchReadInputSimplePublicObjectId(
        inputs=[api.SimplePublicObjectId(id=each) for each in (made.id, "1", "424242")],
        properties=["country"],
        properties_with_history=["country"],
    )
    read = client.crm.contacts.batch_api.read(both)
    assert {r.id: r.properties["country"] for r in read.results} == {made.id: "EE", "1": "FI"}
    assert read.results[0].properties_with_history["country"][0].value == "EE"
    assert read.errors[0].context["ids"] == ["424242"]
    changed = client.crm.contacts.batch_api.update(
        api.BatchInputSimplePublicObjectBatchInput(
            inputs=[api.SimplePublicObjectBatchInput(id="2", properties={"country": "SE"})]
        )
    )
    assert changed.status == "COMPLETE"
    assert changed.results[0].properties["country"] == "SE"
    merged = client.crm.contacts.basic_api.merge(
        api.PublicMergeInput(primary_object_id="3", object_id_to_merge="4")
    )
    assert merged.id not in ("3", "4")
    client.crm.contacts.basic_api.archive(contact_id="5")
    page = client.crm.contacts.basic_api.get_page(limit=100, archived=True)
    assert [r.id for r in page.results] == ["5"]
    assert page.results[0].archived_at is not None
    listed = client.crm.contacts.get_all()
    assert len(listed) == 250 + 1 - 1 - 2 + 1


def test_search_pages_end_at_ten_thousand(client: "hubspot_client.HubSpot") -> None:
    from hubspot.crm import contacts as api

    def search(after: str = "0", limit: int = 200) -> object:
        return client.crm.contacts.search_api.do_search(
            api.PublicObjectSearchRequest(
                filter_groups=[
                    api.FilterGroup(
                        filters=[
                            api.Filter(
                                property_name="lastmodifieddate", operator="GTE", value=str(END)
                            )
                        ]
                    )
                ],
                sorts=[{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
                properties=["country"],
                limit=limit,
                after=after,
            )
        )

    page = search()
    assert (page.total, len(page.results), page.paging.next.after) == (250, 200, "200")
    assert [r.id for r in search("200").results] == [str(n) for n in range(201, 251)]
    with pytest.raises(api.ApiException, match="400"):
        search("9900")
    with pytest.raises(api.ApiException, match="400"):
        search(limit=201)


def test_properties_pipelines_and_associations(
    client: "hubspot_client.HubSpot", hubspot: HubSpotServer
) -> None:
    from hubspot.crm import properties
    from hubspot.crm.associations import v4 as associations

    client.crm.properties.groups_api.create(
        "contacts", properties.PropertyGroupCreate(name="lead_scoring", label="Lead scoring")
    )
    client.crm.properties.core_api.create(
        "contacts",
        properties.PropertyCreate(
            name="ls_score",
            label="Score",
            type="number",
            field_type="number",
            group_name="lead_scoring",
            form_field=False,
        ),
    )
    named = {p.name for p in client.crm.properties.core_api.get_all("contacts").results}
    assert {"ls_score", "lifecyclestage"} <= named
    stages = client.crm.pipelines.pipelines_api.get_all("deals").results[0].stages
    assert {s.id: s.metadata["isClosed"] for s in stages}["closedwon"] == "true"
    hubspot.state.associate("calls", "contacts", [("900", "1"), ("900", "2")])
    asked = associations.BatchInputPublicFetchAssociationsBatchRequest(
        inputs=[associations.PublicFetchAssociationsBatchRequest(id="900")]
    )
    page = client.crm.associations.v4.batch_api.get_page("calls", "contacts", asked)
    assert [str(t.to_object_id) for t in page.results[0].to] == ["1", "2"]


def test_refusals(client: "hubspot_client.HubSpot", hubspot: HubSpotServer) -> None:
    from hubspot.crm import contacts as api

    hubspot.tokens["token"].discard("crm.objects.contacts.write")
    with pytest.raises(api.ApiException) as caught:
        client.crm.contacts.basic_api.archive(contact_id="1")
    assert caught.value.status == 403
    hubspot.burst.calls, hubspot.burst.seconds = 1, 600
    hubspot.burst.taken.clear()
    # The client waits as long as it is told to, unless it may not try again at all.
    impatient = hubspot_client.HubSpot(access_token="token", host=hubspot.address, retry=False)
    impatient.crm.contacts.basic_api.get_page(limit=1)
    with pytest.raises(api.ApiException) as caught:
        impatient.crm.contacts.basic_api.get_page(limit=1)
    assert caught.value.status == 429
    assert int(caught.value.headers["Retry-After"]) >= 1
