"""Agents on all four signals, their budgets, and a real framework against a model server of our own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sdk_programs import Collector, attributes_of, value_of

import vedette
from vedette.errors import SettingsError

SETUP = """
    import asyncio, vedette
    vedette.configure("agents", audit_file="audit.jsonl", log_format="none", process_metrics=False)
    class Agent:
        agent_id = "planner"
    agent = Agent()
"""


def test_a_loop_with_tools_and_calls_is_seen_on_all_four_signals(programs, collector):
    result = programs.run(
        SETUP
        + """
    obs = vedette.observe(agent, metrics=True, tracing=True, logging=True, audit=True)
    with obs.loop("find the answer", session="s1", user="ann"):
        with obs.llm("openai", "gpt-4o", "what is it? password=hunter22") as call:
            call.usage(1000, 500); call.answer("42")
        with obs.tool("search", {"q": "x"}):
            pass
        obs.permission("delete", granted=False, by="ann")
    try:
        with obs.loop("again"):
            raise ValueError("lost")
    except ValueError:
        pass
    async def more():
        await obs.record_metric("satisfaction", 0.9, kind="user")
        assert "agent_satisfaction_count" in await obs.export_metrics()
        await obs.record_audit("agent.note", target="x")
        print(len(await obs.query_audit_by_agent()), len(await obs.query_audit_by_agent("other")))
    asyncio.run(more())
    """
    )
    assert result.stdout.split() == ["5", "0"]
    spans = {span.name: span for span in collector.spans if span.status.code != 2}
    loop, call, tool = spans["invoke_agent planner"], spans["chat gpt-4o"], spans["execute_tool search"]
    assert call.parent_span_id == tool.parent_span_id == loop.span_id
    said = attributes_of(call)
    assert said["gen_ai.usage.input_tokens"] == 1000
    assert said["gen_ai.usage.cost_usd"] == pytest.approx(0.0075)
    assert said["gen_ai.conversation.id"] == "s1"
    assert "gen_ai.input.messages" not in said  # content is recorded only where it is asked for
    found = {metric.name: metric for metric in collector.metrics}
    loops = {attributes_of(p)["outcome"]: p.as_int for p in found["agent_loops_total"].sum.data_points}
    assert loops == {"success": 1, "error": 1}
    cost = found["agent_cost_usd_total"].sum.data_points[0]
    assert (attributes_of(cost)["user"], attributes_of(cost)["session"]) == ("ann", "s1")
    assert cost.as_double == pytest.approx(0.0075)
    events = [json.loads(line) for line in (programs.directory / "audit.jsonl").read_text().splitlines()]
    assert [(e["action"], e["target"], e["result"]) for e in events] == [
        ("agent.tool", "search", "success"),
        ("agent.permission", "delete", "denied"),
        ("agent.loop", None, "success"),
        ("agent.loop", None, "failure"),
        ("agent.note", "x", "success"),
    ]
    bodies = [value_of(record.body) for record in collector.logs if not record.event_name]
    assert "tool used" in bodies


def test_all_that_a_loop_says_belongs_to_its_trace(programs, collector):
    """Its end and its tools as well, in lines and in the trail, also when it fails."""
    programs.run(
        SETUP
        + """
    obs = vedette.observe(agent)
    try:
        with obs.loop("find", session="s1", user="ann"), obs.tool("search"):
            raise ValueError("lost")
    except ValueError:
        pass
    """
    )
    spans = {span.name: span for span in collector.spans}
    loop, tool = spans["invoke_agent planner"], spans["execute_tool search"]
    said = {
        value_of(record.body): (record.trace_id, record.span_id, attributes_of(record))
        for record in collector.logs
        if not record.event_name
    }
    assert said.keys() == {"agent loop started", "tool used", "agent failed", "agent loop ended"}
    for body, (trace, span, fields) in said.items():
        assert (trace, span) == (loop.trace_id, (tool if body == "tool used" else loop).span_id), body
        assert (fields["agent_id"], fields["session"], fields["user"]) == ("planner", "s1", "ann"), body
        assert "agent.id" not in fields
    trail = [json.loads(line) for line in (programs.directory / "audit.jsonl").read_text().splitlines()]
    assert [(event["action"], event["trace_id"]) for event in trail] == [
        ("agent.tool", loop.trace_id.hex()),
        ("agent.loop", loop.trace_id.hex()),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "A budget limits usd, tokens or calls."),
        ({"usd": -1}, "A budget's usd is a number from 0 on; -1 is not."),
        ({"usd": float("nan")}, "A budget's usd is a number from 0 on; nan is not."),
        ({"tokens": "many"}, "A budget's tokens is a number from 0 on; 'many' is not."),
        ({"calls": 1, "per": "team"}, "A budget's per is agent, session or user; 'team' is not known."),
        ({"calls": 1, "action": "end"}, "A budget's action is warn or stop; 'end' is not known."),
    ],
)
def test_a_budget_that_would_never_do_anything_is_refused(given, said):
    with pytest.raises(SettingsError) as refused:
        vedette.Budget(**given)
    assert str(refused.value) == said


def test_content_is_recorded_on_request_and_redacted(programs, collector):
    programs.run(
        SETUP
        + """
    obs = vedette.observe(agent, record_content=True)
    with obs.llm("openai", "gpt-4o", "my password=hunter22 please") as call:
        call.answer("no secrets such as Bearer abcdefgh1234")
    """
    )
    said = attributes_of(collector.spans[0])
    assert said["gen_ai.input.messages"] == "my password=[redacted] please"
    assert said["gen_ai.output.messages"] == "no secrets such as Bearer [redacted]"


def test_what_is_not_enabled_leaves_nothing(programs, collector):
    result = programs.run(
        SETUP
        + """
    class Mine(vedette.ObservableAgent):
        name = "mine"
    mine = Mine()
    assert mine.observability is None
    assert not mine.is_component_enabled("tracing")
    obs = mine.enable_observability(service_name="svc", enable_metrics=False, enable_logging=False, enable_audit=False)
    print(obs.is_component_enabled("metrics"), mine.is_component_enabled("tracing"))
    with obs.loop(), obs.tool("t"):
        pass
    obs.shutdown()
    """
    )
    assert result.stdout.split() == ["False", "True"]
    assert collector.names() == ["execute_tool t", "invoke_agent svc"]
    assert not collector.logs
    assert not [metric for metric in collector.metrics if metric.name.startswith("agent_")]
    assert not (programs.directory / "audit.jsonl").exists()


@pytest.mark.parametrize(("action", "calls"), [("stop", 2), ("warn", 4)])
def test_budgets_warn_or_stop(programs, collector, action, calls):
    result = programs.run(
        SETUP
        + f"""
    obs = vedette.observe(agent, budget=vedette.Budget(tokens=150, per="session", action="{action}"))
    made = 0
    with obs.loop(session="s"):
        for _ in range(4):
            try:
                with obs.llm("openai", "gpt-4o") as call:
                    made += 1; call.usage(50, 50)
            except vedette.BudgetExceeded as error:
                print(error)
    with obs.loop(session="other"), obs.llm("openai", "gpt-4o") as call:
        print(made)
    """
    )
    assert result.stdout.splitlines()[-1] == str(calls)
    assert ("The model was not called" in result.stdout) is (action == "stop")
    warned = [value_of(record.body) for record in collector.logs if record.severity_text == "WARN"]
    assert warned == ["session s is over its budget: 200 of 150 tokens"]


def test_an_agent_that_takes_hooks_gets_them(programs, collector):
    programs.run(
        SETUP
        + """
    class Hooked:
        id = "hooked"
        def __init__(self): self.hooks = {}
        def register_hook(self, event, callback): self.hooks[event] = callback
    hooked = Hooked()
    vedette.observe(hooked)
    say = hooked.hooks
    say["loop_start"](task="x")
    say["pre_llm_call"](provider="openai", model="gpt-4o")
    say["post_llm_call"](input_tokens=10, output_tokens=5)
    say["pre_tool_use"](tool="rm", arguments={})
    say["post_tool_use"](success=False, error="not allowed")
    say["error"](error=ValueError("odd"))
    say["post_tool_use"]()
    say["loop_end"]()
    """
    )
    by_name = {span.name: span for span in collector.spans}
    loop = by_name["invoke_agent hooked"]
    assert by_name["chat gpt-4o"].parent_span_id == by_name["execute_tool rm"].parent_span_id == loop.span_id
    assert by_name["execute_tool rm"].status.code == 2
    assert attributes_of(by_name["chat gpt-4o"])["gen_ai.usage.output_tokens"] == 5


def test_evaluations_are_events_metrics_and_lines(programs, collector):
    programs.run(
        SETUP
        + """
    for content in (True, False):
        obs = vedette.observe(agent, audit=False, record_content=content)
        with obs.loop("work"):
            obs.evaluate("relevance", score=0.8, label="good", explanation="it says password=hunter22")
    """
    )
    with_content, without = [
        {pair.key: value_of(pair.value) for pair in span.events[0].attributes} for span in collector.spans
    ]
    assert with_content == {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.8,
        "gen_ai.evaluation.score.label": "good",
        "gen_ai.evaluation.explanation": "it says password=[redacted]",
    }
    assert with_content.keys() - without.keys() == {"gen_ai.evaluation.explanation"}
    found = {metric.name: metric for metric in collector.metrics}
    assert found["agent_evaluations_total"].sum.data_points[0].as_int == 2
    assert found["agent_evaluation_score"].histogram.data_points[0].sum == 1.6
    assert [value_of(record.body) for record in collector.logs].count("agent evaluated") == 2


def test_loops_of_one_agent_at_a_time_keep_their_sessions_and_budgets_apart(programs, collector):
    result = programs.run(
        SETUP
        + """
    obs = vedette.observe(agent, budget=vedette.Budget(tokens=100, per="session", action="stop"))
    other = vedette.observe(object(), service_name="helper", audit=False)
    async def run(session, user, tokens):
        with obs.loop("work", session=session, user=user):
            for _ in range(2):
                await asyncio.sleep(0)
                try:
                    with obs.llm("openai", "gpt-4o") as call: call.usage(tokens, None)
                except vedette.BudgetExceeded:
                    print(session, "stopped")
            with other.loop("help"): await asyncio.sleep(0)
        assert obs.session is None or obs.session != session
    async def main(): await asyncio.gather(run("s1", "ann", 100), run("s2", "bob", 10))
    asyncio.run(main())
    """
    )
    assert result.stdout.split("\n")[:-1] == ["s1 stopped"]
    loops = {span.span_id: attributes_of(span) for span in collector.spans if span.name == "invoke_agent planner"}
    assert {(found["gen_ai.conversation.id"], found["user.id"]) for found in loops.values()} == {
        ("s1", "ann"),
        ("s2", "bob"),
    }
    inside = [span for span in collector.spans if span.parent_span_id in loops]
    assert len(inside) == 5
    for span in inside:
        assert attributes_of(span)["gen_ai.conversation.id"] == loops[span.parent_span_id]["gen_ai.conversation.id"]


def test_what_an_agent_says_in_the_wrong_form_never_reaches_it_and_nothing_grows(programs):
    result = programs.run(
        SETUP
        + """
    obs = vedette.observe(agent, audit=False, budget=vedette.Budget(tokens=1, per="session"))
    async def say():
        await obs.record_metric("quality", 1, kind="a"); await obs.record_metric("quality", 2)
        await obs.record_metric("quality", 3, other="b"); await obs.record_metric("no name!", 1)
        await obs.record_metric("errors_total", 1)
    asyncio.run(say())
    for tokens in (None, "many", -5, float("inf")):
        with obs.llm("openai", "gpt-4o") as call: call.usage(tokens, tokens)
    fire = obs.hooks.fire
    for number in range(12_000):
        fire("pre_tool_use", key=number, tool="t"); fire("post_tool_use", key=number)
        obs._spending.add(f"session {number}", 0, 1)
    print(len(obs.hooks._open), len(obs._spending._spent), vedette.metrics_text())
    """
    )
    assert result.stdout.startswith("0 10000 ")
    assert 'agent_quality_count{agent_id="planner",kind="a"} 1' in result.stdout
    assert 'agent_quality_count{agent_id="planner",kind=""} 2' in result.stdout


class ModelServer(BaseHTTPRequestHandler):
    """Speaks just enough of a provider's chat completions."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        used_tool = any(message["role"] == "tool" for message in asked["messages"])
        call = {"id": "c1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
        message = {"role": "assistant", "content": "four" if used_tool else None}
        if not used_tool:
            message["tool_calls"] = [call]
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "stop" if used_tool else "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelServer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def test_pydantic_ai_runs_on_our_provider(programs, collector, model_server):
    pytest.importorskip("pydantic_ai")
    programs.run(
        """
        import sys, vedette
        vedette.configure("agents", log_format="none")
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        Agent.instrument_all()
        model = OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=sys.argv[1], api_key="sk-" + "x" * 30))
        agent = Agent(model, name="dicer")
        @agent.tool_plain
        def roll() -> int:
            return 4
        with vedette.span("outer"):
            assert agent.run_sync("roll").output == "four"
        """,
        model_server,
    )
    spans = collector.spans
    outer = next(span for span in spans if span.name == "outer")
    assert {span.trace_id for span in spans} == {outer.trace_id}
    chats = [attributes_of(span) for span in spans if span.name.startswith("chat")]
    assert [chat["gen_ai.usage.input_tokens"] for chat in chats] == [11, 11]
    assert any("roll" in str(attributes_of(span).get("gen_ai.tool.name")) for span in spans)


KEY = '"sk-" + "x" * 30'


def family_of(collector: Collector) -> dict[str, str]:
    """Each span's name and the name of its parent, all of one trace."""
    names = {span.span_id: span.name for span in collector.spans}
    assert len({span.trace_id for span in collector.spans}) == 1
    return {span.name: names.get(span.parent_span_id, "") for span in collector.spans}


def test_langchain_runs_on_our_provider(programs, collector, model_server):
    pytest.importorskip("langchain_openai")
    pytest.importorskip("opentelemetry.instrumentation.genai.langchain")
    programs.run(
        f"""
        import sys, vedette
        vedette.configure("agents", log_format="none", process_metrics=False)
        from langchain_core.messages import HumanMessage, ToolMessage
        from langchain_core.tools import tool
        from langchain_openai import ChatOpenAI
        from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
        LangChainInstrumentor().instrument(skip_dep_check=True)  # it asks for `langchain`, and watches langchain-core
        @tool
        def roll() -> int:
            "Roll a dice."
            return 4
        model = ChatOpenAI(model="gpt-4o", base_url=sys.argv[1], api_key={KEY}).bind_tools([roll])
        with vedette.span("outer"):
            messages = [HumanMessage("roll")]
            first = model.invoke(messages)
            messages += [first, ToolMessage(str(roll.invoke({{}})), tool_call_id=first.tool_calls[0]["id"])]
            assert model.invoke(messages).content == "four"
        """,
        model_server,
    )
    assert family_of(collector)["chat gpt-4o"] == "outer"
    chats = [attributes_of(span) for span in collector.spans if span.name == "chat gpt-4o"]
    assert [(chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) for chat in chats] == [(11, 7)] * 2


def test_openai_agents_are_instrumented_when_they_are_imported(programs, collector, model_server):
    pytest.importorskip("agents")
    pytest.importorskip("opentelemetry.instrumentation.genai.openai_agents")
    programs.run(
        f"""
        import sys, vedette
        vedette.configure("agents", log_format="none", process_metrics=False)
        vedette.instrument()
        from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
        from openai import AsyncOpenAI
        @function_tool
        def roll() -> int:
            "Roll a dice."
            return 4
        model = OpenAIChatCompletionsModel("gpt-4o", AsyncOpenAI(base_url=sys.argv[1], api_key={KEY}))
        with vedette.span("outer"):
            assert Runner.run_sync(Agent(name="dicer", model=model, tools=[roll]), "roll").final_output == "four"
        """,
        model_server,
    )
    family = family_of(collector)
    assert family["execute_tool roll"] == "invoke_agent dicer"
    assert family["POST"] == "invoke_agent dicer"  # the calls of the model, by our instrumentation of HTTPX
    assert family["invoke_workflow Agent workflow"] == "outer"


def test_mcp_clients_and_servers_are_one_trace(programs, collector):
    pytest.importorskip("mcp")
    programs.run(
        """
        import asyncio, vedette
        vedette.configure("agents", log_format="none", process_metrics=False)
        from mcp.client import Client
        from mcp.server.mcpserver import MCPServer
        server = MCPServer("dice")
        @server.tool()
        def roll() -> int:
            "Roll a dice."
            with vedette.span("inside the tool"):
                return 4
        async def main():
            async with Client(server) as client:
                with vedette.span("outer"):
                    answer = await client.call_tool("roll", {})
                    assert answer.content[0].text == "4"
        asyncio.run(main())
        """
    )
    spans = {span.name: span for span in collector.spans}
    inside, call, outer = (spans[name] for name in ("inside the tool", "tools/call roll", "outer"))
    assert (inside.parent_span_id, call.parent_span_id) == (call.span_id, outer.span_id)
    assert inside.trace_id == outer.trace_id
    assert attributes_of(call)["gen_ai.tool.name"] == "roll"
