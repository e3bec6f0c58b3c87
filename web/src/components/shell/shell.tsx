import { ActionIcon, Burger, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconLayoutSidebarLeftCollapse, IconLayoutSidebarLeftExpand, IconSearch } from "@tabler/icons-react";
import { Link, Outlet } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { setPreferences, usePreferences } from "../../state/preferences";
import { TimeRangeProvider } from "../../state/time-range";
import { TimeControls } from "../time-range/time-controls";
import { later } from "../view/later";
import { AccessGate } from "./access";
import { NAVIGATION } from "./navigation";
import { openPalette, useOverlay } from "./palette-state";
import { SettingsMenu } from "./settings-menu";
import classes from "./shell.module.css";
import { useShortcuts } from "./shortcuts";
import { TenantSwitch } from "./tenant-switch";

const overlays = (): Promise<typeof import("./overlays")> => import("./overlays");
const Overlays = later(async () => (await overlays()).Overlays);

const SOON_MS = 2000;

/** Does something when the page has had time to show what was asked for. */
function useSoon(work: () => unknown): void {
  useEffect(() => {
    const timer = setTimeout(work, SOON_MS);
    return () => clearTimeout(timer);
  }, [work]);
}

/** What stands around every page. */
export function Shell(): ReactNode {
  const [open, { toggle, close }] = useDisclosure(false);
  const { navigationNarrow: narrow } = usePreferences();
  return (
    <TimeRangeProvider>
      <a className="skip-link" href="#content">
        Skip to the page
      </a>
      <header className={classes["header"]}>
        <div className={classes["brand"]}>
          <Burger opened={open} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
          <Link to="/" className={classes["logo"]} aria-label="Vedette: overview">
            <img src="/favicon.svg" alt="" width={22} height={22} />
            <span>Vedette</span>
          </Link>
        </div>
        <UnstyledButton className={classes["search"]} onClick={openPalette} onPointerEnter={() => void overlays()}>
          <IconSearch size={14} />
          <span>Go to…</span>
          <kbd>Ctrl K</kbd>
        </UnstyledButton>
        <div className={classes["controls"]}>
          <TenantSwitch />
          <TimeControls />
          <SettingsMenu />
        </div>
      </header>
      <div className={classes["navbar"]} data-narrow={narrow || undefined} data-open={open || undefined}>
        <nav aria-label="Pages" className={classes["nav"]}>
          {NAVIGATION.map(({ to, label, icon: Icon, key }) => (
            <Link
              key={to}
              to={to}
              className={classes["navLink"]}
              activeOptions={{ exact: to === "/", includeSearch: false }}
              onClick={close}
              aria-label={label}
              title={narrow ? `${label} (g ${key})` : undefined}
            >
              <Icon size={17} stroke={1.6} />
              <span>{label}</span>
            </Link>
          ))}
        </nav>
        <ActionIcon
          className={classes["narrow"]}
          visibleFrom="sm"
          onClick={() => setPreferences({ navigationNarrow: !narrow })}
          aria-label={narrow ? "Widen the navigation" : "Narrow the navigation"}
        >
          {narrow ? <IconLayoutSidebarLeftExpand size={16} /> : <IconLayoutSidebarLeftCollapse size={16} />}
        </ActionIcon>
      </div>
      <main id="content" tabIndex={-1} className={classes["main"]}>
        <AccessGate>
          <Outlet />
        </AccessGate>
      </main>
      <Extras />
    </TimeRangeProvider>
  );
}

/** The keys, and what they open, which stands there closed before it is wanted. */
function Extras(): ReactNode {
  const open = useOverlay();
  const [wanted, setWanted] = useState(false);
  const want = useCallback(() => setWanted(true), []);
  useShortcuts(want);
  useSoon(want);
  return (wanted || open !== null) && <Overlays open={open} />;
}
