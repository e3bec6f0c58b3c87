import "@xyflow/react/dist/style.css";
import {
  Background,
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  Handle,
  MarkerType,
  MiniMap,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import { serviceColor } from "../../lib/color";
import { useScheme } from "../view/service-name";
import classes from "./graph.module.css";
import { exceeds, inGrid, type Layout, type LayoutInput, layOut, NODE_HEIGHT, NODE_WIDTH, type Route, type Size, viewIn } from "./layout";

export interface GraphNode {
  id: string;
  label: string;
  /** A line of figures under the name. */
  note: string;
  tone: "calm" | "warn" | "error";
  /** A database, a queue: something that is called and sends no spans. */
  passive?: boolean;
}

export interface GraphLink {
  from: string;
  to: string;
  /** Two lines at most. */
  note: string;
  tone: "calm" | "warn" | "error";
  /** Requests, which decide the line's strength. */
  weight: number;
}

export interface FlowGraphProps {
  nodes: GraphNode[];
  links: GraphLink[];
  label: string;
  /** Nodes whose name contains this stand out, with their neighbours. */
  highlight?: string;
  onNode?: (id: string) => void;
}

const NOTES_UP_TO = 60;
/** From so many lines a box, or so many boxes, on, a grid is easier to read than layers. */
const DENSE = 3;
const MANY = 60;
const nodeTypes = { service: ServiceNode };
const edgeTypes = { call: CallEdge };

/** Services as boxes in layers, callers left of whom they call or above them. */
export function FlowGraph({ nodes, links, label, highlight = "", onNode }: FlowGraphProps): ReactNode {
  const scheme = useScheme();
  const host = useRef<HTMLElement>(null);
  const [room, setRoom] = useState<Size | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const gridded = nodes.length > MANY || links.length > DENSE * nodes.length;
  const noted = !gridded && links.length <= NOTES_UP_TO;
  // Figures change with every refresh, the picture only when services or calls come or go.
  const shape = JSON.stringify({
    nodes: nodes.map(({ id }) => id),
    links: links.map((link) => ({ id: idOf(link), from: link.from, to: link.to, noted })),
  } satisfies LayoutInput);
  // Measured when the picture is made: whoever turns a phone over may press for all of it.
  useLayoutEffect(() => {
    const element = host.current;
    if (element) setRoom({ width: element.clientWidth, height: element.clientHeight });
  }, []);
  const layout = useMemo<Layout | null>(() => {
    if (room === null) return null;
    const input = JSON.parse(shape) as LayoutInput;
    return gridded ? inGrid(input, room) : layOut(input, room);
  }, [shape, gridded, room]);

  const near = useMemo(() => neighbourhood(nodes, links, highlight), [nodes, links, highlight]);
  const top = Math.max(1, ...links.map(({ weight }) => weight));
  const shownNodes: Node[] = nodes.map((node) => ({
    id: node.id,
    type: "service",
    position: layout?.nodes.get(node.id) ?? { x: 0, y: 0 },
    width: NODE_WIDTH,
    height: NODE_HEIGHT,
    data: { ...node, color: serviceColor(node.id, scheme), pale: near !== null && !near.has(node.id) },
    draggable: false,
    connectable: false,
    deletable: false,
    ariaLabel: `${node.label}: ${node.note}`,
  }));
  const shownLinks: Edge[] = links.map((link) => {
    const touched = over !== null && (link.from === over || link.to === over);
    const pale = over !== null && gridded ? !touched : near !== null && !(near.has(link.from) && near.has(link.to));
    const shown = noted || (gridded && touched) || (near !== null && !pale);
    return {
      id: idOf(link),
      source: link.from,
      target: link.to,
      type: "call",
      data: { note: shown ? link.note : "", tone: link.tone, route: layout?.routes.get(idOf(link)) },
      markerEnd: { type: MarkerType.ArrowClosed, width: 10, height: 10, markerUnits: "userSpaceOnUse", color: stroke(link.tone) },
      style: {
        stroke: stroke(link.tone),
        strokeWidth: 1 + 2.2 * Math.sqrt(link.weight / top),
        opacity: pale ? (gridded ? 0.05 : 0.12) : gridded && !touched && link.tone === "calm" ? 0.25 : 0.9,
      },
      focusable: false,
      ariaLabel: `${link.from} calls ${link.to}: ${link.note}`,
    };
  });
  return (
    <section ref={host} className={classes["graph"]} aria-label={label} data-ready={layout !== null}>
      {layout && room && (
        <ReactFlow
          key={shape}
          nodes={shownNodes}
          edges={shownLinks}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          colorMode={scheme}
          defaultViewport={viewIn(room, layout)}
          minZoom={0.05}
          maxZoom={2}
          nodesConnectable={false}
          onlyRenderVisibleElements={nodes.length > 80}
          onNodeMouseEnter={(_event, node) => setOver(node.id)}
          onNodeMouseLeave={() => setOver(null)}
          onNodeClick={(_event, node) => onNode?.(node.id)}
        >
          <Background gap={24} />
          <Controls showInteractive={false} />
          {exceeds(room, layout) && <MiniMap style={{ width: Math.min(180, room.width * 0.3), height: Math.min(120, room.height * 0.16) }} pannable zoomable nodeColor={(node) => String(node.data["color"])} ariaLabel="The whole map in small" />}
        </ReactFlow>
      )}
    </section>
  );
}

function idOf(link: GraphLink): string {
  return `${link.from}>${link.to}`;
}

function stroke(tone: GraphLink["tone"]): string {
  return { calm: "var(--v-edge)", warn: "var(--v-warn)", error: "var(--v-error)" }[tone];
}

function neighbourhood(nodes: GraphNode[], links: GraphLink[], text: string): Set<string> | null {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return null;
  const found = new Set(nodes.filter(({ label }) => label.toLowerCase().includes(wanted)).map(({ id }) => id));
  const near = new Set(found);
  for (const { from, to } of links) {
    if (found.has(from)) near.add(to);
    if (found.has(to)) near.add(from);
  }
  return near;
}

function ServiceNode({ data }: NodeProps): ReactNode {
  const node = data as unknown as GraphNode & { color: string; pale: boolean };
  return (
    <div className={classes["node"]} data-tone={node.tone} data-passive={node.passive || undefined} data-pale={node.pale || undefined}>
      <Handle type="target" position={Position.Left} className={classes["handle"]} />
      <span className={classes["stripe"]} style={{ background: node.color }} />
      <strong title={node.label}>{node.label}</strong>
      <small>{node.note}</small>
      <Handle type="source" position={Position.Right} className={classes["handle"]} />
    </div>
  );
}

function CallEdge(props: EdgeProps): ReactNode {
  const { note, tone, route } = props.data as { note: string; tone: GraphLink["tone"]; route: Route | undefined };
  const at = route?.note ?? { x: (props.sourceX + props.targetX) / 2, y: (props.sourceY + props.targetY) / 2 };
  return (
    <>
      <BaseEdge path={route?.path ?? ""} markerEnd={props.markerEnd} style={props.style} />
      {note !== "" && (
        <EdgeLabelRenderer>
          <div
            className={classes["note"]}
            data-tone={tone}
            style={{ transform: `translate(-50%, -50%) translate(${at.x}px, ${at.y}px)` }}
          >
            {note}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
}
