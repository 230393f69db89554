from fleet_portal.common.pagination import PagePagination


def test_a_client_cannot_ask_for_everything_at_once() -> None:
    assert PagePagination.max_page_size == 500
