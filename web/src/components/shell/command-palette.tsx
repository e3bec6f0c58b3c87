import { TextInput, useMantineColorScheme } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, type ReactNode, useMemo, useState } from "react";
import { useGet } from "../../api/use-get";
import { setPreferences, usePreferences } from "../../state/preferences";
import { useTimeRange } from "../../state/time-range";
import { RANGES } from "../time-range/ranges";
import { useScheme } from "../view/service-name";
import { NAVIGATION } from "./navigation";
import { openOverlay } from "./palette-state";
import classes from "./shell.module.css";

interface Command {
  id: string;
  label: string;
  hint: string;
  run: () => void;
}

const TRACE_ID = /^[0-9a-f-]{16,36}$/i;
const SHOWN = 12;

/** Everything that can be reached by typing: pages, services, a trace by its id, ranges, settings. */
export function CommandPalette(): ReactNode {
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const commands = useCommands(typed.trim());
  const shown = useMemo(() => matching(commands, typed).slice(0, SHOWN), [commands, typed]);

  const run = (command: Command | undefined): void => {
    if (command === undefined) return;
    openOverlay(null);
    command.run();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter") run(shown[chosen]);
    else if (event.key === "ArrowDown") setChosen((n) => Math.min(n + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setChosen((n) => Math.max(n - 1, 0));
    else return;
    event.preventDefault();
  };
  return (
    <>
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        px="md"
        placeholder="A page, a service, a trace id, a time range…"
        aria-label="What to go to"
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={shown[chosen] ? `palette-${shown[chosen].id}` : undefined}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKey}
      />
      <div id="palette-list" className={classes["paletteList"]} role="listbox" aria-label="Commands">
        {shown.map((command, index) => (
          <div
            key={command.id}
            id={`palette-${command.id}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            className={classes["paletteItem"]}
            onMouseMove={() => setChosen(index)}
            onClick={() => run(command)}
          >
            <span className="ellipsis">{command.label}</span>
            <small>{command.hint}</small>
          </div>
        ))}
        {shown.length === 0 && <div className={classes["paletteItem"]}>Nothing by that name.</div>}
      </div>
    </>
  );
}

function useCommands(typed: string): Command[] {
  const navigate = useNavigate();
  const range = useTimeRange();
  const services = useGet("/api/v1/services", { params: { query: range.query } });
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useScheme();
  const { zone } = usePreferences();
  return useMemo(() => {
    const commands: Command[] = [];
    if (TRACE_ID.test(typed)) {
      const traceId = typed.replaceAll("-", "").toLowerCase();
      commands.push({
        id: "trace",
        label: `Trace ${traceId}`,
        hint: "open",
        run: () => void navigate({ to: "/traces/$traceId", params: { traceId } }),
      });
    }
    for (const { to, label, key } of NAVIGATION) {
      commands.push({ id: `page-${to}`, label, hint: `g ${key}`, run: () => void navigate({ to }) });
    }
    for (const { service } of services.data?.services ?? []) {
      commands.push({
        id: `service-${service}`,
        label: service,
        hint: "service",
        run: () => void navigate({ to: "/services/$service", params: { service } }),
      });
    }
    for (const [from, label] of RANGES) {
      commands.push({ id: `range-${from}`, label, hint: "time range", run: () => range.set(from, "now") });
    }
    const other = scheme === "dark" ? "light" : "dark";
    commands.push(
      { id: "theme", label: `Use the ${other} theme`, hint: "setting", run: () => setColorScheme(other) },
      {
        id: "zone",
        label: zone === "utc" ? "Show local times" : "Show times in UTC",
        hint: "setting",
        run: () => setPreferences({ zone: zone === "utc" ? "local" : "utc" }),
      },
      { id: "refresh", label: "Refresh", hint: "r", run: range.refresh },
      { id: "keys", label: "Keyboard shortcuts", hint: "?", run: () => openOverlay("keys") },
    );
    if (typed !== "") {
      commands.push(
        {
          id: "find-logs",
          label: `Search logs for ${typed}`,
          hint: "logs",
          run: () => void navigate({ to: "/logs", search: (before) => ({ ...before, q: typed }) }),
        },
        {
          id: "find-traces",
          label: `Search traces for ${typed}`,
          hint: "traces",
          run: () => void navigate({ to: "/traces", search: (before) => ({ ...before, q: typed }) }),
        },
      );
    }
    return commands;
  }, [typed, navigate, services.data, range, scheme, setColorScheme, zone]);
}

/** Commands whose words begin with what was typed come first, then those that contain it. */
function matching(commands: Command[], typed: string): Command[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === "") return commands;
  const score = ({ id, label, hint }: Command): number => {
    if (id === "trace") return 0;
    const text = label.toLowerCase();
    if (text.startsWith(wanted)) return 1;
    if (text.split(/[^a-z0-9]+/).some((word) => word.startsWith(wanted))) return 2;
    if (id.startsWith("find-")) return 4;
    return text.includes(wanted) || hint.startsWith(wanted) ? 3 : 9;
  };
  return commands
    .map((command) => [score(command), command] as const)
    .filter(([rank]) => rank < 9)
    .toSorted((a, b) => a[0] - b[0])
    .map(([, command]) => command);
}
