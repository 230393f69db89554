from clusters.api.serializers import CapacitySerializer, ChangeSerializer, RegisterSerializer
from clusters.domain.capacity import Capacity


def test_free_amounts_are_spelled_out() -> None:
    data = CapacitySerializer(Capacity(cpu_milli=4000, used_cpu_milli=1500)).data
    assert data["free_cpu_milli"] == 2500


def test_a_name_alone_registers() -> None:
    serializer = RegisterSerializer(data={"name": "a"})
    assert serializer.is_valid()
    assert serializer.validated_data["mode"] == "manage"


def test_absent_members_stay_absent() -> None:
    serializer = ChangeSerializer(data={"region": "eu"})
    assert serializer.is_valid()
    assert serializer.validated_data == {"region": "eu"}
