import aiohttp
import pytest

from fleet_portal.demo.traffic.counters import Edge, Sample
from fleet_portal.demo.traffic.prometheus import Prometheus
from mesh.domain import queries

HOST = "orders.shop.fleet.local"
EDGE = Edge("eu-1", "us-1", HOST, "200", "-")
OTHER = Edge("eu-1", "eu-1", "frontend.shop.svc.cluster.local", "200", "-")
BUCKET = Edge("eu-1", "us-1", HOST, bound="5")


@pytest.fixture
def prometheus() -> Prometheus:
    """A stand-in that has scraped twice, a second apart."""
    made = Prometheus("eu-1", "http://127.0.0.1:9", {})
    made._history.add(Sample(100.0, {EDGE: 1.0, OTHER: 1.0}, {BUCKET: 1.0}))
    made._history.add(Sample(101.0, {EDGE: 6.0, OTHER: 9.0}, {BUCKET: 3.0}))
    made._up = 1.0
    return made


@pytest.mark.parametrize("query", queries.all_queries(10))
def test_every_query_of_the_portal_is_answered(prometheus: Prometheus, query: str) -> None:
    assert prometheus.answer(query, 101.5)


def test_rates_carry_the_labels_asked_for(prometheus: Prometheus) -> None:
    answer = prometheus.answer(queries.requests(10), 101.5)
    assert answer == [{"metric": EDGE.labels(), "value": [101.5, "5"]}]


def test_freshness_is_the_newest_scrape(prometheus: Prometheus) -> None:
    answer = prometheus.answer(queries.FRESHNESS, 105.0)
    assert answer is not None
    assert float(answer[0]["value"][1]) == 101.0


def test_other_queries_are_not_known(prometheus: Prometheus) -> None:
    assert prometheus.answer("up", 101.5) is None


async def test_it_answers_as_prometheus_does(prometheus: Prometheus) -> None:
    await prometheus.start("127.0.0.1", 0)
    assert prometheus._runner is not None
    url = f"http://127.0.0.1:{prometheus._runner.addresses[0][1]}/api/v1/query"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, params={"query": queries.SCRAPED_SHARE}) as answer:
            body = await answer.json()
        async with session.post(url, data={"query": "up"}) as refusal:
            assert refusal.status == 400
    await prometheus._runner.cleanup()
    assert (body["status"], body["data"]["resultType"]) == ("success", "vector")
    assert body["data"]["result"][0]["value"][1] == "1"


async def test_an_envoy_that_is_gone_is_told(prometheus: Prometheus) -> None:
    async with aiohttp.ClientSession() as session:
        await prometheus._scrape(session, {})
    answer = prometheus.answer(queries.SCRAPED_SHARE, 102.0)
    assert answer is not None
    assert answer[0]["value"][1] == "0"
