"""What of a head is passed on, and whose request it is."""

from atoll.client_address import TrustedProxies
from atoll.gateway.rewriting import answer_fields, request_fields
from atoll.gateway.trace import Tracer, trace_id_of
from atoll.http1.request_head import RequestFields


def fields(**given: str) -> RequestFields:
    result = RequestFields()
    result.update({name.replace("__", "-").encode(): value.encode() for name, value in given.items()})
    return result


def test_fields_that_only_we_may_set_are_dropped_and_all_others_pass() -> None:
    passed = request_fields(
        fields(
            accept="a",
            authorization="Bearer x",
            cookie="c",
            x__forwarded__for="1",
            x__forwarded__host="2",
            x__real__ip="3",
            forwarded="4",
            x__user__id="5",
            x__request__id="6",
            atoll__remaining__ms="7",
            traceparent="8",
            x_underscore="9",
            x__original__url="10",
            x__authenticated__user="11",
            x__mine="y",
        )
    )

    assert passed == b"accept: a\r\nauthorization: Bearer x\r\ncookie: c\r\nx-mine: y\r\n"


def test_of_an_answer_goes_what_concerns_one_hop() -> None:
    lines, length, service = answer_fields(
        [
            (b"Content-Type", b"text/plain "),
            (b"Connection", b"keep-alive, X-Hop"),
            (b"X-Hop", b"1"),
            (b"Keep-Alive", b"5"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Set-Cookie", b"a"),
            (b"Set-Cookie", b"b"),
            (b"Content-Length", b"12"),
            (b"Atoll-Service", b"things "),
        ]
    )

    assert lines == b"content-type: text/plain\r\nset-cookie: a\r\nset-cookie: b\r\n"
    assert (length, service) == (12, b"things")


def test_an_answer_may_not_tell_its_length() -> None:
    assert answer_fields([(b"Connection", b"connection, close")]) == (b"", None, None)


def test_the_client_is_the_peer_unless_a_proxy_of_ours_vouches_for_another() -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "::1/128"])

    assert proxies.client("1.2.3.4", "9.9.9.9") == "1.2.3.4"
    assert proxies.client("10.0.0.1", "9.9.9.9") == "9.9.9.9"
    assert proxies.client("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2") == "9.9.9.9"
    assert proxies.client("::1", "2001:db8::1") == "2001:db8::1"
    assert proxies.client("::ffff:10.0.0.1", "9.9.9.9") == "9.9.9.9"
    assert proxies.client("10.0.0.1", "") == "10.0.0.1"
    assert proxies.client("10.0.0.1", "unknown") == "10.0.0.1"
    assert TrustedProxies().client("10.0.0.1", "9.9.9.9") == "10.0.0.1"


def test_the_clients_trace_goes_on_and_whether_it_is_recorded_is_ours_to_say() -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    given = f"00-{trace_id}-b7ad6b7169203331-01".encode()
    never, always = Tracer(0.0), Tracer(1.0)

    assert trace_id_of(never.next_hop(given)) == trace_id
    assert never.next_hop(given).endswith(b"-00")
    assert always.next_hop(given).endswith(b"-01")
    assert never.next_hop(given) != given
    assert len(trace_id_of(never.next_hop(None))) == 32
    assert trace_id_of(never.next_hop(b"nonsense")) != trace_id_of(never.next_hop(b"nonsense"))
