import { ActionIcon, Button, Menu, NativeSelect, Popover, TextInput } from "@mantine/core";
import { IconArrowBackUp, IconClock, IconRefresh, IconZoomOut } from "@tabler/icons-react";
import { useIsFetching } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { dateTime, parseTime } from "../../lib/time";
import { usePreferences } from "../../state/preferences";
import type { GlobalSearch } from "../../state/search";
import { useFormerRange, useTimeRange } from "../../state/time-range";
import { COMPARISONS, RANGES, REFRESHES } from "./ranges";
import classes from "./time-range.module.css";

/** The time range of the page, how to leave a zoom, and refreshing. */
export function TimeControls(): ReactNode {
  const range = useTimeRange();
  const back = useFormerRange();
  return (
    <div className={classes["controls"]}>
      {back && (
        <ActionIcon title="Back to the range before (b)" onClick={back} aria-label="Back to the range before">
          <IconArrowBackUp size={16} />
        </ActionIcon>
      )}
      <RangeButton />
      <ActionIcon title="Zoom out (z)" onClick={range.zoomOut} aria-label="Zoom out">
        <IconZoomOut size={16} />
      </ActionIcon>
      <RefreshButton />
    </div>
  );
}

function RangeButton(): ReactNode {
  const range = useTimeRange();
  const { zone } = usePreferences();
  const [open, setOpen] = useState(false);
  const shown = RANGES.find(([from]) => from === range.from && range.to === "now")?.[1];
  const label =
    shown ??
    (range.live
      ? range.label
      : `${dateTime(range.fromMs, zone)} – ${sameDay(range.fromMs, range.toMs, zone) ? dateTime(range.toMs, zone).slice(11) : dateTime(range.toMs, zone)}`);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" transitionProps={{ duration: 0 }} trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconClock size={14} />}
          onClick={() => setOpen((now) => !now)}
          aria-label={`Time range: ${label}`}
          classNames={{ label: classes["rangeLabel"] }}
        >
          {label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={0}>{open && <RangeForm close={() => setOpen(false)} />}</Popover.Dropdown>
    </Popover>
  );
}

function RangeForm({ close }: { close: () => void }): ReactNode {
  const range = useTimeRange();
  const search = useSearch({ strict: false }) as GlobalSearch;
  const navigate = useNavigate();
  const [from, setFrom] = useState(range.from);
  const [to, setTo] = useState(range.to);
  const [now] = useState(() => Date.now());
  const fromMs = parseTime(from, now);
  const toMs = parseTime(to, now, "end");
  const wrongOrder = fromMs !== null && toMs !== null && fromMs >= toMs;
  const submit = (): void => {
    if (fromMs === null || toMs === null || wrongOrder) return;
    range.set(from.trim(), to.trim());
    close();
  };
  return (
    <div className={classes["form"]}>
      <ul className={classes["ranges"]} aria-label="Ranges">
        {RANGES.map(([start, label]) => (
          <li key={start}>
            <button
              type="button"
              aria-current={(start === range.from && range.to === "now") || undefined}
              onClick={() => {
                range.set(start, "now");
                close();
              }}
            >
              {label}
            </button>
          </li>
        ))}
      </ul>
      <form
        className={classes["absolute"]}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput
          label="From"
          data-autofocus
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
          error={fromMs === null ? "Write 2026-07-01 12:00 (UTC), now-15m or a Unix time." : undefined}
        />
        <TextInput
          label="To"
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
          error={toMs === null ? "Write a time, or now." : wrongOrder ? "This is not after the start." : undefined}
        />
        <Button type="submit">Apply</Button>
        <NativeSelect
          label="Compare charts with"
          data={COMPARISONS.map(([value, label]) => ({ value, label }))}
          value={search.compare ?? ""}
          onChange={(event) => {
            const compare = event.currentTarget.value || undefined;
            void navigate({ to: ".", search: (before: object) => ({ ...before, compare }) } as never);
          }}
        />
      </form>
    </div>
  );
}

function RefreshButton(): ReactNode {
  const range = useTimeRange();
  const asking = useIsFetching() > 0;
  const chosen = REFRESHES.find(([seconds]) => seconds === range.refreshSeconds)?.[1] ?? `${range.refreshSeconds} s`;
  return (
    <Button.Group>
      <Button title="Refresh (r)" variant="default" px={8} onClick={range.refresh} aria-label="Refresh" data-asking={asking || undefined}>
        <IconRefresh size={15} className={asking ? classes["asking"] : undefined} />
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px={8} aria-label={`Refresh by itself: ${chosen}`}>
            {range.refreshSeconds === 0 ? "Off" : chosen}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Refresh by itself</Menu.Label>
          {REFRESHES.map(([seconds, label]) => (
            <Menu.Item key={seconds} onClick={() => range.setRefresh(seconds)}>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Button.Group>
  );
}

function sameDay(a: number, b: number, zone: "local" | "utc"): boolean {
  return dateTime(a, zone).slice(0, 10) === dateTime(b, zone).slice(0, 10);
}
