"""What a XUNA agent is told before the conversation starts."""

from bridge.agents.xuna.opening import Configured, dynamic_variables, initiation, overrides
from bridge.call.ports import Brief

BRIEF = Brief("call_1", "CA1", "inbound", "+1", "+2")


def test_nothing_is_overridden_where_nothing_is_set() -> None:
    """An agent may refuse any override: an empty one is not sent."""
    assert overrides(Configured(), BRIEF) == {}
    assert "conversation_config_override" not in initiation(Configured(), BRIEF)


def test_each_override_has_its_place() -> None:
    """The voice is not among the agent's own."""
    configured = Configured(prompt="P", first_message="F", language="de", voice_id="V")
    assert overrides(configured, None) == {
        "agent": {"prompt": {"prompt": "P"}, "first_message": "F", "language": "de"},
        "tts": {"voice_id": "V"},
    }
    assert overrides(Configured(voice_id="V"), None) == {"tts": {"voice_id": "V"}}


def test_the_calls_own_wins_even_where_it_is_empty() -> None:
    """An empty first message means that the caller speaks first."""
    brief = Brief("call_1", "CA1", "outbound", "+1", "+2", first_message="", language="fr")
    configured = Configured(first_message="F", language="de", prompt="P")
    assert overrides(configured, brief)["agent"] == {
        "prompt": {"prompt": "P"},
        "first_message": "",
        "language": "fr",
    }


def test_later_variables_win_and_nobody_speaks_for_the_bridge() -> None:
    """Configured, then the call's, then what the bridge knows."""
    configured = Configured(dynamic_variables={"a": 1, "b": 1, "call_id": "c"})
    brief = Brief("call_1", "CA1", "inbound", "+1", "+2", {"b": 2, "phone_number": "+9"})
    found = dynamic_variables(configured, brief)
    assert (found["a"], found["b"], found["call_id"], found["phone_number"]) == (1, 2, "call_1", "+1")
    assert dynamic_variables(configured, None) == {"a": 1, "b": 1, "call_id": "c"}
    assert configured.dynamic_variables == {"a": 1, "b": 1, "call_id": "c"}


def test_the_first_message_of_a_socket_holds_all_of_it() -> None:
    """Under the names of the protocol."""
    message = initiation(Configured(language="de"), BRIEF)
    assert message["type"] == "conversation_initiation_client_data"
    assert message["conversation_config_override"] == {"agent": {"language": "de"}}
    assert message["dynamic_variables"]["call_id"] == "call_1"
