from mesh.domain import queries


def test_only_what_the_source_reports_about_stub_hosts_is_asked_for():
    for query in (queries.requests(5), queries.latency_buckets(5)):
        assert 'reporter="source"' in query
        assert 'destination_service=~".+[.]fleet[.]local"' in query
        assert "[5s]" in query


def test_a_tick_asks_freshness_first():
    assert queries.all_queries(60)[0] == queries.FRESHNESS
    assert len(queries.all_queries(60)) == 4
