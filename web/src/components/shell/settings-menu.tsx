import { ActionIcon, Menu, useMantineColorScheme } from "@mantine/core";
import { IconDotsVertical } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useGet } from "../../api/use-get";
import { setApiKey } from "../../state/key";
import { useApiKey } from "../../state/use-key";
import { setPreferences, usePreferences } from "../../state/preferences";
import { openOverlay } from "./palette-state";

/** What a person sets for this browser, and the key of this tab. */
export function SettingsMenu(): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const { zone } = usePreferences();
  const key = useApiKey();
  const queries = useQueryClient();
  const session = useGet("/api/v1/session", {});
  return (
    <Menu position="bottom-end" width={210}>
      <Menu.Target>
        <ActionIcon aria-label="Settings">
          <IconDotsVertical size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Theme</Menu.Label>
        {(["light", "dark", "auto"] as const).map((scheme) => (
          <Menu.RadioItem key={scheme} checked={colorScheme === scheme} value={scheme} onClick={() => setColorScheme(scheme)}>
            {{ light: "Light", dark: "Dark", auto: "As the system" }[scheme]}
          </Menu.RadioItem>
        ))}
        <Menu.Label>Times</Menu.Label>
        <Menu.RadioItem checked={zone === "local"} value="local" onClick={() => setPreferences({ zone: "local" })}>
          Local
        </Menu.RadioItem>
        <Menu.RadioItem checked={zone === "utc"} value="utc" onClick={() => setPreferences({ zone: "utc" })}>
          UTC
        </Menu.RadioItem>
        <Menu.Divider />
        <Menu.Item onClick={() => openOverlay("keys")}>Keyboard shortcuts</Menu.Item>
        {key !== null && (
          <Menu.Item
            onClick={() => {
              setApiKey(null);
              void queries.resetQueries();
            }}
          >
            Forget the API key
          </Menu.Item>
        )}
        {session.data && <Menu.Label>Vedette {session.data.version}</Menu.Label>}
      </Menu.Dropdown>
    </Menu>
  );
}
