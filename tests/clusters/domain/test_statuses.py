from clusters.domain.statuses import LIVENESS, STEPS


def test_every_word_has_a_shape_of_its_own() -> None:
    for words in (LIVENESS, STEPS):
        shapes = [status.shape for status in words]
        assert len(set(shapes)) == len(shapes)
