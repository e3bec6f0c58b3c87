import { Button, Menu, TextInput } from "@mantine/core";
import { IconUsers } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { useTenant } from "../../state/tenant";

/** Which tenant is looked at. Whoever may see one only is not asked. */
export function TenantSwitch(): ReactNode {
  const navigate = useNavigate();
  const chosen = useTenant();
  const session = useGet("/api/v1/session", {}, { freshSeconds: 30 });
  const [typed, setTyped] = useState("");
  const known = session.data?.tenants ?? [];
  const tenant = chosen ?? session.data?.tenant;
  if (session.data !== undefined && known.length < 2 && chosen === undefined) return null;
  if (tenant === undefined && session.error?.status !== 400) return null;
  const choose = (name: string): void =>
    void navigate({ to: ".", search: (before: object) => ({ ...before, tenant: name }) } as never);
  return (
    <Menu position="bottom-end" width={220} trapFocus>
      <Menu.Target>
        <Button variant="default" leftSection={<IconUsers size={14} />} aria-label={`Tenant ${tenant ?? "not chosen"}`}>
          {tenant ?? "Choose a tenant"}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah="60vh" style={{ overflow: "auto" }}>
        <Menu.Label>Tenant</Menu.Label>
        {known.map((name) => (
          <Menu.Item key={name} onClick={() => choose(name)} aria-current={name === tenant || undefined}>
            {name}
          </Menu.Item>
        ))}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim() !== "") choose(typed.trim());
          }}
        >
          <TextInput
            m={6}
            placeholder="Another one"
            aria-label="Name of another tenant"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        </form>
      </Menu.Dropdown>
    </Menu>
  );
}
