/**
 * What runs first: it is small, and asks for the page's data while the rest of the script is on its way. Nothing of the
 * document is touched here.
 */
import { defaultParseSearch } from "@tanstack/react-router";
import { askAhead } from "./api/client";
import { firstAsks } from "./pages/asks";
import { validateGlobalSearch } from "./state/search";

const { pathname, search } = globalThis.location;
const raw = defaultParseSearch(search);
const { tenant } = validateGlobalSearch(raw);
for (const asked of firstAsks(pathname, raw)) askAhead(asked, tenant);
