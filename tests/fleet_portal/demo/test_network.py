import ipaddress

import pytest

from fleet_portal.demo import network
from fleet_portal.demo.network import Claim, ClusterNetwork, NoNetworkLeft


def test_addresses_of_a_cluster_don_t_meet() -> None:
    mine = ClusterNetwork(120)
    known = [mine.node, mine.gateway, mine.proxy, mine.prometheus]
    pods = [mine.pod(number) for number in range(2000)]
    assert len({*known, *pods}) == len(known) + len(pods)
    assert all(ipaddress.ip_address(a) in ipaddress.ip_network("127.120.0.0/16") for a in pods)


def test_two_demos_get_networks_of_their_own() -> None:
    first, second = Claim(), Claim()
    try:
        assert first.network(0) != second.network(0)
    finally:
        first.close()
        second.close()


def test_a_closed_claim_is_free_again() -> None:
    first = Claim()
    first.close()
    again = Claim()
    again.close()
    assert again.first == first.first


def test_no_network_left_is_told(monkeypatch) -> None:
    monkeypatch.setattr(network, "_FIRST", network._LAST)
    with pytest.raises(NoNetworkLeft, match="stop another demo"):
        Claim()
