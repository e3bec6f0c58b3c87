import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { useGet } from "../../api/use-get";
import { Graph } from "../../components/graph/graph";
import { Empty, NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { QueryView } from "../../components/view/query-view";
import { plural } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import { mapAsks } from "./asks";
import classes from "./map.module.css";
import { around, grouped, groupOf, groupsOf, isService, type Picture, pictureOf } from "./picture";
import type { MapSearch } from "./search";

/** More nodes than this are shown in groups, and what is looked for alone. */
const MANY = 60;
const NO_NAMES: string[] = [];

export function MapPage(): ReactNode {
  const range = useTimeRange();
  const search = useSearch({ from: "/map" });
  const navigate = useNavigate({ from: "/map" });
  const asks = mapAsks(range.query);
  const edges = useGet(...asks.edges);
  const services = useGet(...asks.services);
  const figures = services.data?.services;
  const calls = edges.data?.edges;
  const whole = useMemo(() => pictureOf(figures ?? [], calls ?? []), [figures, calls]);
  const groups = useMemo(() => groupsOf(figures ?? [], calls ?? []), [figures, calls]);
  const many = whole.nodes.length > MANY;
  const inGroups = many && groups.size > 0 && search.whole !== true;
  const open = search.open ?? NO_NAMES;
  const [find] = useDebouncedValue(search.find ?? "", 150);
  const picture = useMemo<Picture>(() => {
    if (many && find.trim() !== "") return around(whole, find);
    if (!inGroups) return whole;
    return grouped(figures ?? [], calls ?? [], new Map([...groups].filter(([name]) => !open.includes(name))));
  }, [many, find, whole, inGroups, figures, calls, groups, open]);
  const change = (changed: Partial<MapSearch>): void => void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const press = (id: string): void => {
    const group = groupOf(id);
    if (group !== null) change({ open: [...open, group] });
    else if (many && isService(id) && find.trim() !== id) change({ find: id });
    else if (isService(id)) void navigate({ to: "/services/$service", params: { service: id } });
  };
  return (
    <Page
      title="Map"
      heading="Service map"
      note={calls && figures ? `${plural(whole.nodes.length, "node")}, ${plural(whole.links.length, "call")}` : undefined}
      actions={
        <>
          {inGroups && open.length > 0 && (
            <Button variant="default" onClick={() => change({ open: undefined })}>
              Close {plural(open.length, "group")}
            </Button>
          )}
          {many && groups.size > 0 && (
            <SegmentedControl
              aria-label="Show"
              value={inGroups ? "groups" : "services"}
              onChange={(value) => change({ whole: value === "services" ? true : undefined, find: undefined })}
              data={[
                { value: "groups", label: "Groups" },
                { value: "services", label: "Services" },
              ]}
            />
          )}
          <TextInput
            data-page-search
            aria-label="Find services"
            placeholder="Find a service"
            value={search.find ?? ""}
            onChange={(event) => change({ find: event.currentTarget.value === "" ? undefined : event.currentTarget.value })}
          />
        </>
      }
    >
      {many && (
        <p className={classes["note"]}>
          {find.trim() !== ""
            ? `${plural(picture.nodes.length, "node")} around “${find.trim()}”. Press a neighbour to walk on, the service itself to open it.`
            : inGroups
              ? "Services in groups by the first part of their names. Press a group to see its services, a service to see its neighbours."
              : "Press a service to see its neighbours alone."}
        </p>
      )}
      <div className={classes["canvas"]} data-many={many || undefined}>
        <QueryView query={edges}>
          {() =>
            whole.nodes.length === 0 && services.data !== undefined ? (
              <NothingSent title="No service has sent a span in this range" note="This sends some:" />
            ) : picture.nodes.length === 0 ? (
              <Empty title="No service by that name" />
            ) : (
              <Graph nodes={picture.nodes} links={picture.links} highlight={search.find ?? ""} label="Service map" onNode={press} />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}
