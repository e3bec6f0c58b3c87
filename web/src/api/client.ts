import createClient, { type FetchResponse, type MaybeOptionalInit } from "openapi-fetch";
import type { PathsWithMethod } from "openapi-typescript-helpers";
import { apiKey } from "../state/key";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** An answer that is no success, as the server words it (RFC 9457). */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    /** Index of the character that a query fails at, if it fails at one. */
    readonly position: number | null,
  ) {
    super(detail);
    this.name = "ApiProblem";
  }
}

function headersFor(tenant: string | undefined): Record<string, string> {
  const key = apiKey();
  return {
    ...(tenant === undefined ? {} : { "X-Scope-OrgID": tenant }),
    ...(key === null ? {} : { Authorization: `Bearer ${key}` }),
  };
}

/** Any request to the server, with the caller's key and tenant. Rejects with `ApiProblem` unless it succeeds. */
export async function apiFetch(path: string, tenant: string | undefined, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...headersFor(tenant), ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "No answer", "The server does not answer. It may be restarting; this page asks again.", null);
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const body: unknown = await response.json().catch(() => null);
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  // Prometheus' API has a shape of its own: `error` is what went wrong.
  const detail = told["detail"] ?? told["error"];
  return new ApiProblem(
    response.status,
    typeof told["title"] === "string" ? told["title"] : `Status ${response.status}`,
    typeof detail === "string" ? detail : "The server did not say why.",
    typeof told["position"] === "number" ? told["position"] : null,
  );
}

// `fetch` is looked up per request, so that whoever replaces it for a while is respected.
const client = createClient<paths>({ baseUrl: "/", fetch: (request) => globalThis.fetch(request) });

export type GetPath = PathsWithMethod<paths, "get">;
export type GetInit<P extends GetPath> = MaybeOptionalInit<paths[P], "get">;
export type GetData<P extends GetPath> = NonNullable<
  FetchResponse<paths[P]["get"] & Record<string | number, unknown>, object, "application/json">["data"]
>;

/** A GET of the API: its path and parameters. */
export type Ask<P extends GetPath = GetPath> = [path: P, init: GetInit<P>];

/** Puts a GET down, so that whoever asks it and whoever asks it ahead say the same. */
export function ask<P extends GetPath>(path: P, init: GetInit<P>): Ask<P> {
  return [path, init];
}

/** How long an answer that was asked ahead is as good as a new one, in milliseconds. */
const AHEAD_MS = 10_000;
const ahead = new Map<string, Promise<unknown>>();

function aheadKey(path: string, init: object, tenant: string | undefined): string {
  return JSON.stringify([tenant ?? "", path, init]);
}

/** Ask now what the page is going to ask; the first `apiGet` of the same takes this answer. */
export function askAhead([path, init]: Ask, tenant: string | undefined): void {
  const key = aheadKey(path, init as object, tenant);
  const answer = apiGet(path, init, tenant);
  answer.catch(() => undefined); // it is told to whoever takes it
  ahead.set(key, answer);
  setTimeout(() => ahead.delete(key), AHEAD_MS);
}

/** One GET of the API as the OpenAPI document describes it. Rejects with `ApiProblem`. */
export async function apiGet<P extends GetPath>(
  path: P,
  init: GetInit<P>,
  tenant: string | undefined,
  signal?: AbortSignal,
): Promise<GetData<P>> {
  const key = aheadKey(path, init as object, tenant);
  const asked = ahead.get(key);
  if (asked !== undefined) {
    ahead.delete(key);
    return asked as Promise<GetData<P>>;
  }
  const ask = client.GET as unknown as (
    path: string,
    init: object,
  ) => Promise<{ data?: unknown; error?: unknown; response: Response }>;
  try {
    const { data, error, response } = await ask(path, {
      ...(init as object),
      headers: headersFor(tenant),
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw await problemOf(new Response(JSON.stringify(error ?? null), { status: response.status }));
    return data as GetData<P>;
  } catch (error) {
    if (error instanceof ApiProblem || (error instanceof DOMException && error.name === "AbortError")) throw error;
    throw new ApiProblem(0, "No answer", "The server does not answer. It may be restarting; this page asks again.", null);
  }
}
