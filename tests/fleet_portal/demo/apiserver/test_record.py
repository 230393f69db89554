from typing import Any

from fleet_portal.demo.apiserver import record

REF = "#/components/schemas/"


def document(**schemas: Any) -> dict[str, Any]:
    return {"components": {"schemas": schemas}}


def test_what_a_wanted_kind_reaches_is_kept() -> None:
    wanted = {
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}],
        "properties": {"spec": {"allOf": [{"$ref": f"{REF}Spec"}]}},
    }
    kept = record.trim([document(Pod=wanted, Spec={"type": "object"}, Other={"type": "object"})])
    assert list(kept) == ["Pod", "Spec"]


def test_a_property_called_ref_is_no_reference() -> None:
    assert list(record.references({"properties": {"$ref": {"type": "string"}}})) == []


def test_descriptions_end_after_their_first_sentence() -> None:
    node = {"description": "One. Two.", "items": [{"description": "A e.g. b. C"}]}
    assert record.shortened(node)["description"] == "One."


def test_each_schema_is_written_on_a_line_of_its_own(tmp_path: Any) -> None:
    path = tmp_path / "schemas.json"
    record.write({"A": {"type": "object"}, "B": {"type": "string"}}, path)
    assert path.read_text().splitlines()[1:3] == ['"A":{"type":"object"},', '"B":{"type":"string"}']
