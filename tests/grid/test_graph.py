"""What waits for what, over random graphs."""

from hypothesis import given
from hypothesis import strategies as st

from xfer.core.grid.graph import Waits, by_dependants, dependants, ready


@st.composite
def graphs(draw: st.DrawFn) -> Waits:
    size = draw(st.integers(1, 12))
    return {
        f"p{at}": tuple(draw(st.sets(st.sampled_from([f"p{before}" for before in range(at)])))) if at else ()
        for at in range(size)
    }


@given(graphs(), st.data())
def test_a_walk_over_what_is_ready_meets_every_phase_once_after_those_it_waits_for(
    graph: Waits, data: st.DataObject
) -> None:
    done: list[str] = []
    while len(done) < len(graph):
        taken = ready(graph, done, ())
        assert taken
        assert not set(taken) & set(done)
        done.append(data.draw(st.sampled_from(taken)))
    assert all(done.index(before) < done.index(id) for id in graph for before in graph[id])


@given(graphs(), st.data())
def test_without_a_phase_exactly_its_dependants_are_never_ready(graph: Waits, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(list(graph)))
    done: list[str] = []
    while left := ready(graph, done, [lost]):
        done += left
    assert set(graph) - set(done) - {lost} == set(dependants(graph, lost))


@given(graphs())
def test_what_most_waits_for_comes_first_and_the_order_can_still_run(graph: Waits) -> None:
    order = by_dependants(graph)
    assert order == graph
    counts = [len(dependants(graph, id)) for id in order]
    assert counts == sorted(counts, reverse=True)
    place = {id: at for at, id in enumerate(order)}
    assert all(place[before] < place[id] for id, waited in graph.items() for before in waited)
